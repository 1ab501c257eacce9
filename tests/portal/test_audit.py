import re

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from deploy_records import audit, ledger
from deploy_records.audit import Actor, Event
from deploy_records.models import AuditEvent, LedgerState
from portal import trail
from tests import factories
from tests.factories import person
from tests.portal.looking import last_refusal, queries, text_of, window

pytestmark = pytest.mark.django_db


@pytest.fixture
def auditor() -> User:
    return person("Auditor", name="aud")


def tell(number: int, action: str = "job.asked", actor: str = "olga", name: str = "Upgrade") -> None:
    with transaction.atomic():
        for each in range(number):
            audit.record(Actor(actor), Event(action, "job", str(each), f"{name} {each}"))


def forge(sequence: int) -> None:
    """As somebody would who can write to the database past its triggers."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'deploy_records_auditevent'")
            for (trigger,) in cursor.fetchall():
                cursor.execute(f'DROP TRIGGER "{trigger}"')
        else:
            cursor.execute("ALTER TABLE deploy_records_auditevent DISABLE TRIGGER USER")
        cursor.execute("UPDATE deploy_records_auditevent SET reason = 'forged' WHERE sequence = %s", [sequence])


# Is it intact?


def test_before_a_check_the_page_does_not_claim_that_the_trail_is_intact(auditor: User) -> None:
    said = text_of(window(auditor).get("/audit/"))
    assert "Not checked yet." in said
    assert "Intact" not in said


def test_verify_now_says_exactly_what_was_checked_when_and_by_whom(auditor: User) -> None:
    tell(7)
    client = window(auditor)
    head = trail.integrity().head
    said = text_of(client.post("/audit/verify/", follow=True))
    assert f"Intact up to event {head}. No event from 1 to {head} is missing, changed or out of order." in said
    assert "by aud" in said
    assert "Since then there is only the record of that check." in said
    tell(3)
    assert "The 4 since then have not been checked." in text_of(client.get("/audit/"))


def test_a_changed_event_is_named(auditor: User) -> None:
    tell(7)
    forge(3)
    said = text_of(window(auditor).post("/audit/verify/", follow=True))
    assert "Broken at event 3" in said
    assert "its column “reason” is not what its text says." in said
    assert "What came after it was not checked." in said


def test_only_the_last_part_of_a_long_trail_is_checked_while_a_person_waits(
    auditor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trail, "MOST_AT_ONCE", 5)
    tell(20)
    client = window(auditor)
    head = trail.integrity().head
    assert f"No event from {head - 4} to {head} is missing" in text_of(client.post("/audit/verify/", follow=True))


def test_checking_takes_the_role_and_a_post(auditor: User) -> None:
    assert window(auditor).get("/audit/verify/").status_code == 405
    assert window(person("Operator", name="mallory")).post("/audit/verify/").status_code == 403
    assert last_refusal().actor == "mallory"


# Who did what?


@pytest.mark.parametrize("role", ["Viewer", "Operator", "Release manager"])
def test_who_may_not_read_the_trail_is_refused_and_on_record(role: str) -> None:
    client = window(person(role, name="mallory"))
    assert client.get("/audit/").status_code == 403
    assert client.get("/audit/1/").status_code == 403
    assert last_refusal().object_name == "GET /audit/1/"


@pytest.mark.parametrize(
    ("query", "actions"),
    [
        ("who=olga", {"job.asked"}),
        ("area=digests", {"digest.registered"}),
        ("about=Upgrade+1", {"job.asked"}),
        ("about=upgrade+1&who=rolf", set()),
        ("area=nonsense", {"job.asked", "digest.registered", "person.signed_in"}),
        ("who=%00", {"job.asked", "digest.registered", "person.signed_in"}),
    ],
)
def test_filters_are_in_the_address(query: str, actions: set[str], auditor: User) -> None:
    tell(3)
    tell(1, "digest.registered", "rolf", "Digest")
    page = text_of(window(auditor).get(f"/audit/?{query}"))
    words = {"job.asked": "Asked for", "digest.registered": "Registered", "person.signed_in": "Signed in"}
    assert {action for action, word in words.items() if word in page} == actions


def test_every_event_is_on_exactly_one_page_in_the_order_of_the_chain(auditor: User) -> None:
    tell(120)
    client = window(auditor)
    seen: list[int] = []
    address = "/audit/"
    while address:
        page = client.get(address).content.decode()
        seen += [int(one) for one in re.findall(r'id="event-(\d+)"', page)]
        older = re.search(r'href="(\?at=older-[^"]+)"', page)
        address = f"/audit/{older[1]}" if older else ""
    assert seen == list(range(AuditEvent.objects.count(), 0, -1))


@pytest.mark.parametrize("cursor", ["older", "older-x", "sideways-3", "older-" + "9" * 40, "older-\u0663"])
def test_a_place_in_the_list_that_is_made_up_is_refused(cursor: str, auditor: User) -> None:
    assert window(auditor).get("/audit/", {"at": cursor}).status_code == 400


def test_an_opened_event_shows_before_and_after_and_its_neighbours(auditor: User) -> None:
    olga, ruth = person("Operator", name="olga"), person("Release manager", name="ruth")
    entry = factories.entry("1", LedgerState.CANDIDATE, registered_by=olga)
    ledger.approve(entry, ruth, "Fine")
    event = AuditEvent.objects.get(action="digest.approved")
    said = text_of(window(auditor).get(f"/audit/{event.sequence}/"))
    assert f"Event {event.sequence}" in said
    assert "state candidate approved" in said
    assert "Links hold" in said
    assert f"made from {event.previous[:4]}… and this event" in said
    assert f"made from {event.digest[:4]}… and the next event" in said


def test_an_opened_event_that_was_changed_says_so(auditor: User) -> None:
    tell(3)
    forge(2)
    said = text_of(window(auditor).get("/audit/2/"))
    assert "Does not fit" in said
    assert "its column “reason” is not what its text says." in said


def test_an_event_that_is_not_there_is_not_found(auditor: User) -> None:
    assert window(auditor).get("/audit/4711/").status_code == 404
    assert window(auditor).get("/audit/99999999999999999999999/").status_code == 404


def test_what_strangers_typed_is_shown_as_text(auditor: User) -> None:
    with transaction.atomic():
        audit.record(Actor("<b>mallory</b>"), Event("<i>odd</i>", object_name="<script>alert(1)</script>", reason="<img src=x>"))
    page = window(auditor).get("/audit/1/").content.decode()
    for tag in ("<b>mallory", "<i>odd", "<script>alert", "<img src=x"):
        assert tag not in page


def test_htmx_is_given_list_and_event_without_their_frame(auditor: User) -> None:
    tell(3)
    page = window(auditor).get("/audit/2/", headers={"HX-Request": "true"}).content.decode()
    assert page.lstrip().startswith('<div id="audit" class="kg-auditcols">')
    assert "<html" not in page


def test_it_takes_as_many_queries_for_many_events_as_for_few(auditor: User) -> None:
    client = window(auditor)
    tell(3)
    few = queries(client, "/audit/2/")
    tell(100)
    assert queries(client, "/audit/2/") == few
    assert few <= 18
