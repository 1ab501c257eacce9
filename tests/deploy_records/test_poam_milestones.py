from datetime import timedelta

import pytest
from django.utils import timezone

from deploy_records import poam
from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.models import AuditEvent, PoamItem
from deploy_records.rules.terms import Milestone
from tests.deploy_records.exceptions import actions, approved, drafted, now, requested, requester, reviewer
from tests.deploy_records.people import person

pytestmark = pytest.mark.django_db

DAY = (timezone.now() + timedelta(days=3)).date()


def titles(item: PoamItem) -> list[str]:
    return [one.title for one in item.milestones.all()]


def test_one_is_added_also_to_what_is_approved_and_is_on_record() -> None:
    item = approved()
    poam.add_milestone(item, " Upgrade staging ", DAY, requester())
    assert titles(item) == ["Upgrade staging"]
    event = AuditEvent.objects.latest("sequence")
    assert (event.action, event.changes["milestone"]) == ("poam.milestone-added", [None, f"Upgrade staging by {DAY}"])


def test_what_somebody_wants_to_approve_is_another_version_once_a_milestone_was_added() -> None:
    item = requested()
    seen = item.version
    poam.add_milestone(item, "Upgrade staging", DAY, requester())
    with pytest.raises(Refused, match="changed since you looked"):
        poam.approve(item, reviewer(), seen=seen)
    assert now(item).state == "requested"


def test_a_milestone_of_a_form_that_is_behind_is_not_added() -> None:
    item = drafted()
    with pytest.raises(Refused, match="changed since you looked"):
        poam.add_milestone(item, "Upgrade staging", DAY, requester(), seen=item.version + 1)
    assert titles(item) == []


@pytest.mark.parametrize("title", ["", "  ", "x" * 301, "bidi \u202e"])
def test_a_title_that_cannot_be_kept_is_refused(title: str) -> None:
    item = drafted()
    with pytest.raises(Invalid):
        poam.add_milestone(item, title, DAY, requester())
    assert titles(item) == []


def test_fifty_are_enough() -> None:
    item = drafted(milestones=tuple(Milestone(f"Step {number}", DAY) for number in range(50)))
    with pytest.raises(Invalid, match="at most 50"):
        poam.add_milestone(item, "One more", DAY, requester())


def test_a_mark_can_be_taken_away_again_and_both_are_on_record() -> None:
    item = approved(milestones=(Milestone("Upgrade staging", DAY),))
    row = item.milestones.get()
    assert poam.complete(row, requester()).done_at is not None
    assert poam.reopen(row, requester()).done_at is None
    row.refresh_from_db()
    assert (row.done_at, row.done_by) == (None, None)
    assert actions()[-2:] == ["poam.milestone-done", "poam.milestone-reopened"]
    with pytest.raises(Refused, match="not done"):
        poam.reopen(row, requester())


def test_those_of_what_has_ended_stay_as_they_were() -> None:
    item = approved(milestones=(Milestone("Upgrade staging", DAY),))
    row = item.milestones.get()
    poam.complete(row, requester())
    poam.close(item, requester(), "Gone.")
    with pytest.raises(Refused, match="stay as they were"):
        poam.add_milestone(item, "Late", DAY, requester())
    with pytest.raises(Refused, match="stay as they were"):
        poam.reopen(row, requester())


def test_it_takes_a_role() -> None:
    item = drafted(milestones=(Milestone("Upgrade staging", DAY),))
    with pytest.raises(NotAllowed):
        poam.add_milestone(item, "Another", DAY, person("nils"))
    with pytest.raises(NotAllowed):
        poam.reopen(item.milestones.get(), person("niko"))


def test_one_that_a_rewriting_took_away_is_said_to_be_gone() -> None:
    item = drafted(milestones=(Milestone("Upgrade staging", DAY),))
    row = item.milestones.get()
    row_as_seen = type(row)(pk=row.pk)
    row.delete()
    with pytest.raises(Refused, match="no longer there"):
        poam.complete(row_as_seen, requester())
