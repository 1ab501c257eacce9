"""The set-up scripts on machines that lack this or that: real scripts, programs of the machine replaced by small fakes."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

SCRIPTS = settings.BASE_DIR / ".ci"
ORDINARY = (
    *("awk", "basename", "bash", "cat", "chmod", "cp", "cut", "dirname", "env", "find", "flock", "getent", "grep", "head"),
    *("install", "ln", "mkdir", "mktemp", "mountpoint", "realpath", "rm", "sed", "seq", "setsid", "sha256sum", "sh", "sleep"),
    *("sort", "tail", "tee", "timeout", "touch", "tr", "uname", "xargs", "touch", "kill"),
)


@dataclass(frozen=True)
class Machine:
    """A project folder of its own, and a PATH on which only the ordinary and the fakes are."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "var"

    def has(self, name: str, script: str) -> None:
        fake = self.folder / "bin" / name
        fake.unlink(missing_ok=True)
        fake.write_text(f"#!/bin/bash\n{script}\n")
        fake.chmod(0o755)

    def runs(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / ".ci" / script, *arguments],
            env={"PATH": str(self.folder / "bin"), "HOME": str(self.folder / "home"), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Bare, and of a user who may not become root."""
    shutil.copytree(SCRIPTS, tmp_path / ".ci")
    (tmp_path / "uv.lock").write_text("version = 1\n")
    (tmp_path / "home").mkdir()
    (tmp_path / "bin").mkdir()
    for name in ORDINARY:
        found = shutil.which(name)
        if found:
            (tmp_path / "bin" / name).unlink(missing_ok=True)
            (tmp_path / "bin" / name).symlink_to(found)
    made = Machine(tmp_path)
    made.has("id", 'case "$*" in -u) echo 1000 ;; *) echo someone ;; esac')
    made.has("sudo", "exit 1")
    made.has("apt-get", "exit 100")
    made.has("apt-cache", "exit 100")
    return made


def engine_answering(version: str = "20.10.24") -> str:
    return f'case "$1" in version) echo {version} ;; compose) echo 2.26.1 ;; image) exit 0 ;; esac'


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.iterdir()))
def test_each_script_is_sound_bash(script: str) -> None:
    subprocess.run(["bash", "-n", SCRIPTS / script], check=True)


# the Docker Engine


def test_an_engine_that_answers_is_left_alone(machine: Machine) -> None:
    machine.has("docker", engine_answering())
    done = machine.runs("engine.sh")
    assert (done.returncode, done.stdout) == (0, "")
    assert not (machine.state / "engine-missing").exists()


def test_where_no_engine_can_be_had_one_line_says_why_and_what_to_type(machine: Machine) -> None:
    done = machine.runs("engine.sh")
    assert done.returncode == 3
    told = (machine.state / "engine-missing").read_text()
    assert told.count("\n") == 1
    assert "none is installed" in told
    assert "sudo apt-get install --no-install-recommends docker.io iptables" in told


def test_the_line_goes_when_an_engine_comes(machine: Machine) -> None:
    machine.runs("engine.sh")
    machine.has("docker", engine_answering())
    machine.runs("engine.sh")
    assert not (machine.state / "engine-missing").exists()


def test_an_engine_elsewhere_that_does_not_answer_is_not_replaced_by_one_here(machine: Machine) -> None:
    machine.has("docker", "exit 1")
    machine.has("dockerd", f"touch {machine.folder}/started")
    assert machine.runs("engine.sh", DOCKER_HOST="tcp://engine.example.org:2376").returncode == 3
    assert "DOCKER_HOST (tcp://engine.example.org:2376)" in (machine.state / "engine-missing").read_text()
    assert not (machine.folder / "started").exists()


def test_without_root_an_installed_engine_that_is_down_is_said_to_be_down(machine: Machine) -> None:
    machine.has("docker", "exit 1")
    machine.has("dockerd", "exit 1")
    machine.runs("engine.sh")
    assert "none runs, and starting one needs root. To have one: sudo dockerd" in (machine.state / "engine-missing").read_text()


def test_why_dockerd_did_not_start_is_told_in_its_own_words(machine: Machine) -> None:
    machine.has("id", 'case "$*" in -u) echo 0 ;; *) echo root ;; esac')
    machine.has("docker", "exit 1")
    machine.has("mountpoint", "exit 0")
    machine.has("dockerd", 'echo "failed to start daemon: Devices cgroup isn\'t mounted"; exit 1')
    assert machine.runs("engine.sh").returncode == 3
    assert "dockerd does not start here (Devices cgroup isn't mounted)" in (machine.state / "engine-missing").read_text()


def test_who_may_not_use_the_engine_is_told_how_to(machine: Machine) -> None:
    machine.has("docker", 'echo "permission denied while trying to connect to the Docker daemon socket" >&2; exit 1')
    machine.has("dockerd", "exit 1")
    machine.runs("engine.sh")
    assert (
        "this user may not use it. To have one: sudo usermod -aG docker someone" in (machine.state / "engine-missing").read_text()
    )


# Docker Compose


def test_compose_v2_that_is_there_is_used(machine: Machine) -> None:
    machine.has("docker", engine_answering())
    done = machine.runs("compose.sh")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("version", ["1.29.2", "docker-compose version 1.29.2, build unknown", ""])
def test_compose_v1_does_not_count(machine: Machine, version: str) -> None:
    machine.has("docker-compose", f"echo '{version}'")
    done = machine.runs("compose.sh")
    assert done.returncode == 1
    assert "Docker Compose v2 could not be had" in done.stderr
    assert "cli-plugins/docker-compose" in done.stderr


# restic


@pytest.mark.parametrize("version", ["0.17.0", "0.18.0", "0.18.1-dev", "1.0.2"])
def test_a_restic_that_is_new_enough_is_used(machine: Machine, version: str) -> None:
    machine.has("restic", f"echo 'restic {version} compiled with go1.24.4 on linux/amd64'")
    done = machine.runs("restic.sh")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("says", ["restic 0.14.0 compiled with go1.19.5 on linux/amd64", "restic 0.9.6", "hello", ""])
def test_an_old_restic_does_not_count(machine: Machine, says: str) -> None:
    machine.has("restic", f"echo '{says}'")
    done = machine.runs("restic.sh")
    assert done.returncode == 1
    assert "restic 0.17 or newer could not be had: there are no backups without it" in done.stderr
    assert "KG_RESTIC_BINARY" in done.stderr


def test_the_restic_that_is_named_is_looked_at_first(machine: Machine) -> None:
    machine.has("mine", "echo restic 0.18.0")
    assert machine.runs("restic.sh", KG_RESTIC_BINARY=str(machine.folder / "bin" / "mine")).returncode == 0


# Python


def test_a_python_that_is_too_old_is_named(machine: Machine) -> None:
    machine.has("python3", 'case "$1" in --version) echo Python 3.9.2 ;; *) exit 1 ;; esac')
    done = machine.runs("venv.sh")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed" in done.stderr
    assert "Python 3.9.2" in done.stderr


def test_without_root_a_missing_venv_module_is_one_command_away(machine: Machine) -> None:
    machine.has("python3", 'case "$*" in *ensurepip*) exit 1 ;; *realpath*) echo python3 ;; esac')
    done = machine.runs("venv.sh")
    assert done.returncode == 1
    assert "sudo apt-get install --no-install-recommends python3-venv" in done.stderr


def test_a_virtual_environment_that_fits_is_not_touched(machine: Machine) -> None:
    venv = machine.folder / ".venv"
    (venv / "bin").mkdir(parents=True)
    machine.has("uv", f"touch {machine.folder}/called")
    (venv / "bin" / "python").symlink_to(shutil.which("true") or "true")
    checksum = subprocess.run(
        ["sha256sum", machine.folder / "uv.lock"], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    (venv / "known-good.stamp").write_text(f"{checksum} test\n")
    assert machine.runs("venv.sh", "run").returncode == 0
    assert machine.runs("venv.sh", "test").returncode == 0
    assert not (machine.folder / "called").exists()
    (machine.folder / "uv.lock").write_text("version = 2\n")
    machine.runs("venv.sh", "run")
    assert (machine.folder / "called").exists()


# starting and stopping


@pytest.fixture
def running(machine: Machine) -> Iterator[Callable[[], None]]:
    """As if a portal held the lock."""
    machine.state.mkdir(exist_ok=True)
    with (machine.state / "run.lock").open("w") as lock:
        lock.write(f"{os.getpid()} http://127.0.0.1:8080\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lambda: fcntl.flock(lock, fcntl.LOCK_UN)


def test_a_second_start_says_where_the_first_is_before_it_sets_anything_up(machine: Machine, running: Callable[[], None]) -> None:
    machine.has("python3", f"touch {machine.folder}/called")
    done = machine.runs("start.sh")
    assert done.returncode == 1
    assert "runs already, at http://127.0.0.1:8080" in done.stderr
    assert not (machine.folder / "called").exists()


def test_stopping_what_does_not_run_is_no_failure(machine: Machine) -> None:
    done = machine.runs("stop.sh")
    assert done.returncode == 0
    assert "does not run" in done.stdout


def test_the_demo_is_not_removed_from_under_a_running_portal(machine: Machine, running: Callable[[], None]) -> None:
    (machine.state / "known-good.sqlite3").touch()
    done = machine.runs("clean-demo.sh", SURE="1")
    assert done.returncode == 1
    assert "stop it first: make stop" in done.stderr
    assert (machine.state / "known-good.sqlite3").exists()


def test_removing_the_demo_asks_for_a_word_first(machine: Machine) -> None:
    machine.state.mkdir()
    (machine.state / "known-good.sqlite3").touch()
    done = machine.runs("clean-demo.sh")
    assert done.returncode == 1
    assert "make clean-demo SURE=1" in done.stderr
    assert (machine.state / "known-good.sqlite3").exists()


def test_removing_the_demo_keeps_programs_and_logs(machine: Machine) -> None:
    for name in ("bin/docker-compose", "log/setup.log", "known-good.sqlite3", "demo/compose.yml"):
        (machine.state / name).parent.mkdir(parents=True, exist_ok=True)
        (machine.state / name).touch()
    assert machine.runs("clean-demo.sh", SURE="1").returncode == 0
    assert {path.name for path in machine.state.iterdir()} == {"bin", "log"}


def test_make_lists_what_it_can_do() -> None:
    listed = subprocess.run(["make", "-C", settings.BASE_DIR], capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "stop", "lint", "fmt", "bench", "clean-demo"):
        assert f"make {target} " in listed
