"""The recorder on an engine of clockwork: nothing that can be known is lost, and what cannot be known is unknown."""

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from chatbot_service.health import blocks
from chatbot_service.health.blocks import Event, Probe
from chatbot_service.health.recording import Recorder, Seen
from chatbot_service.models import (
    HealthcheckDefinition,
    HealthDue,
    HealthEventBlock,
    HealthSampleBlock,
    HealthTransition,
    HealthWatch,
)
from tests import factories
from tests.chatbot_service.health.synthetic import START, Container, SyntheticEngine

pytestmark = pytest.mark.django_db


class Scene:
    def __init__(self) -> None:
        self.service = factories.service("one")
        self.engine = SyntheticEngine()
        self.container = self.engine.run(self.service)
        self.recorder = self.new_recorder()
        factories.transition(self.service, "healthy", START)

    def new_recorder(self) -> Recorder:
        return Recorder(self.service.host, self.engine, clock=lambda: self.engine.now, monotonic=self.steady)

    def steady(self) -> float:
        return self.engine.now.timestamp()

    def look(self) -> None:
        found = {self.service.pk: Seen(self.container.id, "sha256:" + "1" * 64)}
        self.recorder.saw(found, {self.container.id: self.service.pk} if self.container.id in self.engine.containers else {})

    def go_on(self, seconds: float, *, watched: bool = True) -> None:
        for second in range(int(seconds)):
            self.engine.now += timedelta(seconds=1)
            if watched:
                if second % 10 == 0:
                    self.look()
                self.recorder.record()

    def hear(self, action: str, container: Container | None = None, at: datetime | None = None, **attributes: str) -> None:
        self.recorder.hear(self.service.pk, self.engine.event(action, container or self.container, at, **attributes))

    @property
    def probes(self) -> list[Probe]:
        rows = HealthSampleBlock.objects.filter(service=self.service).order_by("start")
        return [probe for row in rows for probe in blocks.unpack_probes(row.start, bytes(row.data))]

    @property
    def events(self) -> list[Event]:
        rows = HealthEventBlock.objects.filter(service=self.service).order_by("start")
        return [event for row in rows for event in blocks.unpack_events(row.start, bytes(row.data))]

    @property
    def states(self) -> list[str]:
        return [one.state for one in HealthTransition.objects.filter(service=self.service).order_by("at", "id")]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def without_a_hole(probes: list[Probe], interval: float = 10) -> bool:
    pairs = itertools.pairwise(probes)
    return all(abs((after.start - before.start - before.duration) / 1e6 - interval) < 0.01 for before, after in pairs)


def test_every_probe_is_kept_once(scene: Scene) -> None:
    scene.go_on(1000)
    assert len(scene.probes) > 95
    assert without_a_hole(scene.probes)
    assert scene.engine.inspected < 50


def test_a_watcher_killed_and_begun_again_within_the_log_misses_no_probe_and_leaves_no_gap(scene: Scene) -> None:
    scene.go_on(100)
    scene.go_on(30, watched=False)
    scene.recorder = scene.new_recorder()
    scene.go_on(100)
    assert without_a_hole(scene.probes)
    assert scene.states == ["healthy"]


def test_after_a_longer_absence_what_the_log_shows_is_kept_and_the_rest_is_unknown(scene: Scene) -> None:
    scene.go_on(100)
    away_from = scene.engine.now
    scene.go_on(300, watched=False)
    scene.recorder = scene.new_recorder()
    scene.go_on(60)
    assert scene.states == ["healthy", "unknown"]
    assert HealthTransition.objects.get(state="unknown").at <= away_from
    kept = [probe.start / 1e6 for probe in scene.probes]
    hole = max(after - before for before, after in itertools.pairwise(kept))
    assert 240 < hole < 310


def test_a_container_that_restarted_unseen_is_no_healthy_stretch_and_its_start_is_kept(scene: Scene) -> None:
    scene.go_on(100)
    scene.go_on(20, watched=False)
    scene.container.started = scene.engine.now
    scene.container.finished = scene.engine.now - timedelta(seconds=1)
    scene.container.probes.clear()
    scene.go_on(20, watched=False)
    scene.recorder = scene.new_recorder()
    scene.go_on(10)
    assert scene.states == ["healthy", "unknown", "down", "starting"]
    assert [(event.action, event.detail) for event in scene.events] == [("die", "seen by a look"), ("start", "seen by a look")]


def test_what_changes_between_two_looks_is_a_transition_at_its_moment_with_the_output_of_the_probe(scene: Scene) -> None:
    scene.go_on(30)
    scene.container.health = "unhealthy"
    scene.go_on(25)
    at = scene.engine.now
    scene.hear("health_status: unhealthy")
    scene.recorder.record()
    scene.container.health = "healthy"
    scene.go_on(11)
    scene.hear("health_status: healthy")
    scene.recorder.record()
    found = list(HealthTransition.objects.filter(service=scene.service).order_by("at"))
    assert [(one.state, one.output) for one in found] == [
        ("healthy", ""), ("unhealthy", "connection refused"), ("healthy", "ok")
    ]  # fmt: skip
    assert abs(found[1].at - at) < timedelta(milliseconds=1)


def test_events_told_again_by_a_new_stream_are_kept_once(scene: Scene) -> None:
    scene.go_on(15)
    told = [("die", scene.engine.now), ("start", scene.engine.now + timedelta(seconds=1))]
    for _ in range(3):
        for action, at in told:
            scene.hear(action, at=at, exitCode="137")
        scene.go_on(3)
        scene.recorder = scene.new_recorder()
    assert [event.action for event in scene.events] == ["die", "start"]
    assert [state for state in scene.states if state != "unknown"] == ["healthy", "down", "starting"]


def test_ten_thousand_events_in_a_burst_are_all_kept_in_few_writes(scene: Scene) -> None:
    scene.go_on(15)
    for number in range(5000):
        at = scene.engine.now + timedelta(milliseconds=number / 10)
        scene.hear("die" if number % 2 == 0 else "start", at=at, exitCode="1")
        scene.hear("kill", at=at + timedelta(microseconds=5), signal="9")
    scene.go_on(10)
    assert len(scene.events) == 10_000
    assert len(scene.states) == 5001


def test_a_container_recreated_every_second_leaves_each_change_and_nothing_in_memory(scene: Scene) -> None:
    scene.go_on(12)
    for number in range(120):
        old = scene.container
        scene.hear("die", old, exitCode="0")
        del scene.engine.containers[old.id]
        scene.hear("destroy", old)
        scene.container = scene.engine.run(scene.service, f"new{number}")
        scene.hear("start", at=scene.engine.now + timedelta(milliseconds=300))
        scene.go_on(1)
    assert scene.states[:1] + scene.states[-2:] == ["healthy", "down", "starting"]
    assert len(scene.states) == 241
    scene.go_on(12)
    assert len(scene.recorder._prober._services) == 1
    assert len(scene.recorder._prober._logs) == 1
    assert len(scene.recorder._writer._told) <= 2


def test_an_engine_that_goes_away_leaves_what_came_before_and_a_gap(scene: Scene) -> None:
    scene.go_on(50)
    scene.hear("health_status: unhealthy")
    scene.engine.away = True
    scene.engine.now += timedelta(seconds=1)
    with pytest.raises(Exception, match="does not answer"):
        scene.recorder.record()
    assert scene.states == ["healthy", "unhealthy"]
    scene.recorder.lost_sight()
    scene.engine.now += timedelta(seconds=20)
    scene.engine.away = False
    scene.go_on(30)
    assert scene.states == ["healthy", "unhealthy", "unknown"]


def test_after_a_clock_is_set_back_nothing_known_is_overwritten_and_all_probes_are_kept(scene: Scene) -> None:
    steady = [0.0]
    scene.recorder = Recorder(scene.service.host, scene.engine, clock=lambda: scene.engine.now, monotonic=lambda: steady[0])

    def go_on(seconds: int) -> None:
        for _ in range(seconds):
            steady[0] += 1
            scene.engine.now += timedelta(seconds=1)
            scene.recorder.record()

    scene.look()
    go_on(100)
    before = scene.engine.now
    scene.engine.now -= timedelta(hours=1)
    scene.container.next_probe = scene.engine.now + timedelta(seconds=5)
    go_on(2)
    scene.hear("health_status: unhealthy")
    go_on(100)
    last = HealthTransition.objects.order_by("-at").first()
    assert last is not None
    assert (last.state, last.at >= before - timedelta(seconds=1)) == ("unhealthy", True)
    assert len(scene.probes) >= 18


def test_a_clock_that_jumps_forward_leaves_an_hour_of_which_nothing_is_known(scene: Scene) -> None:
    steady = [0.0]
    scene.recorder = Recorder(scene.service.host, scene.engine, clock=lambda: scene.engine.now, monotonic=lambda: steady[0])
    for second in range(120):
        if second == 60:
            scene.engine.now += timedelta(hours=1)
        steady[0] += 1
        scene.engine.now += timedelta(seconds=1)
        if second % 10 == 0:
            scene.look()
        scene.recorder.record()
    found = HealthTransition.objects.get(state="unknown")
    assert START + timedelta(seconds=50) <= found.at <= START + timedelta(seconds=60)


@pytest.mark.parametrize(("seconds", "states"), [(35, ["healthy"]), (70, ["healthy", "unknown"])])
def test_a_watcher_that_stood_still_is_as_one_that_was_away(scene: Scene, seconds: int, states: list[str]) -> None:
    scene.go_on(100)
    scene.go_on(seconds, watched=False)
    scene.go_on(30)
    assert scene.states == states


def test_the_watcher_says_until_when_it_was_there_and_how_services_are_probed(scene: Scene) -> None:
    scene.go_on(60)
    assert HealthWatch.objects.get().alive_at >= scene.engine.now - timedelta(seconds=12)
    scene.engine.interval = 20
    scene.container.started += timedelta(seconds=60)
    scene.go_on(60)
    assert [one.interval for one in HealthcheckDefinition.objects.order_by("pk")] == [10, 20]
    assert not HealthDue.objects.exists()


def test_a_probe_of_which_nothing_could_be_written_is_read_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError  # noqa: PLC0415 - for this one

    scene.go_on(35)
    writer = scene.recorder._writer
    real: Callable[..., set[int]] = writer.write

    def fails(*_: object, **__: object) -> set[int]:
        raise OperationalError("database is locked")

    monkeypatch.setattr(writer, "write", fails)
    scene.hear("oom")
    with pytest.raises(OperationalError):
        scene.go_on(40)
    monkeypatch.setattr(writer, "write", real)
    scene.go_on(40)
    assert without_a_hole(scene.probes)
    assert [event.action for event in scene.events] == ["oom"]
