"""May this digest run now? Gathers what the ledger knows and asks the gate's rules."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from django.utils import timezone

from deploy_records.models import Approval, ImageDigest, LedgerState
from deploy_records.people import holders
from deploy_records.rules import gate
from deploy_records.rules.gate import Case, Decision, Yes

MAY_APPROVE = "deploy_records.approve_digest"


def ask(entry: ImageDigest, *, rolling_back: bool = False, at: datetime | None = None) -> Decision:
    """The gate's answer for one digest. Rolling back to what was known good is warned of, never stopped."""
    return ask_all([entry], rolling_back=rolling_back, at=at)[entry.pk]


def ask_all(entries: Iterable[ImageDigest], *, rolling_back: bool = False, at: datetime | None = None) -> dict[int, Decision]:
    """The same for many, by primary key, in two queries."""
    rules = gate.TO_ROLL_BACK if rolling_back else gate.TO_DEPLOY
    return {number: gate.decide(case, rules) for number, case in _cases(list(entries), at).items()}


def case_of(entry: ImageDigest, at: datetime | None = None) -> Case:
    """What the gate judges, as it is in the database now."""
    return _cases([entry], at)[entry.pk]


def _cases(entries: list[ImageDigest], at: datetime | None) -> dict[int, Case]:
    moment = at or timezone.now()
    approvers = frozenset(holders(MAY_APPROVE).values_list("pk", flat=True))
    given = defaultdict(list)
    for approval in Approval.objects.filter(entry__in=entries, ended_at__isnull=True).select_related("by"):
        given[approval.entry_id].append(approval)
    return {
        entry.pk: Case(
            state=entry.state,
            at=moment,
            approvals=tuple(Yes(one.by.get_username(), one.at, _flaw(one, entry, approvers)) for one in given[entry.pk]),
            known_good_at=entry.known_good_at or (entry.registered_at if entry.state == LedgerState.KNOWN_GOOD else None),
            note=entry.note,
            failed_at=entry.failed_at,
        )
        for entry in entries
    }


def _flaw(approval: Approval, entry: ImageDigest, approvers: frozenset[int]) -> str:
    """Judged again each time: who has lost the role, or turns out to have registered it, does not count."""
    if approval.by_id in {entry.registered_by_id, entry.reinstated_by_id}:
        return "they registered it or offered it again"
    if approval.by_id not in approvers:
        return "they no longer hold a role that may approve"
    return ""
