"""The parts that other tests stand on do what they promise."""

import subprocess
import tarfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.engines import OwnEngine
from tests.docker.registries import PASSWORD, USERNAME, LocalRegistry


def docker(*argv: str) -> str:
    return subprocess.run(["docker", *argv], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image of one small file: enough to be pushed and pulled."""
    archive = tmp_path_factory.mktemp("tiny") / "tiny.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(__file__, "test.py")
    name = f"kg-tiny:{uuid.uuid4().hex}"
    docker("import", str(archive), name)
    yield name
    docker("rmi", name)


@pytest.fixture(scope="module")
def loaded(base_image: str, engine_url: str) -> Iterator[OwnEngine]:
    """One engine with the base image in it for all tests here: copying the image takes longest."""
    engine = OwnEngine()
    engine.start()
    engine.load_from(base_image, engine_url)
    yield engine
    engine.remove()


def test_a_pushed_image_has_a_digest_by_which_it_can_be_pulled(registry: LocalRegistry, tiny: str) -> None:
    digest = registry.push(tiny, "parts/base", "one")
    reference = f"{registry.address}/parts/base@{digest}"
    docker("pull", "--quiet", reference)
    assert reference in docker("image", "inspect", "--format", "{{.RepoDigests}}", reference)
    docker("rmi", reference)


def test_a_registry_that_was_stopped_still_has_its_images(own_registry: LocalRegistry, tiny: str) -> None:
    digest = own_registry.push(tiny, "parts/base")
    own_registry.stop()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://{own_registry.address}/v2/")
    own_registry.start()
    with urllib.request.urlopen(f"http://{own_registry.address}/v2/parts/base/manifests/{digest}") as answer:
        assert answer.status == 200


def test_the_locked_registry_wants_the_password(
    locked_registry: LocalRegistry, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    name = f"{locked_registry.address}/parts/{uuid.uuid4().hex}"
    docker("tag", tiny, name)
    try:
        assert subprocess.run(["docker", "push", name], capture_output=True, check=False).returncode != 0
        docker("login", "--username", USERNAME, "--password", PASSWORD, locked_registry.address)
        assert "digest: sha256:" in docker("push", name)
    finally:
        docker("rmi", name)


def test_an_own_engine_is_apart_from_the_machines(loaded: OwnEngine, base_image: str) -> None:
    assert loaded.docker("images", "--quiet").count("\n") == 0
    assert loaded.docker("run", "--rm", base_image, "echo", "hello") == "hello"
    assert loaded.docker("ps", "--all", "--quiet") == ""


def test_an_own_engine_publishes_ports_of_a_compose_network(loaded: OwnEngine, base_image: str) -> None:
    loaded.docker("network", "create", "apart")
    serve = ["python3", "-m", "http.server", "--directory", "/etc/ssl", "8000"]
    loaded.docker("run", "--detach", "--network", "apart", "--publish", "127.0.0.1::8000", "--name", "web", base_image, *serve)
    address = loaded.docker("port", "web", "8000").splitlines()[0]
    ask = ["python3", "-c", "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000').status)"]
    for _ in range(50):
        if loaded.docker("exec", "web", *ask, check=False) == "200":
            break
    with urllib.request.urlopen(f"http://{address}/", timeout=10) as answer:
        assert answer.status == 200


def test_a_killed_engine_can_be_started_again_and_leaves_the_machines_alone(loaded: OwnEngine, base_image: str) -> None:
    bridge = Path("/sys/class/net/docker0")
    there_before = bridge.exists()
    container = loaded.docker("run", "--detach", "--restart", "always", base_image, "sleep", "300")
    loaded.kill()
    assert loaded.docker("ps", check=False) == ""
    loaded.start()
    for _ in range(100):
        if loaded.docker("inspect", "--format", "{{.State.Running}}", container) == "true":
            break
    assert loaded.docker("exec", container, "echo", "hello") == "hello"
    assert bridge.exists() == there_before
