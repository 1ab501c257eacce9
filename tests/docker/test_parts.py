"""The parts that other tests stand on do what they promise."""

import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docker.engines import OwnEngine
from tests.docker.registries import PASSWORD, USERNAME, LocalRegistry


def docker(*argv: str) -> str:
    return subprocess.run(["docker", *argv], check=True, capture_output=True, text=True).stdout.strip()


def test_a_pushed_image_has_a_digest_by_which_it_can_be_pulled(registry: LocalRegistry, base_image: str) -> None:
    digest = registry.push(base_image, "parts/base", "one")
    reference = f"{registry.address}/parts/base@{digest}"
    docker("pull", "--quiet", reference)
    assert reference in docker("image", "inspect", "--format", "{{.RepoDigests}}", reference)
    docker("rmi", reference)


def test_a_registry_that_was_stopped_still_has_its_images(own_registry: LocalRegistry, base_image: str) -> None:
    digest = own_registry.push(base_image, "parts/base")
    own_registry.stop()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://{own_registry.address}/v2/")
    own_registry.start()
    with urllib.request.urlopen(f"http://{own_registry.address}/v2/parts/base/manifests/{digest}") as answer:
        assert answer.status == 200


def test_the_locked_registry_wants_the_password(
    locked_registry: LocalRegistry, base_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    name = f"{locked_registry.address}/parts/{uuid.uuid4().hex}"
    docker("tag", base_image, name)
    try:
        assert subprocess.run(["docker", "push", name], capture_output=True, check=False).returncode != 0
        docker("login", "--username", USERNAME, "--password", PASSWORD, locked_registry.address)
        assert "digest: sha256:" in docker("push", name)
    finally:
        docker("rmi", name)


def test_an_own_engine_is_apart_from_the_machines(own_engine: OwnEngine, base_image: str, engine_url: str) -> None:
    assert not own_engine.docker("images", "--quiet")
    own_engine.load_from(base_image, engine_url)
    assert own_engine.docker("run", "--rm", base_image, "echo", "hello") == "hello"
    assert own_engine.docker("ps", "--all", "--quiet") == ""


def test_a_killed_engine_can_be_started_again(start_engine: Callable[..., OwnEngine], base_image: str, engine_url: str) -> None:
    engine = start_engine("--live-restore")
    engine.load_from(base_image, engine_url)
    container = engine.docker("run", "--detach", "--network", "none", base_image, "sleep", "300")
    engine.kill()
    assert "Cannot connect" in engine.docker("ps", check=False) or not engine.docker("ps", check=False)
    engine.start()
    assert engine.docker("inspect", "--format", "{{.State.Running}}", container) == "true"


def test_an_own_engine_publishes_ports_of_a_compose_network(own_engine: OwnEngine, base_image: str, engine_url: str) -> None:
    own_engine.load_from(base_image, engine_url)
    own_engine.docker("network", "create", "apart")
    serve = ["python3", "-m", "http.server", "--directory", "/etc/ssl", "8000"]
    own_engine.docker(
        "run", "--detach", "--network", "apart", "--publish", "127.0.0.1::8000", "--name", "web", base_image, *serve
    )
    address = own_engine.docker("port", "web", "8000").splitlines()[0]
    ask = ["python3", "-c", "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000').status)"]
    for _ in range(50):
        if own_engine.docker("exec", "web", *ask, check=False) == "200":
            break
    with urllib.request.urlopen(f"http://{address}/", timeout=10) as answer:
        assert answer.status == 200
