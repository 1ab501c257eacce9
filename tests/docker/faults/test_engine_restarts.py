"""The engine is killed and comes back in the middle of a job: the job ends by itself, and the service is well."""

import gc
import time
import warnings
from collections.abc import Callable, Iterator

import pytest

from chatbot_service.models import Job
from tests import factories
from tests.docker.engines import OwnEngine
from tests.docker.faults import workers
from tests.docker.faults.stage import Stage, Stand

WITHIN = 90.0
AWAY = 2.0


@pytest.fixture
def stand(stage: Stage, start_engine: Callable[..., OwnEngine]) -> Iterator[tuple[Stand, OwnEngine]]:
    """A service on an engine of its own. Containers outlive the engine, as they should in production."""
    engine = start_engine("--live-restore")
    host = factories.host("own", engine_url=engine.url)
    host.engine_url = engine.url
    host.save()
    made = stage.stand(stage.build("good-1"), host=host, rehearsal="off")
    yield made, engine
    made.clear()
    with warnings.catch_warnings():  # docker-py leaves the socket of a refused connection to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _restart_when(stand: Stand, engine: OwnEngine, job: Job, step: str) -> None:
    ends = time.monotonic() + WITHIN
    while not job.steps.filter(key=step).exclude(state="waiting").exists():
        assert time.monotonic() < ends, f"{stand.name} never came to {step}"
        time.sleep(0.02)
    engine.kill()
    time.sleep(AWAY)
    engine.start()


@pytest.mark.parametrize("step", ["image", "switch"])
def test_a_job_whose_engine_restarts_ends_by_itself_with_the_service_well(
    stage: Stage, stand: tuple[Stand, OwnEngine], step: str
) -> None:
    service, engine = stand
    old, new = stage.build("good-1"), stage.build("good-2")
    job = service.upgrade(new)
    with workers.worker(job.pk) as worker:
        _restart_when(service, engine, job, step)
        assert worker.ends_with(WITHIN) == 0
    job.refresh_from_db()
    assert not job.is_active
    seen = service.look()
    on = new if job.state == "succeeded" else old
    assert (seen.status, seen.build) == (200, on.name)
    assert (seen.running, seen.pin, seen.deployed) == ((on.digest,), on.digest, on.digest)
    assert len(seen.containers) == 1
    if step == "image":
        assert on == old or job.steps.get(key="image").state == "done"
