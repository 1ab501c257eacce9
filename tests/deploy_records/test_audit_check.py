import json
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from deploy_records import audit
from deploy_records.audit import GENESIS, Event
from deploy_records.audit_check import verify
from deploy_records.models import AuditEvent, AuditHead

pytestmark = pytest.mark.django_db


@pytest.fixture
def nine() -> None:
    with transaction.atomic():
        for number in range(1, 10):
            audit.record(audit.WORKER, Event("step", "job", str(number), f"Upgrade {number}", "why", number, {"n": [0, number]}))


def at(sequence: int) -> Any:
    return AuditEvent.objects.filter(sequence=sequence)


def swap(one: int, other: int) -> None:
    for old, new in ((one, 1000), (other, one), (1000, other)):
        at(old).update(sequence=new)


def rehash(sequence: int) -> None:
    """What somebody does who changes the text and makes the link fit by itself."""
    link = at(sequence).get()
    text = link.text.replace("why", "because")
    at(sequence).update(text=text, reason="because", digest=audit.chained(link.previous, text))


def rewrite_from(sequence: int) -> None:
    """All links from here on rewritten with new hashes, but not the head."""
    before = at(sequence - 1).get().digest
    for link in AuditEvent.objects.filter(sequence__gte=sequence).order_by("sequence"):
        digest = audit.chained(before, link.text.replace("why", "because"))
        at(link.sequence).update(text=link.text.replace("why", "because"), reason="because", previous=before, digest=digest)
        before = digest


def test_an_empty_trail_has_nothing_to_check() -> None:
    report = verify()
    assert report.intact
    assert report.sentence == "The audit trail has no event to check."


def test_a_whole_trail_is_intact_and_says_up_to_where(nine: None) -> None:
    report = verify()
    assert (report.intact, report.checked, report.until) == (True, 9, 9)
    assert report.digest == AuditHead.objects.get().digest
    assert report.sentence == "The audit trail is intact up to event 9."


COLUMNS: dict[str, object] = {
    "at": None,
    "actor": "somebody",
    "role": "Auditor",
    "address": "10.0.0.1",
    "action": "stop",
    "object_type": "service",
    "object_id": "50",
    "object_name": "Upgrade 55",
    "reason": "whY",
    "job": 55,
    "changes": {"n": [False, 5]},
    "text": "{}",
    "previous": GENESIS,
    "digest": GENESIS,
}


def test_every_column_of_an_event_is_among_those_that_are_changed_below() -> None:
    assert {column.name for column in AuditEvent._meta.fields} == {*COLUMNS, "id", "sequence"}


@pytest.mark.parametrize("column", COLUMNS)
def test_a_change_in_any_column_is_noticed_and_named(nine: None, column: str) -> None:
    new = at(5).get().at + timedelta(microseconds=1) if column == "at" else COLUMNS[column]
    at(5).update(**{column: new})
    report = verify()
    assert report.problem
    assert report.problem.sequence == 5
    assert (report.until, report.checked) == (4, 4)
    if column not in {"text", "previous", "digest"}:
        assert f"“{column}”" in report.sentence


@pytest.mark.parametrize(
    ("tamper", "first_bad"),
    [
        (lambda: swap(4, 5), 4),
        (lambda: at(5).delete(), 5),
        (lambda: at(9).delete(), 9),
        (lambda: AuditEvent.objects.filter(sequence__gt=6).delete(), 7),
        (lambda: AuditEvent.objects.all().delete(), 1),
        (lambda: rehash(5), 6),
        (lambda: rehash(9), 9),
        (lambda: rewrite_from(5), 9),
        (lambda: AuditHead.objects.update(digest=GENESIS), 9),
        (lambda: AuditHead.objects.update(sequence=12), 10),
        (lambda: AuditHead.objects.update(sequence=6, digest=at(6).get().digest), 7),
        (lambda: AuditHead.objects.all().delete(), 1),
        (lambda: at(1).update(sequence=0), 1),
        (lambda: at(9).update(sequence=90), 9),
    ],
)
def test_tampering_is_noticed_at_its_first_event(nine: None, tamper: Callable[[], object], first_bad: int) -> None:
    tamper()
    report = verify()
    assert report.problem
    assert report.problem.sequence == first_bad
    assert f"broken at event {first_bad}" in report.sentence


@pytest.mark.parametrize("column", ["at", "changes", "job"])
def test_a_column_that_cannot_be_read_is_noticed(nine: None, column: str) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL keeps to the types of its columns.")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints=ON")
        cursor.execute(f"UPDATE deploy_records_auditevent SET {column} = 'no such thing' WHERE sequence = 5")  # noqa: S608
        cursor.execute("PRAGMA ignore_check_constraints=OFF")
    report = verify()
    assert report.problem
    assert report.problem.sequence == 5


def test_checking_goes_on_from_where_an_earlier_check_ended(nine: None) -> None:
    with transaction.atomic():
        audit.record(audit.WORKER, Event("ten"))
    earlier = verify()
    assert verify(earlier.until + 1, trusted=earlier.digest).checked == 0
    with transaction.atomic():
        audit.record(audit.WORKER, Event("eleven"))
    report = verify(earlier.until + 1, trusted=earlier.digest)
    assert (report.checked, report.sentence) == (1, "The audit trail is intact from event 11 to 11.")


def test_an_end_noted_before_the_part_that_is_checked_is_noticed(nine: None) -> None:
    AuditHead.objects.update(sequence=2, digest=at(2).get().digest)
    report = verify(5)
    assert report.problem
    assert report.problem.sequence == 5


def test_a_trail_rewritten_whole_is_noticed_by_the_hash_noted_earlier(nine: None) -> None:
    noted = at(4).get().digest
    rewrite_from(2)
    last = AuditEvent.objects.latest("sequence")
    AuditHead.objects.update(digest=last.digest)
    assert verify().intact, "nothing inside the database can show it"
    report = verify(5, trusted=noted)
    assert report.problem
    assert report.problem.sequence == 5


def test_the_command_says_intact_and_the_hash_to_note(nine: None) -> None:
    out = StringIO()
    call_command("verify_audit", stdout=out)
    assert "The audit trail is intact up to event 9." in out.getvalue()
    assert AuditHead.objects.get().digest in out.getvalue()


def test_the_command_ends_with_1_and_names_the_event_when_the_trail_is_broken(nine: None) -> None:
    at(5).update(reason="other")
    out = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("verify_audit", "--json", stdout=out)
    assert end.value.code == 1
    report = json.loads(out.getvalue())
    assert (report["intact"], report["problem"]["sequence"]) == (False, 5)


@pytest.mark.parametrize("arguments", [["--since", "0"], ["--trusted", "abc"], ["--trusted", "G" * 64]])
def test_the_command_refuses_what_it_cannot_use(arguments: list[str]) -> None:
    with pytest.raises(CommandError) as refusal:
        call_command("verify_audit", *arguments)
    assert refusal.value.returncode == 2
