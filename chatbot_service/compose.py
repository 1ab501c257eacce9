"""The only caller of the Compose binary. Commands are built as data by pure functions and run in one place."""

import fcntl
import functools
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from chatbot_service.child import Command, run
from chatbot_service.compose_words import progress_line, project_refusal, run_failure
from chatbot_service.foreign_text import one_line
from chatbot_service.jobs.adoption import SERVICE_NAME
from chatbot_service.jobs.ports import Project, Say
from deploy_records.errors import Broken, Refused

OLDEST = (2, 20)
CONFIG_TIMEOUT = 30.0
LOCK_TIMEOUT = 60.0
_MOST_CONFIG = 8 * 1024 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_BASES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_PLUGIN_FOLDERS = (
    "~/.docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
_HOW_TO_GET_IT = (
    "Install it (the package is docker-compose-v2 on Ubuntu, docker-compose on Debian 13, docker-compose-plugin from Docker), "
    "or set KG_COMPOSE_BINARY to its path."
)


# Commands as data


def config_argv(project: Project, *, filled_in: bool = True) -> list[str]:
    return [*_project_argv(project), "config", "--format", "json", *(() if filled_in else ("--no-interpolate",))]


def up_argv(project: Project) -> list[str]:
    return [*_project_argv(project), *_UP, "--", project.service]


def up_rendered_argv(project_name: str, directory: str) -> list[str]:
    return [*_QUIETLY, "-p", project_name, "--project-directory", directory, "-f", "-", *_UP]


def down_argv(project_name: str) -> list[str]:
    return [*_QUIETLY, "-p", project_name, "down", "--volumes", "--remove-orphans", "--timeout", "2"]


def environment(docker_host: str, outside: dict[str, str]) -> dict[str, str]:
    """Nothing of the worker's own settings and secrets; nothing that changes what Compose does."""
    kept = ("PATH", "HOME", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY")
    host = docker_host or outside.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    fixed = {"DOCKER_HOST": host, "COMPOSE_REMOVE_ORPHANS": "0", "COMPOSE_IGNORE_ORPHANS": "1", "LANG": "C.UTF-8"}
    return {key: outside[key] for key in kept if key in outside} | fixed


_QUIETLY = ("--ansi", "never", "--progress", "plain")
_UP = ("up", "-d", "--no-deps", "--pull", "never", "--no-build")


def _project_argv(project: Project) -> list[str]:
    files = [part for file in files_of(project) for part in ("-f", file)]
    return [*_QUIETLY, "-p", project.name, "--project-directory", project.directory, *files]


def files_of(project: Project) -> list[str]:
    """Absolute paths of the compose files: those named, else the ones Compose itself would take.

    `Refused` if one is missing (a pin file may be) or lies outside the folder.
    """
    folder = Path(project.directory)
    if not _NAME.fullmatch(project.name):
        raise Refused(f"{one_line(project.name, 80)} is not a Compose project name: lower-case letters, digits, - and _.")
    if not folder.is_absolute() or not _is(Path.is_dir, folder):
        raise Refused(f"There is no folder {one_line(project.directory)} on this host. Nothing was changed.")
    files = [_inside(folder, name) for name in project.files or _default_files(folder)]
    there = [file for file in files if _is(Path.is_file, file)]
    missing = [file.name for file in files if file not in there and file.name != project.pin_file]
    if missing:
        raise Refused(
            f"{one_line(str(folder))} has no file {one_line(', '.join(missing), 200)}. Nothing was changed.",
            code="compose-project",
        )
    return [str(file) for file in there]


def _is(kind: Callable[[Path], bool], path: Path) -> bool:
    """A path that the system will not even look at, as too long a name, is not there."""
    try:
        return kind(path)
    except OSError:
        return False


def _default_files(folder: Path) -> list[str]:
    base = next((name for name in _BASES if (folder / name).is_file()), _BASES[0])
    stem, ending = base.rsplit(".", 1)
    override = f"{stem}.override.{ending}"
    return [base, override] if (folder / override).is_file() else [base]


def _inside(folder: Path, name: str) -> Path:
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        raise Refused(f"The compose file {one_line(name, 80)} lies outside the project's folder. Nothing was changed.")
    return file


# Finding the binary


def find_binary(named: str = "") -> str:
    """The Compose v2 binary that is run; `Refused` says how to get one."""
    candidates = [named] if named else [*(f"{folder}/docker-compose" for folder in _PLUGIN_FOLDERS), _on_path()]
    old = ""
    for path in (Path(candidate).expanduser() for candidate in candidates if candidate):
        if not os.access(path, os.X_OK):
            continue
        version = version_of(str(path), path.stat().st_mtime_ns)
        if _numbers(version) >= OLDEST:
            return str(path)
        old = old or f"The one at {path} is {version or 'not Docker Compose'}. "
    where = f"at {named}" if named else "on this host"
    raise Refused(f"Docker Compose 2.20 or newer was not found {where}. {old}{_HOW_TO_GET_IT}", code="no-compose")


def _on_path() -> str:
    return shutil.which("docker-compose") or ""


@functools.lru_cache
def version_of(path: str, _changed_at: int = 0) -> str:
    try:
        said = subprocess.run([path, "version", "--short"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - argv only
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return one_line(said.stdout, 40) if said.returncode == 0 else ""


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


# Running it


class ComposeBinary:
    """Refuses when there is no Compose v2. One run at a time per project, also across workers that died.

    `locks`: a folder that all workers of this host share.
    """

    def __init__(self, binary: str = "", *, docker_host: str = "", locks: Path) -> None:
        self.binary = find_binary(binary)
        self._environment = environment(docker_host, dict(os.environ))
        self._locks = locks

    def config(self, project: Project, *, filled_in: bool = True) -> dict[str, Any]:
        argv = [self.binary, *config_argv(project, filled_in=filled_in)]
        ran = run(Command(argv, self._environment, CONFIG_TIMEOUT, separately=True))
        if not ran.in_time:
            raise Broken(f"docker compose config did not end in {CONFIG_TIMEOUT:.0f} s.")
        if ran.exit_code:
            raise project_refusal(project.directory, ran.lines)
        if len(ran.output) > _MOST_CONFIG:
            raise Refused(f"The compose project in {project.directory} is larger than 8 MB. Nothing was changed.")
        rendered = json.loads(ran.output)
        return rendered if isinstance(rendered, dict) else {}

    def up(self, project: Project, say: Say, timeout: float) -> None:
        if not SERVICE_NAME.fullmatch(project.service):
            raise Refused(f"{one_line(project.service, 80)} is not the name of a Compose service.")
        argv = up_argv(project)
        with self._locked(project.name) as lock:
            # Killed between stopping the old container and starting the new one, it would leave nothing running.
            command = Command([self.binary, *argv], self._environment, timeout, lock=lock, finishes=True)
            _act(command, "up", project.directory, say)

    def up_rendered(self, project_name: str, directory: str, rendered: dict[str, Any], say: Say, timeout: float) -> None:
        with self._locked(project_name) as lock:
            argv = [self.binary, *up_rendered_argv(project_name, directory)]
            given = json.dumps(rendered).encode()
            _act(Command(argv, self._environment, timeout, lock=lock, given=given), "up", directory, say)

    def down(self, project_name: str, say: Say, timeout: float) -> None:
        with self._locked(project_name) as lock:
            command = Command([self.binary, *down_argv(project_name)], self._environment, timeout, lock=lock)
            _act(command, "down", project_name, say)

    def settle(self, project: Project) -> None:
        with self._locked(project.name):
            pass

    @contextmanager
    def _locked(self, project_name: str) -> Iterator[IO[bytes]]:
        """The lock's file, for the child to inherit: as long as the child lives it holds the lock, whatever becomes of us."""
        if not _NAME.fullmatch(project_name):
            raise Refused(f"{one_line(project_name, 80)} is not a Compose project name: lower-case letters, digits, - and _.")
        self._locks.mkdir(parents=True, exist_ok=True)
        with (self._locks / f"{project_name}.lock").open("ab") as lock:
            _wait_for(lock, project_name)
            yield lock


def _act(command: Command, what: str, where: str, say: Say) -> None:
    def heard(line: str) -> None:
        shown = progress_line(line)
        if shown:
            say(shown)

    ran = run(command, heard)
    if not ran.in_time:
        raise Broken(f"docker compose {what} did not end in {command.seconds:.0f} s and was killed.")
    if ran.exit_code:
        raise run_failure(what, where, ran.exit_code, ran.lines)


def _wait_for(lock: IO[bytes], project_name: str) -> None:
    ends = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > ends:
                raise Broken(
                    f"Another docker compose run for {project_name} has not ended in {LOCK_TIMEOUT:.0f} s. "
                    "See whether one hangs on the host (ps -C docker-compose), end it, and try again."
                ) from None
            time.sleep(0.05)
