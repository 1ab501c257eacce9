"""What pages show of services: what runs and whether it may, health, rollback, last job. A fixed number of queries."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from chatbot_service import gate_words, lights, readiness
from chatbot_service.asking import question
from chatbot_service.health.runs import UNKNOWN, Change, Run, Summary, runs_between, summary
from chatbot_service.lights import Light, Standing
from chatbot_service.models import READS_ONLY, HealthTransition, Job, Service
from chatbot_service.readiness import Readiness
from chatbot_service.touching import Held, touching_jobs
from chatbot_service.usual import rollback_times
from chatbot_service.way_back import rollback_target
from deploy_records import gate_facts
from deploy_records.models import Deployment, ImageDigest
from deploy_records.rules import gate
from deploy_records.rules.case import Case, Decision

RUNS = frozenset({"running", "paused"})
A_DAY = timedelta(hours=24)
MOST_CHANGES = 10_000
"""More changes of state than this in one stretch are not read; what is before them shows as unknown."""


@dataclass(frozen=True)
class Row:
    """One service as pages show it. `target`: where a rollback would go, and since when it last ran. `case`: what the gate
    judged, for who asks it about another moment.
    """

    service: Service
    entry: ImageDigest | None
    case: Case | None
    decision: Decision | None
    deployment: Deployment | None
    target: ImageDigest | None
    last_job: Job | None
    touching: tuple[Held, ...]
    runs: tuple[Run, ...]
    rollback_seconds: float | None
    readiness: Readiness
    now: datetime

    @cached_property
    def summary(self) -> Summary:
        return summary(self.runs)

    @property
    def active_job(self) -> Job | None:
        return self.last_job if self.last_job is not None and self.last_job.is_active else None

    @property
    def runs_something(self) -> bool:
        return self.service.seen_state in RUNS

    @cached_property
    def approved(self) -> Light:
        standing = None
        if self.entry is not None and self.decision is not None:
            good = gate_words.why(self.decision, self.now) or self.entry.get_state_display().lower()
            why = good if self.decision.allowed else gate_words.why_not(self.decision, self.entry.state)
            standing = Standing(self.entry.state, self.decision.allowed, why, excused=bool(self.decision.exceptions))
        return lights.approved(
            drift=self.service.drift,
            looked=self.service.seen_at is not None,
            runs_something=self.runs_something,
            standing=standing,
        )

    @cached_property
    def health(self) -> Light:
        return lights.health(
            state=self.service.seen_state,
            seen_health=self.service.seen_health,
            seen_at=self.service.seen_at,
            now=self.now,
            on_purpose=bool(self.runs) and self.runs[-1].state == "stopped",
        )

    @cached_property
    def rollback(self) -> Light:
        about = _about(self.rollback_seconds)
        return lights.rollback(has_target=self.target is not None, image_local=self.service.previous_local, about=about)

    @property
    def badness(self) -> tuple[object, ...]:
        """Sorts worst first: by the worst of the three lights, then the next, then by name."""
        found = sorted((self.approved.badness, self.health.badness, self.rollback.badness))
        return (*found, self.service.name, self.service.host.name)


def rows(now: datetime | None = None) -> list[Row]:
    """All services, worst first."""
    return sorted(look_at(Service.objects.all(), now), key=lambda row: row.badness)


def row_of(service_id: int, now: datetime | None = None) -> Row | None:
    return next(iter(look_at(Service.objects.filter(pk=service_id), now)), None)


def look_at(services: QuerySet[Service], now: datetime | None = None) -> list[Row]:
    moment = now or timezone.now()
    since = moment - A_DAY
    found = _found(services, since)
    if not found:
        return []
    numbers = [one.service.pk for one in found]
    changes, touching = _changes(numbers, since), touching_jobs(numbers, since)
    last_jobs = _last_jobs(found)
    deployed = _deployed(found)
    entries = _entries(found, deployed)
    running = _running(found, deployed, entries)
    cases = _cases(found, running, moment)
    usual = rollback_times()
    ready = readiness.of([one.service for one in found], moment)

    def row(one: _Found) -> Row:
        number = one.service.pk
        deployment, case = _there(one, deployed), cases.get(number)
        held = touching[number]
        seconds = usual.get(number, usual.get(0))
        known = [*changes[number], *_not_watched_since(one.service, moment)]
        runs = runs_between(since, moment, known, one.state_before, [held_one.touch for held_one in held])
        return Row(
            service=one.service,
            entry=running.get(number),
            case=case,
            decision=gate.decide(case) if case else None,
            deployment=deployment,
            target=entries.get(one.target),
            last_job=last_jobs.get(one.last_job),
            touching=tuple(held),
            runs=tuple(runs),
            rollback_seconds=seconds,
            readiness=replace(ready[number], about=_about(seconds)),
            now=moment,
        )

    return [row(one) for one in found]


def _about(seconds: float | None) -> str:
    return "" if seconds is None else f"about {round(seconds)}\N{NO-BREAK SPACE}s"


@dataclass(frozen=True)
class _Found:
    """A service, the state its day began with, and the numbers of its last job and of its rollback target; 0: none.
    A look into a backup is no last job: it changes nothing, and holds nothing.
    """

    service: Service
    state_before: str
    last_job: int
    target: int


def _found(services: QuerySet[Service], since: datetime) -> list[_Found]:
    before = HealthTransition.objects.filter(service=OuterRef("pk"), at__lt=since).order_by("-at", "-id")
    last_job = Job.objects.filter(service=OuterRef("pk")).exclude(kind__in=READS_ONLY).order_by("-created_at", "-id")
    annotated = services.select_related("host").annotate(
        state_before=Subquery(before.values("state")[:1]),
        last_job=Subquery(last_job.values("pk")[:1]),
        target=rollback_target(),
    )
    return [_Found(one, one.state_before or "", one.last_job or 0, one.target or 0) for one in annotated]


def _last_jobs(found: Iterable[_Found]) -> dict[int, Job]:
    jobs = Job.objects.select_related("by").in_bulk([one.last_job for one in found if one.last_job])
    for one in found:
        job = jobs.get(one.last_job)
        if job is not None:  # what is at hand is not read a second time
            job.service = one.service
            if job.host_id == one.service.host_id:
                job.host = one.service.host
    return jobs


def _cases(found: Iterable[_Found], running: dict[int, ImageDigest], now: datetime) -> dict[int, Case]:
    """For whether what runs might be deployed there now, by the service's number."""
    asked = {one.service.pk: question(one.service, running[one.service.pk]) for one in found if one.service.pk in running}
    return dict(zip(asked, gate_facts.cases(list(asked.values()), now), strict=True))


def _there(one: _Found, deployed: dict[tuple[str, str], Deployment]) -> Deployment | None:
    return deployed.get((one.service.host.name, one.service.name))


def _changes(services: Iterable[int], since: datetime) -> dict[int, list[Change]]:
    rows = HealthTransition.objects.filter(service__in=services, at__gte=since).order_by("-at", "-id")
    found: dict[int, list[Change]] = defaultdict(list)
    for service, at, state, digest in rows.values_list("service_id", "at", "state", "digest")[:MOST_CHANGES]:
        found[service].append(Change(at, state, digest))
    for changes in found.values():
        changes.reverse()
    return found


def _not_watched_since(service: Service, now: datetime) -> list[Change]:
    """After the last look nothing is known, whatever was seen then."""
    if service.seen_at is None or now - service.seen_at <= lights.SEEN_WITHIN:
        return []
    return [Change(service.seen_at, UNKNOWN)]


def _deployed(found: Iterable[_Found]) -> dict[tuple[str, str], Deployment]:
    hosts = {one.service.host.name for one in found}
    names = {one.service.name for one in found}
    open_ones = Deployment.objects.filter(ended_at=None, host__in=hosts, service__in=names).defer("gate")
    return {(one.host, one.service): one for one in open_ones}


def _entries(found: Iterable[_Found], deployed: dict[tuple[str, str], Deployment]) -> dict[int, ImageDigest]:
    numbers = {one.target for one in found} | {one.entry_id for one in deployed.values()}
    digests = {one.service.seen_digest for one in found} - {""}
    entries = ImageDigest.objects.filter(Q(pk__in=numbers) | Q(digest__in=digests))
    return {entry.pk: entry for entry in entries}


def _running(
    found: Iterable[_Found], deployed: dict[tuple[str, str], Deployment], entries: dict[int, ImageDigest]
) -> dict[int, ImageDigest]:
    """What each service is seen to run, by its number; while nothing runs, what is deployed."""
    by_name = {(entry.repository, entry.digest): entry for entry in entries.values()}

    def runs(one: _Found) -> ImageDigest | None:
        service, there = one.service, _there(one, deployed)
        if service.seen_digest:
            return by_name.get((service.repository, service.seen_digest))
        return None if service.seen_state in RUNS or there is None else entries.get(there.entry_id)

    return {one.service.pk: entry for one in found if (entry := runs(one))}
