"""From a signal to who is told of it: channels, the outbox, tries."""

import os
import signal as os_signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from smtplib import SMTPServerDisconnected
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from chatbot_service.dispatch import Request
from chatbot_service.models import Channel, Delivery, DeliveryState, Service, Signal
from chatbot_service.secrets import unseal
from chatbot_service.signals import channels, outbox, records, sending
from chatbot_service.signals.channels import Wanted
from deploy_records.audit_check import verify
from deploy_records.errors import Broken, Invalid, NotAllowed, Refused
from deploy_records.models import AuditEvent
from tests import factories
from tests.chatbot_service.signals.receiver import answers, receiving
from tests.factories import person

pytestmark = pytest.mark.django_db

SECRET = "0123456789abcdef-canary"


@pytest.fixture
def ada() -> User:
    return person("Administrator", name="ada")


@pytest.fixture
def bot() -> Service:
    return factories.service("bot", runs=factories.entry())


@pytest.fixture
def in_memory(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


def email(by: User, name: str = "on-call", **more: Any) -> Channel:
    return channels.add(name, "email", Wanted("ann@example.org, bob@example.org", **more), Request(by))


def webhook(by: User, url: str, **more: Any) -> Channel:
    return channels.add("pager", "webhook", Wanted(url, SECRET, **more), Request(by))


def drifts(of: Service, text: str = "runs aaaa…, the record says bbbb…: changed outside the portal") -> Signal:
    Service.objects.filter(pk=of.pk).update(drift=text, drift_since=timezone.now())
    records.look()
    return Signal.objects.get(kind="drift")


def later(**length: float) -> Any:
    return timezone.now() + timedelta(**length)


# Channels


def test_a_channel_is_kept_with_its_secrets_sealed_and_the_event_tells_of_presence_only(ada: User) -> None:
    made = webhook(ada, "https://hooks.example.org/canary-token")
    assert made.target == "https://hooks.example.org"
    assert (unseal(made.sealed_url), unseal(made.sealed_secret)) == ("https://hooks.example.org/canary-token", SECRET)
    assert "canary" not in f"{made.sealed_url}{made.sealed_secret}"
    text = AuditEvent.objects.get(action="channel.added").text
    assert "canary" not in text
    assert '"secret":[null,"there"]' in text


def test_what_is_left_empty_stays_and_what_is_given_replaces(ada: User) -> None:
    made = webhook(ada, "https://hooks.example.org/one")
    assert channels.change(made, Wanted(kinds=["oom"]), Request(ada))
    kept = Channel.objects.get()
    assert (unseal(kept.sealed_url), unseal(kept.sealed_secret), kept.kinds) == ("https://hooks.example.org/one", SECRET, ["oom"])
    assert channels.change(made, Wanted("https://other.example.org/two", "another-secret-0123", ["oom"]), Request(ada))
    assert unseal(Channel.objects.get().sealed_secret) == "another-secret-0123"
    assert not channels.change(made, Wanted(kinds=["oom"]), Request(ada))
    changes = AuditEvent.objects.filter(action="channel.changed").latest("sequence").changes
    assert changes["secret"] == ["there", "replaced"]


@pytest.mark.parametrize(
    ("kind", "wanted", "words"),
    [
        ("email", Wanted(""), "at least one"), ("email", Wanted("no address"), "is no e-mail address"),
        ("email", Wanted("a@example.org\r\nBcc: b@example.org"), "is no e-mail address"),
        ("email", Wanted(" ".join(f"a{number}@example.org" for number in range(21))), "at most 20"),
        ("webhook", Wanted("", SECRET), "where the webhook is"), ("webhook", Wanted("https://a.example/"), "needs a secret"),
        ("webhook", Wanted("https://a.example/", "short"), "from 16"), ("webhook", Wanted("http://a.example/", SECRET), "https"),
        ("webhook", Wanted("https://a.example/", "whsec_AAAAAAAAAAAA"), "at least 16 bytes"),
        ("webhook", Wanted("https://127.0.0.1/", SECRET), "inside this network"),
        ("pigeon", Wanted("x"), "neither email nor webhook"), ("email", Wanted("a@example.org", kinds=["x"]), "is no signal"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_refused_and_nothing_kept(ada: User, kind: str, wanted: Wanted, words: str) -> None:
    with pytest.raises(Refused, match=words):
        channels.add("x", kind, wanted, Request(ada))
    assert not Channel.objects.exists()


def test_names_are_checked_and_used_once(ada: User) -> None:
    email(ada)
    with pytest.raises(Invalid, match="There is a channel called on-call already"):
        email(ada)
    with pytest.raises(Invalid, match="lower-case"):
        email(ada, "On Call")


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Release manager", "Security reviewer", "Auditor"])
def test_only_administrators_change_channels(ada: User, role: str) -> None:
    made, other = email(ada), Request(person(role))
    for deed in (
        lambda: email(other.person, "x"), lambda: channels.change(made, Wanted("a@example.org"), other),
        lambda: channels.forget(made, other), lambda: channels.test(made, other),
    ):  # fmt: skip
        with pytest.raises(NotAllowed):
            deed()
    assert Channel.objects.count() == 1


# The outbox


def test_a_signal_writes_a_message_for_each_channel_that_wants_it(ada: User, bot: Service) -> None:
    wants = [email(ada, "all"), email(ada, "drift", kinds=["drift"]), email(ada, "urgent", urgent_only=True)]
    email(ada, "oom", kinds=["oom"])
    email(ada, "off", enabled=False)
    signal = drifts(bot)
    assert set(Delivery.objects.values_list("channel", "signal")) == {(one.pk, signal.pk) for one in wants}


def test_a_message_and_its_signal_are_written_together_or_not_at_all(
    ada: User, bot: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    email(ada)

    def fails(_signal: Signal) -> None:
        raise Broken("no")

    monkeypatch.setattr(outbox, "opened", fails)
    with pytest.raises(Broken), transaction.atomic():
        drifts(bot)
    assert not Signal.objects.exists()
    assert not AuditEvent.objects.filter(action="signal.opened").exists()


def test_its_end_is_told_to_those_who_were_told_of_its_beginning(ada: User, bot: Service) -> None:
    email(ada, "first")
    email(ada, "no-end", tells_end=False)
    drifts(bot)
    email(ada, "since")
    Service.objects.update(is_demo=True)
    records.look()
    records.look(later(minutes=3))
    assert list(Delivery.objects.filter(tells="signal.closed").values_list("channel__name", flat=True)) == ["first"]
    assert Delivery.objects.get(tells="signal.closed").body["signal"]["closed_at"]


def test_lines_of_a_log_do_not_leave_the_portal(ada: User, bot: Service) -> None:
    email(ada)
    signal = Signal.objects.create(
        kind="errors-in-logs",
        matter="x",
        about="bot",
        service=bot,
        evidence={"says": "5 lines", "facts": [], "lines": [["t", "canary"]]},
    )
    outbox.opened(signal)
    assert "canary" not in str(Delivery.objects.get().body)


def test_the_link_in_a_message_leads_to_the_signal(ada: User, bot: Service, settings: Any) -> None:
    settings.PUBLIC_URL = "https://portal.example.org"
    email(ada)
    signal = drifts(bot)
    assert Delivery.objects.get().body["url"] == f"https://portal.example.org{reverse('signal', args=[signal.pk])}"


# Sending


@pytest.mark.usefixtures("in_memory")
def test_a_mail_says_what_was_noticed_and_what_to_do(ada: User, bot: Service) -> None:
    email(ada)
    drifts(bot)
    assert sending.send_due() == 1
    assert sending.send_due() == 0
    (sent,) = mail.outbox
    assert sent.subject == "Drift: bot on prod-1"
    assert sent.to == ["ann@example.org", "bob@example.org"]
    assert "It runs aaaa…" in sent.body
    assert "Find out who changed it" in sent.body
    assert str(Delivery.objects.get().uid) in sent.extra_headers["Message-ID"]
    assert Delivery.objects.get().state == DeliveryState.SENT


def test_a_webhook_gets_the_signal_and_a_second_try_has_the_same_id_and_bytes(ada: User, bot: Service, settings: Any) -> None:
    tries: list[int] = []

    def behave(handler: Any) -> None:
        tries.append(1)
        answers(500 if len(tries) == 1 else 204)(handler)

    with receiving(behave) as receiver:
        settings.NOTIFY_PRIVATE = [receiver.host]
        webhook(ada, f"http://{receiver.host}/hook")
        drifts(bot)
        assert sending.send_due() == 0
        waiting = Delivery.objects.get()
        assert (waiting.state, waiting.tries, waiting.last_error) == ("waiting", 1, "It answered 500.")
        assert sending.send_due() == 0
        assert sending.send_due(later(seconds=31)) == 1
    (first, body), (second, same) = receiver.got
    assert first["webhook-id"] == second["webhook-id"] == str(waiting.uid)
    assert body == same
    assert b'"kind":"drift"' in body


def test_pauses_grow_and_after_the_last_try_it_is_given_up(ada: User, bot: Service, settings: Any) -> None:
    with receiving(answers(503)) as receiver:
        settings.NOTIFY_PRIVATE = [receiver.host]
        webhook(ada, f"http://{receiver.host}/")
        drifts(bot)
        now, pauses = timezone.now(), []
        for _ in range(sending.MOST_TRIES):
            sending.send_due(now)
            one = Delivery.objects.get()
            pauses.append(one.next_at - now)
            now = one.next_at
        assert sending.send_due(now + timedelta(days=1)) == 0
    assert pauses[:-1] == sorted(pauses[:-1])
    assert pauses[0] == timedelta(seconds=30)
    assert (one.state, one.tries, len(receiver.got)) == (DeliveryState.FAILED, sending.MOST_TRIES, sending.MOST_TRIES)


def test_a_target_inside_this_network_is_given_up_at_once(ada: User, bot: Service, settings: Any) -> None:
    settings.NOTIFY_PRIVATE = ["localhost:9"]
    webhook(ada, "http://localhost:9/")
    settings.NOTIFY_PRIVATE = []
    drifts(bot)
    sending.send_due()
    one = Delivery.objects.get()
    assert (one.state, one.tries) == (DeliveryState.FAILED, 1)
    assert "KG_NOTIFY_PRIVATE" in one.last_error


@pytest.mark.parametrize("error", [OSError("refused"), SMTPServerDisconnected("gone"), ValueError("bad header")])
def test_a_mail_server_that_is_away_is_tried_again(
    ada: User, bot: Service, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*_: Any, **__: Any) -> int:
        raise error

    monkeypatch.setattr("django.core.mail.EmailMessage.send", fails)
    email(ada)
    drifts(bot)
    sending.send_due()
    assert (Delivery.objects.get().state, Delivery.objects.get().tries) == ("waiting", 1)


@pytest.mark.usefixtures("in_memory")
def test_a_channel_that_fails_holds_the_others_up_by_one_try_only(ada: User, settings: Any) -> None:
    with receiving(answers(500)) as receiver:
        settings.NOTIFY_PRIVATE = [receiver.host]
        bad = webhook(ada, f"http://{receiver.host}/")
        good = email(ada)
        for _ in range(5):
            channels.test(bad, Request(ada))
        channels.test(good, Request(ada))
        assert sending.send_due() == 1
    assert len(receiver.got) == 1
    assert len(mail.outbox) == 1


@pytest.mark.usefixtures("in_memory")
def test_one_that_another_process_has_claimed_is_left_to_it(ada: User) -> None:
    channels.test(email(ada), Request(ada))
    one = Delivery.objects.select_related("channel").get()
    Delivery.objects.update(tries=1)
    assert not sending._claim(one, timezone.now())


@pytest.mark.usefixtures("in_memory")
def test_a_test_message_goes_out_also_when_the_channel_is_off_and_signals_do_not(ada: User, bot: Service) -> None:
    made = email(ada)
    drifts(bot)
    channels.change(made, Wanted(made.target, enabled=False), Request(ada))
    channels.test(made, Request(ada))
    assert sending.send_due() == 0
    assert Delivery.objects.get(tells="signal.opened").last_error == "The channel was switched off."
    assert sending.send_due() == 1
    assert mail.outbox[0].subject == "Known Good: a test message"
    assert "ada asked for it" in mail.outbox[0].body


def test_what_ended_long_ago_is_forgotten_and_what_waits_is_not(ada: User) -> None:
    made = email(ada)
    channels.test(made, Request(ada))
    channels.test(made, Request(ada))
    Delivery.objects.update(created_at=later(days=-31))
    Delivery.objects.filter(pk=Delivery.objects.latest("pk").pk).update(state="sent")
    sending.forget_old()
    assert Delivery.objects.get().state == "waiting"


def test_the_record_is_whole_after_all_of_this(ada: User, bot: Service) -> None:
    made = email(ada)
    drifts(bot)
    channels.forget(made, Request(ada))
    assert not Delivery.objects.exists()
    assert verify().intact


_KILLED = """
import os, sys, django
django.setup()
from chatbot_service.signals import sending, webhook
def die(*_):
    os.kill(os.getpid(), 9)
after = sys.argv[1] == "after"
real = webhook.post
def post(*args):
    if after:
        real(*args)
    die()
webhook.post = post
sending.send_due()
"""


@pytest.mark.postgres  # the test's SQLite lives in this process
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_sender_killed_in_the_middle_loses_nothing(ada: User, bot: Service, settings: Any, moment: str, tmp_path: Path) -> None:
    """The next process sends it again; the id tells the receiver that it is the same."""
    with receiving(answers(204)) as receiver:
        settings.NOTIFY_PRIVATE = [receiver.host]
        webhook(ada, f"http://{receiver.host}/")
        drifts(bot)
        url = connection.settings_dict
        address = f"postgres://{url['USER']}:{url['PASSWORD']}@{url['HOST']}:{url['PORT']}/{url['NAME']}"
        env = os.environ | {
            "DATABASE_URL": address, "KG_NOTIFY_PRIVATE": receiver.host, "DJANGO_SETTINGS_MODULE": "tests.settings",
            "PYTHONPATH": str(Path.cwd()),
        }  # fmt: skip
        script = tmp_path / "killed.py"
        script.write_text(_KILLED)
        done = subprocess.run([sys.executable, str(script), moment], env=env, cwd=Path.cwd(), timeout=60, check=False)
        assert done.returncode == -os_signal.SIGKILL
        assert Delivery.objects.get().state == "waiting"
        assert sending.send_due() == 0, "not before the first try has had its time"
        assert sending.send_due(later(seconds=121)) == 1
    assert len({headers["webhook-id"] for headers, _body in receiver.got}) == 1
    assert len(receiver.got) == (2 if moment == "after" else 1)
