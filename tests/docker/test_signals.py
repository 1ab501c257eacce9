"""The whole portal on a real engine: what goes wrong in containers opens signals, and a receiver is told of them."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chatbot_service.signals.receiver import Receiver, answers, receiving
from tests.docker.running import RunningPortal

SECRET = "0123456789abcdef"
_ADD = """
from chatbot_service.dispatch import Request
from chatbot_service.models import Host
from chatbot_service.signals import channels
from portal.access import bring_roles_into_force
from tests import factories
bring_roles_into_force()
host, _ = Host.objects.get_or_create(name="local")
for name in ("errs", "loops", "grows"):
    factories.service(name, host=host, project_name={project!r}, compose_service=name, project_dir={folder!r} + "/" + name)
wanted = channels.Wanted("http://{receiver}/hook", {secret!r})
channels.add("pager", "webhook", wanted, Request(factories.person("Administrator")))
"""
_SEEN = """
from chatbot_service.models import Service
print(Service.objects.filter(seen_at__isnull=False).count())
"""
_OPEN = """
import json
from chatbot_service.models import Signal
rows = Signal.objects.filter(closed_at=None).values_list("kind", "service__name", "evidence")
print(json.dumps([list(row) for row in rows]))
"""
_ERRS = (
    "i=0; while [ $i -lt 8 ]; do echo '10.0.0.7 - \"POST /chat HTTP/1.1\" 500 Internal Server Error'; i=$((i+1)); done;"
    "echo 'PermissionError: [Errno 13] Permission denied: /app/uploads';"
    'echo "key $MY_SECRET_TOKEN Permission denied"; sleep 600'
)


@pytest.fixture
def project() -> Iterator[str]:
    name = f"kg-signals-{uuid.uuid4().hex[:6]}"
    yield name
    listed = _docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={name}")
    if listed:
        _docker("rm", "-f", *listed.split())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(answers(204)) as made:
        yield made


@pytest.fixture
def portal(tmp_path: Path, receiver: Receiver) -> Iterator[RunningPortal]:
    chosen = {
        "KG_RUN": "broker,worker,scheduler,watcher", "KG_NOTIFY_PRIVATE": receiver.host, "KG_SIGNAL_SECONDS": "2",
        "KG_SIGHT_SECONDS": "3", "KG_DELIVERY_SECONDS": "2",
    }  # fmt: skip
    running = RunningPortal(tmp_path, chosen)
    running.manage("migrate", "--verbosity", "0")
    yield running
    running.stop()


def _docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _start(project: str, service: str, image: str, script: str, *options: str) -> None:
    labels = {"project": project, "service": service, "oneoff": "False"}
    words = [word for name, value in labels.items() for word in ("--label", f"com.docker.compose.{name}={value}")]
    _docker("run", "-d", "--name", f"{project}-{service}", *words, *options, "--entrypoint", "sh", image, "-c", script)


def test_errors_a_restart_loop_and_lack_of_memory_are_noticed_and_told(
    project: str, receiver: Receiver, portal: RunningPortal, base_image: str, tmp_path: Path
) -> None:
    portal.shell(_ADD.format(project=project, folder=str(tmp_path), receiver=receiver.host, secret=SECRET))
    portal.start()
    portal.wait_for(lambda: portal.shell(_SEEN) == "3")
    _start(project, "errs", base_image, _ERRS, "--env", "MY_SECRET_TOKEN=canary-in-the-log-7f3e9b")
    _start(project, "loops", base_image, "sleep 1; exit 3", "--restart", "always")
    grow = "python3 -c 'x = bytearray(300_000_000)'; sleep 600"
    _start(project, "grows", base_image, grow, "--memory", "64m", "--memory-swap", "64m")
    wanted = {("errors-in-logs", "errs"), ("permission-denied", "errs"), ("restart-loop", "loops"), ("oom", "grows")}
    found: dict[tuple[str, str], dict[str, object]] = {}

    def all_noticed() -> bool:
        found.update({(kind, service): evidence for kind, service, evidence in json.loads(portal.shell(_OPEN))})
        return wanted <= found.keys()

    try:
        portal.wait_for(all_noticed, 90)
    except AssertionError as error:
        raise AssertionError(f"only {sorted(found)} were noticed: {portal.log[-2000:]}") from error
    assert ["Exit codes", "3"] in found["restart-loop", "loops"]["facts"]  # type: ignore[operator]  # a list
    assert "canary" not in json.dumps(list(found.values()))
    portal.wait_for(lambda: {_told(body) for _headers, body in receiver.got} >= wanted, 30)
    assert len({headers["webhook-id"] for headers, _body in receiver.got}) == len(receiver.got), "each was told once"


def _told(body: bytes) -> tuple[str, str]:
    signal = json.loads(body)["signal"]
    return signal["kind"], signal["service"]
