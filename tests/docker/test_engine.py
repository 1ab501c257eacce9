"""What only the real engine can show: failing pulls, commands inside that hang, events, an engine that dies."""

import gc
import json
import os
import socket
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self
from uuid import uuid4

import pytest

from chatbot_service.engine import DockerEngine
from chatbot_service.facts import EngineEvent
from chatbot_service.jobs.ports import Login
from deploy_records.errors import Broken, Refused
from tests.docker import small
from tests.docker.engines import OwnEngine
from tests.docker.registries import PASSWORD, USERNAME, LocalRegistry
from tests.docker.small import SmallImage


@pytest.fixture
def engine(engine_url: str) -> Iterator[DockerEngine]:
    opened = DockerEngine(engine_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, base_image: str, registry: LocalRegistry) -> Iterator[SmallImage]:
    name = f"engine-{uuid4().hex[:8]}"
    made = small.make_image(tmp_path_factory.mktemp("small"), base_image, registry, name, small.GOOD)
    yield made
    small.forget_image(made)


@pytest.fixture
def own_image(tmp_path: Path, own_registry: LocalRegistry) -> Iterator[SmallImage]:
    """In a registry that the test may damage."""
    made = small.make_data_image(tmp_path, own_registry)
    yield made
    small.forget_image(made)


@pytest.fixture
def container(engine: DockerEngine, image: SmallImage) -> Iterator[str]:
    pull(engine, image)
    labels = ["com.docker.compose.project=kg-engine", "com.docker.compose.service=app", "com.docker.compose.oneoff=False"]
    options = [f"--label={label}" for label in labels]
    started = subprocess.run(
        ["docker", "run", "--detach", "--init", *options, image.reference], capture_output=True, text=True, check=True
    )
    yield started.stdout.strip()
    engine.remove(started.stdout.strip())


def ignore(_: str) -> None: ...


def pull(engine: DockerEngine, image: SmallImage, login: Login | None = None, timeout: float = 60) -> list[str]:
    told: list[str] = []
    engine.pull(image.repository, image.digest, "linux/amd64", login, told.append, timeout)
    return told


def refused(engine: DockerEngine, image: SmallImage, login: Login | None = None, timeout: float = 60) -> str:
    with pytest.raises(Refused) as error:
        pull(engine, image, login, timeout)
    return error.value.code


# Pulls


def test_a_pull_tells_its_progress_in_few_lines(engine: DockerEngine, image: SmallImage) -> None:
    small.forget_image(image)
    told = pull(engine, image)
    assert "layers" in told[0]
    assert told[-1].startswith("Status: ")
    assert len(told) < 10


def test_a_registry_that_is_down_is_unreachable(engine: DockerEngine, own_registry: LocalRegistry, own_image: SmallImage) -> None:
    own_registry.stop()
    assert refused(engine, own_image) == "registry-unreachable"


def damaged_layer(registry: LocalRegistry, image: SmallImage) -> Path:
    manifest = json.loads(registry.blob(image.digest).read_text())
    return registry.blob(manifest["layers"][-1]["digest"])


@pytest.mark.parametrize(("harm", "code"), [("flip", "registry-damaged"), ("truncate", ""), ("missing", "")])
def test_a_damaged_layer_is_never_taken_for_the_image(
    engine: DockerEngine, own_registry: LocalRegistry, tmp_path: Path, harm: str, code: str
) -> None:
    image = small.make_data_image(tmp_path, own_registry)
    blob = damaged_layer(own_registry, image)
    content = bytearray(blob.read_bytes())
    if harm == "flip":
        content[1000] ^= 1
        blob.write_bytes(content)
    elif harm == "truncate":
        blob.write_bytes(content[: len(content) // 2])
    else:
        blob.unlink()
    found = refused(engine, image)
    assert found.startswith("registry-")
    assert not code or found == code
    assert engine.image(image.reference) is None


def test_a_registry_that_trickles_is_given_up_in_time(
    engine: DockerEngine, own_registry: LocalRegistry, base_image: str, tmp_path: Path
) -> None:
    image = small.make_data_image(tmp_path, own_registry)
    with Trickle(own_registry.port) as slow:
        through = SmallImage(image.repository.replace(str(own_registry.port), str(slow.port)), image.digest, image.id)
        begun = time.monotonic()
        assert refused(engine, through, timeout=3) == "registry-unreachable"
        assert time.monotonic() - begun < 5
    assert engine.image(through.reference) is None


class Trickle:
    """A wire to a registry on which layers come drop by drop."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        self._open = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._door.close()

    def _accept(self) -> None:
        while self._open:
            try:
                caller, _ = self._door.accept()
            except OSError:
                return
            there = socket.create_connection(("127.0.0.1", self._to))
            threading.Thread(target=self._carry, args=(caller, there, False), daemon=True).start()
            threading.Thread(target=self._carry, args=(there, caller, True), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, slowly: bool) -> None:
        carried = 0
        with source, target:
            try:
                while self._open and (data := source.recv(512 if slowly else 65536)):
                    carried += len(data)
                    time.sleep(0.2 if slowly and carried > 8000 else 0)
                    target.sendall(data)
            except OSError:
                return


@pytest.fixture
def locked_image(tmp_path: Path, locked_registry: LocalRegistry, monkeypatch: pytest.MonkeyPatch) -> SmallImage:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "login"))
    small.log_in(locked_registry)
    return small.make_data_image(tmp_path, locked_registry)


def test_a_locked_registry_wants_the_right_login(engine: DockerEngine, locked_image: SmallImage) -> None:
    """The login that the command line keeps is not used: only the one that is given."""
    assert refused(engine, locked_image) == "registry-denied"
    assert refused(engine, locked_image, Login(USERNAME, "wrong")) == "registry-denied"
    pull(engine, locked_image, Login(USERNAME, PASSWORD))
    assert engine.image(locked_image.reference) is not None
    small.forget_image(locked_image)


def test_an_own_authority_is_handed_to_the_engine_on_this_machine(
    engine_url: str, locked_image: SmallImage, locked_registry: LocalRegistry, tmp_path: Path
) -> None:
    engine = DockerEngine(engine_url, certificates=tmp_path / "certs.d")
    authority = locked_registry.certificate.read_text()
    told = pull(engine, locked_image, Login(USERNAME, PASSWORD, authority))
    again = pull(engine, locked_image, Login(USERNAME, PASSWORD, authority))
    engine.close()
    small.forget_image(locked_image)
    assert (tmp_path / "certs.d" / locked_registry.address / "known-good.crt").read_text() == authority
    assert any("trusts the authority" in line for line in told)
    assert not any("trusts the authority" in line for line in again)


def test_a_kept_image_survives_a_plain_prune(
    own_engine: OwnEngine, own_image: SmallImage, own_registry: LocalRegistry, base_image: str, engine_url: str
) -> None:
    own_engine.load_from(base_image, engine_url)
    engine = DockerEngine(own_engine.url)
    pull(engine, own_image)
    own_engine.docker("image", "prune", "--force")
    assert engine.image(own_image.reference) is None
    pull(engine, own_image)
    engine.keep(own_image.id, "known-good.keep/here/app", own_image.digest[7:19])
    own_engine.docker("image", "prune", "--force")
    assert engine.image(own_image.reference) is not None
    assert {own_image.id, own_image.digest} <= engine.local_image_ids()
    engine.close()


# Inside a container


def wait_until_well(engine: DockerEngine, container: str) -> None:
    ends = time.monotonic() + 10
    while not engine.probe(container).passed:
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_a_probe_runs_as_the_containers_own_user(engine: DockerEngine, container: str) -> None:
    wait_until_well(engine, container)
    assert engine.probe(container).output == "looked"
    assert engine.execute(container, ["id", "-u"], 5).output == "10001"


def test_a_command_that_hangs_is_given_up_and_killed_with_its_children(engine: DockerEngine, container: str) -> None:
    begun = time.monotonic()
    result = engine.execute(container, ["bash", "-c", "echo begun; sleep 77 & sleep 78"], 0.5)
    assert time.monotonic() - begun < 2
    assert result.exit_code == 124
    assert result.output.startswith("begun")
    time.sleep(0.2)
    assert "sleep 7" not in subprocess.run(["docker", "top", container], capture_output=True, text=True, check=True).stdout


def test_a_command_that_is_not_there_does_not_pass(engine: DockerEngine, container: str) -> None:
    result = engine.execute(container, ["no-such-program"], 5)
    assert result.exit_code in {125, 126, 127}
    assert "no-such-program" in result.output


def test_output_is_bounded_and_neutral(engine: DockerEngine, container: str) -> None:
    result = engine.execute(
        container, ["bash", "-c", r"printf '\033[31mred\033[0m\000'; head -c 1000000 /dev/zero | tr '\0' x"], 10
    )
    assert result.passed
    assert result.output.startswith("red\N{REPLACEMENT CHARACTER}x")
    assert len(result.output) <= 4096


def test_the_end_of_the_log_is_read(engine: DockerEngine, container: str) -> None:
    wait_until_well(engine, container)
    assert engine.logs(container, 5) == ["ready"]


def test_secrets_of_its_environment_stay_in_the_container(engine: DockerEngine, base_image: str) -> None:
    argv = ["docker", "run", "-d", "--network", "none", "--env", "API_KEY=sk-very-secret", base_image]
    made = subprocess.run(
        [*argv, "bash", "-c", "echo $API_KEY; sleep 60"], capture_output=True, text=True, check=True
    ).stdout.strip()
    try:
        assert engine.execute(made, ["printenv", "API_KEY"], 5).output == "[API_KEY]"
        assert engine.logs(made, 5) == ["[API_KEY]"]
    finally:
        engine.remove(made)


def test_a_container_without_healthcheck_cannot_be_probed(engine: DockerEngine, base_image: str) -> None:
    made = subprocess.run(
        ["docker", "run", "-d", "--network", "none", base_image, "sleep", "60"], capture_output=True, text=True, check=True
    )
    try:
        with pytest.raises(Refused, match="has no healthcheck"):
            engine.probe(made.stdout.strip())
    finally:
        engine.remove(made.stdout.strip())


def test_a_stop_keeps_to_its_time_even_if_the_container_does_not(engine: DockerEngine, base_image: str) -> None:
    stubborn = [
        "docker",
        "run",
        "-d",
        "--network",
        "none",
        "--stop-timeout",
        "60",
        base_image,
        "bash",
        "-c",
        "trap '' TERM; while :; do sleep 1; done",
    ]
    made = subprocess.run(stubborn, capture_output=True, text=True, check=True).stdout.strip()
    try:
        begun = time.monotonic()
        engine.stop(made, 4)
        assert time.monotonic() - begun < 4
        stopped = engine.container(made)
        assert stopped
        assert not stopped.running
    finally:
        engine.remove(made)


# Watching


def test_events_come_as_they_happen_and_end_when_told_to(engine: DockerEngine, container: str) -> None:
    stop, seen = threading.Event(), []

    def watch() -> None:
        for event in engine.watch_events(None, stop):
            seen.append(event)
            if event.action == "die":
                stop.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    time.sleep(0.3)
    engine.stop(container, 10)
    watcher.join(8)
    assert not watcher.is_alive()
    mine = [event for event in seen if event.container_id == container]
    assert "kill" in [event.action for event in mine]
    assert (mine[-1].project, mine[-1].service) == ("kg-engine", "app")


def test_events_since_then_are_told_once(engine: DockerEngine, container: str) -> None:
    first = events(engine, container, time.time() - 30)
    assert [event.action for event in first][:2] == ["create", "start"]
    later = events(engine, container, first[0].at_nano / 1e9 + 1e-6)
    assert [event.action for event in later][:1] == ["start"]


def events(engine: DockerEngine, container: str, since: float) -> list[EngineEvent]:
    """What is told of this container until it starts."""
    found = []
    for event in engine.watch_events(since, threading.Event()):
        if event.container_id == container:
            found.append(event)
            if event.action == "start":
                break
    return found


def test_states_are_seen_by_one_call(engine: DockerEngine, container: str, image: SmallImage) -> None:
    wait_until_well(engine, container)
    (seen,) = [state for state in engine.states() if state.id == container]
    assert (seen.project, seen.service, seen.state, seen.image_id) == ("kg-engine", "app", "running", image.id)
    assert seen.health in {"starting", "healthy"}


# An engine that dies


def test_an_engine_that_dies_in_a_pull_is_broken(own_engine: OwnEngine, own_registry: LocalRegistry, tmp_path: Path) -> None:
    image = small.make_data_image(tmp_path, own_registry)
    engine = DockerEngine(own_engine.url)
    with Trickle(own_registry.port) as slow:
        through = SmallImage(image.repository.replace(str(own_registry.port), str(slow.port)), image.digest, image.id)
        threading.Timer(1.5, own_engine.kill).start()
        with pytest.raises((Broken, Refused)):
            pull(engine, through, timeout=30)
    with pytest.raises(Broken, match="does not answer"):
        engine.container("x")
    engine.close()
    forget_open_sockets()


def test_the_watch_ends_when_the_engine_dies(own_engine: OwnEngine) -> None:
    engine = DockerEngine(own_engine.url)
    threading.Timer(0.5, own_engine.kill).start()
    with pytest.raises(Broken):
        list(engine.watch_events(None, threading.Event()))
    engine.close()
    forget_open_sockets()


def forget_open_sockets() -> None:
    """docker-py leaves its socket open when a connection is refused; it is closed with the garbage, with a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user can be taken by root only")
def test_a_user_outside_the_group_is_told_which_group(own_engine: OwnEngine, run_as_nobody: Callable[[str], str]) -> None:
    assert "usermod -aG docker" in run_as_nobody(own_engine.url)


@pytest.fixture
def run_as_nobody() -> Callable[[str], str]:
    def run(url: str) -> str:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            try:
                DockerEngine(url).facts()
            except Refused as refused:
                os.write(writer, str(refused).encode())
            os._exit(0)
        os.close(writer)
        os.waitpid(child, 0)
        with os.fdopen(reader) as said:
            return said.read()

    return run
