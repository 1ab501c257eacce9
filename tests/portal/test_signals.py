from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chatbot_service.models import Channel, Delivery, Service, Signal
from chatbot_service.secrets import unseal
from chatbot_service.signals import outbox, records
from chatbot_service.signals.rules import RULES
from portal.pages.runbook import sections
from portal.pages.signals import runbook_of
from tests import factories
from tests.factories import person
from tests.portal.looking import last_refusal, queries, text_of, window

SAYS = {"says": "It became unhealthy 3 times within 30 min.", "facts": [["Unhealthy from", "10:00"]], "lines": []}


@pytest.fixture
def bot(db: None) -> Service:
    return factories.service("bot", runs=factories.entry())


def signal(of: Service, kind: str = "flapping", *, closed: bool = False, hours: float = 1, **more: object) -> Signal:
    opened = timezone.now() - timedelta(hours=hours)
    usual: dict[str, object] = {
        "matter": f"service {of.pk} {hours}", "service": of, "about": str(of),
        "urgent": RULES[kind].urgent, "opened_at": opened, "evidence": SAYS, "latest": SAYS,
        "closed_at": opened + timedelta(minutes=30) if closed else None,
    }  # fmt: skip
    return Signal.objects.create(kind=kind, **usual | more)


# The list


def test_without_signals_the_page_says_what_will_stand_there(viewer: User) -> None:
    said = text_of(window(viewer).get("/signals/"))
    assert "No signal is open." in said
    assert "Nothing has been noticed yet." in said


def test_open_ones_come_first_urgent_before_others_and_closed_below(viewer: User, bot: Service) -> None:
    signal(bot, "slow-start", hours=1)
    signal(bot, "oom", hours=5)
    signal(bot, "flapping", hours=3, closed=True)
    said = text_of(window(viewer).get("/signals/"))
    assert "2 signals are open, 1 of them urgent; 2 nobody has acknowledged." in said
    body = said[said.index("urgent ones first") :]
    assert body.index("Out of memory") < body.index("Slow start") < body.index("Flapping")


def test_filters_stand_in_the_address(viewer: User, bot: Service) -> None:
    other = factories.service("other", runs=factories.entry("other"))
    signal(bot, "oom")
    signal(other, "slow-start")
    signal(bot, "flapping", closed=True)
    client = window(viewer)

    def kinds(address: str) -> list[str]:
        found = client.get(f"/signals/?{address}").context["list"]
        return [row.signal.kind for row in [*found.open, *found.rows]]

    assert kinds("state=open") == ["slow-start", "oom"]
    assert kinds("state=closed") == ["flapping"]
    assert kinds(f"service={other.pk}") == ["slow-start"]
    assert kinds("kind=oom") == ["oom"]
    assert kinds("kind=nonsense&state=x&service=x") == ["oom", "slow-start", "flapping"]


def test_closed_ones_are_paged_by_keyset(viewer: User, bot: Service) -> None:
    for number in range(60):
        signal(bot, closed=True, hours=number + 1)
    signal(bot)
    client = window(viewer)
    first = client.get("/signals/").context["list"]
    second = client.get(f"/signals/?at={first.page.next}").context["list"]
    assert (len(first.open), len(first.rows), len(second.open), len(second.rows)) == (1, 50, 0, 10)


def test_a_place_in_the_list_that_is_none_is_refused(viewer: User) -> None:
    assert window(viewer).get("/signals/?at=older-x").status_code == 400


def test_the_list_takes_the_same_queries_however_long(viewer: User, bot: Service) -> None:
    signal(bot)
    few = queries(window(viewer), "/signals/")
    for number in range(30):
        signal(factories.service(f"s{number}", runs=factories.entry(number)), "slow-start")
    assert queries(window(viewer), "/signals/") == few


def test_htmx_gets_the_list_alone(viewer: User, bot: Service) -> None:
    signal(bot)
    answer = window(viewer).get("/signals/?kind=flapping", headers={"hx-request": "true"})
    assert answer.content.decode().lstrip().startswith('<div class="kg-stack" id="signals">')


# One signal


def test_a_signal_shows_its_rule_its_evidence_and_what_to_do(viewer: User, bot: Service) -> None:
    answer = window(viewer).get(f"/signals/{signal(bot).pk}/")
    said = text_of(answer)
    assert "Its healthcheck fails and passes by turns." in said
    assert "It became unhealthy 3 times within 30 min." in said
    assert "run the healthcheck by hand" in said
    assert f'href="/services/{bot.pk}/"' in answer.content.decode()
    assert "once its rule has not held for" in said


@pytest.mark.parametrize("kind", RULES)
def test_each_links_to_its_section_of_the_runbook(kind: str) -> None:
    assert runbook_of(RULES[kind]) == f"/runbook/#{kind}"
    assert kind in {section.id for section in sections()}


def test_lines_of_a_log_are_text_and_nothing_else(viewer: User, bot: Service) -> None:
    evil = {
        "says": "<b>x</b>",
        "facts": [["<i>", "<script>alert(1)</script>"]],
        "lines": [["10:00", "<img src=x onerror=alert(1)>"]],
    }
    body = window(viewer).get(f"/signals/{signal(bot, evidence=evil, latest=evil).pk}/").content.decode()
    for raw in ("<b>x</b>", "<script>alert", "<img src=x"):
        assert raw not in body
    assert "&lt;img src=x onerror=alert(1)&gt;" in body


def test_acknowledging_keeps_the_note_and_takes_it_off_the_dashboard(operator: User, bot: Service) -> None:
    made, client = signal(bot), window(operator)
    assert "Flapping: bot on prod-1" in text_of(client.get("/"))
    answer = client.post(f"/signals/{made.pk}/acknowledge/", {"note": "Known: the model API is slow."}, follow=True)
    assert "acknowledged by olga" in text_of(answer)
    assert "Known: the model API is slow." in text_of(answer)
    assert "Flapping: bot on prod-1" not in text_of(client.get("/"))


def test_a_blank_note_is_refused_beside_the_field(operator: User, bot: Service) -> None:
    made = signal(bot)
    answer = window(operator).post(f"/signals/{made.pk}/acknowledge/", {"note": " "})
    assert answer.status_code == 400
    assert "The note is blank." in text_of(answer)
    assert last_refusal().actor == "olga"


def test_a_second_acknowledgement_is_told_who_came_first(operator: User, bot: Service) -> None:
    made = signal(bot)
    window(operator).post(f"/signals/{made.pk}/acknowledge/", {"note": "Mine."})
    answer = window(person("Administrator", name="adele")).post(f"/signals/{made.pk}/acknowledge/", {"note": "Mine, too."})
    assert answer.status_code == 409
    assert "olga has acknowledged this signal already" in text_of(answer)
    assert Signal.objects.get().note == "Mine."


def test_a_viewer_sees_no_form_and_who_could(viewer: User, bot: Service) -> None:
    made = signal(bot)
    answer = window(viewer).get(f"/signals/{made.pk}/")
    assert "acknowledge/" not in answer.content.decode()
    assert "An operator, a release manager, a security reviewer or an administrator can." in text_of(answer)
    assert window(viewer).post(f"/signals/{made.pk}/acknowledge/", {"note": "x"}).status_code == 403


def test_what_stands_on_the_dashboard_by_itself_is_not_said_twice(operator: User, bot: Service) -> None:
    Service.objects.update(drift="runs aaaa…, the record says bbbb…: changed outside the portal", drift_since=timezone.now())
    records.look()
    said = text_of(window(operator).get("/"))
    assert "bot on prod-1 drifted" in said
    assert "Drift: bot on prod-1" not in said


# Notifications

SECRET = "0123456789abcdef-canary"


def test_a_channel_is_added_changed_tested_and_forgotten(administrator: User) -> None:
    client = window(administrator)
    sent: dict[str, object] = {"name": "on-call", "target": "ann@example.org", "tells_end": "on", "enabled": "on"}
    assert "on-call is added." in text_of(client.post("/notifications/add/?kind=email", sent, follow=True))
    made = Channel.objects.get()
    changed = client.post(
        f"/notifications/{made.pk}/", {"target": "bob@example.org", "enabled": "on", "kinds": ["oom"]}, follow=True
    )
    assert "on-call is changed." in text_of(changed)
    assert "bob@example.org Out of memory" in text_of(changed)
    tested = client.post(f"/notifications/{made.pk}/test/", follow=True)
    assert "A test message to on-call is on its way." in text_of(tested)
    assert Delivery.objects.get().tells == "test"
    assert "Forget on-call?" in text_of(client.get(f"/notifications/{made.pk}/forget/"))
    assert "on-call is forgotten." in text_of(client.post(f"/notifications/{made.pk}/forget/", follow=True))
    assert not Channel.objects.exists()


def test_no_page_gives_a_secret_or_an_address_back(administrator: User) -> None:
    client = window(administrator)
    sent = {"name": "pager", "target": "https://hooks.example.org/canary-token", "secret": SECRET, "enabled": "on"}
    client.post("/notifications/add/?kind=webhook", sent)
    made = Channel.objects.get()
    assert unseal(made.sealed_secret) == SECRET
    for address in ("/notifications/", f"/notifications/{made.pk}/", f"/notifications/{made.pk}/forget/"):
        body = client.get(address).content.decode()
        assert "canary" not in body
        assert made.sealed_secret not in body
        assert made.sealed_url not in body
    client.post(f"/notifications/{made.pk}/", {"target": "", "secret": "", "enabled": "on"})
    assert unseal(Channel.objects.get().sealed_url) == "https://hooks.example.org/canary-token"


def test_a_refused_form_gives_no_secret_back(administrator: User) -> None:
    sent = {"name": "pager", "target": "https://127.0.0.1/canary-token", "secret": SECRET, "enabled": "on"}
    answer = window(administrator).post("/notifications/add/?kind=webhook", sent)
    assert answer.status_code == 400
    assert "inside this network" in text_of(answer)
    assert SECRET not in answer.content.decode()
    assert "canary" not in last_refusal().text
    assert not Channel.objects.exists()


def test_messages_show_what_went_wrong_and_are_filtered_by_state(administrator: User, bot: Service) -> None:
    channel = Channel.objects.create(name="pager", kind="webhook", target="https://hooks.example.org")
    outbox.opened(signal(bot))
    Delivery.objects.update(state="failed", tries=8, last_error="It answered 503.", ended_at=timezone.now())
    outbox.test_message(channel, "ada")
    client = window(administrator)
    said = text_of(client.get("/notifications/"))
    assert "1 message was given up within the last 30 days." in said
    assert "It answered 503." in said
    assert "a test" in said
    assert "It answered 503." not in text_of(client.get("/notifications/?state=waiting"))
    assert "It answered 503." in text_of(client.get(f"/signals/{Signal.objects.get().pk}/"))
