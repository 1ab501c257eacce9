"""How long does it usually take? The median of the last runs that succeeded, of this service if it had any."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from django.db.models import QuerySet

from chatbot_service.models import Job, JobState, JobStep, Kind, Service, StepState

LAST_RUNS = 9


@dataclass(frozen=True)
class Usual:
    """Seconds by the key of a step. `pause`: from the switch until it answers. `elsewhere`: taken from other services."""

    steps: dict[str, float] = field(default_factory=dict)
    pause: float | None = None
    runs: int = 0
    elsewhere: bool = False

    def of(self, key: str) -> float | None:
        return self.steps.get(key)

    def total(self, keys: Iterable[str]) -> float | None:
        """Of the steps whose time is known; nothing if none is."""
        known = [self.steps[key] for key in keys if key in self.steps]
        return sum(known) if known else None


def of(kind: str, service: Service | None) -> Usual:
    ended = Job.objects.filter(kind=kind, state=JobState.SUCCEEDED)
    own = _measured(ended.filter(service=service)) if service is not None else Usual()
    if own.runs:
        return own
    others = _measured(ended)
    return Usual(others.steps, others.pause, others.runs, elsewhere=service is not None)


def _measured(jobs: QuerySet[Job]) -> Usual:
    last = jobs.order_by("-created_at", "-id").values("pk")[:LAST_RUNS]
    rows = JobStep.objects.filter(job__in=last, state=StepState.DONE, is_undo=False)
    took: dict[str, list[float]] = defaultdict(list)
    pauses: list[float] = []
    seen: set[int] = set()
    for job, key, started, ended, serving in rows.values_list("job_id", "key", "started_at", "ended_at", "job__serving_at"):
        if started is None or ended is None:
            continue
        seen.add(job)
        took[key].append((ended - started).total_seconds())
        if key == "switch" and serving is not None:
            pauses.append((serving - started).total_seconds())
    return Usual({key: median(times) for key, times in took.items()}, median(pauses) if pauses else None, len(seen))


def rollback_times() -> dict[int, float]:
    """By service: seconds from asking for a rollback until the old digest answers. Key 0: over all services."""
    rows = Job.objects.filter(kind=Kind.ROLLBACK, state=JobState.SUCCEEDED, serving_at__isnull=False)
    took: dict[int, list[float]] = defaultdict(list)
    last = rows.order_by("-created_at", "-id").values_list("service_id", "created_at", "serving_at")[: LAST_RUNS * 20]
    for service, asked, serving in last:
        if serving is None:
            continue
        seconds = (serving - asked).total_seconds()
        took[0].append(seconds)
        if len(took[service]) < LAST_RUNS:
            took[service].append(seconds)
    return {service: median(times) for service, times in took.items()}
