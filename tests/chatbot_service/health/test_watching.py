"""Looks and events together: what is written down is never better than what was true."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import cast

import pytest

from chatbot_service.engine import DockerEngine
from chatbot_service.facts import SeenContainer
from chatbot_service.health.watch import HostWatch
from chatbot_service.models import HealthTransition, Service
from tests import factories
from tests.chatbot_service.health.synthetic import START, Container, SyntheticEngine

pytestmark = pytest.mark.django_db


class Engine(SyntheticEngine):
    """`meanwhile` happens while the answer to a look is under way."""

    def states(self) -> tuple[SeenContainer, ...]:
        found = super().states()
        if self.meanwhile is not None:
            self.meanwhile()
            self.meanwhile = None
        return found

    meanwhile: Callable[[], None] | None = None


class Scene:
    def __init__(self) -> None:
        self.service = factories.service("one", seen_at=START)
        self.engine = Engine()
        self.container: Container = self.engine.run(self.service, started=START - timedelta(hours=1))
        self.watch = self.new_watch()

    def new_watch(self) -> HostWatch:
        engine = cast("DockerEngine", self.engine)
        made = HostWatch(self.service.host, engine, clock=lambda: self.engine.now, monotonic=self.steady)
        made.look()
        return made

    def steady(self) -> float:
        return self.engine.now.timestamp()

    def hear(self, action: str, **attributes: str) -> bool:
        return self.watch.hear(self.engine.event(action, self.container, None, **attributes), _NEVER)

    def later(self, seconds: float) -> None:
        self.engine.now += timedelta(seconds=seconds)

    @property
    def states(self) -> list[str]:
        return [one.state for one in HealthTransition.objects.filter(service=self.service).order_by("at", "id")]


_NEVER = threading.Event()


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_look_that_an_event_overtook_is_not_believed(scene: Scene) -> None:
    scene.later(10)

    def fails() -> None:
        scene.later(0.1)
        scene.container.health = "unhealthy"
        scene.hear("health_status: unhealthy")

    scene.engine.meanwhile = fails
    assert not scene.watch.look()
    assert scene.states == ["healthy", "unhealthy"]
    scene.later(2)
    assert scene.watch.look()
    assert scene.states == ["healthy", "unhealthy"]


def test_what_events_said_exactly_is_not_said_again_by_the_next_look(scene: Scene) -> None:
    scene.later(10)
    scene.container.health = "unhealthy"
    scene.hear("health_status: unhealthy")
    scene.later(1)
    scene.watch.look()
    at = HealthTransition.objects.get(state="unhealthy").at
    assert at == START + timedelta(seconds=10)


def test_other_peoples_containers_and_one_offs_are_no_concern(scene: Scene) -> None:
    assert not scene.hear("die", **{"com.docker.compose.oneoff": "True"})
    stranger = Container("s" * 64, "elsewhere", "app", START)
    assert not scene.watch.hear(scene.engine.event("die", stranger), _NEVER)
    scene.later(1)
    scene.watch.recorder.record()
    assert scene.states == ["healthy"]


def test_a_service_removed_by_hand_is_down_and_forgotten(scene: Scene) -> None:
    scene.later(10)
    scene.hear("die", exitCode="137")
    scene.hear("destroy")
    del scene.engine.containers[scene.container.id]
    scene.later(2)
    scene.watch.look()
    scene.watch.recorder.record()
    assert scene.states == ["healthy", "down"]
    assert not scene.watch.recorder._prober._services


def test_an_engine_that_is_away_is_unknown_from_the_last_that_was_heard_of_it(scene: Scene) -> None:
    scene.later(10)
    scene.watch.recorder.record()
    scene.watch.look()
    last = scene.engine.now
    scene.later(9)
    scene.engine.away = True
    scene.later(21)
    scene.watch.look()
    unknown = HealthTransition.objects.get(state="unknown")
    assert unknown.at == last
    scene.engine.away = False
    scene.later(5)
    scene.watch.look()
    assert scene.states == ["healthy", "unknown", "healthy"]


def test_a_broken_stream_of_events_is_a_gap_unless_the_health_log_proves_otherwise(scene: Scene) -> None:
    for _ in range(6):
        scene.later(10)
        scene.watch.look()
        scene.watch.recorder.record()
    scene.watch.recorder.lost_events()
    scene.later(8)
    scene.watch.look()
    assert scene.states == ["healthy"]
    scene.watch.recorder.lost_events()
    scene.later(8)
    scene.container.started = scene.engine.now - timedelta(seconds=4)
    scene.watch.look()
    assert scene.states[:2] == ["healthy", "unknown"]


def test_services_added_later_are_watched_from_then_on(scene: Scene) -> None:
    other = factories.service("two", added_by=scene.service.added_by)
    scene.engine.run(other)
    scene.later(10)
    scene.watch.look()
    other.refresh_from_db()
    assert Service.objects.get(pk=other.pk).seen_health == "healthy"
