"""What is this job doing, is the service up, and how did it end?"""

from collections.abc import Callable

from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from chatbot_service import lights
from chatbot_service.foreign_text import one_line
from chatbot_service.job_sight import JobSight
from chatbot_service.models import Job, JobState, JobStep, Kind
from portal.sentences import job_backups, job_operation
from portal.sentences.parts import Answer, claim, full, said, some, strong
from portal.templatetags.digest import hexes, short
from portal.templatetags.moments import duration, exact
from portal.templatetags.status import JOB_TONES

_DOING = {
    "gate": "Asking the gate about",
    "choose": "Asking the gate about",
    "image": "Fetching",
    "verify": "Verifying",
    "rehearse": "Rehearsing",
    "pin": "Writing the pin for",
    "switch": "Switching to",
    "smoke": "Running the smoke tests on",
    "watch": "Watching",
}
"""Steps that are told with the digest they are about."""
_DOING_ALONE = {
    "backup": "Backing up",
    "serving": "Waiting until it serves",
    "prove": "Proving what runs",
    "record": "Recording the deployment",
    "deprecate": "Deprecating the faulty digest",
    "look": "Looking at what runs",
    "stop": "Stopping it",
    "start": "Starting it",
    "read": "Reading the compose files",
    "register": "Registering what runs",
    "resolve": "Asking the registry",
}
IN_STEP = {
    "gate": "at the gate",
    "choose": "at the gate",
    "image": "while fetching the image",
    "verify": "in the verification",
    "backup": "in the backup",
    "rehearse": "in rehearsal",
    "pin": "while writing the pin",
    "switch": "in the switch",
    "serving": "while waiting until it served",
    "smoke": "in the smoke tests",
    "prove": "in the proof",
    "record": "while recording the deployment",
    "watch": "in the watch",
    "deprecate": "while deprecating the faulty digest",
    "look": "while looking at what runs",
    "stop": "while stopping it",
    "start": "while starting it",
}
NOUN = {
    Kind.UPGRADE: "upgrade", Kind.ROLLBACK: "rollback", Kind.START: "start", Kind.STOP: "stop", Kind.RESTART: "restart",
    Kind.INSPECT: "reading", Kind.ADOPT: "taking it under management", Kind.RESOLVE: "registration", **job_backups.NOUN,
    **job_operation.NOUN,
}  # fmt: skip


def answer(sight: JobSight) -> Answer:
    job = sight.job
    tone = "undone" if job.state in {JobState.FAILED, JobState.CANCELLED} else JOB_TONES[JobState(job.state)]
    return Answer(tone, _SAID[JobState(job.state)](sight), _sub(sight))


def _sub(sight: JobSight) -> SafeString:
    """Nothing in it ticks: the sentence is read aloud when it changes."""
    job = sight.job
    parts: list[object] = []
    if job.error and job.state not in {JobState.REFUSED, JobState.SUCCEEDED}:
        parts.append(said("Cause: ", full(one_line(job.error, 400)), " "))
    by = (job.by.get_full_name() if job.by else "") or job.asked_by
    if job.is_active:
        parts.append(said("Asked for at ", exact(job.created_at, "time"), " UTC by ", by, "."))
    else:
        parts.append(said(duration(sight.took), _of_which(sight), ", ", exact(job.created_at), ", by ", by, "."))
    if job.cancel_asked_by and job.is_active:
        who, when = job.cancel_asked_by.get_username(), exact(job.cancel_asked_at, "time")
        parts.append(said(" ", who, " asked to cancel at ", when, "."))
    if job.reason:
        parts.append(said(" Reason: “", one_line(job.reason, 300), "”."))
    return said(*parts)


def _of_which(sight: JobSight) -> str:
    if sight.job.state == JobState.SUCCEEDED and sight.pause:
        return f", of which the service paused {duration(sight.pause)} at most"
    return ""


def _stopped(words: str) -> str:
    """With a full stop at its end, and a capital at its beginning."""
    return words[:1].upper() + full(words[1:])


def _digest(sight: JobSight, digest: str) -> SafeString:
    """Linked to its page where the ledger knows it."""
    if not digest:
        return said("it")
    entry = sight.entries.get(digest)
    return claim(hexes(digest), reverse("digest", args=[entry.pk])) if entry else hexes(digest)


def _service(sight: JobSight) -> SafeString:
    service = sight.service
    return claim(service, reverse("service", args=[service.pk])) if service else said(sight.job.host)


# While it runs


def _waiting(sight: JobSight) -> SafeString:
    host = sight.job.host
    light = lights.host(name=host.name, seen_at=host.seen_at, problem=host.problem, now=timezone.now())
    if light.good or light.word == "Cannot be used":
        return said("Waiting for a worker of ", host.name, ".")
    return said("Waiting, and ", strong(f"no worker of {host.name} answers"), f". Start one with KG_HOSTS={host.name}.")


def _running(sight: JobSight) -> SafeString:
    step = sight.current
    place = strong(f"step {sight.number} of {len(sight.planned)}")
    if sight.job.cancel_asked_at:
        return said(strong("Cancelling"), " before the next step: what has begun is undone.")
    if step is None:
        return said("Began, ", place, ".")
    doing = said(_doing(sight, step.key, step.name), ", ", place, ".")
    return said(doing, " ", _meanwhile(sight)) if sight.service else doing


def _doing(sight: JobSight, key: str, name: str) -> SafeString:
    if sight.job.kind in job_backups.KINDS:
        return said(job_backups.DOING.get(key, name))
    if sight.job.kind in job_operation.KINDS:
        return said(job_operation.doing(sight.job, key, name))
    if key in _DOING and sight.job.target_digest:
        beside = " beside the running one" if key == "rehearse" else ""
        return said(_DOING[key], " ", _digest(sight, sight.job.target_digest), beside)
    return said(_DOING_ALONE.get(key, name))


def _meanwhile(sight: JobSight) -> SafeString:
    if not any(step.touches for step in sight.planned):
        return said("Nothing of the service is touched.")
    if not sight.touched:
        up = sight.service is not None and sight.service.seen_health == "healthy"
        return said("The service is up and " if up else "The service is ", claim("not touched yet", "#boundary"), ".")
    if sight.job.kind not in {Kind.UPGRADE, Kind.ROLLBACK}:
        return said("The service is being changed now.")
    return _changing(sight)


def _changing(sight: JobSight) -> SafeString:
    if sight.job.kind == Kind.UPGRADE and not sight.pinned:
        held, for_long = sight.job.facts.get("held"), sight.job.facts.get("held_for")
        if held or for_long is None:
            return said(
                f"The service is {held} for the backup." if held else "The backup may hold the service still for a moment."
            )
        return said("The service runs; the backup held it still for ", duration(for_long), ".")
    if sight.job.serving_at:
        return said("The service ", strong("answers again"), " since ", exact(sight.job.serving_at, "time"), ".")
    if not sight.from_digest:
        return said("The service is being changed now.")
    return said("If anything fails, ", short(sight.from_digest), " is put back.")


def _undoing(sight: JobSight) -> SafeString:
    step, failed = sight.current, sight.failed
    why = said("“", failed.name, "” failed") if failed else said("It stopped")
    if sight.job.cancel_asked_at:
        why = said("Cancelled")
    now = said(": ", step.name[:1].lower() + step.name[1:]) if step and step.is_undo else said("")
    return said(why, ", and ", strong("it is being undone"), now, ". ", "" if sight.touched else "The service was not touched.")


# When it has ended


def _succeeded(sight: JobSight) -> SafeString:
    return _DONE[Kind(sight.job.kind)](sight)


def _changed(sight: JobSight, word: str) -> SafeString:
    target = sight.job.target_digest
    since = exact(sight.job.serving_at or sight.job.ended_at, "time")
    if sight.runs_now == target or not sight.runs_now:
        proved = said(", is healthy, and ", strong("that is proved")) if sight.proved else said(" and is healthy")
        return said(word, " ", _service(sight), " runs ", _digest(sight, target), " since ", since, proved, ".")
    later = said("; something else runs there now") if sight.is_last else said("; a later job changed it again")
    ran = said(" ran ", _digest(sight, target), " from ", since, " on, and that was proved")
    return said(word, " ", _service(sight), ran, later, ".")


def _started(sight: JobSight) -> SafeString:
    word = "Restarted." if sight.job.kind == Kind.RESTART else "Started."
    since = exact(sight.job.serving_at or sight.job.ended_at, "time")
    return said(word, " ", _service(sight), " answers since ", since, " with the same image as before.")


def _stopped_on_purpose(sight: JobSight) -> SafeString:
    since = exact(sight.job.ended_at, "time")
    return said("Stopped. ", _service(sight), " does not run since ", since, ". Start brings it back.")


def _read(sight: JobSight) -> SafeString:
    number = len(sight.job.result.get("services", ()))
    url = reverse("service-add-choose", args=[sight.job.pk])
    return said("Read. The compose files hold ", claim(some(number, "service", "services"), url), ".")


def _adopted(sight: JobSight) -> SafeString:
    registered = next((step.note for step in sight.planned if step.key == "register"), "")
    found = said(" What runs: ", full(one_line(registered))) if registered else said("")
    return said(_service(sight), " is ", strong("under management"), ".", found)


def _resolved(sight: JobSight) -> SafeString:
    digest = str(sight.job.result.get("digest", ""))
    repository = sight.job.result.get("repository", "")
    return said("Registered ", _digest(sight, digest), " of ", repository, ". Somebody else approves it.")


def _failed(sight: JobSight) -> SafeString:
    noun = NOUN[Kind(sight.job.kind)]
    step = sight.failed
    where = said(" ", claim(_in_step(sight, step), f"#step-{step.pk}")) if step else said("")
    if sight.service is None or not any(one.touches for one in sight.planned):
        return said("The ", noun, " failed", where, ". Nothing was changed.")
    return said("The ", noun, " failed", where, " and was undone. ", _as_before(sight))


def _in_step(sight: JobSight, step: JobStep) -> str:
    words = job_backups.IN_STEP if sight.job.kind in job_backups.KINDS else IN_STEP
    if sight.job.kind in job_operation.KINDS:
        words = job_operation.IN_STEP
    return words.get(step.key, f"in “{step.name}”")


def _cancelled(sight: JobSight) -> SafeString:
    who = sight.job.cancel_asked_by.get_username() if sight.job.cancel_asked_by else "request"
    head = said("The ", NOUN[Kind(sight.job.kind)], " was cancelled by ", who)
    if not sight.number:
        return said(head, " before it began. Nothing was changed.")
    return said(head, " and undone. ", _as_before(sight) if sight.service else "")


def _as_before(sight: JobSight) -> SafeString:
    """What did not happen is worth more than what did."""
    runs = said(": it runs ", _digest(sight, sight.from_digest), ", as before.") if sight.from_digest else said(".")
    if not sight.touched:
        return said(strong("The service never stopped" if sight.was_well else "The service was not touched"), runs)
    if sight.pause is None:
        return said("What was there before is there again.")
    if not sight.pause:
        return said(strong("The service never stopped"), runs)
    again = said("; it runs ", _digest(sight, sight.from_digest), " again") if sight.from_digest else said("")
    proved = said(", and ", strong("that is proved")) if sight.proved_back else said("")
    return said("The service paused for at most ", duration(sight.pause), again, proved, ".")


def _refused(sight: JobSight) -> SafeString:
    untouched = " Nothing of the service was touched." if sight.service else ""
    return said(strong("Not done"), ": ", _stopped(one_line(sight.job.error, 600)), untouched)


def _stuck(sight: JobSight) -> SafeString:
    broken = next((step for step in sight.undos if step.state == "failed"), None)
    which = said("The undo “", claim(broken.name, f"#step-{broken.pk}"), "” failed") if broken else said("The undo failed")
    return said(which, ", so ", strong(said(_service(sight), " may not be as it was")), ". Look at it now.")


_DONE: dict[Kind, Callable[[JobSight], SafeString]] = {
    Kind.UPGRADE: lambda sight: _changed(sight, "Upgraded."),
    Kind.ROLLBACK: lambda sight: _changed(sight, "Rolled back."),
    Kind.START: _started,
    Kind.RESTART: _started,
    Kind.STOP: _stopped_on_purpose,
    Kind.INSPECT: _read,
    Kind.ADOPT: _adopted,
    Kind.RESOLVE: _resolved,
    **job_backups.DONE,
    **job_operation.DONE,
}
_SAID: dict[JobState, Callable[[JobSight], SafeString]] = {
    JobState.QUEUED: _waiting,
    JobState.RUNNING: _running,
    JobState.UNDOING: _undoing,
    JobState.SUCCEEDED: _succeeded,
    JobState.FAILED: _failed,
    JobState.CANCELLED: _cancelled,
    JobState.REFUSED: _refused,
    JobState.STUCK: _stuck,
}


def deed(job: Job) -> SafeString:
    """What it did or is about, in a few words for a list."""
    if job.error and job.state != JobState.SUCCEEDED:
        to = said("to ", short(job.target_digest), "; ") if job.target_digest else said("")
        return said(to, one_line(job.error, 120))
    if job.target_digest:
        before = said(" from ", short(job.from_digest)) if job.from_digest else said("")
        return said("to ", short(job.target_digest), before)
    if job.kind in job_backups.KINDS:
        return job_backups.deed(job)
    if job.kind in job_operation.KINDS:
        return job_operation.deed(job)
    about = {Kind.INSPECT: "directory", Kind.RESOLVE: "reference"}.get(Kind(job.kind))
    return said(one_line(str(job.asked.get(about, "")), 80)) if about else said("")
