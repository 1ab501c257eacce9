import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.docker.registries import free_port

WITHIN = 40.0

Run = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def run(tmp_path: Path, port: int) -> Iterator[Run]:
    begun: list[subprocess.Popen[str]] = []

    def start(**environment: str) -> subprocess.Popen[str]:
        own = {
            "KG_STATE_DIR": str(tmp_path),
            "KG_PORT": str(port),
            "KG_RUN": "broker,web",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        }
        kept = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        argv = [sys.executable, "manage.py", "run"]
        begun.append(
            subprocess.Popen(
                argv,
                cwd=settings.BASE_DIR,
                env={**kept, **own, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def until_ready(process: subprocess.Popen[str]) -> str:
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if "ready at" in line:
            return said
    pytest.fail(f"never ready:\n{said}")


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = process.communicate(timeout=WITHIN)
    return process.returncode, said


def test_the_portal_starts_answers_and_stops(run: Run, port: int, tmp_path: Path) -> None:
    process = run()
    assert f"http://127.0.0.1:{port}" in until_ready(process)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
        assert answer.status == 200
    assert (tmp_path / "known-good.sqlite3").exists()
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 0
    assert said.index("stopping web") < said.index("stopping broker") < said.index("has stopped")


def test_a_second_one_says_where_the_first_is_and_changes_nothing(run: Run, port: int, tmp_path: Path) -> None:
    until_ready(run())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.suffix != ".sqlite3-shm"}
    code, said = ended(run())
    assert code == 1
    assert f"runs already, at http://127.0.0.1:{port} (process " in said
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir() if path.suffix != ".sqlite3-shm"}


def test_after_a_kill_it_starts_again(run: Run) -> None:
    first = run()
    until_ready(first)
    first.kill()
    first.wait()
    assert "ready at" in until_ready(run())


def test_a_port_that_another_program_holds_is_named_with_a_way_out(run: Run, port: int) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        begun = time.monotonic()
        code, said = ended(run())
    assert code == 1
    assert f"Port {port} on 127.0.0.1 is taken" in said
    assert f"KG_PORT={port + 1}" in said
    assert time.monotonic() - begun < WITHIN


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"KG_RUN": "web,wrker"}, "KG_RUN names wrker, which is no process here. Known: registry, broker, web"),
        ({"KG_PORT": "http"}, "KG_PORT must be a whole number of at least 1 and at most 65535."),
        ({"KG_WEB_WORKERS": "0"}, "KG_WEB_WORKERS must be a whole number of at least 1"),
        ({"REDIS_URL": "localhost:6379"}, "REDIS_URL must be a Redis URL"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_expected(run: Run, environment: dict[str, str], told: str) -> None:
    code, said = ended(run(**environment))
    assert code != 0
    assert told in said


def test_a_database_that_does_not_answer_is_named_without_its_password(run: Run) -> None:
    code, said = ended(run(DATABASE_URL=f"postgres://someone:geheim@127.0.0.1:{free_port()}/none"))
    assert code == 1
    assert "The database at 127.0.0.1 cannot be used" in said
    assert "geheim" not in said


def test_a_folder_too_deep_for_a_socket_is_refused_with_the_reason(run: Run, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    code, said = ended(run(KG_STATE_DIR=str(deep)))
    assert code == 1
    assert "too long for a socket. Set KG_STATE_DIR" in said


def test_the_lock_of_a_portal_that_has_gone_is_free(run: Run, tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text("1 http://127.0.0.1:1\n")
    process = run()
    until_ready(process)
    with (tmp_path / "run.lock").open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert (tmp_path / "run.lock").read_text().startswith(f"{process.pid} ")
