"""What jobs stand on holds for the engine and for the fakes alike: the same tests on both."""

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from chatbot_service.compose import ComposeBinary
from chatbot_service.engine import DockerEngine
from chatbot_service.jobs.pin import with_pin
from chatbot_service.jobs.ports import Compose, ContainerFacts, Engine, Healthcheck, Project
from deploy_records.errors import Broken, Refused
from tests.chatbot_service.fakes import REPOSITORY, Behaviour, FakeCompose, FakeEngine, FakeFiles, World
from tests.docker import small
from tests.docker.registries import LocalRegistry, free_port
from tests.docker.small import SmallImage, SmallProject

CHECK = Healthcheck(("CMD-SHELL", "test -f /tmp/well"), interval=1.0, timeout=2.0, retries=2, start_period=2.0)


@dataclass(frozen=True)
class Scene:
    """One project and three images in the registry, on either kind of parts."""

    engine: Engine
    compose: Compose
    project: Project
    images: dict[str, SmallImage]
    pin: Callable[[SmallImage], None]
    wait: Callable[[float], None]
    take_port: Callable[[], None]

    def have(self, name: str) -> SmallImage:
        image = self.images[name]
        self.engine.pull(image.repository, image.digest, "linux/amd64", None, ignore, 60)
        return image

    def up(self, name: str) -> ContainerFacts:
        self.pin(self.have(name))
        self.compose.up(self.project, ignore, 60)
        return self.only()

    def only(self) -> ContainerFacts:
        (one,) = self.engine.containers(self.project.name, self.project.service)
        return one

    def wait_until(self, holds: Callable[[], bool], seconds: float = 15) -> None:
        for _ in range(int(seconds / 0.1)):
            if holds():
                return
            self.wait(0.1)
        raise AssertionError(f"not within {seconds} s: {self.only()}")


def ignore(_: str) -> None: ...


@pytest.fixture(scope="module")
def small_images(
    tmp_path_factory: pytest.TempPathFactory, base_image: str, registry: LocalRegistry
) -> Iterator[dict[str, SmallImage]]:
    folder = tmp_path_factory.mktemp("small")
    does = {"one": small.GOOD, "two": small.GOOD, "never": small.NEVER_WELL, "exits": small.EXITS}
    made = {name: small.make_image(folder, base_image, registry, name, script) for name, script in does.items()}
    yield made
    for image in made.values():
        small.forget_image(image)


@pytest.fixture
def fake_scene() -> Scene:
    world = World()
    world.project = Project("/srv/app", "kg-contract", world.project.files, world.project.pin_file, "app")
    service = world.rendered["services"].pop("chatbot")
    world.rendered |= {"name": "kg-contract", "services": {"app": service}}
    behaviours = {
        "one": Behaviour(healthy_after=0.4), "two": Behaviour(healthy_after=0.4), "never": Behaviour(healthy_after=None),
        "exits": Behaviour(exits_after=0.3, exit_code=3),
    }  # fmt: skip
    made = {name: world.add_image(name, behaviour, healthcheck=CHECK) for name, behaviour in behaviours.items()}
    images = {name: SmallImage(REPOSITORY, image.digest, image.id) for name, image in made.items()}
    return Scene(
        FakeEngine(world), FakeCompose(world), world.project, images,
        pin=lambda image: FakeFiles(world).write_pin(with_pin(world.pin, "app", image.reference)),
        wait=world.pause,
        take_port=lambda: world.foreign_ports.update({"127.0.0.1:8000/tcp"}),
    )  # fmt: skip


@pytest.fixture
def real_scene(tmp_path: Path, small_images: dict[str, SmallImage], engine_url: str) -> Iterator[Scene]:
    port = free_port()
    project = SmallProject(tmp_path / "app", f"kg-contract-{port}")
    project.write(f'ports: ["127.0.0.1:{port}:8000"]\nrestart: unless-stopped')
    engine = DockerEngine(engine_url)
    compose = ComposeBinary(docker_host=engine_url, locks=tmp_path / "locks")
    plug = socket.socket()

    def take_port() -> None:
        plug.bind(("127.0.0.1", port))
        plug.listen()

    yield Scene(engine, compose, project.as_project, small_images, project.pin, time.sleep, take_port)
    compose.down(project.name, ignore, 60)
    plug.close()
    engine.close()


@pytest.fixture(params=["fake", "real"])
def scene(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(f"{request.param}_scene")


def test_a_pulled_image_is_known_by_its_digest_and_its_id(scene: Scene) -> None:
    image = scene.have("one")
    facts = scene.engine.image(image.reference)
    assert facts is not None
    assert (facts.id, facts.user, facts.platform) == (image.id, "10001:10001", "linux/amd64")
    assert image.reference in facts.repo_digests
    assert facts.healthcheck.exists
    assert scene.engine.image(image.id) == facts


def test_an_image_that_is_not_there_is_nothing(scene: Scene) -> None:
    assert scene.engine.image(f"{scene.images['one'].repository}@sha256:{'0' * 64}") is None


def test_a_digest_that_the_registry_does_not_have_is_refused(scene: Scene) -> None:
    with pytest.raises(Refused) as refused:
        scene.engine.pull(scene.images["one"].repository, f"sha256:{'0' * 64}", "linux/amd64", None, ignore, 60)
    assert refused.value.code == "registry-not-found"


def test_up_makes_one_container_of_the_pinned_image_and_then_changes_nothing(scene: Scene) -> None:
    first = scene.up("one")
    assert first.running
    assert first.name == f"{scene.project.name}-app-1"
    assert first.image.endswith(scene.images["one"].digest)
    assert (first.image_id, first.restart_count, first.user) == (scene.images["one"].id, 0, "10001:10001")
    assert [port.partition(":")[0] for port in first.published] == ["127.0.0.1"]
    assert scene.up("one").id == first.id


def test_another_pin_recreates_it_under_the_same_name(scene: Scene) -> None:
    first, second = scene.up("one"), scene.up("two")
    assert second.id != first.id
    assert (second.name, second.image_id) == (first.name, scene.images["two"].id)
    assert scene.engine.container(first.id) is None


def test_config_names_the_pinned_image(scene: Scene) -> None:
    scene.up("two")
    rendered = scene.compose.config(scene.project)
    assert rendered["services"]["app"]["image"].endswith(scene.images["two"].digest)


def test_the_probe_tells_long_before_docker_does(scene: Scene) -> None:
    container = scene.up("one")
    assert scene.only().health == "starting"
    scene.wait_until(lambda: scene.engine.probe(container.id).passed)
    scene.wait_until(lambda: scene.only().health == "healthy")
    assert scene.only().failing_streak == 0


def test_one_that_never_becomes_healthy_is_called_unhealthy_with_its_output(scene: Scene) -> None:
    container = scene.up("never")
    assert not scene.engine.probe(container.id).passed
    scene.wait_until(lambda: scene.only().health == "unhealthy")
    assert scene.only().last_probe_output
    assert scene.only().running


def test_one_that_exits_is_seen_by_its_restarts(scene: Scene) -> None:
    scene.up("exits")
    scene.wait_until(lambda: scene.only().restart_count >= 2)


def test_stopped_started_renamed_removed(scene: Scene) -> None:
    container = scene.up("one")
    scene.engine.stop(container.id, 20)
    assert (scene.only().state, scene.only().published) == ("exited", frozenset())
    assert scene.engine.probe(container.id).exit_code == 125
    scene.engine.start(container.id, 20)
    assert scene.only().running
    scene.engine.rename(container.id, f"{container.name}-aside")
    assert scene.only().name == f"{container.name}-aside"
    scene.engine.remove(container.id)
    scene.engine.remove(container.id)
    assert scene.engine.container(container.id) is None
    assert not scene.engine.probe(container.id).passed
    assert scene.engine.logs(container.id, 5) == []


def test_up_starts_again_what_was_stopped(scene: Scene) -> None:
    container = scene.up("one")
    scene.engine.stop(container.id, 20)
    assert (scene.up("one").id, scene.only().running) == (container.id, True)


def test_up_with_an_image_that_is_not_local_fails_and_leaves_the_old_one_running(scene: Scene) -> None:
    container = scene.up("one")
    scene.pin(replace(scene.images["two"], digest=f"sha256:{'0' * 64}"))
    with pytest.raises(Broken, match="is not on this host"):
        scene.compose.up(scene.project, ignore, 60)
    assert (scene.only().id, scene.only().running) == (container.id, True)


def test_a_port_that_is_taken_is_named(scene: Scene) -> None:
    scene.take_port()
    scene.pin(scene.have("one"))
    with pytest.raises(Broken, match=r"port 127\.0\.0\.1:\d+\S* of the host is taken by another program"):
        scene.compose.up(scene.project, ignore, 60)


def test_a_command_inside_tells_its_exit_code(scene: Scene) -> None:
    container = scene.up("one")
    scene.wait_until(lambda: scene.engine.probe(container.id).passed)
    assert scene.engine.execute(container.id, ["true"], 5).passed
    assert not scene.engine.execute(container.id, ["false"], 5).passed


def test_a_rehearsal_runs_beside_it_and_leaves_nothing(scene: Scene) -> None:
    container = scene.up("one")
    rendered = scene.compose.config(scene.project)
    service = {key: value for key, value in rendered["services"]["app"].items() if key not in {"ports", "networks"}}
    service["image"] = scene.have("two").reference
    name = f"{scene.project.name}-rehearsal"
    scene.compose.up_rendered(name, scene.project.directory, {"name": name, "services": {"app": service}}, ignore, 60)
    (candidate,) = scene.engine.containers(name, "app")
    assert candidate.image_id == scene.images["two"].id
    assert scene.only().id == container.id
    scene.compose.down(name, ignore, 60)
    scene.compose.down(name, ignore, 60)
    assert scene.engine.containers(name, "app") == []
    assert scene.only().running


def test_a_paused_container_says_so_and_goes_on_where_it_stood(scene: Scene) -> None:
    container = scene.up("one")
    for _ in range(2):  # the second time changes nothing
        scene.engine.pause(container.id)
        assert scene.only().state == "paused"
    for _ in range(2):
        scene.engine.unpause(container.id)
        assert scene.only().running
    assert scene.only().started_at == container.started_at
