"""One job as its page follows it: steps with their usual times, what it touched, how the service was meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.db.models import QuerySet
from django.utils import timezone

from chatbot_service import usual
from chatbot_service.health.runs import WELL, Change, Run, runs_between
from chatbot_service.models import READS_ONLY, HealthTransition, Job, JobState, JobStep, Kind, Service, StepState
from chatbot_service.touching import Held, touching_jobs
from chatbot_service.usual import Usual
from deploy_records.models import ImageDigest

LEAD = timedelta(minutes=5)
"""So much of the time before a job is shown with it."""
TAIL = timedelta(minutes=2)

ENDED_BADLY = frozenset({JobState.FAILED, JobState.CANCELLED, JobState.STUCK})
_ONLY_READ = (*READS_ONLY, Kind.BACKUP, Kind.REHEARSE, Kind.CHECK)
_PAUSES = {
    "upgrade": "switch",
    "rollback": "switch",
    "restart": "stop",
    "restore": "stop",
    "unrestore": "stop",
    "configure": "apply",
}
"""The step with which the service stops answering."""


@dataclass(frozen=True)
class JobSight:
    job: Job
    steps: Sequence[JobStep]
    usual: Usual
    entries: dict[str, ImageDigest]
    runs: Sequence[Run]
    held: Sequence[Held]
    is_last: bool
    """Whether no later job on this service may have changed it."""
    now: datetime

    @cached_property
    def planned(self) -> list[JobStep]:
        return [step for step in self.steps if not step.is_undo]

    @cached_property
    def undos(self) -> list[JobStep]:
        return [step for step in self.steps if step.is_undo]

    @property
    def untouched_steps(self) -> list[JobStep]:
        return [step for step in self.steps if not step.touches]

    @property
    def touching_steps(self) -> list[JobStep]:
        return [step for step in self.steps if step.touches]

    @property
    def current(self) -> JobStep | None:
        """The step that runs now, be it an undo."""
        return next((step for step in self.steps if step.state == StepState.RUNNING), None)

    @property
    def failed(self) -> JobStep | None:
        return next((step for step in self.planned if step.state == StepState.FAILED), None)

    @property
    def number(self) -> int:
        """Of the current step, from 1; of the last one that began if none runs."""
        begun = [place for place, step in enumerate(self.planned, 1) if step.state != StepState.WAITING]
        return begun[-1] if begun else 0

    @property
    def touched(self) -> bool:
        return any(step.touches and step.state != StepState.WAITING for step in self.planned)

    @property
    def pinned(self) -> bool:
        """Whether the pin was begun to be written: before it, an upgrade touches the service at most for its backup."""
        return any(step.key == "pin" and step.state != StepState.WAITING for step in self.planned)

    @property
    def proved(self) -> JobStep | None:
        """The step that held container, pin and ledger against each other, if it found them the same."""
        return next((s for s in self.planned if s.key == "prove" and s.state == StepState.DONE), None)

    @property
    def proved_back(self) -> JobStep | None:
        """The undo that proved that the old digest runs again."""
        return next((s for s in self.undos if s.key == "pin" and s.state == StepState.DONE and "proved" in s.note), None)

    @property
    def took(self) -> timedelta:
        return (self.job.ended_at or self.now) - self.job.created_at

    @property
    def expected(self) -> float | None:
        """Seconds that all steps usually take."""
        return self.usual.total(step.key for step in self.planned)

    @property
    def pause(self) -> timedelta | None:
        """How long the service did not answer because of this job, at most; nothing if it was not made to stop."""
        held = self._held
        if self.job.kind == Kind.BACKUP or not self.job.facts.get("ran_before"):
            return held
        key = _PAUSES.get(self.job.kind)
        stops = next((step for step in self.planned if step.key == key), None)
        if stops is None or stops.started_at is None:
            return (held or timedelta()) if key else held
        return self._answers_again(stops.started_at) - stops.started_at + (held or timedelta())

    @property
    def _held(self) -> timedelta | None:
        """How long a backup paused or stopped it; nothing if none did."""
        facts = self.job.facts
        if facts.get("held_for") is None and not facts.get("held"):
            return None
        begun = next((step.started_at for step in self.planned if step.key == "hold"), None)
        if begun is None and facts.get("held_for") is not None:
            return timedelta(seconds=float(facts["held_for"]))
        begun = begun or next((step.started_at for step in self.planned if step.key == "backup"), None)
        goes_on = (
            step.ended_at for step in self.steps if step.key == "go-on" or (step.is_undo and step.key in {"hold", "backup"})
        )
        return (next(filter(None, goes_on), None) or self.job.ended_at or self.now) - begun if begun else None

    def _answers_again(self, since: datetime) -> datetime:
        serving = self.job.serving_at
        if serving is not None and serving >= since:
            return serving
        key = _PAUSES[self.job.kind]
        undone = next((step.ended_at for step in self.undos if step.key == key and step.ended_at), None)
        return undone or self.job.ended_at or self.now

    @property
    def was_well(self) -> bool:
        """Whether it was seen healthy from the job's beginning to its end."""
        return bool(self.runs_within) and all(run.state == WELL for run in self.runs_within)

    @property
    def runs_within(self) -> list[Run]:
        end = self.job.ended_at or self.now
        return [run for run in self.runs if run.end > self.job.created_at and run.start < end]

    @property
    def can_be_cancelled(self) -> bool:
        return self.job.state in {JobState.QUEUED, JobState.RUNNING} and self.job.cancel_asked_at is None

    @property
    def service(self) -> Service | None:
        return self.job.service

    @property
    def runs_now(self) -> str:
        return self.job.service.seen_digest if self.job.service else ""

    @property
    def from_digest(self) -> str:
        """What ran before; what runs now where the job did not get as far as to look."""
        return self.job.from_digest or (self.runs_now if not self.touched else "")


def follow(job: Job) -> JobSight:
    """`job` with its service, host and person. The number of queries does not depend on how much there is."""
    now = timezone.now()
    service = job.service
    runs, held = _meanwhile(job, service, now) if service else ([], [])
    return JobSight(
        job=job,
        steps=list(job.steps.all()),
        usual=usual.of(job.kind, service),
        entries=_entries(job, service),
        runs=runs,
        held=held,
        is_last=service is not None and not _later(job).exists(),
        now=now,
    )


def _later(job: Job) -> QuerySet[Job]:
    """What was refused changed nothing, and neither does what only reads."""
    later = Job.objects.filter(service=job.service, pk__gt=job.pk).exclude(state=JobState.REFUSED)
    return later.exclude(kind__in=_ONLY_READ)


def _entries(job: Job, service: Service | None) -> dict[str, ImageDigest]:
    repository = service.repository if service else str(job.result.get("repository", ""))
    wanted = {job.target_digest, job.from_digest, str(job.result.get("digest", ""))}
    if service:
        wanted.add(service.seen_digest)
    found = ImageDigest.objects.filter(repository=repository, digest__in=wanted - {""})
    return {entry.digest: entry for entry in found}


def _meanwhile(job: Job, service: Service, now: datetime) -> tuple[list[Run], list[Held]]:
    start = job.created_at - LEAD
    end = min(now, job.ended_at + TAIL) if job.ended_at else now
    changes = HealthTransition.objects.filter(service=service)
    before = changes.filter(at__lt=start).values_list("state", flat=True).first() or ""
    within = changes.filter(at__gte=start, at__lt=end).order_by("at", "id").values_list("at", "state", "digest")
    held = touching_jobs([service.pk], start)[service.pk]
    runs = runs_between(start, end, [Change(*row) for row in within], before, [one.touch for one in held])
    return runs, held
