"""What happened, in the order in which it happened; and what would happen if the running step failed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.utils.safestring import SafeString

from chatbot_service.foreign_text import one_line
from chatbot_service.job_sight import JobSight
from chatbot_service.models import JobState, JobStep, Kind, StepState
from portal.sentences import job_backups, job_operation
from portal.sentences.parts import full, listed, said, sentence, strong
from portal.templatetags.digest import short

_PAST = {
    "gate": "the gate passed",
    "choose": "the gate let it through",
    "image": "the image was there",
    "verify": "it was verified",
    "rehearse": "the candidate was rehearsed beside the running one",
    "backup": "it was backed up",
    "pin": "the pin was written",
    "switch": "the container was switched",
    "serving": "it answered",
    "smoke": "the smoke tests passed",
    "prove": "what ran was proved",
    "record": "the deployment was recorded",
    "look": "what ran was looked at",
    "stop": "it was stopped",
    "start": "it was started",
}
_PUT_BACK = {
    "backup": "an unfinished copy was dropped",
    "rehearse": "the rehearsal was removed",
    "pin": "the old pin is back",
    "switch": "the old container is back",
    "record": "the old digest is on record again",
    "stop": "it was started again",
}
SWEEP_SECONDS = 15


@dataclass(frozen=True)
class Line:
    at: datetime
    tone: str
    said: SafeString


def story(sight: JobSight) -> Sequence[Line]:
    """Of a job that ended badly; at most five lines."""
    return list(_lines(sight))


def _lines(sight: JobSight) -> Iterator[Line]:
    done = [step for step in sight.planned if step.state == StepState.DONE]
    safe, unsafe = [step for step in done if not step.touches], [step for step in done if step.touches]
    past = _words(sight, job_backups.PAST, job_operation.PAST, _PAST)
    yield Line(sight.job.created_at, "ok", said("Started. ", *_sentence_of(safe, past)))
    if unsafe and unsafe[0].started_at:
        yield Line(unsafe[0].started_at, "ok", said("Then on the service: ", _listed(unsafe, past), "."))
    failed = sight.failed
    if failed and failed.key == "rehearse" and failed.started_at:
        beside = said("The candidate was started ", strong("beside"), " the running one, on copies of the data.")
        yield Line(failed.started_at, "ok", beside)
    if failed and failed.ended_at:
        yield Line(failed.ended_at, "stop", said(strong(f"“{failed.name}” failed"), ": ", full(one_line(failed.error, 300))))
    elif sight.job.cancel_asked_at:
        yield Line(sight.job.cancel_asked_at, "warn", said(strong("Somebody asked to cancel.")))
    if sight.undos and sight.undos[0].started_at:
        yield Line(sight.undos[0].started_at, "undone", _undone(sight))
    if sight.job.ended_at:
        yield Line(sight.job.ended_at, *_end(sight))


def _words(
    sight: JobSight, on_backups: Mapping[str, str], operating: Mapping[str, str], others: Mapping[str, str]
) -> Mapping[str, str]:
    if _is_on_backups(sight):
        return on_backups
    return operating if sight.job.kind in job_operation.KINDS else others


def _is_on_backups(sight: JobSight) -> bool:
    return sight.job.kind in job_backups.KINDS


def _sentence_of(steps: Sequence[JobStep], past: Mapping[str, str]) -> Sequence[object]:
    return (sentence(_listed(steps, past)), ".") if steps else ("Nothing was done yet.",)


def _listed(steps: Sequence[JobStep], past: Mapping[str, str]) -> SafeString:
    return listed([past.get(step.key, f"“{step.name}” was done") for step in steps])


def _undone(sight: JobSight) -> SafeString:
    done = [step for step in sight.undos if step.state == StepState.DONE]
    put_back = _words(sight, job_backups.PUT_BACK, job_operation.PUT_BACK, _PUT_BACK)
    names = listed([put_back.get(step.key, f"“{step.name}” was done") for step in done])
    of_digests = sight.job.kind not in job_backups.KINDS | job_operation.KINDS
    not_pinned = "" if sight.pinned or not of_digests else " The pin had not been written."
    return said("Undone: ", names, ".", not_pinned) if done else said("Nothing could be undone.")


def _end(sight: JobSight) -> tuple[str, SafeString]:
    broken = [step for step in sight.undos if step.state == StepState.FAILED]
    if broken:
        why = said(": ", full(one_line(broken[0].error, 200))) if broken[0].error else said(".")
        return "stop", said(strong("Not everything could be undone"), why)
    if sight.job.state == JobState.STUCK:
        return "stop", said(strong("It ended without having been undone."))
    if sight.proved_back and sight.from_digest:
        return "ok", said("Proved: the container runs ", short(sight.from_digest), " again, as pinned.")
    return "ok", said("Ended. ", "The service was not touched." if not sight.touched else "What was there before is there again.")


def if_it_fails(sight: JobSight) -> Sequence[SafeString]:
    """Paragraphs for the running job: what would be undone, and what if the worker died."""
    if not sight.job.is_active:
        return ()
    return _undo_now(sight), _worker_dies()


def _undo_now(sight: JobSight) -> SafeString:
    if sight.job.state == JobState.UNDOING:
        return said("The other undo steps still run, and the job says that it is stuck. Nothing is repeated by itself.")
    undos = [step.undo_name for step in reversed(sight.planned) if step.undo_name and step.state != StepState.WAITING]
    first = said("Undone, newest first: ", listed(undos), ". ") if undos else said("")
    if not any(step.touches for step in sight.planned):
        return said(first, "Nothing of a service is touched by this job.")
    if _is_on_backups(sight):
        return said(first, *job_backups.if_it_fails(sight))
    if not sight.touched or (sight.job.kind == Kind.UPGRADE and not sight.pinned):
        held = "If the backup holds it still, it goes on. " if sight.touched else ""
        return said(first, held, _untouched(sight))
    if sight.job.kind in {Kind.UPGRADE, Kind.ROLLBACK} and sight.from_digest:
        return said(first, short(sight.from_digest), " runs again, and that is proved before the job ends.")
    return said(first, "The page then says what holds.")


def _untouched(sight: JobSight) -> SafeString:
    if sight.job.kind == Kind.CONFIGURE:
        return said("The service runs on with the environment it has.")
    keeps = said(short(sight.from_digest), " keeps serving") if sight.from_digest else said("The service stays as it is")
    return said("Nothing else has been changed: ", keeps, ", the pin stays as it is.")


def _worker_dies() -> SafeString:
    most = settings.JOB_LEASE_SECONDS + SWEEP_SECONDS
    return said("If the worker dies, another one finishes or undoes this job within ", most, "\N{NO-BREAK SPACE}s.")


def boundary(sight: JobSight) -> str:
    """The words on the dashed line."""
    if sight.job.is_active:
        return f"Up to here the service {'was' if sight.touched else 'is'} not touched"
    if not sight.touched:
        return "The service was not touched"
    if sight.job.state == JobState.SUCCEEDED:
        return "Up to here the service was not touched"
    return "From here on it was touched" + ("" if sight.job.state == JobState.STUCK else ", and put back")
