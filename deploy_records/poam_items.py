"""The rows behind an exception: numbers, terms, and changes of state by conditional update. Inside `audit.changing`."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import audit, reviews
from deploy_records.audit import Actor, Event, about
from deploy_records.errors import Refused
from deploy_records.models import PoamComment, PoamItem, PoamMilestone, PoamNumbers, PoamState
from deploy_records.people import Person, holds, require
from deploy_records.rules.approval import Who
from deploy_records.rules.terms import Milestone, Terms

MAY_REQUEST = "deploy_records.request_poam"
MAY_APPROVE = "deploy_records.approve_poam"
MAY_VIEW = "deploy_records.view_poamitem"

_TEXTS = (
    "component", "owner", "justification", "remediation_plan", "compensating_controls", "vendor_dependency",
    "repository", "digest", "service",
)  # fmt: skip


def terms_of(item: PoamItem) -> Terms:
    """What the item says, as the rules judge it."""
    milestones = tuple(Milestone(one.title, one.due, one.done_at) for one in item.milestones.all())
    return Terms(
        vulnerabilities=tuple(item.vulnerabilities), severity=item.worst, expires_at=item.expires_at, milestones=milestones,
        **{name: getattr(item, name) for name in _TEXTS},
    )  # fmt: skip


def fresh(item: PoamItem, seen: int | None = None) -> PoamItem:
    """The item as it is now; refused if a `seen` version is no longer it."""
    now = PoamItem.objects.select_related("drafted_by", "requested_by", "extend_by").get(pk=item.pk)
    if seen is not None and now.version != seen:
        raise Refused(f"{now.name} was changed since you looked at it. Look again. Nothing was changed.", code="changed")
    return now


def create(terms: Terms, by: User, *, created_at: datetime, number: int | None = None, **fields: Any) -> PoamItem:
    """A new row with its milestones. Without `number`, the next one that was never used."""
    item = PoamItem.objects.create(
        number=take_number(number), drafted_by=by, created_at=created_at, changed_at=now_to_the_second(),
        **_columns(terms), **fields,
    )  # fmt: skip
    _write_milestones(item, terms, by)
    return item


def rewrite(item: PoamItem, terms: Terms, by: User, actor: Actor, action: str, **fields: Any) -> None:
    """Replaces what the item says, and notes what of it changed."""
    before, after = asdict(terms_of(item)), asdict(terms)
    changes = {name: [before[name], after[name]] for name in after if before[name] != after[name]}
    move(item, item.state, actor, action, changes=changes, drafted_by=by, **_columns(terms), **fields)
    if "milestones" in changes:
        item.milestones.all().delete()
        _write_milestones(item, terms, by)


def move(
    item: PoamItem, to: str, actor: Actor, action: str,
    *, reason: str = "", changes: dict[str, Any] | None = None, **fields: Any,
) -> None:  # fmt: skip
    """Changes the item if it still is the version at hand, and writes the event."""
    noted = dict(changes or {})
    values = {"state": to, "version": item.version + 1, **fields}
    if to != item.state:
        noted["state"] = [str(item.state), str(to)]
        values["changed_at"] = now_to_the_second()
    if PoamItem.objects.filter(pk=item.pk, state=item.state, version=item.version).update(**values) != 1:
        raise Refused(f"Somebody else changed {item.name} in the same moment. Look again. Nothing was changed.", code="changed")
    audit.record(actor, Event(action, **about(item), reason=reason, changes=noted))
    for name, value in values.items():
        setattr(item, name, value)


def end(item: PoamItem, to: str, actor: Actor, why: str) -> None:
    """Inside `audit.changing`. What waited for a decision on an extension waits no more, and the approvals that rest on
    it have to be looked at again.
    """
    move(
        item, to, actor, f"poam.{to}", reason=why, ended_because=why, ended_at=item.ended_at or timezone.now(),
        extend_to=None, extend_because="", extend_by=None,
    )  # fmt: skip
    reviews.look_soon()


def take_number(wanted: int | None = None) -> int:
    """The next number, or `wanted`, which the caller knows to be free. The end of the audit trail keeps others out."""
    kept, _made = PoamNumbers.objects.get_or_create(pk=1)
    number = kept.last + 1 if wanted is None else wanted
    PoamNumbers.objects.filter(pk=1).update(last=max(kept.last, number))
    return number


def add_comment(item: PoamItem, text: str, by: User | None) -> PoamComment:
    return PoamComment.objects.create(item=item, by=by, at=timezone.now(), text=text)


def who(person: User) -> Who:
    return Who(person.pk, person.get_username(), person.email)


def writers(item: PoamItem) -> list[Who]:
    """Whoever may not decide on it, as it is theirs."""
    return [who(one) for one in (item.drafted_by, item.requested_by) if one is not None]


def require_either(by: Person, to_do: str) -> User:
    """The person, if they may request or approve exceptions."""
    return require(by, MAY_APPROVE if holds(by, MAY_APPROVE) else MAY_REQUEST, to_do)


def now_to_the_second() -> datetime:
    """Files keep whole seconds; what the ledger keeps is the same."""
    return timezone.now().replace(microsecond=0)


def is_open(item: PoamItem) -> bool:
    return item.state not in {PoamState.MITIGATED, PoamState.CLOSED}


def _columns(terms: Terms) -> dict[str, Any]:
    texts = {name: getattr(terms, name) for name in _TEXTS}
    return {
        "vulnerabilities": list(terms.vulnerabilities),
        "severity": str(terms.severity),
        "expires_at": terms.expires_at,
        **texts,
    }


def _write_milestones(item: PoamItem, terms: Terms, by: User) -> None:
    PoamMilestone.objects.bulk_create(
        PoamMilestone(item=item, title=one.title, due=one.due, done_at=one.done_at, done_by=by if one.done_at else None)
        for one in terms.milestones
    )
