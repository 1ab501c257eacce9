"""The broker is killed and emptied while jobs wait: nothing is lost, nothing runs twice."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatbot_service.building import Builder
from tests.docker.registries import LocalRegistry, free_port
from tests.docker.running import RunningPortal

JOBS = 6
WITHIN = 60.0
ASK = """
from django.contrib.auth.models import Group, User
from chatbot_service import dispatch
from chatbot_service.models import Host
person, made = User.objects.get_or_create(username="olga")
person.groups.add(Group.objects.get(name="Operator"))
host = Host.objects.get(name="local")
for number in range({jobs}):
    dispatch.resolve(host, "{reference}", dispatch.Request(person, f"job {{number}}"))
"""
LOOK = """
import json
from chatbot_service.models import Job
from deploy_records.models import AuditEvent
started = AuditEvent.objects.filter(action="job.started")
print(json.dumps([[job.state, job.fence, started.filter(job=job.pk).count()] for job in Job.objects.all()]))
"""


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[RunningPortal]:
    chosen = {"KG_PORT": str(free_port()), "KG_RUN": "broker,worker,scheduler", "KG_SWEEP_SECONDS": "1"}
    running = RunningPortal(tmp_path, chosen)
    running.start()
    try:
        running.wait_for(lambda: "True" in running.shell("from chatbot_service.models import Host; print(Host.objects.exists())"))
        yield running
    finally:
        running.stop()


@pytest.fixture
def reference(registry: LocalRegistry, base_image: str) -> str:
    builder, name = Builder(), f"{registry.address}/broker/greeter:v1"
    builder.build(Path(__file__).parent / "images" / "greeter", name, args={"BASE_IMAGE": base_image})
    builder.push(name)
    builder.forget(name)
    return name


def jobs(portal: RunningPortal) -> list[list[object]]:
    found: list[list[object]] = json.loads(portal.shell(LOOK))
    return found


def test_jobs_that_wait_while_the_broker_is_killed_and_emptied_run_once_each(portal: RunningPortal, reference: str) -> None:
    worker = portal.pid_of("portal.worker")
    os.kill(worker, signal.SIGSTOP)
    portal.shell(ASK.format(jobs=JOBS, reference=reference))
    os.kill(portal.pid_of("broker.sock"), signal.SIGKILL)
    shutil.rmtree(portal.state / "broker", ignore_errors=True)
    (portal.state / "broker").mkdir()
    assert [job[0] for job in jobs(portal)] == ["queued"] * JOBS
    os.kill(worker, signal.SIGCONT)
    deadline = time.monotonic() + WITHIN
    while any(job[0] in {"queued", "running"} for job in jobs(portal)):
        assert time.monotonic() < deadline, (jobs(portal), portal.log[-3000:])
        time.sleep(0.5)
    assert jobs(portal) == [["succeeded", 1, 1]] * JOBS
