"""Exceptions that a rollback drafts: the gate warns of findings and does not stop it, so somebody looks at them later."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import QuerySet

from deploy_records import audit, policies_in_force
from deploy_records.audit import Actor, Event, about
from deploy_records.models import AuditEvent, ImageDigest, PoamItem, PoamState
from deploy_records.poam_entries import excuse_of
from deploy_records.poam_items import create, now_to_the_second
from deploy_records.rules import drafting
from deploy_records.rules.case import Decision
from deploy_records.rules.component import Place
from deploy_records.rules.drafting import Passed
from deploy_records.rules.exceptions import is_for

_DRAFTED, _MET = "poam.drafted-by-rollback", "poam.met-by-rollback"


@dataclass(frozen=True)
class Asked:
    """A rollback as it was asked for. `job`: its number."""

    job: int
    by: User
    reason: str
    service: str
    host: str
    address: str = ""


def by_rollback(entry: ImageDigest, decision: Decision, asked: Asked) -> tuple[PoamItem, ...]:
    """The exceptions that wait for somebody to decide on what blocks in `entry`, to which `asked` goes back: those that
    were there, and a draft for what they leave out. None when nothing blocks. Safe to repeat.
    """
    facts = drafting.passed(decision)
    if not facts:
        return ()
    with audit.changing():
        place = _place(entry, asked.service)
        waiting = [item for item in _undecided() if _is_for(item, facts, place)]
        left = _left(facts, waiting, place)
        for item in waiting:
            _note(item, asked)
        return (*waiting, _draft(entry, left, decision.environment, asked)) if left else tuple(waiting)


def of_rollback(job: int) -> list[PoamItem]:
    """Those that it drafted, or that waited already for what it went past; oldest first."""
    events = AuditEvent.objects.filter(job=job, object_type="poamitem", action__in=(_DRAFTED, _MET))
    numbers = [int(one) for one in events.values_list("object_id", flat=True)]
    return list(PoamItem.objects.filter(pk__in=numbers).order_by("number"))


def _undecided() -> QuerySet[PoamItem]:
    """Not those that were approved: if one of them covered a finding, it would not block."""
    rows = PoamItem.objects.filter(state__in=(PoamState.DRAFT, PoamState.REQUESTED), expires_at__gte=now_to_the_second())
    return rows.order_by("number").prefetch_related("grants")


def _is_for(item: PoamItem, facts: Passed, place: Place) -> bool:
    """For any of the findings; where none can be named, one that names none of this digest."""
    if not facts.named:
        return item.digest in place.digests and not item.vulnerabilities
    excuse = excuse_of(item)
    return any(is_for(excuse, fact, place) for fact in facts.named)


def _left(facts: Passed, waiting: list[PoamItem], place: Place) -> Passed | None:
    """What none of those that wait is for. That more cannot be named is told by the first draft, not by one each time."""
    if not facts.named:
        return None if waiting else facts
    excuses = [excuse_of(one) for one in waiting]
    named = tuple(fact for fact in facts.named if not any(is_for(one, fact, place) for one in excuses))
    return Passed(named, facts.unnamed) if named else None


def _place(entry: ImageDigest, service: str) -> Place:
    manifests = entry.platforms.values_list("manifest_digest", flat=True)
    return Place(entry.repository, frozenset({entry.digest, *manifests}), service, tuple(str(tag) for tag in entry.tags))


def _draft(entry: ImageDigest, facts: Passed, environment: str, asked: Asked) -> PoamItem:
    """In the name of who asked for the rollback, whatever else they may do: they cannot approve it."""
    now = now_to_the_second()
    by = asked.by.get_username()
    rollback = drafting.Rollback(asked.job, f"{asked.service} on {asked.host}", by, asked.reason)
    image = f"{entry.repository}@{entry.digest}"
    terms = drafting.terms(facts, image, rollback, now, policies_in_force.limits(environment))
    item = create(terms, asked.by, created_at=now, by_rollback=asked.job, is_demo=entry.is_demo)
    changes = {name: [None, getattr(terms, name)] for name in ("vulnerabilities", "component", "severity", "owner", "expires_at")}
    _record(_DRAFTED, item, asked, changes)
    return item


def _note(item: PoamItem, asked: Asked) -> None:
    """Once for each rollback, so that whoever decides knows that another one went past the same."""
    known = AuditEvent.objects.filter(job=asked.job, object_type="poamitem", object_id=str(item.pk))
    if not known.exists():
        _record(_MET, item, asked, {})


def _record(action: str, item: PoamItem, asked: Asked, changes: dict[str, list[object]]) -> None:
    event = Event(action, **about(item), reason=asked.reason, job=asked.job, changes=dict(changes))
    audit.record(Actor.of(asked.by, asked.address), event)
