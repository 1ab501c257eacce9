import pytest

from chatbot_service.health.probing import MOST_AT_ONCE, Prober
from chatbot_service.models import Service
from deploy_records.errors import Broken
from tests.chatbot_service.health.synthetic import SyntheticEngine


class Scene:
    def __init__(self, count: int = 1) -> None:
        self.engine = SyntheticEngine()
        self.now = 0.0
        self.prober = Prober(self.engine, lambda: self.now)
        rows = [Service(pk=number, project_name=f"p{number}", compose_service="app") for number in range(1, count + 1)]
        self.containers = {self.engine.run(row).id: row.pk for row in rows}
        self.prober.track(self.containers)

    def at(self, second: float) -> int:
        self.now = second
        return len(self.prober.inspect_due())


def test_each_is_inspected_often_enough_for_a_log_of_five() -> None:
    scene = Scene()
    moments = [second for second in range(200) if scene.at(second)]
    assert moments == [0, 30, 60, 90, 120, 150, 180]


def test_what_is_told_of_is_inspected_at_once_but_once_a_second_at_most() -> None:
    scene = Scene()
    scene.at(0)
    (container,) = scene.containers
    inspected = 0
    for tenth in range(100, 200):
        scene.prober.soon(container, 1)
        inspected += scene.at(tenth / 10)
    assert 9 <= inspected <= 11


def test_many_are_inspected_in_rounds() -> None:
    scene = Scene(MOST_AT_ONCE + 50)
    assert [scene.at(0), scene.at(1), scene.at(2)] == [MOST_AT_ONCE, 50, 0]


def test_what_is_gone_is_forgotten() -> None:
    scene = Scene(3)
    scene.at(0)
    first, *others = scene.containers
    scene.prober.track({one: scene.containers[one] for one in others})
    scene.engine.containers.pop(others[0])
    assert scene.at(40) == 1
    assert set(scene.prober._services) == {others[1]}
    assert first not in scene.prober._logs


def test_an_engine_that_does_not_answer_is_said_and_asked_again() -> None:
    scene = Scene(3)
    scene.engine.away = True
    with pytest.raises(Broken):
        scene.at(0)
    scene.engine.away = False
    assert scene.at(3) == 3
