"""A change of the environment: it arrives and serves, or all is as before, whichever step fails."""

from typing import Any

import pytest

from chatbot_service.environment_contract import Contract, Key, Type
from chatbot_service.jobs.configure import STEPS
from chatbot_service.jobs.step import Outcome, Step, run_steps, undo_steps
from tests.chatbot_service.operation_fakes import BREAKS_IT, Notes, Scene, seal, unseal

SECRET = "sk-planted-secret-4711"
FILE = "# keys\nPORT=8000\nLOG_LEVEL='INFO' # loud\n"


@pytest.fixture
def scene() -> Scene:
    return Scene.running(FILE)


def configure(scene: Scene, **asked: Any) -> tuple[Outcome, Notes]:
    notes = Notes()
    return run_steps(STEPS, scene.context(asked), notes), notes


def why(notes: Notes) -> str:
    return str(notes.error)


def test_a_value_is_written_applied_proved_and_kept_as_a_version(scene: Scene) -> None:
    before = scene.world.running_digest()
    outcome, _ = configure(scene, set={"LOG_LEVEL": "DEBUG"})
    assert outcome is Outcome.SUCCEEDED
    assert scene.file.text == FILE.replace("INFO", "DEBUG")
    assert scene.looks.environment(scene.world.the_container().id)["LOG_LEVEL"] == "DEBUG"
    assert scene.world.running_digest() == before
    assert [(version.number, found) for version, _, found, _ in scene.operation.versions] == [(1, True), (2, False)]
    assert unseal(scene.operation.versions[0][0].sealed) == FILE


def test_a_sealed_value_arrives_and_is_told_nowhere(scene: Scene) -> None:
    outcome, notes = configure(scene, sealed={"OPENROUTER_API_KEY": seal(SECRET)})
    assert outcome is Outcome.SUCCEEDED
    assert scene.looks.environment(scene.world.the_container().id)["OPENROUTER_API_KEY"] == SECRET
    told = repr([scene.world.said, notes.__dict__, scene.memory.kept, [changes for _, changes, *_ in scene.operation.versions]])
    assert SECRET not in told


def test_a_value_with_which_it_does_not_become_healthy_is_undone(scene: Scene) -> None:
    outcome, notes = configure(scene, set={"MODE": BREAKS_IT})
    assert outcome is Outcome.UNDONE
    assert "unhealthy" in why(notes)
    assert scene.file.text == FILE
    assert scene.world.answers()
    assert scene.operation.versions == []


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"set": {"PORT": "90000"}}, "PORT is not valid: it takes a port"),
        ({"set": {"COMPOSE_FILE": "evil.yml"}}, "cannot be set here"),
        ({"set": {"A B": "1"}}, "cannot be set here"),
        ({"set": {"PORT": "8000"}}, "has these values already"),
        ({"unset": ["OPENROUTER_API_KEY"]}, "is required"),
        ({"set": {"PORT": "9000"}, "revision": "of another day"}, "was changed since"),
        ({"version": 9}, "no version 9"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_anything_is_touched(scene: Scene, asked: dict[str, Any], says: str) -> None:
    outcome, notes = configure(scene, **asked)
    assert outcome is Outcome.UNDONE
    assert says in why(notes)
    assert scene.file.text == FILE
    assert scene.world.calls["compose.up"] == 0
    assert scene.world.calls["env_file.write"] == 0


def test_a_key_to_which_the_compose_file_gives_a_value_is_refused(scene: Scene) -> None:
    scene.compose.fixed["PORT"] = "8000"
    outcome, notes = configure(scene, set={"PORT": "9000"})
    assert (outcome, scene.file.text, scene.world.calls["compose.up"]) == (Outcome.UNDONE, FILE, 0)
    assert "PORT does not reach the container" in why(notes)


def test_a_key_that_changes_more_than_the_environment_is_refused(scene: Scene) -> None:
    scene.compose.port_key = "CHATBOT_PORT"
    outcome, notes = configure(scene, set={"CHATBOT_PORT": "9000"})
    assert (outcome, scene.file.text, scene.world.calls["compose.up"]) == (Outcome.UNDONE, FILE, 0)
    assert "reaches further than the environment" in why(notes)


def test_what_is_missing_already_does_not_stop_another_change(scene: Scene) -> None:
    outcome, _ = configure(scene, set={"MAX_RETRIES": "5"})
    assert outcome is Outcome.SUCCEEDED


def test_a_change_that_makes_the_environment_worse_is_refused(scene: Scene) -> None:
    scene.operation.has = Contract((Key("NEW_PORT", Type.PORT), Key("LOG_LEVEL", choices=("INFO",), required=True)))
    outcome, notes = configure(scene, set={"NEW_PORT": "1"}, unset=["PORT"])
    assert outcome is Outcome.SUCCEEDED
    outcome, notes = configure(scene, unset=["LOG_LEVEL"])
    assert "LOG_LEVEL is required" in why(notes)


def test_it_never_switches_the_image(scene: Scene) -> None:
    other = scene.world.add_image("two", on_host=True)
    assert scene.world.pin
    scene.world.pin = scene.world.pin.replace(scene.world.running_digest(), other.digest)
    before = scene.world.running_digest()
    outcome, notes = configure(scene, set={"PORT": "9000"})
    assert outcome is Outcome.UNDONE
    assert "would switch the image" in why(notes)
    assert scene.world.running_digest() == before


def test_one_that_does_not_run_is_refused(scene: Scene) -> None:
    scene.world.the_container().stopped = True
    _, notes = configure(scene, set={"PORT": "9000"})
    assert "does not run" in why(notes)


def test_a_version_can_be_gone_back_to(scene: Scene) -> None:
    configure(scene, set={"PORT": "9000"})
    scene.memory.kept.clear()
    outcome, _ = configure(scene, version=1)
    assert outcome is Outcome.SUCCEEDED
    assert scene.file.text == FILE
    assert [(v.number, found, back) for v, _, found, back in scene.operation.versions][-1] == (3, False, 1)


def test_a_change_by_hand_becomes_a_version_of_its_own(scene: Scene) -> None:
    configure(scene, set={"PORT": "9000"})
    scene.memory.kept.clear()
    assert scene.file.text
    scene.file.text += "BY_HAND=1\n"
    configure(scene, set={"PORT": "9001"})
    assert [found for _, _, found, _ in scene.operation.versions] == [True, False, True, False]
    assert [change.name for change in scene.operation.versions[2][1]] == ["BY_HAND"]


def test_without_a_file_one_is_made_and_taken_away_again() -> None:
    scene = Scene.running(None)
    configure(scene, set={"MODE": BREAKS_IT})
    assert scene.file.text is None
    scene.memory.kept.clear()
    configure(scene, set={"PORT": "9000"})
    assert scene.file.text == "PORT=9000\n"


CALLS = ("env_file.write", "compose.up", "engine.probe", "looks.environment", "operation.keep_version", "records.observed")


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("call", CALLS)
def test_whichever_call_fails_the_old_environment_serves(scene: Scene, call: str, before: bool) -> None:
    scene.world.fail(call, before=before)
    outcome, _ = configure(scene, set={"PORT": "9000"})
    assert outcome is Outcome.UNDONE
    assert scene.file.text == FILE
    assert scene.looks.environment(scene.world.the_container().id)["PORT"] == "8000"
    assert scene.world.answers()


@pytest.mark.parametrize("died_in", range(len(STEPS)))
def test_wherever_the_worker_dies_the_next_one_puts_all_back(scene: Scene, died_in: int) -> None:
    begun = STEPS[: died_in + 1]
    context = scene.context({"set": {"PORT": "9000"}})
    for step in begun:
        step.do(context)
    assert undo_steps(begun, scene.context({"set": {"PORT": "9000"}}), Notes()) is Outcome.UNDONE
    assert scene.file.text == FILE
    assert scene.looks.environment(scene.world.the_container().id)["PORT"] == "8000"
    assert scene.world.answers()


@pytest.mark.parametrize("stage", ["created", "stopped", "removed", "renamed"])
def test_a_compose_killed_in_the_middle_is_undone(scene: Scene, stage: str) -> None:
    scene.world.kill_compose_after(stage)
    outcome, _ = configure(scene, set={"PORT": "9000"})
    assert outcome is Outcome.UNDONE
    assert scene.file.text == FILE
    assert scene.world.answers()


def test_each_step_that_changes_something_has_its_undo() -> None:
    changing: list[Step] = [step for step in STEPS if step.key in {"write", "apply"}]
    assert all(step.undo for step in changing)
