"""Approving a digest, renewing an approval and taking it back. An approval keeps the evidence that it rests on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import audit, reviews, verdict
from deploy_records.audit import Actor, Event, about
from deploy_records.errors import Refused
from deploy_records.gate_facts import MAY_APPROVE
from deploy_records.models import Approval, ImageDigest, LedgerState
from deploy_records.people import Person, holds, require
from deploy_records.rules import approval as rules
from deploy_records.rules import gate
from deploy_records.rules.approval import Answer, Who
from deploy_records.rules.case import Case, Decision, exact
from deploy_records.rules.review import kept, relied, why_again
from deploy_records.rules.words import checked_words
from deploy_records.states import become_known_good, fresh, move, ran_healthy

RENEWED = "Renewed."


@dataclass(frozen=True)
class _Asked:
    """One environment: what the gate judges there, and whether what an approval rests on is there."""

    case: Case
    decision: Decision


def approve(entry: ImageDigest, by: Person, comment: str = "", *, address: str = "", comment_needed: bool = False) -> Approval:
    """One person's yes. With enough of them the digest is approved, and known good if it has run healthy.

    Refused while required reports are missing or findings block in every environment. An own approval that has to be
    looked at again ends as renewed.
    """
    person = require(by, MAY_APPROVE, "Approving a digest")
    actor, at = Actor.of(person, address), timezone.now()
    with audit.changing():
        now = fresh(entry)
        asked = _asked(now, at)
        live = _live(now)
        _answer(now, person, live, asked).or_refuse()
        _refuse_without_evidence(asked)
        comment = checked_words("The comment", comment, required=comment_needed or _comment_required(asked))
        before = next((one for one in live if one.by_id == person.pk), None)
        if before is not None:
            Approval.objects.filter(pk=before.pk).update(ended_at=at, ended_because=RENEWED)
        given = Approval.objects.create(entry=now, by=person, comment=comment, evidence=_evidence(asked, at))
        renewed = {"renewed": [before.review_because or None, None]} if before else {}
        audit.record(actor, Event("approval.renewed" if before else "approval.given", **about(now), reason=comment,
                                  changes=_changes(asked) | renewed))  # fmt: skip
        if now.state == LedgerState.CANDIDATE and has_enough(now):
            move(now, LedgerState.APPROVED, actor)
        if ran_healthy(now):
            become_known_good(now, actor)
    return given


def may_approve(entry: ImageDigest, by: Person, cases: Sequence[Case] | None = None) -> Answer:
    """For pages: whether this person may approve or renew now, and why not. `cases`: as of `verdict.cases_everywhere`."""
    if not isinstance(by, User):
        return Answer(False, "Sign in to approve.", "not-allowed")
    asked = [_of_environment(case) for case in cases or verdict.cases_everywhere(entry)]
    answer = _answer(entry, by, _live(entry), asked)
    if not answer.allowed or _anywhere(asked):
        return answer
    return Answer(False, f"{_missing(asked)} Nothing was changed.", "gate")


def withdraw(approval: Approval, by: Person, why: str, *, address: str = "") -> ImageDigest:
    """One's own yes taken back. Without enough others, an approved digest is a candidate again."""
    person = require(by, MAY_APPROVE, "Withdrawing an approval")
    why = checked_words("The reason", why, required=True, most=300)
    actor = Actor.of(person, address)
    with audit.changing():
        given = Approval.objects.select_related("entry", "by").get(pk=approval.pk)
        rules.may_withdraw(
            who(person), holds_role=True, approved_by=who(given.by), has_ended=given.ended_at is not None
        ).or_refuse()
        entry = given.entry
        end_approvals(entry, why, pk=given.pk)
        audit.record(actor, Event("approval.withdrawn", **about(entry), reason=why))
        if entry.state == LedgerState.APPROVED and not has_enough(entry):
            move(entry, LedgerState.CANDIDATE, actor, reason=why)
    return entry


def end_approvals(entry: ImageDigest, why: str, **only: Any) -> None:
    Approval.objects.filter(entry=entry, ended_at__isnull=True, **only).update(ended_at=timezone.now(), ended_because=why)


def has_enough(entry: ImageDigest) -> bool:
    """Whether the approvals that count are enough in one environment at least; the gate asks for each by itself."""
    cases = verdict.cases_everywhere(entry)
    return any(case.policy is not None and len(case.counted()) >= case.needed for case in cases)


def evidence_now(entry: ImageDigest, at: datetime | None = None) -> dict[str, Any]:
    """What an approval that is given now would rest on, by environment; `rules.review.relied` reads it."""
    moment = at or timezone.now()
    return _evidence(_asked(entry, moment), moment)


def who(person: User) -> Who:
    return Who(person.pk, person.get_username(), person.email)


def _asked(entry: ImageDigest, at: datetime) -> list[_Asked]:
    return [_of_environment(case) for case in verdict.cases_everywhere(entry, at)]


def _of_environment(case: Case) -> _Asked:
    """Exceptions for one service only count for the approval as well: where else it is deployed, the gate says no."""
    services = sorted({one.service for one in case.excuses.all()} | {""})
    cases = [replace(case, place=replace(case.place, service=service)) for service in services]
    asked = [_Asked(one, gate.decide(one, gate.TO_APPROVE)) for one in cases]
    return next((one for one in asked if one.decision.allowed), asked[0])


def _live(entry: ImageDigest) -> list[Approval]:
    return list(Approval.objects.filter(entry=entry, ended_at__isnull=True).select_related("by"))


def _answer(entry: ImageDigest, person: User, live: Iterable[Approval], asked: Sequence[_Asked]) -> Answer:
    return rules.may_approve(
        who(person),
        holds_role=holds(person, MAY_APPROVE),
        state=entry.state,
        registered_by=who(entry.registered_by),
        offered_again_by=who(entry.reinstated_by) if entry.reinstated_by else None,
        approved_by=[who(one.by) for one in live if one.by_id != person.pk or not _may_be_renewed(one, asked)],
    )


def _may_be_renewed(approval: Approval, asked: Sequence[_Asked]) -> bool:
    """It has to be looked at again, or it would count in more environments now than when it was given."""
    if reviews.why_review(approval, [one.case for one in asked]):
        return True
    return any(one.decision.allowed and why_again(relied(approval.evidence, one.case.environment), one.case.now) for one in asked)


def _anywhere(asked: Iterable[_Asked]) -> list[_Asked]:
    return [one for one in asked if one.decision.allowed]


def _refuse_without_evidence(asked: Sequence[_Asked]) -> None:
    if not _anywhere(asked):
        raise Refused(f"Not approved. {_missing(asked)} Nothing was changed.", code="gate")


def _missing(asked: Sequence[_Asked]) -> str:
    """Why not, and what to do, by the first environment's rules: those of production."""
    refusals = asked[0].decision.refusals
    to_clear = dict.fromkeys(one.to_clear for one in refusals if one.to_clear)
    return " ".join([*(one.why for one in refusals), *to_clear])


def _comment_required(asked: Sequence[_Asked]) -> bool:
    return any(one.case.asked.comment_required for one in _anywhere(asked))


def _evidence(asked: Sequence[_Asked], at: datetime) -> dict[str, Any]:
    holding = {one.name: one for found in _anywhere(asked) for one in found.decision.exceptions}
    return {
        "at": exact(at),
        "reports": [one.as_data() for one in asked[0].case.reports],
        "exceptions": [holding[name].as_data() for name in sorted(holding)],
        "environments": {
            one.case.environment: kept(
                allowed=one.decision.allowed, version=one.case.policy_version, policy=one.case.asked,
                judged=one.case.judged, decision=one.decision.as_data(),
            )
            for one in asked if one.case.policy is not None
        },
    }  # fmt: skip


def _changes(asked: Sequence[_Asked]) -> dict[str, Any]:
    """For the audit trail: by which reports, exceptions and versions of the policy."""
    allowed = _anywhere(asked)
    return {
        "reports": [one.sha256 for one in asked[0].case.reports],
        "exceptions": sorted({one.name for found in allowed for one in found.decision.exceptions}),
        "policies": {one.case.environment: one.case.policy_version for one in allowed},
    }
