"""Runs one job from claim to end, and recovers a job whose worker has died: finished or undone, never left half way."""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from chatbot_service.claims import Claim, Lease, claim
from chatbot_service.fenced import fenced
from chatbot_service.jobs.catalogue import steps_of
from chatbot_service.jobs.context import Cancelled, JobContext
from chatbot_service.jobs.step import Fenced, Outcome, Step, patient, run_steps, undo_steps
from chatbot_service.models import UNRECORDED, Job, JobState, JobStep, StepState
from chatbot_service.operation_wiring import context_for
from chatbot_service.progress import Progress
from deploy_records import audit
from deploy_records.errors import Broken, Refused

log = logging.getLogger(__name__)

ENGINE_PATIENCE = 120.0
UNDO_PATIENCE = 30.0
"""How long failed undos of a job and the pauses after them may take in all, without the waiting for the engine."""
UNDO_PAUSE = 2.0

MakeContext = Callable[[Job, Progress, Claim], JobContext]


def run_job(job_id: int, make_context: MakeContext = context_for) -> None:
    """Claims and runs; returns at once when the job has ended or a live worker holds it."""
    held = claim(job_id)
    if held is None:
        return
    progress = Progress(held)
    try:
        with Lease(held):
            job = Job.objects.with_people().get(pk=job_id)
            _end(held, progress, _run(job, held, progress, make_context))
    except Fenced:
        log.warning("job %s: another worker has taken over; stopped", job_id)


def _run(job: Job, held: Claim, progress: Progress, make_context: MakeContext) -> JobState:
    try:
        context = fenced(make_context(job, progress, held), held.check)
    except Fenced:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, a job that cannot begin must not hold its service for ever
        return _could_not_begin(progress, error)
    patience = Patience(context)
    steps = patient(steps_of(job.kind, job.asked), patience.wait, patience.again)
    if held.recovered:
        return _recover(job, steps, context, progress)
    return _state(run_steps(steps, context, progress), context, progress)


def _recover(job: Job, steps: tuple[Step, ...], context: JobContext, progress: Progress) -> JobState:
    """Forward when the switch was committed or nothing was left to do but to end, else back."""
    done = set(job.steps.filter(state=StepState.DONE, is_undo=False).values_list("key", flat=True))
    begun = done | set(job.steps.exclude(state=StepState.WAITING).filter(is_undo=False).values_list("key", flat=True))
    committed = any(step.commits and step.key in done for step in steps) or all(step.key in done for step in steps)
    failed = job.steps.filter(state=StepState.FAILED, is_undo=False).exists()
    if not begun:
        return _state(run_steps(steps, context, progress), context, progress)
    if committed and not failed and job.state == JobState.RUNNING:
        wait_for_engine(context)
        return _state(run_steps(steps, context, progress, tuple(done)), context, progress)
    progress.interrupted()
    progress.undoing()
    outcome = undo_steps([step for step in steps if step.key in begun], context, progress)
    progress.failure = progress.failure or "The worker died and the job was undone."
    return _state(outcome, context, progress)


def _state(outcome: Outcome, context: JobContext, progress: Progress) -> JobState:
    if outcome is Outcome.SUCCEEDED:
        return JobState.SUCCEEDED
    if outcome is Outcome.STUCK:
        return JobState.STUCK
    if isinstance(progress.failure_error, Cancelled):
        return JobState.CANCELLED
    if isinstance(progress.failure_error, Refused) and not _touched(progress):
        return JobState.REFUSED
    if context.task.target and _candidate_at_fault(progress):
        context.records.failed(context.task.target, progress.failure)
    return JobState.FAILED


def _touched(progress: Progress) -> bool:
    rows = JobStep.objects.filter(job_id=progress.claim.job_id, touches=True, is_undo=False)
    return rows.exclude(state=StepState.WAITING).exists()


def _candidate_at_fault(progress: Progress) -> bool:
    """From the rehearsal on it is the image that failed; before, or when a worker died, it is not."""
    if progress.failure_error is None:
        return False
    keys = {"rehearse", "serving", "smoke", "watch"}
    return JobStep.objects.filter(job_id=progress.claim.job_id, key__in=keys, state=StepState.FAILED, is_undo=False).exists()


def _could_not_begin(progress: Progress, error: Exception) -> JobState:
    """No engine, no compose: nothing was touched, so a refusal; a recovered job tries again at the next sweep."""
    if progress.claim.recovered:
        log.warning("job %s cannot be recovered yet: %s", progress.claim.job_id, error)
        raise Fenced("recovery is tried again when the lease ends")
    if not isinstance(error, Refused | Broken):
        log.error("job %s could not begin", progress.claim.job_id, exc_info=error)
        error = Broken(f"The worker cannot work: {type(error).__name__}. Its log says more. Nothing was changed.")
    progress.failure, progress.failure_error = str(error), error
    return JobState.REFUSED


def _end(held: Claim, progress: Progress, state: JobState) -> None:
    code = getattr(progress.failure_error, "code", "broken") if state != JobState.SUCCEEDED else ""
    result = progress.get("result") or {}
    with audit.changing():
        was = held.rows().values_list("state", flat=True).first()
        ended = held.rows().update(
            state=state, ended_at=timezone.now(), error=progress.failure if state != JobState.SUCCEEDED else "",
            error_code=code, from_digest=progress.get("from") or "", result=result, lease_until=None,
            facts=progress.facts_that_stay(),
        )  # fmt: skip
        if not ended:
            raise Fenced(f"job {held.job_id} was taken over")
        job = Job.objects.with_people().get(pk=held.job_id)
        changes: dict[str, Any] = {"state": [was, state.value], "error": job.error}
        if job.kind not in UNRECORDED:
            audit.record(audit.WORKER, audit.Event(f"job.{state.value}", **audit.about(job), job=job.pk, changes=changes))


class Patience:
    """With undos: waits for the engine, and tries again for a while. One that shuts down answers still, and fails at its work."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._left = UNDO_PATIENCE
        self._begun = 0.0

    def wait(self) -> None:
        wait_for_engine(self._context)
        self._begun = self._context.now()

    def again(self, error: Exception) -> bool:
        self._left -= self._context.now() - self._begun + UNDO_PAUSE
        if self._left < 0:
            return False
        self._context.say(f"failed, and is tried again: {error}")
        self._context.pause(UNDO_PAUSE)
        return True


def wait_for_engine(context: JobContext) -> None:
    """An engine that restarts comes back within seconds; an undo waits for it rather than give up."""
    deadline = time.monotonic() + ENGINE_PATIENCE
    while True:
        try:
            context.engine.facts()
        except (Broken, Refused):
            if time.monotonic() > deadline:
                raise
            context.pause(1.0)
        else:
            return
