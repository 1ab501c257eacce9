"""The life of an exception: drafted, requested, approved or rejected, extended, ended. Every change has its audit event.

A finding is excused only by what `excuses` hands to the rules; whether an item is in force is asked there, by the clock.
"""

from datetime import datetime

from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import audit
from deploy_records.audit import Actor, Event, about
from deploy_records.errors import Invalid, Refused
from deploy_records.models import PoamComment, PoamGrant, PoamItem, PoamState
from deploy_records.people import Person, holds, require
from deploy_records.poam_entries import entries as entries
from deploy_records.poam_entries import entry_of as entry_of
from deploy_records.poam_entries import excuse_of as excuse_of
from deploy_records.poam_entries import excuses as excuses
from deploy_records.poam_extending import approve_extension as approve_extension
from deploy_records.poam_extending import ask_to_extend as ask_to_extend
from deploy_records.poam_extending import may_approve_extension as may_approve_extension
from deploy_records.poam_extending import reject_extension as reject_extension
from deploy_records.poam_items import (
    MAY_APPROVE,
    MAY_REQUEST,
    add_comment,
    create,
    end,
    fresh,
    move,
    now_to_the_second,
    require_either,
    rewrite,
    terms_of,
    who,
    writers,
)
from deploy_records.poam_milestones import add_milestone as add_milestone
from deploy_records.poam_milestones import complete as complete
from deploy_records.poam_milestones import reopen as reopen
from deploy_records.poam_warnings import warn as warn
from deploy_records.rules import exception_life as rules
from deploy_records.rules.approval import Answer
from deploy_records.rules.exceptions import DEFAULT_LIMITS, Limits
from deploy_records.rules.terms import Terms, checked_terms
from deploy_records.rules.words import checked_words


def draft(terms: Terms, by: Person, *, address: str = "", is_demo: bool = False) -> PoamItem:
    """A new item that excuses nothing yet. It may lack what a request needs."""
    person = require(by, MAY_REQUEST, "Drafting an exception")
    kept = checked_terms(terms)
    begins = now_to_the_second()
    _refuse_past(kept, begins)
    with audit.changing():
        item = create(kept, person, created_at=begins, is_demo=is_demo)
        audit.record(Actor.of(person, address), Event("poam.drafted", **about(item), changes=_said(kept)))
    return item


def revise(item: PoamItem, terms: Terms, by: Person, *, address: str = "", seen: int | None = None) -> PoamItem:
    """Other terms for what nobody has approved. What was requested or rejected is a draft again."""
    person = require(by, MAY_REQUEST, "Changing an exception")
    kept = checked_terms(terms)
    _refuse_past(kept, now_to_the_second())
    with audit.changing():
        now = fresh(item, seen)
        rules.may_revise(name=now.name, state=now.state).or_refuse()
        actor = Actor.of(person, address)
        rewrite(now, kept, person, actor, "poam.revised")
        if now.state != PoamState.DRAFT:
            move(now, PoamState.DRAFT, actor, "poam.taken-back", ended_because="", approved_in_git="")
    return now


def request(
    item: PoamItem, by: Person, *, address: str = "", seen: int | None = None,
    limits: Limits = DEFAULT_LIMITS, now: datetime | None = None,
) -> PoamItem:  # fmt: skip
    """Asks for an approval. It has to be complete, and to end within the policy's maximum."""
    person = require(by, MAY_REQUEST, "Requesting an exception")
    with audit.changing():
        found = fresh(item, seen)
        if found.state != PoamState.DRAFT:
            raise Refused(f"{found.name} is {found.state}; only a draft can be requested. Nothing was changed.")
        rules.may_hold(terms_of(found), name=found.name, now=now or timezone.now(), limits=limits).or_refuse()
        move(found, PoamState.REQUESTED, Actor.of(person, address), "poam.requested", requested_by=person)
    return found


def take_back(item: PoamItem, by: Person, why: str = "", *, address: str = "", seen: int | None = None) -> PoamItem:
    """What was requested or rejected is a draft again, in the words it had. Who wrote and requested it stays known."""
    person = require(by, MAY_REQUEST, "Taking back a request")
    why = checked_words("The reason", why)
    with audit.changing():
        found = fresh(item, seen)
        rules.may_take_back(name=found.name, state=found.state).or_refuse()
        move(
            found, PoamState.DRAFT, Actor.of(person, address), "poam.taken-back", reason=why,
            ended_because="", approved_in_git="",
        )  # fmt: skip
    return found


def approve(
    item: PoamItem, by: Person, comment: str = "", *, address: str = "", seen: int | None = None,
    limits: Limits = DEFAULT_LIMITS, now: datetime | None = None,
) -> PoamGrant:  # fmt: skip
    """A security reviewer's yes, until the end that was asked for. `seen`: the version that they looked at."""
    person = require(by, MAY_APPROVE, "Approving an exception")
    comment = checked_words("The comment", comment)
    at = now or timezone.now()
    with audit.changing():
        found = fresh(item, seen)
        _answer(found, person, at, limits).or_refuse()
        changes = {"until": [None, found.expires_at]}
        move(found, PoamState.APPROVED, Actor.of(person, address), "poam.approved", reason=comment, changes=changes)
        return PoamGrant.objects.create(
            item=found,
            by=person,
            requested_by=found.requested_by or found.drafted_by,
            at=at,
            until=found.expires_at,
            comment=comment,
        )


def may_approve(item: PoamItem, by: Person, *, limits: Limits = DEFAULT_LIMITS, now: datetime | None = None) -> Answer:
    """For pages: whether this person may approve now, and why not."""
    if not isinstance(by, User):
        return Answer(False, "Sign in to approve.", "not-allowed")
    return _answer(item, by, now or timezone.now(), limits)


def reject(item: PoamItem, by: Person, why: str, *, address: str = "", seen: int | None = None) -> PoamItem:
    """A security reviewer's no, with its reason."""
    person = require(by, MAY_APPROVE, "Rejecting an exception")
    why = checked_words("The reason", why, required=True)
    with audit.changing():
        found = fresh(item, seen)
        rules.may_decide(who(person), holds_role=True, name=found.name, wrote_or_requested=writers(found)).or_refuse()
        if found.state != PoamState.REQUESTED:
            raise Refused(f"{found.name} is {found.state}; only what is requested can be rejected. Nothing was changed.")
        move(found, PoamState.REJECTED, Actor.of(person, address), "poam.rejected", reason=why, ended_because=why)
    return found


def mitigate(item: PoamItem, by: Person, how: str, *, address: str = "", seen: int | None = None) -> PoamItem:
    """The weakness is gone. From now on it excuses nothing."""
    return _end(item, PoamState.MITIGATED, how, _ending(by, address), seen)


def close(item: PoamItem, by: Person, why: str, *, address: str = "", seen: int | None = None) -> PoamItem:
    """Ends it for good, whatever its state; closing what was approved takes the approval's effect away at once."""
    return _end(item, PoamState.CLOSED, why, _ending(by, address), seen)


def comment(item: PoamItem, by: Person, text: str, *, address: str = "") -> PoamComment:
    """Said about an item, open or ended."""
    person = require_either(by, "Commenting on an exception")
    kept = checked_words("The comment", text, required=True)
    with audit.changing():
        found = fresh(item)
        said = add_comment(found, kept, person)
        audit.record(Actor.of(person, address), Event("poam.commented", **about(found), reason=kept))
    return said


def _ending(by: Person, address: str) -> Actor:
    return Actor.of(require_either(by, "Ending an exception"), address)


def _end(item: PoamItem, to: PoamState, why: str, actor: Actor, seen: int | None) -> PoamItem:
    why = checked_words("The reason", why, required=True)
    with audit.changing():
        found = fresh(item, seen)
        rules.may_end(name=found.name, state=found.state, mitigated=to == PoamState.MITIGATED).or_refuse()
        end(found, to, actor, why)
    return found


def _answer(item: PoamItem, person: User, at: datetime, limits: Limits) -> Answer:
    return rules.may_approve(
        who(person), holds_role=holds(person, MAY_APPROVE), name=item.name, state=item.state,
        wrote_or_requested=writers(item), terms=terms_of(item), now=at, limits=limits,
    )  # fmt: skip


def _refuse_past(terms: Terms, begins: datetime) -> None:
    if terms.expires_at <= begins:
        raise Invalid("Its end is past. Give it a later one. Nothing was changed.")


def _said(terms: Terms) -> dict[str, list[object]]:
    named = ("vulnerabilities", "component", "severity", "owner", "expires_at", "repository", "digest", "service")
    return {name: [None, getattr(terms, name)] for name in named if getattr(terms, name)}
