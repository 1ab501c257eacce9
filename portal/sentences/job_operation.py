"""What jobs that look into a service, check its hardening or change its environment do, and what came of them."""

from collections.abc import Callable

from django.urls import reverse
from django.utils.safestring import SafeString

from chatbot_service.foreign_text import one_line
from chatbot_service.job_sight import JobSight
from chatbot_service.models import Job, Kind
from portal.sentences.parts import claim, said, some, strong
from portal.templatetags.moments import exact

NOUN = {
    Kind.LOG: "look at the log", Kind.FOLLOW: "look at the log", Kind.PROBE: "healthcheck by hand",
    Kind.REACH: "try of the connections", Kind.RESOURCES: "look at the resources",
    Kind.ENVIRONMENT: "look at the environment", Kind.HARDEN: "hardening check", Kind.CONFIGURE: "change of the environment",
}  # fmt: skip
KINDS = frozenset(NOUN)
DOING = {
    "log": "Reading the log",
    "healthcheck": "Running its healthcheck",
    "reach": "Trying its connections",
    "resources": "Seeing what it uses",
    "environment": "Looking at its environment",
    "write": "Writing the environment file",
    "arrive": "Seeing that the new values reach the service",
    "apply": "Applying the new environment",
    "serving": "Waiting until it serves",
    "prove": "Proving what runs",
    "record": "Recording the version",
}
IN_STEP = {
    "log": "while reading the log",
    "healthcheck": "while running its healthcheck",
    "reach": "while trying its connections",
    "resources": "while seeing what it uses",
    "environment": "while looking at its environment",
    "check": "in the check",
    "write": "while writing the environment file",
    "arrive": "before it was applied",
    "apply": "while it was applied",
    "serving": "while waiting until it served",
    "prove": "in the proof",
    "record": "while recording the version",
}
PAST = {
    "check": "the new values were checked",
    "write": "the environment file was written",
    "arrive": "they would reach the service",
    "apply": "they were applied",
    "serving": "it answered",
    "prove": "what ran was proved",
}
PUT_BACK = {"write": "the old environment file is back", "apply": "it runs with the old environment again"}


def doing(job: Job, key: str, name: str) -> str:
    if key == "check":
        return "Checking the new values" if job.kind == Kind.CONFIGURE else "Checking the running container"
    return DOING.get(key, name)


def page_of(job: Job) -> str:
    """Where what it found is shown; empty if nowhere."""
    if job.service_id is None:
        return ""
    if job.kind == Kind.LOG:
        return reverse("service-logs", args=[job.service_id], query={"look": job.pk})
    names = {Kind.FOLLOW: "service-logs", Kind.ENVIRONMENT: "service-environment", Kind.HARDEN: "service-hardening",
             Kind.CONFIGURE: "service-environment"}  # fmt: skip
    return reverse(names.get(Kind(job.kind), "service-triage"), args=[job.service_id])


def _service(sight: JobSight) -> SafeString:
    service = sight.service
    return claim(service, reverse("service", args=[service.pk])) if service else said(sight.job.host)


def _looked(sight: JobSight) -> SafeString:
    see = said(" ", claim("See what was found", page_of(sight.job)), ".") if sight.job.result else said(
        " What a look finds is kept for a day, and that is over."
    )  # fmt: skip
    return said("Looked at ", _service(sight), ".", see)


def _checked(sight: JobSight) -> SafeString:
    counts = sight.job.result.get("counts") or {}
    page = page_of(sight.job)
    if sight.job.result.get("passed"):
        return said("Checked. ", _service(sight), " ", claim("meets the whole baseline", page), ".")
    failed, unknown = int(counts.get("failed", 0)), int(counts.get("unknown", 0))
    open_ones = (
        f"{some(failed, 'rule is', 'rules are')} not met" if failed else f"{some(unknown, 'rule', 'rules')} could not be seen"
    )
    return said("Checked. ", strong(claim(open_ones, page)), " on ", _service(sight), ".")


def _configured(sight: JobSight) -> SafeString:
    changed = [str(name) for name in sight.job.result.get("changed", ())]
    what = one_line(", ".join(changed), 200) or "What was asked for"
    since = exact(sight.job.serving_at or sight.job.ended_at, "time")
    version = sight.job.result.get("version")
    kept = said(" It is ", claim(f"version {version}", page_of(sight.job)), ".") if version else said("")
    return said("Changed. ", _service(sight), " runs with ", what, " as asked for since ", since, ".", kept)


DONE: dict[Kind, Callable[[JobSight], SafeString]] = {
    **dict.fromkeys((Kind.LOG, Kind.FOLLOW, Kind.PROBE, Kind.REACH, Kind.RESOURCES, Kind.ENVIRONMENT), _looked),
    Kind.HARDEN: _checked,
    Kind.CONFIGURE: _configured,
}


def deed(job: Job) -> SafeString:
    """In a few words for a list; without a query, and without the result, which may be large."""
    if job.kind != Kind.CONFIGURE:
        return said(one_line(f"for “{job.asked['words']}”", 60)) if job.asked.get("words") else said("")
    if job.asked.get("version"):
        return said(f"back to version {job.asked['version']}")
    names = [*job.asked.get("set", {}), *job.asked.get("sealed", {}), *job.asked.get("unset", ())]
    return said(one_line(", ".join(names), 80))
