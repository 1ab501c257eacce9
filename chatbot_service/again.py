"""Starts a job anew as it was asked for, in the name of who asks now. All rules are asked again."""

from collections.abc import Callable

from chatbot_service import dispatch, operating
from chatbot_service.dispatch import Request
from chatbot_service.models import Job, JobState, Kind, Service
from deploy_records.errors import Broken, Refused


def start_again(job: Job, request: Request) -> Job:
    if not makes_sense(job):
        raise Refused(f"{job} has done what was asked, or runs still. Nothing was started.")
    request = Request(request.by, request.reason or job.reason, request.address)
    return _AGAIN[Kind(job.kind)](job, request)


def makes_sense(job: Job) -> bool:
    """What succeeded is done; only a restart, a reading and a check can be wanted twice."""
    if job.is_active or Kind(job.kind) not in _AGAIN:
        return False
    return job.state != JobState.SUCCEEDED or job.kind in {Kind.RESTART, Kind.INSPECT, Kind.HARDEN}


def _service(job: Job) -> Service:
    if job.service is None:
        raise Broken(f"{job} belongs to no service.")
    return job.service


def _rollback(job: Job, request: Request) -> Job:
    deprecate, note = bool(job.asked.get("deprecate")), str(job.asked.get("note", ""))
    return dispatch.rollback(_service(job), job.target_digest, request, deprecate=deprecate, note=note)


def _inspect(job: Job, request: Request) -> Job:
    asked = job.asked
    return dispatch.inspect(job.host, asked["directory"], list(asked["files"]), asked["project_name"], request)


def _lifecycle(job: Job, request: Request) -> Job:
    return dispatch.lifecycle(Kind(job.kind), _service(job), request)


_AGAIN: dict[Kind, Callable[[Job, Request], Job]] = {
    Kind.UPGRADE: lambda job, request: dispatch.upgrade(_service(job), job.target_digest, request),
    Kind.ROLLBACK: _rollback,
    Kind.START: _lifecycle,
    Kind.STOP: _lifecycle,
    Kind.RESTART: _lifecycle,
    Kind.INSPECT: _inspect,
    Kind.ADOPT: lambda job, request: dispatch.adopt(_service(job), request),
    Kind.RESOLVE: lambda job, request: dispatch.resolve(job.host, str(job.asked.get("reference", "")), request),
    Kind.HARDEN: lambda job, request: operating.harden(_service(job), request),
    Kind.CONFIGURE: operating.configure_again,
}
