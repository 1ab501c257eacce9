"""A worker that is stopped past its lease and wakes up when another has taken its job over touches nothing any more."""

import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from chatbot_service.claims import lapsed_jobs
from chatbot_service.models import Job, JobState
from deploy_records.models import AuditEvent, Deployment
from tests.docker.faults import workers
from tests.docker.faults.ahead import Ahead, cases_to_come
from tests.docker.faults.stage import Stage, Stand, is_whole
from tests.docker.faults.workers import Rig, Worker

WITHIN = 60.0
LEASE = 3


@dataclass(frozen=True)
class Stopped:
    step: str
    after: bool = False
    undo: bool = False

    @property
    def rig(self) -> Rig:
        return Rig(self.step, self.after, self.undo, signal.SIGSTOP, fails="watch" if self.undo else "", lease=LEASE)

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} {'the undo of ' if self.undo else ''}{self.step}"


CASES = [Stopped(step, after) for step in ("rehearse", "pin", "switch") for after in (False, True)]
CASES += [Stopped("record"), Stopped("watch", after=True), Stopped("switch", undo=True), Stopped("rehearse", undo=True)]


@pytest.fixture(scope="module")
def woken(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Ahead[Stopped, Job]]:
    stage.build("good-1"), stage.build("good-2")

    def play(case: Stopped) -> Job:
        with stage.borrowed() as stand:
            return played(stand, case)

    with Ahead(play, cases_to_come(request, Stopped)) as ahead:
        yield ahead


def played(stand: Stand, case: Stopped) -> Job:
    was, wanted = stand.pair()
    job = stand.upgrade(wanted)
    with workers.worker(job.pk, case.rig) as zombie:
        until(lambda: state_of(zombie) == "T")
        until(lambda: job.pk in lapsed_jobs())
        assert workers.comes_back(job.pk).ends_with(WITHIN) == 0
        job.refresh_from_db()
        is_whole(stand, job, on=wanted if job.state == JobState.SUCCEEDED else was)
        before = everything(stand, job)
        zombie.send(signal.SIGCONT)
        assert zombie.ends_with(WITHIN) == 0
        assert everything(stand, job) == before
    return job


def everything(stand: Stand, job: Job) -> dict[str, Any]:
    """All that the worker could touch."""
    job.refresh_from_db()
    return asdict(stand.look()) | {
        "containers": [(one.id, one.attrs["State"]["StartedAt"]) for one in stand.containers()],
        "pin file": (stand.pin_file.stat().st_ino, stand.pin_file.stat().st_mtime_ns),
        "job": (job.state, job.error, job.facts, job.result, job.serving_at),
        "steps": list(job.steps.values_list("key", "is_undo", "state", "output", "ended_at")),
        "deployments": list(Deployment.objects.filter(service=stand.name).values_list("pk", "ended_at", "outcome")),
        "events": AuditEvent.objects.filter(job=job.pk).count(),
    }


def state_of(worker: Worker) -> str:
    return Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0]


def until(so: Any) -> None:
    deadline = time.monotonic() + WITHIN
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_worker_that_wakes_up_too_late_touches_nothing(woken: Ahead[Stopped, Job], case: Stopped) -> None:
    job = woken.of(case).result()
    assert job.state == (JobState.SUCCEEDED if case.step == "watch" else JobState.FAILED)
