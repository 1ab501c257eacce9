"""How every service is and has been: for one page about all of them. The number of queries is the same for any number."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from chatbot_service import lights
from chatbot_service.health import rollup
from chatbot_service.health.details import Stretch
from chatbot_service.health.history import Totals, last_days
from chatbot_service.health.rollup import DAY, Bucket
from chatbot_service.health.runs import UNKNOWN, Change, Run, runs_between
from chatbot_service.health.standing import last_before
from chatbot_service.lights import Light
from chatbot_service.models import ACTIVE, READS_ONLY, HealthTransition, Job, Service
from chatbot_service.touching import touching_jobs

A_DAY = timedelta(hours=24)
DAYS = (7, 30, 90)
MOST_CHANGES = 10_000
"""More changes of state than this in a day are not read; what is before them shows as unknown."""


@dataclass(frozen=True)
class Standing:
    """`light`: how it is now. `runs`: the last 24 hours. `days`: the last whole days in UTC of which something is recorded;
    `totals`: of the last so many of them. `job`: what changes it right now.
    """

    service: Service
    light: Light
    runs: Sequence[Run]
    days: Sequence[Bucket]
    totals: Mapping[int, Totals]
    job: Job | None

    @property
    def badness(self) -> tuple[object, ...]:
        """Sorts worst first: by how it is now, then by how it has been."""
        share = self.totals[max(self.totals)].share if self.totals else None
        return (self.light.badness, 101.0 if share is None else share, self.service.name, self.service.host.name)


def all_services(now: datetime | None = None, days: Sequence[int] = DAYS) -> list[Standing]:
    """Worst first. Up to seven queries."""
    moment = now or timezone.now()
    services = list(Service.objects.select_related("host"))
    numbers = [one.pk for one in services]
    since = moment - A_DAY
    before = last_before(numbers, since)
    changes = _changes(since)
    touching = touching_jobs(numbers, since)
    recorded = last_days(numbers, max(days), moment)
    jobs = _active_jobs()
    found = []
    for one in services:
        state = before[one.pk].state if one.pk in before else UNKNOWN
        touches = [held.touch for held in touching[one.pk]]
        known = [*changes.get(one.pk, ()), *_not_watched_since(one, moment)]
        runs = runs_between(since, moment, known, state, touches)
        kept = recorded.get(one.pk, [])
        found.append(Standing(one, light_of(one, runs, moment), runs, kept, _totals(kept, days, moment), jobs.get(one.pk)))
    return sorted(found, key=lambda one: one.badness)


def light_now(service: Service, now: datetime) -> Light:
    """Of one, with one query."""
    last = last_before([service.pk], now).get(service.pk)
    return light_of(service, [Run(now, now, last.state)] if last else (), now)


def light_of(service: Service, runs: Sequence[Run | Stretch], now: datetime) -> Light:
    """`runs` up to now: the last one says whether it was stopped on purpose."""
    return lights.health(
        state=service.seen_state, seen_health=service.seen_health, seen_at=service.seen_at, now=now,
        on_purpose=bool(runs) and runs[-1].state == "stopped",
    )  # fmt: skip


def _changes(since: datetime) -> dict[int, list[Change]]:
    rows = HealthTransition.objects.filter(at__gte=since).order_by("-at", "-id")
    found: dict[int, list[Change]] = {}
    for service, at, state in list(rows.values_list("service_id", "at", "state")[:MOST_CHANGES])[::-1]:
        found.setdefault(service, []).append(Change(at, state))
    return found


def _not_watched_since(service: Service, now: datetime) -> list[Change]:
    """After the last look nothing is known, whatever was seen then."""
    if service.seen_at is None or now - service.seen_at <= lights.SEEN_WITHIN:
        return []
    return [Change(service.seen_at, UNKNOWN)]


def _totals(kept: Sequence[Bucket], days: Sequence[int], now: datetime) -> dict[int, Totals]:
    today = int(now.timestamp()) // DAY * DAY
    return {length: Totals.of(rollup.total(one for one in kept if one.start >= today - length * DAY)) for length in days}


def _active_jobs() -> dict[int, Job]:
    jobs = Job.objects.filter(state__in=ACTIVE, service__isnull=False).exclude(kind__in=READS_ONLY)
    return {job.service_id: job for job in jobs if job.service_id is not None}
