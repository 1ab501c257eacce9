"""What the record says of one digest, ready for its page: the verdict, the places for approvals, where it ran."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from deploy_records import ledger, verdict
from deploy_records.models import Approval, AuditEvent, Deployment, ImageDigest, LedgerState, PlatformImage
from deploy_records.people import holders
from deploy_records.rules.approval import CAN_BE_APPROVED, Answer
from deploy_records.rules.gate import Case, Decision, RuleResult, decide
from portal.event_words import Told, told
from portal.pages.places import Place, places_of

MOST_DEPLOYMENTS = 10
MOST_EVENTS = 20
_MOST_NAMES = 3


@dataclass(frozen=True)
class Given:
    """An approval as it was given. `flaw`: why it does not count although it has not ended."""

    approval: Approval
    flaw: str
    mine: bool

    @property
    def counts(self) -> bool:
        return not self.flaw and self.approval.ended_at is None

    @property
    def tone(self) -> str:
        if self.counts:
            return "ok"
        return "warn" if self.flaw else "off"


@dataclass(frozen=True)
class Approvals:
    """All places there are: those given, those still open, and those that ended."""

    given: Sequence[Given]
    ended: Sequence[Given]
    needed: int
    who_could: str
    answer: Answer

    @property
    def counted(self) -> int:
        return sum(one.counts for one in self.given)

    @property
    def open_places(self) -> range:
        return range(max(0, self.needed - self.counted))

    @property
    def words(self) -> str:
        return f"{self.counted} of {self.needed}"

    @property
    def mine(self) -> Given | None:
        """The viewer's own approval, if it is in force."""
        return next((one for one in self.given if one.mine and one.approval.ended_at is None), None)


@dataclass(frozen=True)
class Dossier:
    entry: ImageDigest
    case: Case
    decision: Decision
    approvals: Approvals
    platforms: Sequence[PlatformImage]
    runs: Sequence[Place]
    deployments: Sequence[Deployment]
    more_deployments: bool
    history: Sequence[Told]

    @property
    def can_be_approved(self) -> bool:
        return self.entry.state in CAN_BE_APPROVED

    @property
    def can_be_taken_out(self) -> bool:
        return self.entry.state not in {LedgerState.DEPRECATED, LedgerState.REVOKED}

    @property
    def may_run(self) -> bool:
        return self.decision.allowed

    @property
    def tone(self) -> str:
        if not self.may_run:
            return "stop"
        return "warn" if self.decision.warnings else "ok"

    @property
    def gate_words(self) -> str:
        refused, asked = len(self.decision.refusals), len(self.decision.rules)
        return f"Refuses: {refused} of {asked} rules" if refused else f"Passes {asked} of {asked} rules"

    @property
    def reasons(self) -> Sequence[RuleResult]:
        """Why the gate refuses. What follows from another reason is left to the table: a candidate is one for want of
        approvals, and what was taken out of use has none for that.
        """
        refusals = self.decision.refusals
        if len(refusals) > 1 and self.entry.state == LedgerState.CANDIDATE:
            return refusals[1:]
        return refusals if self.can_be_taken_out else refusals[:1]

    @property
    def anything_to_clear(self) -> bool:
        return any(rule.to_clear for rule in self.decision.rules)

    @property
    def rules(self) -> Sequence[RuleResult]:
        """What refuses comes first, then what warns."""
        return sorted(self.decision.rules, key=lambda one: (one.passes, not one.warns))


def read(entry: ImageDigest, viewer: User) -> Dossier:
    ran = list(_deployments(entry)[: MOST_DEPLOYMENTS + 1])
    cases = verdict.cases_everywhere(entry)
    return Dossier(
        entry=entry,
        case=cases[0],
        decision=decide(cases[0]),
        approvals=_approvals(entry, viewer, cases),
        platforms=list(entry.platforms.all()),
        runs=places_of([entry])[entry.pk],
        deployments=ran[:MOST_DEPLOYMENTS],
        more_deployments=len(ran) > MOST_DEPLOYMENTS,
        history=[told(event) for event in _history(entry)],
    )


def _deployments(entry: ImageDigest) -> QuerySet[Deployment]:
    return Deployment.objects.filter(entry=entry).select_related("by")


def _history(entry: ImageDigest) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(object_type="imagedigest", object_id=str(entry.pk))[:MOST_EVENTS]


def _approvals(entry: ImageDigest, viewer: User, cases: Sequence[Case]) -> Approvals:
    """Judged as in production; where it may run under other rules, the place of a deployment says."""
    case = cases[0]
    flaws = {(yes.by, yes.at): yes.flaw for yes in case.given}
    everything = [
        Given(one, flaws.get((one.by.get_username(), one.at), ""), one.by_id == viewer.pk)
        for one in entry.approvals.select_related("by")
    ]
    in_force = [one for one in everything if one.approval.ended_at is None]
    return Approvals(
        given=in_force,
        ended=[one for one in reversed(everything) if one.approval.ended_at is not None],
        needed=case.policy.approvals if case.policy else 1,
        who_could=_who_could(entry, in_force),
        answer=ledger.may_approve(entry, viewer, cases),
    )


def _who_could(entry: ImageDigest, in_force: Sequence[Given]) -> str:
    """Names of those who may fill an open place, a few of them; empty if there is nobody."""
    given = {one.approval.by_id for one in in_force if one.counts}
    barred = {entry.registered_by_id, entry.reinstated_by_id, *given} - {None}
    could = holders(verdict.MAY_APPROVE).filter(~Q(pk__in=barred)).order_by("username")
    names = [person.get_username() for person in could[: _MOST_NAMES + 1]]
    if len(names) > _MOST_NAMES:
        return f"{', '.join(names[:_MOST_NAMES])} or others"
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
