"""The engine goes away and comes back in the middle of a job: the job ends, the service is healthy, nothing is left over."""

import gc
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from chatbot_service import dispatch
from chatbot_service.models import Host, Job, JobState, Kind
from tests.docker.engines import OwnEngine
from tests.docker.faults import workers
from tests.docker.faults.stage import Stage, Stand, is_whole
from tests.docker.faults.workers import Rig
from tests.docker.registries import LocalRegistry

WITHIN = 90.0
IMPATIENT = Rig(patience=8.0)


@pytest.fixture(scope="module", params=[(), ("--live-restore",)], ids=["as out of the box", "with live-restore"])
def engine(request: pytest.FixtureRequest) -> Iterator[OwnEngine]:
    if os.geteuid() != 0:
        pytest.skip("left out: an engine of the tests' own needs root")
    own = OwnEngine(*request.param)
    own.start()
    yield own
    own.remove()


@pytest.fixture(scope="module")
def host(stage: Stage, engine: OwnEngine) -> Host:
    return Host.objects.create(name=engine.folder.name.lower(), engine_url=engine.url)


@pytest.fixture
def stand(stage: Stage, host: Host) -> Iterator[Stand]:
    made = stage.stand(stage.build("good-1"), stage.build("good-2"), host=host, rehearsal="off")
    yield made
    made.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # docker-py leaves its socket open when an engine goes away
        gc.collect()


@contextmanager
def silent(registry: LocalRegistry) -> Iterator[None]:
    """It takes questions and answers none, so that a pull goes on for as long as it takes."""
    process = registry._process
    assert process
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def until(so: Callable[[], bool], what: str, seconds: float = WITHIN) -> None:
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def in_step(job: Job, step: str) -> Callable[[], bool]:
    return lambda: job.steps.filter(key=step, state="running").exists()


def ends_whole(stand: Stand, job: Job, engine: OwnEngine) -> None:
    job.refresh_from_db()
    if job.state == JobState.STUCK:
        put_right_after_the_engines_own_fault(stand, job, engine)
        return
    assert job.state in {JobState.SUCCEEDED, JobState.FAILED}, job.error
    until(lambda: stand.look().status == 200, "the service did not come back")
    on = next(build for build in stand.pair() if (build.digest == job.target_digest) == (job.state == JobState.SUCCEEDED))
    is_whole(stand, job, on=on)


def put_right_after_the_engines_own_fault(stand: Stand, job: Job, engine: OwnEngine) -> None:
    """Killed while it starts a container, Docker 20.10 counts the port as held until it is started once more.

    Nobody can start the service before that; the job says why, and afterwards a start is all it takes.
    """
    assert f"port 127.0.0.1:{stand.port} of the host is taken by another container" in job.error
    engine.restart()
    started = stand.run(dispatch.lifecycle(Kind.START, stand.service, stand.request))
    assert started.state == JobState.SUCCEEDED, started.error
    is_whole(stand, started, on=stand.pair()[0])


def test_restarted_during_a_pull_the_job_ends_and_can_be_asked_for_again(stage: Stage, engine: OwnEngine, stand: Stand) -> None:
    fresh = stage.build("good-3")
    runs, _other = stand.pair()
    with silent(stage.registry):
        job = stand.upgrade(fresh)
        worker = workers.worker(job.pk)
        until(in_step(job, "image"), "the pull never began")
        time.sleep(0.5)
        engine.kill()
        engine.start()
    assert worker.ends_with(WITHIN) == 0
    job.refresh_from_db()
    assert job.state == JobState.FAILED
    assert "engine" in job.error
    until(lambda: stand.look().status == 200, "the service did not come back")
    is_whole(stand, job, on=runs)
    again = stand.run(stand.upgrade(fresh))
    assert again.state == JobState.SUCCEEDED, again.error
    is_whole(stand, again, on=fresh)
    back = stand.run(stand.rollback(runs))
    assert back.state == JobState.SUCCEEDED, back.error


@pytest.mark.parametrize(
    ("end", "after"),
    [(OwnEngine.kill, 0.0), (OwnEngine.kill, 0.4), (OwnEngine.stop, 0.0), (OwnEngine.stop, 0.4)],
    ids=["killed at its beginning", "killed in its middle", "stopped at its beginning", "stopped in its middle"],
)
def test_restarted_during_the_switch_the_job_ends(
    engine: OwnEngine, stand: Stand, end: Callable[[OwnEngine], None], after: float
) -> None:
    job = stand.upgrade(stand.pair()[1])
    worker = workers.worker(job.pk, IMPATIENT)
    until(in_step(job, "switch"), "the switch never began")
    time.sleep(after)
    end(engine)
    engine.start()
    assert worker.ends_with(WITHIN) == 0
    ends_whole(stand, job, engine)


def test_engine_and_worker_die_together_as_in_a_power_cut(engine: OwnEngine, stand: Stand) -> None:
    job = stand.upgrade(stand.pair()[1])
    worker = workers.worker(job.pk)
    until(in_step(job, "switch"), "the switch never began")
    time.sleep(0.4)
    engine.kill()
    worker.send(signal.SIGKILL)
    worker.ends_with(WITHIN)
    back = workers.comes_back(job.pk, IMPATIENT)
    time.sleep(1.5)
    engine.start()
    assert back.ends_with(WITHIN) == 0
    ends_whole(stand, job, engine)
