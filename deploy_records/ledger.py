"""The ledger of image digests: registering, approving, and taking out of use. Every change has its audit event.

Who only asks which entry a digest is finds it in `lookup`; whether it may run is asked in `verdict`.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import approving, audit
from deploy_records.approving import approve as approve
from deploy_records.approving import end_approvals
from deploy_records.approving import may_approve as may_approve
from deploy_records.audit import Actor
from deploy_records.errors import Refused
from deploy_records.models import Approval, Deployment, ImageDigest, LedgerState
from deploy_records.people import Person, require
from deploy_records.registering import Platform as Platform
from deploy_records.registering import Resolved as Resolved
from deploy_records.registering import register as register
from deploy_records.registering import register_found as register_found
from deploy_records.rules.words import checked_words
from deploy_records.states import fresh, move
from deploy_records.states import note_failure as note_failure
from deploy_records.states import note_healthy as note_healthy

MAY_DEPRECATE = "deploy_records.deprecate_digest"
MAY_REVOKE = "deploy_records.revoke_digest"


@dataclass(frozen=True)
class Result:
    """What a change led to, in one sentence for the person, and where the digest still runs."""

    entry: ImageDigest
    sentence: str
    runs_on: tuple[str, ...] = ()


def withdraw(approval: Approval, by: Person, why: str, *, address: str = "") -> Result:
    """One's own yes taken back. Without enough others, an approved digest is a candidate again."""
    return _result(approving.withdraw(approval, by, why, address=address), "Your approval is withdrawn.")


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
        end_approvals(now, f"The digest was {to.label.lower()}.")
        move(now, to, actor, reason=note, job=job, note=note)
    return _result(now, f"{to.label}.")


def _result(entry: ImageDigest, sentence: str) -> Result:
    running = Deployment.objects.filter(entry=entry, ended_at__isnull=True).order_by("service", "host")
    places = tuple(f"{one.service} on {one.host}" for one in running)
    still = f" It still runs as {', '.join(places)}: nothing there was changed." if places else ""
    return Result(entry, sentence + still, places)
