"""Tests on real parts. One engine and one registry serve the whole run; what a fault test kills is its own."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import machine
from tests.docker.engines import OwnEngine
from tests.docker.registries import LocalRegistry


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def engine_url() -> str:
    """The machine's engine, shared: a test removes what it makes, and names it so that others do not meet it."""
    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


@pytest.fixture(scope="session")
def base_image() -> str:
    """A local image with Python, bash, tini and CA certificates, to build on."""
    return machine.BASE_IMAGE


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRegistry]:
    """Open, shared by the run; a test that stops it starts it again."""
    yield from _running(LocalRegistry(tmp_path_factory.mktemp("registry")))


@pytest.fixture
def own_registry(tmp_path: Path) -> Iterator[LocalRegistry]:
    """One for a test that stops, damages or slows it."""
    yield from _running(LocalRegistry(tmp_path / "registry"))


@pytest.fixture(scope="session")
def locked_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRegistry]:
    """With a password and its own certificate; see tests.docker.registries for both."""
    yield from _running(LocalRegistry(tmp_path_factory.mktemp("locked"), locked=True))


def _running(registry: LocalRegistry) -> Iterator[LocalRegistry]:
    registry.start()
    yield registry
    registry.stop()


@pytest.fixture
def start_engine() -> Iterator[Callable[..., OwnEngine]]:
    """Starts an engine that the test may kill; dockerd's own options may be given."""
    if os.geteuid() != 0:
        pytest.skip("left out: an engine of the tests' own needs root")
    engines: list[OwnEngine] = []

    def start(*options: str) -> OwnEngine:
        engine = OwnEngine(*options)
        engines.append(engine)
        engine.start()
        return engine

    yield start
    for engine in engines:
        engine.remove()


@pytest.fixture
def own_engine(start_engine: Callable[..., OwnEngine]) -> OwnEngine:
    return start_engine()
