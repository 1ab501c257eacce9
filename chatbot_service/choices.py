"""Which digests could a service run instead, may each, and what would change? And where could it go back to?"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from chatbot_service import backup_mode, usual
from chatbot_service.asking import question
from chatbot_service.board import Row
from chatbot_service.jobs.catalogue import steps_of
from chatbot_service.jobs.step import Step
from chatbot_service.usual import Usual
from deploy_records import deployments, verdict
from deploy_records.models import Approval, Deployment, ImageDigest, LedgerState, PlatformImage
from deploy_records.rules.gate import Decision

MOST = 20
_OUT_OF_USE = (LedgerState.DEPRECATED, LedgerState.REVOKED)


@dataclass(frozen=True)
class Choice:
    """`elsewhere`: where else it runs now. `platform`: its image for this host, if there is one."""

    entry: ImageDigest
    decision: Decision
    runs_now: bool
    approvals: Sequence[Approval]
    elsewhere: Sequence[Deployment]
    platform: PlatformImage | None

    @property
    def can_be_chosen(self) -> bool:
        return self.decision.allowed and not self.runs_now


@dataclass(frozen=True)
class Choices:
    found: Sequence[Choice]
    chosen: Choice | None
    running: Choice | None

    @property
    def any_can_be_chosen(self) -> bool:
        return any(one.can_be_chosen for one in self.found)


def for_upgrade(row: Row, asked: str = "") -> Choices:
    """Newest first. `asked`: the digest somebody wants to look at; without it the newest that may be deployed and is
    newer than what runs.
    """
    known = ImageDigest.objects.filter(repository=row.service.repository)
    newest = known.exclude(state__in=_OUT_OF_USE).values("pk")[:MOST]
    typed = asked if asked.isprintable() else ""  # PostgreSQL takes no NUL, not even to look for it
    shown = Q(pk__in=newest) | Q(digest__in={typed, row.service.seen_digest} - {""})
    found = _choices(row, list(known.filter(shown).prefetch_related("platforms")))
    running = next((one for one in found if one.runs_now), None)
    chosen = next((one for one in found if one.entry.digest == asked and not one.runs_now), None)
    newer = found[: found.index(running)] if running else found
    return Choices(found, chosen or _best([one for one in newer if one.can_be_chosen]), running)


def _best(newer: Sequence[Choice]) -> Choice | None:
    """The newest that the gate has no warning of; the newest, if it warns of all."""
    return next((one for one in newer if not one.decision.warnings), newer[0] if newer else None)


def _choices(row: Row, entries: Sequence[ImageDigest]) -> list[Choice]:
    decisions = verdict.ask_each([question(row.service, entry) for entry in entries])
    approvals = defaultdict(list)
    for one in Approval.objects.filter(entry__in=entries, ended_at=None).select_related("by"):
        approvals[one.entry_id].append(one)
    elsewhere = _elsewhere(row, entries)
    return [
        Choice(
            entry=entry,
            decision=decision,
            runs_now=entry.digest == row.service.seen_digest,
            approvals=approvals[entry.pk],
            elsewhere=elsewhere[entry.pk],
            platform=_platform(entry, row.service.host.platform),
        )
        for entry, decision in zip(entries, decisions, strict=True)
    ]


def _elsewhere(row: Row, entries: Iterable[ImageDigest]) -> dict[int, list[Deployment]]:
    here = Q(host=row.service.host.name, service=row.service.name)
    found = defaultdict(list)
    for one in Deployment.objects.filter(~here, entry__in=list(entries), ended_at=None, healthy_at__isnull=False):
        found[one.entry_id].append(one)
    return found


def _platform(entry: ImageDigest, host: str) -> PlatformImage | None:
    """The variant is not compared: linux/arm64/v8 runs on linux/arm64."""
    mine = [one for one in entry.platforms.all() if one.platform.split("/")[:2] == host.split("/")[:2]]
    return mine[0] if mine else None


@dataclass(frozen=True)
class WayBack:
    """A digest that ran well here before. `last_ran`: since when, the last time."""

    entry: ImageDigest
    decision: Decision
    last_ran: datetime


def for_rollback(row: Row) -> list[WayBack]:
    """The one that ran last comes first: the default."""
    service = row.service
    targets = deployments.known_good_targets(service.host.name, service.name, repository=service.repository)
    entries = list(targets.exclude(digest=service.seen_digest)[:MOST])
    decisions = verdict.ask_each([question(service, entry) for entry in entries], rolling_back=True)
    return [WayBack(entry, decision, _last_ran(entry)) for entry, decision in zip(entries, decisions, strict=True)]


def _last_ran(entry: ImageDigest) -> datetime:
    last_ran: datetime = entry.last_ran  # type: ignore[attr-defined]  # annotated by known_good_targets
    return last_ran


@dataclass(frozen=True)
class Planned:
    step: Step
    usual: float | None


@dataclass(frozen=True)
class Plan:
    """What will happen: the steps before the service is touched, those after, and how long each usually takes."""

    before: Sequence[Planned]
    after: Sequence[Planned]
    usual: Usual

    @property
    def before_seconds(self) -> float | None:
        return self._total(self.before)

    @property
    def after_seconds(self) -> float | None:
        return self._total(self.after)

    @property
    def seconds(self) -> float | None:
        return self._total([*self.before, *self.after])

    def _total(self, planned: Sequence[Planned]) -> float | None:
        return self.usual.total(one.step.key for one in planned)


def plan(kind: str, row: Row) -> Plan:
    steps = steps_of(kind, backup_mode.asked_of(kind, row.service))
    first = next((place for place, step in enumerate(steps) if step.touches), len(steps))
    times = usual.of(kind, row.service)
    planned = [Planned(step, times.of(step.key)) for step in steps]
    return Plan(planned[:first], planned[first:], times)
