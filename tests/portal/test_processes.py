import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from portal import processes
from portal.processes import Choice
from portal.supervisor import Program, answers
from tests import machine
from tests.docker.registries import free_port


@pytest.fixture
def choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Choice:
    for name in [name for name in os.environ if name.startswith("KG_W") or name in {"KG_RUN", "REDIS_URL"}]:
        monkeypatch.delenv(name)
    return replace(processes.chosen(tmp_path, "127.0.0.1", 8080), registry_port=free_port())


@pytest.fixture
def registry_binary(tmp_path: Path) -> Path:
    binary = tmp_path / "bin" / "docker-registry"
    binary.parent.mkdir()
    binary.touch()
    return binary


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        plug.listen()
        yield plug.getsockname()[1]


def by_name(choice: Choice) -> dict[str, Program]:
    found, _ = processes.programs(choice)
    return {program.name: program for program in found}


def test_everything_runs_unless_told_otherwise(choice: Choice, registry_binary: Path) -> None:
    assert tuple(by_name(choice)) == processes.NAMES


def test_only_what_was_asked_for_runs(choice: Choice) -> None:
    assert set(by_name(replace(choice, run=("web", "scheduler")))) == {"web", "scheduler"}


def test_a_process_that_does_not_exist_is_named(choice: Choice) -> None:
    assert processes.unknown_names(replace(choice, run=("web", "wrker"))) == ["wrker"]
    assert processes.unknown_names(choice) == []


def test_with_a_redis_of_the_house_there_is_no_embedded_broker(choice: Choice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://broker.example.org")
    assert not processes.chosen(choice.state, "127.0.0.1", 8080).embedded_broker
    assert "broker" not in by_name(replace(choice, embedded_broker=False))


def test_the_broker_keeps_what_it_took_and_refuses_rather_than_forgets(choice: Choice) -> None:
    argv = by_name(choice)["broker"].argv
    options = dict(zip(argv[1::2], argv[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
    assert options["--port"] == "0"
    assert options["--unixsocketperm"] == "700"


def test_the_socket_of_a_killed_broker_is_not_taken_for_an_answer(choice: Choice) -> None:
    plug = choice.state / "broker.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(plug))
    assert plug.exists()
    by_name(choice)
    assert not plug.exists()


def test_a_registry_that_answers_already_is_used(choice: Choice, listening: int) -> None:
    found, notes = processes.programs(replace(choice, registry_port=listening))
    assert "registry" not in {program.name for program in found}
    assert any(f"127.0.0.1:{listening} already" in note for note in notes)


def test_without_a_registry_server_the_rest_runs_and_it_is_said(choice: Choice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    found, notes = processes.programs(choice)
    assert {program.name for program in found} == set(processes.NAMES) - {"registry"}
    assert any("docker-registry is missing" in note for note in notes)


def test_the_registry_listens_on_this_machine_only_and_keeps_its_images(choice: Choice, registry_binary: Path) -> None:
    config = json.loads(Path(by_name(choice)["registry"].argv[-1]).read_text())
    assert config["http"]["addr"] == f"127.0.0.1:{choice.registry_port}"
    assert config["storage"]["filesystem"]["rootdirectory"] == str(choice.state / "registry" / "data")


@pytest.mark.docker
def test_the_registry_starts_with_what_is_written_for_it(choice: Choice) -> None:
    (choice.state / "bin").mkdir()
    (choice.state / "bin" / "docker-registry").symlink_to(machine.registry_binary() or "")
    program = by_name(choice)["registry"]
    with subprocess.Popen(program.argv, env={**os.environ, **program.env}) as it:
        try:
            give_up_at = time.monotonic() + 20
            while not answers(program.ready):
                assert it.poll() is None
                assert time.monotonic() < give_up_at
                time.sleep(0.05)
        finally:
            it.kill()


def test_nothing_new_is_started_while_the_worker_finishes(choice: Choice) -> None:
    found = by_name(replace(choice, worker_grace=45))
    assert found["scheduler"].stage > found["worker"].stage > found["web"].stage > found["broker"].stage
    assert found["worker"].grace == 45


@pytest.mark.parametrize(
    ("bind", "address", "told_gunicorn"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080", "0.0.0.0:8080"),  # noqa: S104 - data
        ("::1", "http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_the_address_is_one_that_a_browser_here_can_open(choice: Choice, bind: str, address: str, told_gunicorn: str) -> None:
    chosen = replace(choice, bind=bind)
    assert chosen.address == address
    assert told_gunicorn in by_name(chosen)["web"].argv


def test_no_header_names_the_path_anew(choice: Choice) -> None:
    argv = list(by_name(choice)["web"].argv)
    assert argv[argv.index("--forwarder-headers") + 1] == ""
