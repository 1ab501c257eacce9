"""`start` asks the rules, writes the job with its audit event, and wakes a worker once that is committed."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from chatbot_service import backup_mode, past_the_gate
from chatbot_service.asking import question
from chatbot_service.claims import lapsed_jobs
from chatbot_service.jobs.catalogue import KINDS, steps_of
from chatbot_service.models import ACTIVE, READS_ONLY, UNRECORDED, Host, Job, JobState, Kind, Service
from chatbot_service.progress import lay_out
from deploy_records import audit, deployments, lookup, verdict
from deploy_records.errors import Broken, Invalid, Refused
from deploy_records.models import ImageDigest
from deploy_records.people import require
from deploy_records.rules.case import Decision
from deploy_records.rules.digest import parse_digest, parse_reference, shown
from deploy_records.rules.words import checked_words

log = logging.getLogger(__name__)

PUBLISH_AGAIN_AFTER = timedelta(seconds=15)


@dataclass(frozen=True)
class Request:
    """Who asks, from where, and why. Nobody: the schedule does."""

    by: User | None
    reason: str = ""
    address: str = ""

    @property
    def person(self) -> User:
        """For what only a person may do."""
        if self.by is None:
            raise Broken("The schedule cannot do that.")
        return self.by

    @property
    def actor(self) -> audit.Actor:
        return audit.Actor.of(self.by, self.address) if self.by else audit.SCHEDULER


@dataclass(frozen=True)
class Order:
    kind: Kind
    host: Host
    service: Service | None = None
    target: str = ""
    asked: dict[str, Any] = field(default_factory=dict)
    recorded: dict[str, Any] | None = None
    """What the audit trail shows of `asked`; None: all of it."""


def upgrade(service: Service, digest: str, request: Request) -> Job:
    """`digest`: `sha256:…`, or `repository@sha256:…` of the service's repository."""
    may(Kind.UPGRADE, request)
    service = _fresh(service)
    target = _target(service, digest)
    _ask_gate(service, target, rolling_back=False)
    return start(Order(Kind.UPGRADE, service.host, service, target, backup_mode.asked_of(Kind.UPGRADE, service)), request)


def rollback(service: Service, digest: str, request: Request, *, deprecate: bool = False, note: str = "") -> Job:
    """An empty `digest` means the last known-good one that ran here before."""
    may(Kind.ROLLBACK, request)
    service = _fresh(service)
    if digest:
        target = _target(service, digest)
    else:
        here = service.host.name, service.name
        entry = deployments.previous_known_good(*here, but_not=service.seen_digest, repository=service.repository)
        if entry is None:
            raise Refused(f"No other digest has run healthy as {service} yet, so there is nothing to roll back to.")
        target = entry.digest
    entry, decision = _ask_gate(service, target, rolling_back=True)
    checked = checked_words("The note", note, required=deprecate, most=500)
    job = start(Order(Kind.ROLLBACK, service.host, service, target, {"deprecate": deprecate, "note": checked}), request)
    _draft_for_review(job, entry, decision, request)
    return job


def lifecycle(kind: Kind, service: Service, request: Request) -> Job:
    """start, stop or restart."""
    if kind not in {Kind.START, Kind.STOP, Kind.RESTART}:
        raise Invalid(f"{shown(str(kind))} is not start, stop or restart.")
    may(kind, request)
    return start(Order(kind, service.host, service), request)


def adopt(service: Service, request: Request) -> Job:
    may(Kind.ADOPT, request)
    return start(Order(Kind.ADOPT, service.host, service), request)


def inspect(host: Host, directory: str, files: list[str], project_name: str, request: Request) -> Job:
    """Reads a compose project on the host, for adding a service."""
    may(Kind.INSPECT, request)
    asked = {"directory": directory, "files": files, "project_name": project_name}
    return start(Order(Kind.INSPECT, host, asked=asked), request)


def resolve(host: Host, reference: str, request: Request) -> Job:
    """Registers `repository:tag` or `repository@sha256:…` in the ledger; a worker of the host asks the registry."""
    may(Kind.RESOLVE, request)
    parsed = parse_reference(reference)
    if not parsed.tag and not parsed.digest:
        raise Invalid(f"{shown(reference)} names neither tag nor digest. Add :TAG or @sha256:…")
    return start(Order(Kind.RESOLVE, host, asked={"reference": str(parsed)}), request)


def cancel(job: Job, request: Request) -> None:
    """Asks the worker to stop and undo; a job that still waits ends at once."""
    require(request.person, "chatbot_service.cancel_job", "Cancelling a job")
    reason = checked_words("The reason", request.reason, most=500)
    with audit.changing():
        event = audit.Event("job.cancel_asked", **audit.about(job), job=job.pk, reason=reason)
        waiting = Job.objects.filter(pk=job.pk, state=JobState.QUEUED).update(
            state=JobState.CANCELLED, ended_at=timezone.now(), cancel_asked_at=timezone.now(),
            cancel_asked_by=request.person, error="Cancelled before it began.",
        )  # fmt: skip
        asked = waiting or Job.objects.filter(pk=job.pk, state=JobState.RUNNING, cancel_asked_at=None).update(
            cancel_asked_at=timezone.now(), cancel_asked_by=request.person
        )
        if not asked:
            words = "has ended, is being undone or was asked to stop already"
            raise Refused(f"{job} {words}, so there is nothing to cancel.")
        audit.record(request.actor, event)


def may(kind: Kind, request: Request) -> None:
    """`NotAllowed` for a person without the permission of that kind of job; the schedule may."""
    if request.by is not None:
        require(request.by, KINDS[kind].permission, KINDS[kind].to_do)


def _fresh(service: Service) -> Service:
    """What runs now, not what ran when the caller read the row."""
    return Service.objects.select_related("host").get(pk=service.pk)


def _target(service: Service, text: str) -> str:
    """The digest asked for, when the ledger knows it for this service's repository and it does not run already."""
    if "@" in text or not text.startswith("sha256:"):
        reference = parse_reference(text) if "@" in text else None
        if reference is not None and reference.repository != service.repository:
            raise Refused(f"{service} runs images of {service.repository}; {shown(reference.repository)} is another repository.")
        digest = reference.digest if reference else parse_digest(text)
    else:
        digest = parse_digest(text)
    lookup.get(service.repository, digest)
    if service.seen_digest == digest and service.seen_state == "running":
        raise Refused(f"{digest[:19]}… runs already as {service}. Nothing was changed.")
    return digest


def _ask_gate(service: Service, digest: str, *, rolling_back: bool) -> tuple[ImageDigest, Decision]:
    """A plain no is said at once; the worker asks again when the job begins."""
    entry = lookup.get(service.repository, digest)
    (decision,) = verdict.ask_each([question(service, entry)], rolling_back=rolling_back)
    if not decision.allowed:
        raise Refused(f"Not started. {decision.sentence}", code="gate")
    return entry, decision


def _draft_for_review(job: Job, entry: ImageDigest, decision: Decision, request: Request) -> None:
    """The way back is asked for already, and nothing here may stop it; the worker tries again."""
    try:
        past_the_gate.draft(job, entry, decision, request.address)
    except Exception:
        log.exception("%s: no exception could be drafted for what it goes past", job)


def start(order: Order, request: Request) -> Job:
    """Writes the job with its audit event and wakes a worker. `Refused` while another job holds the service."""
    if order.service is not None and order.service.is_demo:
        raise Refused(f"{order.service} is a demo record to look at; there is nothing to operate. Nothing was changed.")
    reason = checked_words("The reason", request.reason, most=500)
    try:
        with audit.changing():
            job = Job.objects.create(
                kind=order.kind, host=order.host, service=order.service, by=request.by, reason=reason,
                asked=order.asked, target_digest=order.target,
                from_digest=order.service.seen_digest if order.service else "",
            )  # fmt: skip
            lay_out(job, steps_of(order.kind, order.asked))
            if order.kind not in UNRECORDED:
                audit.record(request.actor, _event(order, job))
            transaction.on_commit(lambda: publish(job))
    except IntegrityError as error:
        raise Refused(_who_holds(order), code="busy") from error
    return job


def _event(order: Order, job: Job) -> audit.Event:
    told = order.asked if order.recorded is None else order.recorded
    changes = {"target": order.target, **told} if order.target else dict(told)
    return audit.Event("job.asked", **audit.about(job), reason=job.reason, job=job.pk, changes=changes)


def _who_holds(order: Order) -> str:
    holding = Job.objects.filter(service=order.service, state__in=ACTIVE).exclude(kind__in=READS_ONLY)
    job = holding.select_related("by").first()
    if job is None:
        return f"Not started: another job has just ended on {order.service}. Try again."
    since = job.created_at.strftime("%H:%M:%S UTC")
    return f"Not started. {job} by {job.asked_by} holds {order.service} since {since}. Nothing was changed."


_wake: list[Callable[[int, str], None]] = []


def wakes_workers(wake: Callable[[int, str], None]) -> Callable[[int, str], None]:
    """The portal says here how a worker is woken, so that this file needs no Celery."""
    _wake[:] = [wake]
    return wake


def publish(job: Job) -> bool:
    """Wakes a worker of the job's host. Whether the broker took it; if not, the sweep tries again."""
    if not _woken(job):
        return False
    Job.objects.filter(pk=job.pk, state=JobState.QUEUED).update(published_at=timezone.now())
    return True


def publish_waiting() -> int:
    """Publishes again what no worker has begun; each is still run once, as a claim is a compare-and-set."""
    due = Q(published_at=None) | Q(published_at__lt=timezone.now() - PUBLISH_AGAIN_AFTER)
    waiting = Job.objects.filter(due, state=JobState.QUEUED).select_related("host")
    return sum(publish(job) for job in waiting)


def wake_for_lapsed() -> int:
    """Wakes workers for jobs whose worker has died."""
    return sum(_woken(job) for job in Job.objects.filter(pk__in=lapsed_jobs()).select_related("host"))


def _woken(job: Job) -> bool:
    try:
        for wake in _wake:
            wake(job.pk, job.host.queue)
    except Exception:  # noqa: BLE001 - whatever the broker's client raises: the job is safe in the database
        log.warning("%s: the broker does not answer; the sweep tries again", job)
        return False
    return True
