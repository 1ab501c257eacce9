"""The steps on the way to the fix: added while the item is open, marked as done, and open again."""

from datetime import date

from deploy_records import audit
from deploy_records.audit import Actor, Event, about
from deploy_records.errors import Refused
from deploy_records.models import PoamItem, PoamMilestone
from deploy_records.people import Person
from deploy_records.poam_items import fresh, is_open, move, now_to_the_second, require_either, terms_of
from deploy_records.rules.terms import Milestone, checked_milestones


def add_milestone(
    item: PoamItem, title: str, due: date, by: Person, *, address: str = "", seen: int | None = None
) -> PoamMilestone:  # fmt: skip
    """One more. The item is another version from then on, so that nobody approves it without having seen this."""
    person = require_either(by, "Adding a milestone")
    with audit.changing():
        found = fresh(item, seen)
        _refuse_ended(found)
        kept = checked_milestones((*terms_of(found).milestones, Milestone(title, due)))[-1]
        said = f"{kept.title} by {kept.due.isoformat()}"
        move(found, found.state, Actor.of(person, address), "poam.milestone-added", changes={"milestone": [None, said]})
        return PoamMilestone.objects.create(item=found, title=kept.title, due=kept.due)


def complete(milestone: PoamMilestone, by: Person, *, address: str = "") -> PoamMilestone:
    """Marks a milestone as done."""
    person = require_either(by, "Marking a milestone")
    at = now_to_the_second()
    with audit.changing():
        found = _of_open(milestone)
        if PoamMilestone.objects.filter(pk=found.pk, done_at__isnull=True).update(done_at=at, done_by=person) != 1:
            raise Refused("This milestone is done already. Nothing was changed.", code="already-done")
        changes = {"milestone": [None, found.title]}
        audit.record(Actor.of(person, address), Event("poam.milestone-done", **about(found.item), changes=changes))
    found.done_at, found.done_by = at, person
    return found


def reopen(milestone: PoamMilestone, by: Person, *, address: str = "") -> PoamMilestone:
    """Takes the mark away. That it was there stays in the trail."""
    person = require_either(by, "Marking a milestone")
    with audit.changing():
        found = _of_open(milestone)
        if PoamMilestone.objects.filter(pk=found.pk, done_at__isnull=False).update(done_at=None, done_by=None) != 1:
            raise Refused("This milestone is not done. Nothing was changed.", code="not-done")
        changes = {"milestone": [found.title, None]}
        audit.record(Actor.of(person, address), Event("poam.milestone-reopened", **about(found.item), changes=changes))
    found.done_at, found.done_by = None, None
    return found


def _of_open(milestone: PoamMilestone) -> PoamMilestone:
    found = PoamMilestone.objects.select_related("item").filter(pk=milestone.pk).first()
    if found is None:
        raise Refused("This milestone is no longer there: its exception was rewritten. Nothing was changed.", code="changed")
    _refuse_ended(found.item)
    return found


def _refuse_ended(item: PoamItem) -> None:
    if not is_open(item):
        raise Refused(f"{item.name} is {item.state}; its milestones stay as they were. Nothing was changed.")
