from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone

from deploy_records import poam
from deploy_records.models import AuditEvent, PoamItem, PoamWarning
from deploy_records.poam_warnings import due_days, recipients_of
from tests.deploy_records.exceptions import approved, drafted, requested, requester, reviewer, soon
from tests.deploy_records.people import person

pytestmark = pytest.mark.django_db


def before_end(item: PoamItem, **left: float) -> list[int]:
    """The warnings sent at that time before the end."""
    return [told.days for told in poam.warn(item.expires_at - timedelta(**left))]


def test_each_warning_is_sent_once_to_owner_and_reviewers() -> None:
    item = approved(expires_at=soon(29))
    assert before_end(item, days=14, seconds=1) == []
    assert before_end(item, days=14) == [14]
    assert before_end(item, days=13) == []
    assert before_end(item, days=7) == [7]
    assert before_end(item, days=7) == []
    assert before_end(item, days=1) == [1]
    assert before_end(item, hours=1) == []
    assert before_end(item, seconds=-1) == []
    assert len(mail.outbox) == 3
    first = mail.outbox[0]
    assert first.to == ["olga@example.com", "sara@example.com"]
    assert first.subject == "POAM-1 ends in 14 days"
    assert "CVE-2026-1000" in first.body
    assert "pkg:pypi/starlette" in first.body
    assert AuditEvent.objects.filter(action="poam.warned").count() == 3


def test_warnings_missed_meanwhile_are_not_sent_beside_the_one_that_is_due() -> None:
    item = approved(expires_at=soon(20))
    assert before_end(item, days=3) == [7]
    assert before_end(item, days=3) == []
    assert before_end(item, hours=3) == [1]


def test_an_extension_brings_its_own_warnings() -> None:
    item = approved(expires_at=soon(5))
    assert before_end(item, days=4) == [7]
    poam.ask_to_extend(item, requester(), soon(6), "Late.")
    poam.approve_extension(item, reviewer())
    assert before_end(PoamItem.objects.get(), days=4) == [7]


def test_what_is_not_in_force_is_not_warned_of() -> None:
    for item in (drafted(), requested(), poam.close(approved(), requester(), "Gone.")):
        assert before_end(item, days=1) == []
    assert mail.outbox == []


def test_the_day_is_said_as_people_say_it() -> None:
    item = approved(expires_at=soon(10).replace(hour=12, minute=0, second=0))
    before_end(item, hours=24)
    other = approved(expires_at=soon(10).replace(hour=12, minute=0, second=0))
    before_end(other, hours=2)
    assert [one.subject for one in mail.outbox] == ["POAM-1 ends tomorrow", "POAM-2 ends today"]


@pytest.mark.parametrize(("owner", "addresses"), [
    ("olga", ["olga@example.com", "sara@example.com"]),
    ("team@example.com", ["team@example.com", "sara@example.com"]),
    ("OLGA@example.com", ["OLGA@example.com", "sara@example.com"]),
    ("operators", ["sara@example.com"]),
    ("", ["sara@example.com"]),
    ("a@b.example\nBcc: x@evil.example", ["sara@example.com"]),
])  # fmt: skip
def test_an_owner_is_a_user_an_address_or_a_team(owner: str, addresses: list[str]) -> None:
    item = approved(owner="olga")
    item.owner = owner
    assert list(recipients_of(item)) == addresses


@pytest.mark.parametrize("owner", ["Patch crew", "patch-crew", "patch-crews"])
def test_a_team_is_the_people_of_a_role(owner: str) -> None:
    item = approved()
    ben = person("ben", email="ben@example.com")
    ben.groups.add(Group.objects.create(name="Patch crew"))
    item.owner = owner
    assert "ben@example.com" in recipients_of(item)
    User.objects.filter(pk=ben.pk).update(is_active=False)
    assert "ben@example.com" not in recipients_of(item)


def test_without_anybody_to_write_to_it_is_written_down_once(caplog: pytest.LogCaptureFixture) -> None:
    item = approved()
    for one in (requester(), reviewer()):
        one.email = ""
        one.save()
    assert before_end(item, days=1) == [1]
    assert before_end(item, days=1) == []
    assert mail.outbox == []
    assert "nobody with an e-mail address" in caplog.text


def test_a_mail_that_did_not_leave_is_tried_again_after_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    item = approved()
    at = item.expires_at - timedelta(hours=5)

    def down(*_args: object) -> int:
        raise ConnectionRefusedError("no server")

    with monkeypatch.context() as broken:
        broken.setattr(EmailBackend, "send_messages", down)
        assert [told.sent for told in poam.warn(at)] == [False]
    assert poam.warn(at + timedelta(minutes=5)) == []
    assert [told.sent for told in poam.warn(at + timedelta(minutes=11))] == [True]
    assert poam.warn(at + timedelta(minutes=30)) == []
    assert len(mail.outbox) == 1
    assert PoamWarning.objects.get().sent_at


def test_one_mail_that_cannot_be_sent_does_not_keep_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    approved()
    second = approved()
    sent = EmailBackend.send_messages

    def moody(backend: EmailBackend, messages: list[mail.EmailMessage]) -> int:
        if "POAM-1" in messages[0].subject:
            raise OSError("mailbox full")
        return sent(backend, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", moody)
    assert sorted((told.item.name, told.sent) for told in poam.warn(second.expires_at - timedelta(days=1))) == [
        ("POAM-1", False), ("POAM-2", True),
    ]  # fmt: skip


@pytest.mark.parametrize(("days", "due"), [(15, None), (14, 14), (10, 14), (7, 7), (1.5, 7), (1, 1), (0, 1), (-0.1, None)])
def test_which_warning_is_due(days: float, due: int | None) -> None:
    moment = timezone.now()
    assert due_days(moment + timedelta(days=days), moment) == due
