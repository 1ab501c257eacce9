"""The real watcher on a real engine: killed, left alone by its engine, flooded; no probe lost, nothing wrongly healthy."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from chatbot_service.engine import DockerEngine
from tests.docker.engines import OwnEngine
from tests.docker.running import RunningPortal

PROJECT, SERVICE = "kg-history", "app"
WITHIN = 40.0
EVERY = 3
BURST = 3000
_SET_UP = """
from chatbot_service.models import Host
from tests import factories
host = Host.objects.create(name="local", engine_url={url!r})
factories.service(host=host, project_name={project!r}, compose_service={service!r}, project_dir={folder!r})
"""
_TELL = """
import json
from datetime import timedelta
from django.utils import timezone
from chatbot_service.health import blocks, details
from chatbot_service.models import HealthEventBlock, HealthSampleBlock, Service
probes = [p for row in HealthSampleBlock.objects.order_by("start") for p in blocks.unpack_probes(row.start, bytes(row.data))]
events = [e for row in HealthEventBlock.objects.order_by("start") for e in blocks.unpack_events(row.start, bytes(row.data))]
now = timezone.now()
lines = reversed(details.transitions(Service.objects.get(), now - timedelta(days=1), now + timedelta(days=1)))
states = [(line.at.timestamp(), line.state, line.note, line.output) for line in lines]
print(json.dumps({"probes": probes, "events": events, "states": states}))
"""


@dataclass
class Kept:
    """`probes`: start in seconds, duration, exit code, output; `states`: moment, state, note, output."""

    probes: list[tuple[float, float, int, str]]
    events: list[tuple[str, str]]
    states: list[tuple[float, str, str, str]]

    def state_at(self, moment: float) -> str:
        return [state for at, state, _note, _output in self.states if at <= moment][-1]


@dataclass
class Scene:
    engine: OwnEngine
    image: str
    portal: RunningPortal
    watcher: subprocess.Popen[bytes] | None = field(default=None)

    def run(self, check: str, *, every: int = EVERY, script: str = "sleep 1000 & wait") -> str:
        labels = {"project": PROJECT, "service": SERVICE, "oneoff": "False"}
        options = [f"--label=com.docker.compose.{key}={value}" for key, value in labels.items()]
        health = ["--health-cmd", check, f"--health-interval={every}s", "--health-timeout=2s", "--health-retries=2"]
        return self.engine.docker(
            "run", "--detach", "--init", "--network=none", "--restart=always", *options, *health, self.image, "bash", "-c", script
        )  # fmt: skip

    def watch(self) -> None:
        argv = [sys.executable, "manage.py", "watch"]
        with (self.portal.state / "watch.log").open("ab") as log:
            self.watcher = subprocess.Popen(argv, cwd=settings.BASE_DIR, env=self.portal.environment, stdout=log, stderr=log)

    def kill_watcher(self, number: int = signal.SIGKILL) -> None:
        if self.watcher is not None:
            self.watcher.send_signal(number)
            self.watcher.wait(20)
            self.watcher = None

    def kept(self) -> Kept:
        said: dict[str, Any] = json.loads(self.portal.shell(_TELL))
        probes = [(start / 1e6, duration / 1e6, code, output) for _id, start, duration, code, output in said["probes"]]
        events = [(action, detail) for _id, _at, action, _code, detail in said["events"]]
        return Kept(probes, events, [(at, state, note, output) for at, state, note, output in said["states"]])

    def wait_for(self, ready: Callable[[Kept], bool], seconds: float = WITHIN) -> Kept:
        deadline = time.monotonic() + seconds
        while not ready(found := self.kept()):
            assert time.monotonic() < deadline, (found, (self.portal.state / "watch.log").read_text()[-3000:])
            time.sleep(0.5)
        return found

    @property
    def watcher_megabytes(self) -> float:
        assert self.watcher is not None
        status = Path(f"/proc/{self.watcher.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1000


@pytest.fixture
def scene(own_engine: OwnEngine, base_image: str, tmp_path: Path) -> Iterator[Scene]:
    own_engine.load_from(base_image)
    state = tmp_path / "state"
    state.mkdir()
    made = Scene(own_engine, base_image, RunningPortal(state, {"KG_HOSTS": "local"}))
    made.portal.manage("migrate", "--verbosity=0")
    made.portal.shell(_SET_UP.format(url=own_engine.url, project=PROJECT, service=SERVICE, folder=str(tmp_path)))
    yield made
    made.kill_watcher()


def test_a_watcher_that_is_killed_and_begun_again_keeps_every_probe_once(scene: Scene) -> None:
    container = scene.run("echo x >>/tmp/probes")
    scene.watch()
    scene.wait_for(lambda kept: len(kept.probes) >= 3)
    for _ in range(2):
        scene.kill_watcher()
        time.sleep(1)
        scene.watch()
        time.sleep(4 * EVERY)
    made = len(scene.engine.docker("exec", container, "cat", "/tmp/probes").splitlines())
    kept = scene.wait_for(lambda kept: len(kept.probes) >= made)
    gaps = [after[0] - before[0] - before[1] for before, after in pairwise(kept.probes)]
    assert max(gaps) < EVERY + 1
    assert min(gaps) > EVERY - 0.5
    states = [state for _at, state, _note, _output in kept.states]
    assert states[-1] == "healthy"
    assert "unknown" not in states[states.index("healthy") :]


def test_while_the_engine_is_dead_nothing_is_healthy_and_afterwards_it_goes_on(scene: Scene) -> None:
    scene.run("true")
    scene.watch()
    scene.wait_for(lambda kept: kept.states != [] and kept.states[-1][1] == "healthy")
    killed = datetime.now().astimezone().timestamp()
    scene.engine.kill()
    time.sleep(5)
    scene.engine.start()
    back = datetime.now().astimezone().timestamp()
    kept = scene.wait_for(lambda kept: kept.states[-1][1] == "healthy" and kept.states[-1][0] > back)
    assert all(kept.state_at(killed + later) != "healthy" for later in (0.5, 2.0, back - killed))
    assert len({probe[0] for probe in kept.probes}) == len(kept.probes)
    assert any(probe[0] > back for probe in kept.probes)


def test_a_probe_that_prints_a_megabyte_or_binary_is_bounded(scene: Scene) -> None:
    scene.run("head -c 500000 /dev/zero | tr '\\0' x; head -c 500000 /dev/urandom; exit 1", every=1)
    scene.watch()
    kept = scene.wait_for(lambda kept: kept.states != [] and kept.states[-1][1] == "unhealthy" and len(kept.probes) > 3)
    assert all(code == 1 and len(output) <= 2000 for _start, _took, code, output in kept.probes)
    assert kept.states[-1][3].startswith("xxx")
    assert scene.watcher_megabytes < 150


def test_a_burst_of_events_is_kept_whole(scene: Scene) -> None:
    container = scene.run("true")
    scene.watch()
    scene.wait_for(lambda kept: kept.states != [] and kept.probes != [])
    client = DockerEngine(scene.engine.url)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _number: client._client.kill(container, "SIGWINCH"), range(BURST)))
    client.close()
    kept = scene.wait_for(lambda kept: sum(action == "kill" for action, _detail in kept.events) >= BURST)
    assert kept.events.count(("kill", "28")) == BURST
    assert [state for _at, state, _note, _output in kept.states][-1] == "healthy"
    assert scene.watcher_megabytes < 150


def test_recreated_all_the_time_each_start_is_kept_and_removed_by_hand_it_is_down(scene: Scene) -> None:
    container = scene.run("true")
    scene.watch()
    scene.wait_for(lambda kept: kept.states != [])
    starts = 15
    for number in range(starts):
        scene.engine.docker("rm", "--force", container)
        container = scene.run("true", script="exit 0" if number % 3 == 0 else "sleep 1000 & wait")
        time.sleep(0.3)
    scene.engine.docker("rm", "--force", container)
    removed = datetime.now().astimezone().timestamp()
    kept = scene.wait_for(lambda kept: kept.states[-1][1] == "down" and kept.events[-1][0] == "destroy")
    told = Counter(action for action, _detail in kept.events)
    assert told["destroy"] == starts + 1
    assert told["start"] >= starts
    assert told["start"] - told["die"] in {-1, 0}  # the first start may have been before the watcher's
    assert kept.state_at(removed + 1) == "down"
    assert "healthy" not in [state for _at, state, _note, _output in kept.states[1:]]
