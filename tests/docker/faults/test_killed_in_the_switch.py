"""Worker or compose killed at any millisecond of the switch: the service comes back by itself, on the old or the new digest.

Killed while it recreates a container, compose leaves nothing running in a quarter of the cases.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatbot_service.models import Job, JobState
from tests.docker.faults import workers
from tests.docker.faults.ahead import Ahead, cases_to_come
from tests.docker.faults.stage import Stage, Stand, is_whole

WITHIN = 60.0
SEEDS = range(6)
LONGEST_UP_MS = 1000


@dataclass(frozen=True)
class Kill:
    what: str
    seed: int

    @property
    def after_ms(self) -> int:
        return random.Random(f"{self.what} {self.seed}").randrange(LONGEST_UP_MS)

    def __str__(self) -> str:
        return f"{self.what} after {self.after_ms} ms"


KILLS = [Kill(what, seed) for seed in SEEDS for what in ("the worker", "compose", "the keeper of compose")]


@dataclass(frozen=True)
class End:
    job: Job
    hit: bool


@pytest.fixture(scope="module")
def killed(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Ahead[Kill, End]]:
    stage.build("good-1"), stage.build("good-2")

    def play(kill: Kill) -> End:
        with stage.borrowed() as stand:
            return played(stand, kill)

    with Ahead(play, cases_to_come(request, Kill)) as ahead:
        yield ahead


def played(stand: Stand, kill: Kill) -> End:
    was, wanted = stand.pair()
    job = stand.rollback(wanted)
    worker = workers.worker(job.pk)
    keeper = begun_compose(worker.pid, job)
    compose = children_of(keeper)
    time.sleep(kill.after_ms / 1000)
    if kill.what == "the worker":
        hit = running(keeper)
        worker.send(signal.SIGKILL)
        worker.ends_with(WITHIN)
        workers.comes_back(job.pk).ends_with(WITHIN)
    else:
        hit = any(end(pid) for pid in ([keeper] if "keeper" in kill.what else compose))
        assert worker.ends_with(WITHIN) == 0
    job.refresh_from_db()
    is_whole(stand, job, on=wanted if job.state == JobState.SUCCEEDED else was)
    return End(job, hit)


def begun_compose(worker: int, job: Job) -> int:
    """The process under which compose has begun to bring up the new container."""
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        if job.steps.filter(key="switch", state="running").exists():
            for pid in children_of(worker):
                if children_of(pid) and "up" in words_of(pid):
                    return pid
        time.sleep(0.005)
    raise TimeoutError(f"{job}: compose never began")


def children_of(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def words_of(pid: int) -> list[str]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return []


def running(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def end(pid: int) -> bool:
    with suppress(ProcessLookupError):
        was_running = running(pid)
        os.kill(pid, signal.SIGKILL)
        return was_running
    return False


@pytest.mark.parametrize("case", KILLS, ids=str)
def test_killed_in_the_middle_of_the_switch(killed: Ahead[Kill, End], case: Kill) -> None:
    end = killed.of(case).result()
    assert end.job.state in {JobState.SUCCEEDED, JobState.FAILED}
    if end.job.state == JobState.FAILED:
        words = "The worker died in" if case.what == "the worker" else "docker compose up"
        assert words in end.job.error
    else:
        assert case.what == "the worker" or not end.hit, "compose was killed, and the job says that all went well"
