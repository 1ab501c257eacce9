"""Where a running job writes down what happens, each time only if the job is still its own."""

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from chatbot_service.claims import Claim
from chatbot_service.jobs.backup_ports import Measure
from chatbot_service.jobs.context import Cancelled
from chatbot_service.jobs.step import Fenced, Step
from chatbot_service.models import CLAIMED, Job, JobState, JobStep, StepState
from deploy_records.errors import Broken, Refused

MOST_OUTPUT = 20_000
PLACES_BETWEEN = 20
FLUSH_EVERY = 0.4
DIED = "The worker died here."
FOR_UNDO_ONLY = frozenset({"pin_before", "env_before", "env_after"})
"""Texts from the host, which may hold values of its environment: forgotten when the job ends."""
RESULT = "result"
"""Has a field of its own when the job has ended."""


def lay_out(job: Job, steps: tuple[Step, ...]) -> None:
    """The rows of all steps, before any has begun: the page shows what will happen."""
    touched = False
    rows = []
    for number, step in enumerate(steps, 1):
        touched = touched or step.touches
        rows.append(
            JobStep(job=job, position=number * PLACES_BETWEEN, key=step.key, name=step.name,
                    undo_name=step.undo_name, touches=touched)
        )  # fmt: skip
    JobStep.objects.bulk_create(rows)


@dataclass
class Progress:
    """Implements `step.Report`, `ports.Memory` and `say`."""

    claim: Claim
    failure: str = ""
    failure_error: Exception | None = None
    _row: JobStep | None = None
    _lines: list[str] = field(default_factory=list)
    _flushed: float = 0.0
    _looked: float = 0.0
    _measured: float = 0.0
    _undoing: bool = False
    _facts: dict[str, Any] | None = None

    # step.Report
    def begin(self, step: Step) -> None:
        self._open(JobStep.objects.get(job_id=self.claim.job_id, key=step.key, is_undo=False))
        self.look_up(force=True)

    def done(self, _step: Step, note: str) -> None:
        self._close(StepState.DONE, note=note)

    def failed(self, _step: Step, error: Exception) -> None:
        self.failure, self.failure_error = _words(error), error
        with transaction.atomic():
            self._close(StepState.FAILED, error=self.failure)
            self.put("failed_as", _kind_of(error))

    def begin_undo(self, step: Step) -> None:
        self.undoing()
        self._open(self._undo_row(step))

    def undone(self, _step: Step, note: str) -> None:
        self._close(StepState.DONE, note=note)

    def undo_failed(self, step: Step, error: Exception) -> None:
        self.failure = f"{self.failure} The undo “{step.undo_name}” failed as well: {_words(error)}".strip()
        self._close(StepState.FAILED, error=_words(error))

    def undoing(self) -> None:
        self._undoing = True
        self._update(state=JobState.UNDOING)

    def interrupted(self) -> None:
        """After a recovery: the step in which the former worker died has failed. What failed first stays the cause."""
        rows = JobStep.objects.filter(job_id=self.claim.job_id)
        for row in rows.filter(state=StepState.RUNNING):
            self._row, self._lines = row, row.output.splitlines()
            self._close(StepState.FAILED, error=DIED)
        first = rows.filter(state=StepState.FAILED, is_undo=False).first()
        if first is not None:
            self.failure = f"The worker died in “{first.name}”." if first.error == DIED else first.error
            self.failure_error = _error_of(self.get("failed_as"), self.failure)

    # say
    def say(self, line: str) -> None:
        stamp = timezone.now().strftime("%H:%M:%S")
        self._lines.append(f"{stamp} {line.replace(chr(0), '')}")
        if time.monotonic() - self._flushed > FLUSH_EVERY:
            self._flush()
        self.look_up()

    # backup_ports.Measured
    def measured(self, measure: Measure) -> None:
        """For whoever watches; the step's output stays as it is."""
        if time.monotonic() - self._measured > FLUSH_EVERY:
            self._measured = time.monotonic()
            self._write(progress=asdict(measure))
        self.look_up()

    def look_up(self, *, force: bool = False) -> None:
        """Stops the job when it was taken over, or when somebody asked to cancel; an undo is not cancelled."""
        if not force and time.monotonic() - self._looked < FLUSH_EVERY:
            return
        self._looked = time.monotonic()
        asked = self.claim.rows().values_list("cancel_asked_at", flat=True)
        if not asked:
            raise Fenced(f"job {self.claim.job_id} was taken over")
        if asked[0] is not None and not self._undoing:
            raise Cancelled("Cancelled on request.")

    # ports.Memory
    def get(self, key: str) -> Any:
        if self._facts is None:
            self._facts = dict(Job.objects.values_list("facts", flat=True).get(pk=self.claim.job_id))
        return self._facts.get(key)

    def put(self, key: str, value: Any) -> None:
        self.get(key)
        self._facts = (self._facts or {}) | {key: value}
        self._update(facts=self._facts)

    def facts_that_stay(self) -> dict[str, Any]:
        self.get("")
        return {key: value for key, value in (self._facts or {}).items() if key not in FOR_UNDO_ONLY and key != RESULT}

    def _update(self, **fields: Any) -> None:
        if not self.claim.rows().update(**fields):
            raise Fenced(f"job {self.claim.job_id} was taken over")

    def _open(self, row: JobStep) -> None:
        self._row, self._lines = row, []
        self._write(state=StepState.RUNNING, started_at=timezone.now(), ended_at=None, error="", note="", progress=None)

    def _close(self, state: StepState, note: str = "", error: str = "") -> None:
        self._write(state=state, note=note[:300], error=error[:4000], ended_at=timezone.now(), output=_bounded(self._lines))

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        if self._row is not None:
            self._write(output=_bounded(self._lines))

    def _write(self, **fields: Any) -> None:
        if self._row is None:
            return
        mine = JobStep.objects.filter(pk=self._row.pk, job__fence=self.claim.fence, job__state__in=CLAIMED)
        if not mine.update(**fields):
            raise Fenced(f"job {self.claim.job_id} was taken over")

    def _undo_row(self, step: Step) -> JobStep:
        """Right behind the last step that began; the same row again if the undo is repeated after a recovery."""
        rows = JobStep.objects.filter(job_id=self.claim.job_id)
        with transaction.atomic():
            again = rows.filter(key=step.key, is_undo=True).first()
            if again is not None:
                return again
            last = rows.exclude(state=StepState.WAITING).order_by("-position").first()
            position = (last.position if last else 0) + 1
            return JobStep.objects.create(
                job_id=self.claim.job_id, key=step.key, is_undo=True, position=position,
                name=(step.undo_name or f"undo: {step.name}").capitalize(), touches=bool(last and last.touches),
            )  # fmt: skip


def _kind_of(error: Exception) -> dict[str, str]:
    """What decides how the job ends, were another worker to undo it."""
    kind = "cancelled" if isinstance(error, Cancelled) else "refused" if isinstance(error, Refused) else "broken"
    return {"kind": kind, "code": getattr(error, "code", "broken")}


def _error_of(kind: dict[str, str] | None, words: str) -> Exception | None:
    if kind is None:
        return None  # no step failed: the worker died
    if kind["kind"] == "refused":
        return Refused(words, code=kind["code"])
    return Cancelled(words) if kind["kind"] == "cancelled" else Broken(words)


def _words(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text[:2000].replace("\x00", "")


def _bounded(lines: list[str]) -> str:
    """Beginning and end are kept; the middle is left out and counted."""
    text = "\n".join(lines)
    if len(text) <= MOST_OUTPUT:
        return text
    half = MOST_OUTPUT // 2
    return f"{text[:half]}\n… {len(text) - MOST_OUTPUT:,} characters left out …\n{text[-half:]}"
