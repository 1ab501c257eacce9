"""start, stop and restart: the same image before and after, and no question to the gate."""

from chatbot_service.jobs import lifecycle
from chatbot_service.jobs.step import Outcome, Step, run_steps
from tests.chatbot_service.fakes import job_context
from tests.chatbot_service.test_upgrade import Scene


def run(scene: Scene, steps: tuple[Step, ...]) -> Outcome:
    return run_steps(steps, job_context(scene.world, scene.records, kind="restart"), scene.told)


def test_stop_stops_and_start_serves_again() -> None:
    scene = Scene()
    assert run(scene, lifecycle.STOP_STEPS) is Outcome.SUCCEEDED
    assert not scene.world.answers()
    assert run(scene, lifecycle.START_STEPS) is Outcome.SUCCEEDED
    scene.assert_the_old_one_serves()


def test_restart_keeps_the_container_and_never_asks_the_gate() -> None:
    scene = Scene()
    before = scene.world.the_container().id
    assert run(scene, lifecycle.RESTART_STEPS) is Outcome.SUCCEEDED
    assert scene.world.the_container().id == before
    assert scene.world.calls["records.gate"] == 0
    scene.assert_the_old_one_serves()


def test_stopping_what_does_not_run_is_refused() -> None:
    scene = Scene()
    run(scene, lifecycle.STOP_STEPS)
    assert run(scene, lifecycle.STOP_STEPS) is Outcome.UNDONE
    assert "nothing to stop" in scene.told.words


def test_a_stop_that_fails_after_it_acted_is_undone() -> None:
    scene = Scene()
    scene.world.fail("engine.stop")
    assert run(scene, lifecycle.STOP_STEPS) is Outcome.UNDONE
    scene.assert_the_old_one_serves()


def test_a_start_without_a_container_makes_one_from_the_compose_files() -> None:
    scene = Scene()
    scene.world.containers.clear()
    assert run(scene, lifecycle.START_STEPS) is Outcome.SUCCEEDED
    scene.assert_the_old_one_serves()


def test_what_was_changed_by_hand_is_noticed_after_a_restart() -> None:
    scene = Scene()
    scene.world.pin = (scene.world.pin or "").replace(scene.old.digest, scene.new.digest)
    assert run(scene, lifecycle.RESTART_STEPS) is Outcome.UNDONE
    assert "the pin does not name" in scene.told.words


def test_a_pin_that_names_the_platform_of_what_runs_is_as_pinned() -> None:
    scene = Scene()
    scene.world.pin = (scene.world.pin or "").replace(scene.old.digest, scene.old.id)
    assert run(scene, lifecycle.RESTART_STEPS) is Outcome.SUCCEEDED
