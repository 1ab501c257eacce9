"""A portal of a benchmark's own: real `manage.py run`, its own state folder, ports, broker and registry.

The process that owns it only starts, waits and cleans up. What is measured is driven from a second process
(`inside.py`) that has the settings of this portal, as `manage.py job` has those of an installed one.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

from deploy_records.errors import Broken
from tests.bench.kit.report import Report
from tests.machine import registry_binary

ROOT = Path(__file__).resolve().parents[3]
READY_WITHIN = 90.0
STOPPED_WITHIN = 60.0
READY = "Known Good is ready"
SHARED_REGISTRY = 5000
_PROJECT, _FOLDER = "com.docker.compose.project", "com.docker.compose.project.working_dir"
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)

Say = Callable[[str], object]


@dataclass(frozen=True)
class Stack:
    folder: Path
    port: int
    registry_port: int

    @property
    def name(self) -> str:
        """What its projects, services and repositories begin with."""
        return self.folder.name

    @property
    def repository(self) -> str:
        return f"127.0.0.1:{self.registry_port}/{self.name}/personal-chatbot"

    @property
    def environment(self) -> dict[str, str]:
        """The person's own settings do not reach it, but for where Compose is."""
        outside = {key: value for key, value in os.environ.items() if not key.startswith("KG_") or key == "KG_COMPOSE_BINARY"}
        outside.pop("DATABASE_URL", None)
        outside.pop("REDIS_URL", None)
        own = {
            "KG_STATE_DIR": str(self.folder / "state"),
            "KG_PORT": str(self.port),
            "KG_REGISTRY_PORT": str(self.registry_port),
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        }
        return outside | own


def run_beside_a_portal(module: str, pairs: int, say: Say) -> Report:
    """Calls `measure(stack, pairs, say)` of the module in a process beside a running portal; leaves nothing behind."""
    with _signals_as_exceptions(), _temporary_stack() as stack:
        say(f"starting a portal of the benchmark's own in {stack.folder}")
        with _running_portal(stack):
            return _measured(stack, module, pairs)


def _measured(stack: Stack, module: str, pairs: int) -> Report:
    result = stack.folder / "result"
    ports = [str(stack.port), str(stack.registry_port)]
    argv = [sys.executable, "-m", "tests.bench.kit.inside", module, str(pairs), str(stack.folder), *ports, str(result)]
    with _child(argv, stack.environment, told=None) as inside:
        code = inside.wait()
    said = result.read_text() if result.exists() else f"it ended with {code}"
    if code:
        raise Broken(f"{module.rpartition('.')[2]} could not be measured: {said}")
    return Report.from_json(said)


@contextlib.contextmanager
def _temporary_stack() -> Iterator[Stack]:
    # Not below TMPDIR, which may be too long for the broker's socket.
    folder = Path("/tmp") / f"kg-bench-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o711)  # containers look into their data folders below it
    registry = free_port() if registry_binary() else SHARED_REGISTRY
    stack = Stack(folder, free_port(), registry)
    try:
        (folder / "state").mkdir(mode=0o700)
        _lend_programs(folder / "state")
        yield stack
    finally:
        with _undisturbed():
            _clean_up(stack)


def _lend_programs(state: Path) -> None:
    """Programs that set-up could not install on the machine are kept in the installation's own folder."""
    kept = ROOT / "var" / "bin"
    if kept.is_dir():
        (state / "bin").symlink_to(kept)


@contextlib.contextmanager
def _running_portal(stack: Stack) -> Iterator[None]:
    log = stack.folder / "portal.log"
    with log.open("wb") as told, _child([sys.executable, "manage.py", "run"], stack.environment, told) as portal:
        deadline = time.monotonic() + READY_WITHIN
        while READY not in log.read_text(errors="replace"):
            if portal.poll() is not None or time.monotonic() > deadline:
                said = "\n".join(log.read_text(errors="replace").splitlines()[-12:])
                raise Broken(f"The benchmark's own portal did not start: {said or 'it said nothing'}")
            time.sleep(0.1)
        yield


@contextlib.contextmanager
def _child(argv: list[str], environment: dict[str, str], told: IO[bytes] | None) -> Iterator[subprocess.Popen[bytes]]:
    """In a group of its own: Ctrl-C reaches this process alone, which then stops all in order."""
    with_us = [program, "--pdeathsig", "TERM", "--"] if (program := shutil.which("setpriv")) else []
    process = subprocess.Popen(
        [*with_us, *argv], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
        stdout=told or sys.stderr.fileno(), stderr=subprocess.STDOUT, process_group=0,
    )  # fmt: skip
    try:
        yield process
    finally:
        with _undisturbed():
            process.terminate()
            try:
                process.wait(STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _clean_up(stack: Stack) -> None:
    """Containers and networks of Compose projects in the folder, images under the stack's names, the folder."""
    labels = f'{{{{.ID}}}}\t{{{{.Label "{_PROJECT}"}}}}\t{{{{.Label "{_FOLDER}"}}}}'
    listed = [line.split("\t") for line in _docker("ps", "--all", "--format", labels)]
    ours = [(container, project) for container, project, where in listed if Path(where).is_relative_to(stack.folder)]
    if ours:
        _docker("rm", "--force", "--volumes", *(container for container, _ in ours))
    for project in sorted({project for _, project in ours} | {stack.name}):
        for network in _docker("network", "ls", "--quiet", "--filter", f"label={_PROJECT}={project}"):
            _docker("network", "rm", network)
    for line in _docker("images", "--digests", "--format", "{{.Repository}}\t{{.Tag}}\t{{.Digest}}"):
        repository, tag, digest = line.split("\t")
        if f"/{stack.name}" in repository:
            _docker("image", "rm", "--force", f"{repository}@{digest}" if tag == "<none>" else f"{repository}:{tag}")
    shutil.rmtree(stack.folder, ignore_errors=True)


def _docker(*argv: str) -> list[str]:
    """Its lines. What fails here has gone already, or belongs to somebody else by now."""
    try:
        done = subprocess.run(["docker", *argv], capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as plug:
        return int(plug.getsockname()[1])


@contextlib.contextmanager
def _signals_as_exceptions() -> Iterator[None]:
    """So that what was begun is cleaned up, however the benchmark is ended."""

    def leave(number: int, _at: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    with _handled_by(leave):
        yield


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not interrupt the cleaning up."""
    with _handled_by(signal.SIG_IGN):
        yield


@contextlib.contextmanager
def _handled_by(handler: signal.Handlers | Callable[[int, FrameType | None], NoReturn]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, was in before.items():
            signal.signal(number, was)
