"""Who runs a job: claim by compare-and-set, a lease with heartbeat, a fence that grows with every claim.

All moments are the database's, so that a worker with a wrong clock cannot take a job it should not.
"""

import os
import socket
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from django.conf import settings
from django.db import Error, connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from chatbot_service.jobs.step import Fenced
from chatbot_service.models import CLAIMED, UNRECORDED, Job, JobState
from deploy_records import audit


@dataclass(frozen=True)
class Claim:
    job_id: int
    fence: int
    recovered: bool
    """Whether another worker had begun it and died."""

    def rows(self) -> QuerySet[Job]:
        """The job, as long as it is still ours: update this and look at the row count."""
        return Job.objects.filter(pk=self.job_id, fence=self.fence, state__in=CLAIMED)

    def check(self) -> None:
        if not self.rows().exists():
            raise Fenced(f"job {self.job_id} was taken over")


def worker_name(pid: int | None = None) -> str:
    """place/pid/start: the start (in clock ticks after boot) tells a process from a later one with its number."""
    number = os.getpid() if pid is None else pid
    return f"{_place()}/{number}/{_started(number)}"


def _place() -> str:
    """Where a process number means one process: containers on the host's network share its name, not its numbers."""
    try:
        numbers = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        numbers = 0
    return f"{socket.gethostname()}.{numbers}"


def _started(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "0"
    state, *rest = stat.rpartition(")")[2].split()
    return "0" if state in "ZX" else rest[18]


def is_dead(worker: str) -> bool:
    """Whether a worker of this place is certainly gone. Of other places only the lease tells."""
    place, pid, started = [*worker.split("/"), "", ""][:3]
    return place == _place() and pid.isdigit() and _started(int(pid)) != started


def claim(job_id: int) -> Claim | None:
    """The claim, or nothing if the job has ended or another live worker holds it."""
    mine = worker_name()
    lease = Now() + timedelta(seconds=settings.JOB_LEASE_SECONDS)
    with audit.changing():
        fresh = Job.objects.filter(pk=job_id, state=JobState.QUEUED).update(
            state=JobState.RUNNING, fence=F("fence") + 1, worker=mine, lease_until=lease, started_at=Now()
        )
        taken = fresh or _lapsed(job_id).update(fence=F("fence") + 1, worker=mine, lease_until=lease)
        if not taken:
            return None
        job = Job.objects.with_people().get(pk=job_id)
        action = "job.started" if fresh else "job.recovered"
        if job.kind not in UNRECORDED:
            audit.record(audit.WORKER, audit.Event(action, **audit.about(job), job=job.pk, changes={"fence": job.fence}))
    return Claim(job_id, job.fence, recovered=not fresh)


def _lapsed(job_id: int) -> QuerySet[Job]:
    job = Job.objects.filter(pk=job_id, state__in=CLAIMED)
    holder = job.values_list("worker", flat=True).first() or ""
    over = Q(lease_until__lt=Now())
    if is_dead(holder):
        over |= Q(worker=holder)
    return job.filter(over)


def lapsed_jobs() -> list[int]:
    """Jobs whose worker has died: their lease is over, or their process is gone from this machine."""
    held = Job.objects.filter(state__in=CLAIMED)
    over = set(held.filter(lease_until__lt=Now()).values_list("pk", flat=True))
    return sorted(over | {pk for pk, worker in held.values_list("pk", "worker") if is_dead(worker)})


class Lease:
    """Keeps a claim alive from a thread of its own. A claim that was lost stays lost: `Claim.check` tells."""

    def __init__(self, claim: Claim) -> None:
        self._claim = claim
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease-{claim.job_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        self._thread.join(timeout=5)

    def _beat(self) -> None:
        try:
            while not self._over.wait(settings.JOB_LEASE_SECONDS / 6):
                self._renew()
        finally:
            connection.close()

    def _renew(self) -> None:
        try:
            self._claim.rows().update(lease_until=Now() + timedelta(seconds=settings.JOB_LEASE_SECONDS))
        except Error:
            connection.close()  # the database restarts: try again at the next beat
