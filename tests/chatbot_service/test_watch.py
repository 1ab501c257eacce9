"""The watcher's look at a host, with an engine that says what the test wants."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chatbot_service import lights
from chatbot_service.facts import EngineEvent, SeenContainer
from chatbot_service.health.watch import HostWatch
from chatbot_service.jobs.ports import ImageFacts
from chatbot_service.models import HealthTransition, Service
from deploy_records.errors import Broken
from deploy_records.models import ImageDigest
from tests import factories

pytestmark = pytest.mark.django_db


@dataclass
class Engine:
    """Only what the watcher asks for."""

    seen: list[SeenContainer] = field(default_factory=list)
    down: bool = False
    local: frozenset[str] = frozenset()
    asked_for_images: int = 0

    def states(self) -> tuple[SeenContainer, ...]:
        if self.down:
            raise Broken("The engine does not answer.")
        return tuple(self.seen)

    def image(self, _reference: str) -> ImageFacts | None:
        self.asked_for_images += 1
        return None

    def local_image_ids(self) -> frozenset[str]:
        return self.local


@pytest.fixture
def entry() -> ImageDigest:
    return factories.entry("old")


@pytest.fixture
def service(entry: ImageDigest) -> Service:
    return factories.service(runs=entry)


def container(
    service: Service, entry: ImageDigest, *, state: str = "running", health: str = "healthy", one_off: bool = False
) -> SeenContainer:
    image_id = entry.platforms.get().config_digest
    return SeenContainer("c1", "web-1", service.project_name, service.compose_service, state, health, image_id, "web", one_off)


def look(service: Service, engine: Engine, times: int = 1) -> Service:
    watch = HostWatch(service.host, engine)  # type: ignore[arg-type]  # only what the watcher asks for
    for _ in range(times):
        watch.look()
    return Service.objects.get(pk=service.pk)


def test_what_runs_is_known_by_its_image_and_asked_for_once(service: Service, entry: ImageDigest) -> None:
    engine = Engine([container(service, entry)])
    assert look(service, engine, times=5).seen_digest == entry.digest
    assert engine.asked_for_images == 1


def test_a_change_of_health_is_written_down_once(service: Service, entry: ImageDigest) -> None:
    look(service, Engine([container(service, entry, health="unhealthy")]), times=3)
    assert HealthTransition.objects.filter(service=service, state="unhealthy").count() == 1


def test_one_that_is_gone_is_missing(service: Service) -> None:
    assert look(service, Engine()).seen_state == "missing"


def test_a_one_off_container_is_not_the_service(service: Service, entry: ImageDigest) -> None:
    assert look(service, Engine([container(service, entry, one_off=True)])).seen_state == "missing"


def test_an_engine_that_does_not_answer_leaves_unknown_and_what_was_known(service: Service, entry: ImageDigest) -> None:
    seen = look(service, Engine(down=True))
    assert seen.seen_digest == entry.digest
    assert HealthTransition.objects.filter(service=service).latest("at").state == "unknown"
    now = seen.seen_at
    assert now
    light = lights.health(state=seen.seen_state, seen_health=seen.seen_health, seen_at=now, now=now, on_purpose=False)
    assert light.word == "Not known"


def test_demo_records_are_left_as_they_are(service: Service) -> None:
    Service.objects.update(is_demo=True)
    assert look(service, Engine()).seen_state == "running"


@pytest.mark.parametrize("is_local", [True, False])
def test_whether_the_way_back_is_on_the_host_is_noted(service: Service, entry: ImageDigest, is_local: bool) -> None:
    before = factories.entry("before")
    factories.ran_before(service, before)
    Service.objects.update(previous_local=None)
    local = frozenset({before.platforms.get().config_digest}) if is_local else frozenset()
    assert look(service, Engine([container(service, entry)], local=local)).previous_local is is_local


PINNED = "services:\n  {service}:\n    image: {image}\n"


def test_a_pin_that_somebody_changes_is_seen_at_the_next_look(service: Service, entry: ImageDigest, tmp_path: Path) -> None:
    Service.objects.update(project_dir=str(tmp_path))
    pin_file = tmp_path / service.pin_file
    watch = HostWatch(service.host, Engine([container(service, entry)]))  # type: ignore[arg-type]  # as above
    for image in ("web:1", "web:1", "web:2"):
        pin_file.write_text(PINNED.format(service=service.compose_service, image=image))
        watch.look()
        assert Service.objects.get(pk=service.pk).seen_pin == image


def test_a_pin_that_has_not_changed_is_not_read_again(
    service: Service, entry: ImageDigest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Service.objects.update(project_dir=str(tmp_path))
    (tmp_path / service.pin_file).write_text(PINNED.format(service=service.compose_service, image="web:1"))
    watch = HostWatch(service.host, Engine([container(service, entry)]))  # type: ignore[arg-type]  # as above
    watch.look()
    monkeypatch.setattr("chatbot_service.project.Folder.read_pin", lambda _folder: pytest.fail("it was read again"))
    watch.look()
    assert Service.objects.get(pk=service.pk).seen_pin == "web:1"


def test_only_events_of_managed_services_are_a_reason_to_look(service: Service) -> None:
    watch = HostWatch(service.host, Engine())  # type: ignore[arg-type]  # as above
    watch.look()
    assert watch.concerns(_event(service.project_name, service.compose_service))
    assert not watch.concerns(_event("somebody-elses", service.compose_service))
    assert not watch.concerns(_event(service.project_name, "database"))


def _event(project: str, service: str) -> EngineEvent:
    return EngineEvent(datetime.now(UTC), 0, "start", "c1", project, service, {})
