"""The ledger of image digests: registering, approving, and taking out of use. Every change has its audit event.

Who only asks which entry a digest is finds it in `lookup`; whether it may run is asked in `verdict`.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import audit
from deploy_records.audit import Actor, Event, about
from deploy_records.errors import Refused
from deploy_records.models import Approval, Deployment, ImageDigest, LedgerState
from deploy_records.people import Person, holds, require
from deploy_records.registering import Platform as Platform
from deploy_records.registering import Resolved as Resolved
from deploy_records.registering import register as register
from deploy_records.registering import register_found as register_found
from deploy_records.rules import approval as approval_rules
from deploy_records.rules import gate
from deploy_records.rules.approval import Who
from deploy_records.rules.words import checked_words
from deploy_records.states import become_known_good, fresh, move, ran_healthy
from deploy_records.states import note_failure as note_failure
from deploy_records.states import note_healthy as note_healthy
from deploy_records.verdict import MAY_APPROVE, case_of

MAY_DEPRECATE = "deploy_records.deprecate_digest"
MAY_REVOKE = "deploy_records.revoke_digest"


@dataclass(frozen=True)
class Result:
    """What a change led to, in one sentence for the person, and where the digest still runs."""

    entry: ImageDigest
    sentence: str
    runs_on: tuple[str, ...] = ()


def approve(entry: ImageDigest, by: Person, comment: str = "", *, address: str = "", comment_needed: bool = False) -> Approval:
    """One person's yes. With enough of them the digest is approved, and known good if it has run healthy."""
    person = require(by, MAY_APPROVE, "Approving a digest")
    comment = checked_words("The comment", comment, required=comment_needed)
    actor = Actor.of(person, address)
    with audit.changing():
        now = fresh(entry)
        _answer_to_approve(now, person).or_refuse()
        given = Approval.objects.create(entry=now, by=person, comment=comment)
        audit.record(actor, Event("approval.given", **about(now), reason=comment))
        if len(case_of(now).counted()) >= gate.DEFAULT_NEEDED and now.state == LedgerState.CANDIDATE:
            move(now, LedgerState.APPROVED, actor)
        if ran_healthy(now):
            become_known_good(now, actor)
    return given


def may_approve(entry: ImageDigest, by: Person) -> approval_rules.Answer:
    """For pages: whether this person may approve now, and why not."""
    if not isinstance(by, User):
        return approval_rules.Answer(False, "Sign in to approve.", "not-allowed")
    return _answer_to_approve(entry, by)


def withdraw(approval: Approval, by: Person, why: str, *, address: str = "") -> Result:
    """One's own yes taken back. Without enough others, an approved digest is a candidate again."""
    person = require(by, MAY_APPROVE, "Withdrawing an approval")
    why = checked_words("The reason", why, required=True, most=300)
    actor = Actor.of(person, address)
    with audit.changing():
        given = Approval.objects.select_related("entry", "by").get(pk=approval.pk)
        approval_rules.may_withdraw(
            _who(person), holds_role=True, approved_by=_who(given.by), has_ended=given.ended_at is not None
        ).or_refuse()
        entry = given.entry
        _end_approvals(entry, why, pk=given.pk)
        audit.record(actor, Event("approval.withdrawn", **about(entry), reason=why))
        if entry.state == LedgerState.APPROVED and len(case_of(entry).counted()) < gate.DEFAULT_NEEDED:
            move(entry, LedgerState.CANDIDATE, actor, reason=why)
    return _result(entry, "Your approval is withdrawn.")


def deprecate(entry: ImageDigest, by: Person, note: str, *, address: str = "") -> Result:
    """Marks a digest as faulty. Its approvals end; it may come back by `reinstate` and a new approval."""
    person = require(by, MAY_DEPRECATE, "Deprecating a digest")
    note = checked_words("The note", note, required=True)
    return _take_out(entry, LedgerState.DEPRECATED, note, Actor.of(person, address))


def deprecate_by_rollback(entry: ImageDigest, by: User, note: str, *, job: int) -> Result:
    """What a rollback does to the digest it leaves, in the name of who asked for the rollback. Safe to repeat."""
    now = fresh(entry)
    if now.state in {LedgerState.DEPRECATED, LedgerState.REVOKED}:
        return _result(now, "It is out of use already.")
    return _take_out(now, LedgerState.DEPRECATED, note, Actor.of(by), job=job)


def revoke(entry: ImageDigest, by: Person, reason: str, *, address: str = "") -> Result:
    """Forbids a digest for good."""
    person = require(by, MAY_REVOKE, "Revoking a digest")
    reason = checked_words("The reason", reason, required=True)
    return _take_out(entry, LedgerState.REVOKED, reason, Actor.of(person, address))


def reinstate(entry: ImageDigest, by: Person, reason: str, *, address: str = "") -> Result:
    """Offers a deprecated digest again: a candidate, for somebody else to approve."""
    person = require(by, MAY_DEPRECATE, "Offering a digest again")
    reason = checked_words("The reason", reason, required=True)
    with audit.changing():
        now = fresh(entry)
        if now.state != LedgerState.DEPRECATED:
            state = now.get_state_display().lower()
            raise Refused(f"Only a deprecated digest can be offered again; this one is {state}. Nothing was changed.")
        fields: dict[str, Any] = {"reinstated_by": person, "reinstated_at": timezone.now(), "note": ""}
        move(now, LedgerState.CANDIDATE, Actor.of(person, address), "digest.reinstated", reason=reason, **fields)
    return _result(now, "It is a candidate again. Somebody else has to approve it.")


def _take_out(entry: ImageDigest, to: LedgerState, note: str, actor: Actor, job: int | None = None) -> Result:
    with audit.changing():
        now = fresh(entry)
        if now.state in {to, LedgerState.REVOKED}:
            state = now.get_state_display().lower()
            raise Refused(f"This digest is {state} already. Nothing was changed.", code="already-out")
        _end_approvals(now, f"The digest was {to.label.lower()}.")
        move(now, to, actor, reason=note, job=job, note=note)
    return _result(now, f"{to.label}.")


def _end_approvals(entry: ImageDigest, why: str, **only: Any) -> None:
    Approval.objects.filter(entry=entry, ended_at__isnull=True, **only).update(ended_at=timezone.now(), ended_because=why)


def _answer_to_approve(entry: ImageDigest, person: User) -> approval_rules.Answer:
    valid = Approval.objects.filter(entry=entry, ended_at__isnull=True).select_related("by")
    return approval_rules.may_approve(
        _who(person),
        holds_role=holds(person, MAY_APPROVE),
        state=entry.state,
        registered_by=_who(entry.registered_by),
        offered_again_by=_who(entry.reinstated_by) if entry.reinstated_by else None,
        approved_by=[_who(one.by) for one in valid],
    )


def _who(person: User) -> Who:
    return Who(person.pk, person.get_username(), person.email)


def _result(entry: ImageDigest, sentence: str) -> Result:
    running = Deployment.objects.filter(entry=entry, ended_at__isnull=True).order_by("service", "host")
    places = tuple(f"{one.service} on {one.host}" for one in running)
    still = f" It still runs as {', '.join(places)}: nothing there was changed." if places else ""
    return Result(entry, sentence + still, places)
