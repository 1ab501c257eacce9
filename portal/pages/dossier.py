"""What the record says of one digest, ready for its page: the verdict, the places for approvals, where it ran."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db.models import QuerySet

from deploy_records.models import AuditEvent, Deployment, ImageDigest, LedgerState, PlatformImage
from deploy_records.rules.approval import CAN_BE_APPROVED
from deploy_records.rules.gate import TO_APPROVE, Case, Decision, RuleResult, decide
from deploy_records.rules.policy import ENVIRONMENTS
from portal.event_words import Told, told
from portal.pages import dossier_approvals, dossier_gate
from portal.pages.dossier_approvals import Approvals
from portal.pages.dossier_gate import Gate, Gates
from portal.pages.places import Place, places_of
from portal.sentences import gate as sentences

MOST_DEPLOYMENTS = 10
MOST_EVENTS = 20
MOST_REASONS = 3


@dataclass(frozen=True)
class Dossier:
    entry: ImageDigest
    gates: Gates
    approvals: Approvals
    platforms: Sequence[PlatformImage]
    runs: Sequence[Place]
    deployments: Sequence[Deployment]
    more_deployments: bool
    history: Sequence[Told]

    @property
    def gate(self) -> Gate:
        """In the environment that is looked at."""
        return self.gates.current

    @property
    def case(self) -> Case:
        return self.gate.case

    @property
    def decision(self) -> Decision:
        return self.gate.decision

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
    def somewhere_else(self) -> str:
        """Empty in production, which is what is meant where nothing is said: ` in staging`."""
        return "" if self.gate.environment == ENVIRONMENTS[0] else f" in {self.gate.environment}"

    @property
    def reasons(self) -> Sequence[str]:
        """Why the gate refuses, short, each with its proof in the table."""
        return [sentences.in_short(rule, self.decision) for rule in self._refusals[:MOST_REASONS]]

    @property
    def more_reasons(self) -> int:
        return max(0, len(self._refusals) - MOST_REASONS)

    @property
    def _refusals(self) -> Sequence[RuleResult]:
        """What follows from another reason is left to the table: a candidate is one for want of approvals, and what was
        taken out of use has none for that.
        """
        refusals = self.decision.refusals
        if len(refusals) > 1 and self.entry.state == LedgerState.CANDIDATE:
            return [one for one in refusals if one.key != "state"]
        return refusals if self.can_be_taken_out else refusals[:1]

    @property
    def comment_required(self) -> bool:
        """Whether the policy of an environment for which an approval would count asks for one."""
        cases = [case for case in self.gates.cases if case.policy and decide(case, TO_APPROVE).allowed]
        return any(case.asked.comment_required for case in cases)


def read(entry: ImageDigest, viewer: User, environment: str = "") -> Dossier:
    """`environment`: the one looked at; production unless told otherwise."""
    ran = list(_deployments(entry)[: MOST_DEPLOYMENTS + 1])
    runs = places_of([entry])[entry.pk]
    gates = dossier_gate.read(entry, runs, environment or ENVIRONMENTS[0])
    return Dossier(
        entry=entry,
        gates=gates,
        approvals=dossier_approvals.read(entry, viewer, gates.cases, gates.current.case),
        platforms=list(entry.platforms.all()),
        runs=runs,
        deployments=ran[:MOST_DEPLOYMENTS],
        more_deployments=len(ran) > MOST_DEPLOYMENTS,
        history=[told(event) for event in _history(entry)],
    )


def _deployments(entry: ImageDigest) -> QuerySet[Deployment]:
    return Deployment.objects.filter(entry=entry).select_related("by")


def _history(entry: ImageDigest) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(object_type="imagedigest", object_id=str(entry.pk))[:MOST_EVENTS]
