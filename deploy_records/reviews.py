"""Approvals that have to be looked at again: found by a pure rule, which the gate asks at once, and noted here for good.

`look` is called when something changed on which approvals rest, and from time to time, as exceptions end by the clock.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from deploy_records import audit, gate_facts
from deploy_records.audit import Actor, Event, about
from deploy_records.gate_facts import Question
from deploy_records.models import Approval, Deployment, ImageDigest, LedgerState
from deploy_records.rules.case import Case
from deploy_records.rules.policy import ENVIRONMENTS
from deploy_records.rules.review import relied, why_again

GATE = Actor("gate")
_AT_ONCE = 50
_LIVE = (LedgerState.CANDIDATE, LedgerState.APPROVED, LedgerState.KNOWN_GOOD)
log = logging.getLogger(__name__)


def look(entries: Iterable[ImageDigest] | None = None, *, now: datetime | None = None) -> list[Approval]:
    """Marks the approvals that no longer rest on what they rested on, of these entries or of all. Those newly marked.

    Safe to call as often as one likes, and from several processes at once.
    """
    at = now or timezone.now()
    marked: list[Approval] = []
    for given in _in_batches(_unmarked(entries)):
        cases = _cases([one.entry for one in given], at)
        due = [(one, why) for one in given if (why := why_review(one, cases[one.entry_id]))]
        marked += [one for one, why in due if _mark(one, why, at)]
    return marked


def look_soon(entries: Iterable[ImageDigest] | None = None) -> None:
    """The same once the transaction at hand has been committed. A fault is logged: the gate says no without the mark."""
    known = None if entries is None else list(entries)
    transaction.on_commit(lambda: look(known), robust=True)


def why_review(approval: Approval, cases: Iterable[Case]) -> str:
    """Why it has to be looked at again, as a clause; empty if it has not. `cases`: its digest in every environment.
    Where the rules did not allow the digest when the approval was given, it rests on nothing that could change.
    """
    if approval.review_since is not None:
        return approval.review_because
    rested = [(relied(approval.evidence, case.environment), case) for case in cases if case.policy]
    reasons = (why_again(then, case.now) for then, case in rested if then is None or then.allowed)
    return next((reason for reason in reasons if reason), "")


@dataclass(frozen=True)
class Waiting:
    """A digest with approvals that somebody has to look at again. `runs_on`: where it runs now."""

    entry: ImageDigest
    approvals: tuple[Approval, ...]
    runs_on: tuple[str, ...]

    @property
    def since(self) -> datetime:
        return min(one.review_since for one in self.approvals if one.review_since)

    @property
    def because(self) -> str:
        """The reasons, each once, as a sentence."""
        return "; ".join(dict.fromkeys(one.review_because.rstrip(".") for one in self.approvals)) + "."


def waiting(most: int = 50) -> list[Waiting]:
    """For the release managers: first what runs, then what waits longest. In three queries."""
    since: dict[int, datetime] = {}
    marked = _of_live().filter(review_since__isnull=False)
    for entry, at in marked.order_by("review_since", "pk").values_list("entry_id", "review_since"):
        if at is not None:
            since.setdefault(entry, at)
    runs = _runs(since)
    first = sorted(since, key=lambda entry: (entry not in runs, since[entry], entry))[:most]
    given: dict[int, list[Approval]] = {entry: [] for entry in first}
    rows = marked.filter(entry__in=first).select_related(None).select_related("entry").defer("evidence")
    for one in rows.order_by("review_since", "pk"):
        given[one.entry_id].append(one)
    # What somebody has renewed since the first query has no approvals left here.
    return [Waiting(ones[0].entry, tuple(ones), tuple(runs.get(number, ()))) for number, ones in given.items() if ones]


def _of_live() -> QuerySet[Approval]:
    rows = Approval.objects.filter(ended_at__isnull=True, entry__state__in=_LIVE)
    return rows.select_related("entry", "by")


def _unmarked(entries: Iterable[ImageDigest] | None) -> QuerySet[Approval]:
    rows = _of_live().filter(review_since__isnull=True).order_by("entry", "pk")
    return rows if entries is None else rows.filter(entry__in=[one.pk for one in entries])


def _in_batches(rows: QuerySet[Approval]) -> Iterator[list[Approval]]:
    """So that the findings of a few digests are in memory at once, however long the ledger is."""
    numbers = list(rows.values_list("pk", flat=True))
    for begin in range(0, len(numbers), _AT_ONCE):
        yield list(rows.filter(pk__in=numbers[begin : begin + _AT_ONCE]))


def _cases(entries: Iterable[ImageDigest], at: datetime) -> Mapping[int, Sequence[Case]]:
    known = {entry.pk: entry for entry in entries}
    questions = [Question(entry, name) for entry in known.values() for name in ENVIRONMENTS]
    found: dict[int, list[Case]] = defaultdict(list)
    for question, case in zip(questions, gate_facts.cases(questions, at), strict=True):
        found[question.entry.pk].append(case)
    return found


def _mark(one: Approval, why: str, at: datetime) -> bool:
    with audit.changing():
        unmarked = Approval.objects.filter(pk=one.pk, ended_at__isnull=True, review_since__isnull=True)
        if not unmarked.update(review_since=at, review_because=why):
            return False
        changes = {"approval by": one.by.get_username(), "given at": one.at}
        audit.record(GATE, Event("approval.needs-review", **about(one.entry), reason=why, changes=changes))
    one.review_since, one.review_because = at, why
    log.info("The approval of %s by %s has to be looked at again: %s", one.entry, one.by, why)
    return True


def _runs(entries: Iterable[int]) -> Mapping[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    rows = Deployment.objects.filter(entry__in=list(entries), ended_at__isnull=True).order_by("service", "host")
    for entry, service, host in rows.values_list("entry_id", "service", "host"):
        found[entry].append(f"{service} on {host}")
    return found
