from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy_records import audit
from deploy_records.audit import Actor, Event
from deploy_records.audit_check import verify
from deploy_records.errors import Broken
from deploy_records.models import AuditEvent, AuditHead
from tests.deploy_records.people import person

pytestmark = pytest.mark.django_db


def wrote(event: Event, actor: Actor = audit.WORKER) -> AuditEvent:
    with transaction.atomic():
        audit.record(actor, event)
    return AuditEvent.objects.latest("sequence")


def test_each_event_follows_from_the_one_before() -> None:
    first, second = wrote(Event("job.asked", reason="one")), wrote(Event("job.asked", reason="two"))
    assert (first.sequence, second.sequence) == (1, 2)
    assert first.previous == audit.GENESIS
    assert second.previous == first.digest
    assert AuditHead.objects.get().digest == second.digest


def test_the_text_that_is_hashed_is_written_down_exactly() -> None:
    text = audit.canonical(
        7,
        datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC),
        Actor("mira", "Release manager", "10.0.0.7"),
        Event("digest.approved", "imagedigest", "4", "ö", "why", 3, {"state": ["candidate", "approved"]}),
    )
    assert text == (
        '{"actor":{"address":"10.0.0.7","name":"mira","role":"Release manager"},"at":"2026-03-01T12:00:00.000005Z",'
        '"event":{"action":"digest.approved","changes":{"state":["candidate","approved"]},"job":3,'
        '"object_id":"4","object_name":"\\u00f6","object_type":"imagedigest","reason":"why"},"sequence":7}'
    )
    expected = "4a9f2d8c"
    assert len(audit.chained(audit.GENESIS, text)) == 64
    assert audit.chained(audit.GENESIS, text) == audit.chained(audit.GENESIS, text) != audit.chained(expected, text)


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_nothing_is_written() -> None:
    with pytest.raises(Broken):
        audit.record(audit.WORKER, Event("job.asked"))
    assert not AuditEvent.objects.exists()


def test_a_change_that_is_rolled_back_leaves_no_event_and_no_gap() -> None:
    wrote(Event("kept"))
    with pytest.raises(RuntimeError), audit.changing():  # noqa: PT012 - the event is part of what fails
        audit.record(audit.WORKER, Event("lost"))
        raise RuntimeError
    assert wrote(Event("kept, too")).sequence == 2
    assert verify().intact


def test_a_person_is_recorded_with_their_roles_and_address() -> None:
    actor = Actor.of(person("mira", "approve_digest"), "10.0.0.7")
    event = wrote(Event("x"), actor)
    assert (event.actor, event.role, event.address) == ("mira", "May approve_digest", "10.0.0.7")


def test_who_is_not_signed_in_is_anonymous() -> None:
    assert Actor.of(None).name == "anonymous"


def test_a_refusal_is_an_event_of_its_own() -> None:
    audit.record_refusal(Actor("sten"), "POST /ledger/4/approve", "You may not.", "not-allowed", "7f21-90cc")
    event = AuditEvent.objects.get()
    assert (event.action, event.object_name, event.reason) == ("refused", "POST /ledger/4/approve", "You may not.")
    assert event.changes == {"code": "not-allowed", "correlation": "7f21-90cc"}


def test_foreign_text_that_a_database_cannot_keep_is_made_keepable() -> None:
    event = wrote(
        Event("x", object_name="a\x00b" + "n" * 900, reason="\ud800" + "r" * 9000, changes={"k\x00": ["\x00", "\udfff"]})
    )
    assert event.object_name.startswith("abn")
    assert (len(event.object_name), len(event.reason)) == (500, 4000)
    assert event.changes == {"k": ["", "?"]}
    assert verify().intact


def test_what_changed_comes_back_from_either_database_as_it_was_hashed() -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    changes = {
        "numbers": [1, 2**53 + 1, 1.5, 1e16, float("nan"), Decimal("1.10")],
        "others": [None, True, moment, moment.date(), {"b": (1, 2), "a": {3}}, User],
    }
    event = wrote(Event("x", changes=changes))
    assert event.changes["numbers"] == [1, 2**53 + 1, "1.5", "1e+16", "nan", "1.10"]
    assert event.changes["others"][:5] == [None, True, "2026-03-01T00:00:00+00:00", "2026-03-01", {"b": [1, 2], "a": [3]}]
    assert verify().intact


def test_a_value_nested_without_end_is_cut_off() -> None:
    deep: list[object] = []
    for _ in range(500):
        deep = [deep]
    wrote(Event("x", changes={"deep": deep}))
    assert verify().intact


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(), st.text(), st.dictionaries(st.text(max_size=10), anything, max_size=4))
def test_whatever_is_recorded_is_found_intact(name: str, reason: str, changes: dict[str, object]) -> None:
    wrote(Event(name, object_name=name, reason=reason, changes=changes), Actor(name, reason, name))
    assert verify(AuditEvent.objects.latest("sequence").sequence).intact
