"""What the portal costs while nothing happens: memory and processor time with one service, and with fifty."""

import os
import subprocess
import time
from pathlib import Path

from django.conf import settings

from chatbot_service.models import Service
from deploy_records.errors import Broken
from tests.bench.kit import processes
from tests.bench.kit.chatbot import SERVICE, Folder
from tests.bench.kit.managed import Office
from tests.bench.kit.pairs import builds
from tests.bench.kit.processes import Use
from tests.bench.kit.report import Report
from tests.bench.kit.stack import Say, Stack, free_port, run_beside_a_portal
from tests.bench.kit.visit import look_around

MANY = 50
SETTLE, MEASURED = 20.0, 60.0
MOST_MEGABYTES, MOST_PERCENT = 450, 3
SEEN_WITHIN = 120.0
ENGINE = ("dockerd", "containerd")
_LABEL = "com.docker.compose"


def run(_pairs: int, say: Say) -> Report:
    return run_beside_a_portal(__name__, 0, say)


def measure(stack: Stack, _pairs: int, say: Say) -> Report:
    office, report = Office.open(), Report("idle")
    report.note("processors", os.cpu_count() or 0)
    report.note("load_before", os.getloadavg()[0])
    report.note("seconds_measured", MEASURED)
    digest = builds(stack, office, "1", say)["1"]
    reference = f"{stack.repository}:build-1@{digest}"
    for number in range(1, MANY + 1):
        _start_service(stack, office, reference, number)
        if number in {1, MANY}:
            say(f"{number} managed: waiting until they are seen healthy, using the pages, then measuring")
            _wait_until_seen_healthy()
            _measure(stack, report, f"with_{number}", reference)
    return report


def _start_service(stack: Stack, office: Office, reference: str, number: int) -> None:
    """A project folder and a container of its own. Not by Compose, whose network for each would soon exhaust the engine's."""
    name = f"{stack.name}-{number}"
    folder = Folder(stack.folder / name, name, free_port(), 10)
    folder.lay_out(reference)
    labels = {"project": name, "service": SERVICE, "oneoff": "False", "project.working_dir": str(folder.path)}
    argv = [
        "docker", "run", "--detach", "--name", f"{name}-{SERVICE}-1", "--network", "none", "--memory", "64m",
        "--health-interval", "30s", *(f"--label={_LABEL}.{key}={value}" for key, value in labels.items()),
        reference.replace(":build-1@", "@"),
    ]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Broken(f"docker run ended with {done.returncode}: {done.stderr.strip()}")
    office.adopt(folder)


def _wait_until_seen_healthy() -> None:
    deadline = time.monotonic() + SEEN_WITHIN
    while others := Service.objects.exclude(seen_health="healthy").count():
        if time.monotonic() > deadline:
            raise Broken(f"{others} services were not seen healthy in {SEEN_WITHIN:.0f} s.")
        time.sleep(1)


def _measure(stack: Stack, report: Report, name: str, reference: str) -> None:
    look_around(stack.port, reference)
    time.sleep(SETTLE)
    state = Path(settings.STATE_DIR)
    before, engine_before = processes.of_portal(state), processes.of_named(*ENGINE)
    begun = time.monotonic()
    time.sleep(MEASURED)
    after, engine = processes.of_portal(state), processes.of_named(*ENGINE)
    took = time.monotonic() - begun
    percent = {key: (after[key].cpu - before[key].cpu) / took * 100 for key in after}
    registry = after.pop("registry", Use())
    whole = sum(after.values(), start=Use())
    report.hold(f"{name}_rss_mb", _megabytes(whole.rss), MOST_MEGABYTES)
    report.note(f"{name}_pss_mb", _megabytes(whole.pss))
    report.hold(f"{name}_cpu_percent", sum(percent[key] for key in after), MOST_PERCENT)
    for key, use in after.items():
        report.note(f"{name}_{key}_rss_mb", _megabytes(use.rss))
        report.note(f"{name}_{key}_pss_mb", _megabytes(use.pss))
        report.note(f"{name}_{key}_cpu_percent", percent[key])
    report.note(f"{name}_apart_registry_rss_mb", _megabytes(registry.rss))
    report.note(f"{name}_apart_engine_rss_mb", _megabytes(engine.rss))
    report.note(f"{name}_apart_engine_cpu_percent", (engine.cpu - engine_before.cpu) / took * 100)
    report.note(f"{name}_load", os.getloadavg()[0])


def _megabytes(size: int) -> float:
    return size / 1e6
