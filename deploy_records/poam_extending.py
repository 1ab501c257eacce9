"""Extending an approved exception: asked for by one person, approved by another, each time anew."""

from dataclasses import replace
from datetime import datetime

from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import audit
from deploy_records.audit import Actor
from deploy_records.errors import Refused
from deploy_records.models import PoamGrant, PoamItem
from deploy_records.people import Person, holds, require
from deploy_records.poam_items import MAY_APPROVE, MAY_REQUEST, fresh, move, terms_of, who
from deploy_records.rules import exception_life as rules
from deploy_records.rules.approval import Answer, Who
from deploy_records.rules.exceptions import DEFAULT_LIMITS, Limits
from deploy_records.rules.terms import Terms, checked_moment
from deploy_records.rules.words import checked_words


def ask_to_extend(
    item: PoamItem, by: Person, until: datetime, why: str, *, address: str = "", seen: int | None = None,
    limits: Limits = DEFAULT_LIMITS, now: datetime | None = None,
) -> PoamItem:  # fmt: skip
    """Asks for a later end of what was approved, also of what has expired. Until somebody approves it nothing changes."""
    person = require(by, MAY_REQUEST, "Asking to extend an exception")
    why = checked_words("The reason", why, required=True)
    until = checked_moment(until).replace(microsecond=0)
    with audit.changing():
        found = fresh(item, seen)
        asked_for(found, person, until, why, Actor.of(person, address), limits=limits, now=now or timezone.now())
    return found


def asked_for(
    item: PoamItem, person: User, until: datetime, why: str, actor: Actor, *, limits: Limits, now: datetime
) -> None:  # fmt: skip
    """Inside `audit.changing`: the same without the question of the role."""
    waiting = item.extend_to is not None
    rules.may_extend(name=item.name, state=item.state, ends=item.expires_at, until=until, waiting=waiting).or_refuse()
    rules.may_hold(_extended(item, until), name=item.name, now=now, limits=limits).or_refuse()
    changes = {"extend_to": [None, until]}
    move(
        item, item.state, actor, "poam.extension-asked", reason=why, changes=changes,
        extend_to=until, extend_because=why, extend_by=person,
    )  # fmt: skip


def approve_extension(
    item: PoamItem, by: Person, comment: str = "", *, address: str = "", seen: int | None = None,
    limits: Limits = DEFAULT_LIMITS, now: datetime | None = None,
) -> PoamGrant:  # fmt: skip
    """A new approval until exactly the end that was asked for, by somebody who neither asked for it nor wrote the item."""
    person = require(by, MAY_APPROVE, "Approving an extension")
    comment = checked_words("The comment", comment)
    at = now or timezone.now()
    with audit.changing():
        found = fresh(item, seen)
        _answer(found, person, at, limits).or_refuse()
        until, asked_by = _asked(found)
        changes = {"expires_at": [found.expires_at, until]}
        move(
            found, found.state, Actor.of(person, address), "poam.extended", reason=comment, changes=changes,
            expires_at=until, extend_to=None, extend_because="", extend_by=None,
        )  # fmt: skip
        return PoamGrant.objects.create(item=found, by=person, requested_by=asked_by, at=at, until=until, comment=comment)


def may_approve_extension(
    item: PoamItem, by: Person, *, limits: Limits = DEFAULT_LIMITS, now: datetime | None = None
) -> Answer:  # fmt: skip
    """For pages: whether this person may approve the extension now, and why not."""
    if not isinstance(by, User):
        return Answer(False, "Sign in to approve.", "not-allowed")
    return _answer(item, by, now or timezone.now(), limits)


def reject_extension(item: PoamItem, by: Person, why: str, *, address: str = "", seen: int | None = None) -> PoamItem:
    """The end stays as it was."""
    person = require(by, MAY_APPROVE, "Rejecting an extension")
    why = checked_words("The reason", why, required=True)
    with audit.changing():
        found = fresh(item, seen)
        rules.may_decide(who(person), holds_role=True, name=found.name, wrote_or_requested=_writers(found)).or_refuse()
        until, _asked_by = _asked(found)
        move(
            found, found.state, Actor.of(person, address), "poam.extension-rejected", reason=why,
            changes={"extend_to": [until, None]}, extend_to=None, extend_because="", extend_by=None,
        )  # fmt: skip
    return found


def _answer(item: PoamItem, person: User, at: datetime, limits: Limits) -> Answer:
    answer = rules.may_decide(
        who(person), holds_role=holds(person, MAY_APPROVE), name=item.name, wrote_or_requested=_writers(item)
    )
    if not answer.allowed:
        return answer
    if item.extend_to is None:
        return Answer(False, f"No extension of {item.name} waits for a decision. Nothing was changed.", "nothing-asked")
    return rules.may_hold(_extended(item, item.extend_to), name=item.name, now=at, limits=limits)


def _asked(item: PoamItem) -> tuple[datetime, User]:
    if item.extend_to is None or item.extend_by is None:
        raise Refused(f"No extension of {item.name} waits for a decision. Nothing was changed.", code="nothing-asked")
    return item.extend_to, item.extend_by


def _extended(item: PoamItem, until: datetime) -> Terms:
    return replace(terms_of(item), expires_at=until)


def _writers(item: PoamItem) -> list[Who]:
    return [who(one) for one in (item.drafted_by, item.requested_by, item.extend_by) if one is not None]
