"""upgrade, tried on the small world: good builds arrive, bad ones never harm what serves."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from chatbot_service.jobs import upgrade
from chatbot_service.jobs.context import SmokeTest
from chatbot_service.jobs.ports import ContainerFacts, Healthcheck, Verdict
from chatbot_service.jobs.step import Outcome, Step, run_steps
from deploy_records.errors import Broken, Refused
from deploy_records.rules.digest import parse_reference
from tests.chatbot_service.fakes import (
    EXITS_AT_ONCE,
    FLAPS,
    NEVER_HEALTHY,
    STAGES,
    Behaviour,
    FakeContainer,
    FakeImage,
    FakeMemory,
    FakeRecords,
    World,
    job_context,
)


@dataclass
class Told:
    """A report that keeps the errors and the notes."""

    errors: list[Exception] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    done_steps: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)

    def begin(self, step: Step) -> None: ...
    def begin_undo(self, step: Step) -> None: ...
    def undone(self, step: Step, note: str) -> None: ...

    def done(self, step: Step, note: str) -> None:
        self.done_steps.append(step.key)
        self.notes[step.key] = note

    def failed(self, step: Step, error: Exception) -> None:
        self.errors.append(error)

    def undo_failed(self, step: Step, error: Exception) -> None:
        self.stuck.append(f"{step.key}: {error}")

    @property
    def words(self) -> str:
        return " ".join(str(error) for error in self.errors)


class Scene:
    """Build 1 runs and is known good; the job wants the candidate."""

    def __init__(self, candidate: FakeImage | None = None, world: World | None = None) -> None:
        self.world = world or World()
        self.records = FakeRecords(self.world)
        self.old = self.world.add_image("1")
        self.new = candidate or self.world.add_image("2")
        self.records.know(self.old, "known-good")
        self.records.know(self.new)
        self.records.deployments = [self.old.digest]
        self.world.run(self.old)
        self.pin_before = self.world.pin
        self.world.down_seconds = 0.0
        self.told = Told()

    def upgrade(self, **task: object) -> Outcome:
        context = job_context(self.world, self.records, target=self.new.digest, **task)  # type: ignore[arg-type]  # free task fields
        return run_steps(upgrade.STEPS, context, self.told)

    def assert_the_old_one_serves(self) -> None:
        assert self.world.running_digest() == self.old.digest
        assert self.world.answers()
        assert self.world.pin == self.pin_before
        assert len(self.world.containers) == 1
        assert not self.world.copies
        assert not self.told.stuck
        assert self.records.deployments[-1] == self.old.digest

    def assert_never_touched(self) -> None:
        self.assert_the_old_one_serves()
        assert self.world.down_seconds == 0
        assert self.world.calls["files.write_pin"] == 0
        assert self.world.calls["compose.up"] == 0


def scene_with(behaviour: Behaviour | None = None, **facts: Any) -> Scene:
    world = World()
    return Scene(world.add_image("2", behaviour, **facts), world)


def test_a_good_build_is_rehearsed_switched_to_proved_recorded_and_becomes_known_good() -> None:
    scene = Scene()
    assert scene.upgrade(watch_seconds=30) is Outcome.SUCCEEDED
    assert scene.world.running_digest() == scene.new.digest
    assert f"@{scene.new.digest}" in (scene.world.pin or "")
    assert scene.records.state_of(scene.new) == "known-good"
    assert scene.records.deployments == [scene.old.digest, scene.new.digest]
    assert len(scene.world.containers) == 1
    assert not scene.world.copies


def test_the_new_image_and_the_one_it_replaces_are_kept_from_pruning() -> None:
    scene = Scene()
    scene.upgrade()
    assert {scene.old.id, scene.new.id} <= set(scene.world.kept.values())


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (NEVER_HEALTHY, "connection refused"),
        (EXITS_AT_ONCE, "exited with code 1"),
        (FLAPS, "flaps"),
        (Behaviour(exits_after=2.0), "exited with code 1"),
    ],
    ids=["never healthy", "exits at once", "flaps", "exits after 2 s"],
)
def test_a_bad_build_is_caught_in_the_rehearsal_and_the_service_is_never_touched(behaviour: Behaviour, words: str) -> None:
    scene = scene_with(behaviour)
    assert scene.upgrade() is Outcome.UNDONE
    assert words in scene.told.words
    scene.assert_never_touched()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"healthcheck": Healthcheck()}, "healthcheck"),
        ({"user": ""}, "root"),
        ({"user": "0:0"}, "root"),
        ({"user": "00:10001"}, "root"),
        ({"platform": "linux/arm64"}, "linux/arm64"),
        ({"labels": {"io.known-good.required-env": "MODEL_PATH"}}, "MODEL_PATH"),
    ],
    ids=["no healthcheck", "no user", "root", "root in other words", "other platform", "missing environment key"],
)
def test_an_unfit_image_is_refused_before_anything_is_changed(facts: dict[str, Any], words: str) -> None:
    scene = scene_with(**facts)
    assert scene.upgrade() is Outcome.UNDONE
    assert isinstance(scene.told.errors[0], Refused)
    assert words in scene.told.words
    scene.assert_never_touched()


def test_an_environment_key_that_the_contract_requires_must_have_a_value() -> None:
    scene = Scene()
    assert scene.upgrade(required_env=("OPENROUTER_API_KEY", "PORT")) is Outcome.UNDONE
    assert "PORT" in scene.told.words
    assert "OPENROUTER_API_KEY" not in scene.told.words
    assert "sk-secret" not in scene.told.words + " ".join(scene.world.said)
    scene.assert_never_touched()


def test_the_gate_is_asked_again_and_its_no_changes_nothing() -> None:
    scene = Scene()
    scene.records.gate_says[scene.new.digest] = Verdict(False, "Must not be deployed. Its approval was withdrawn.")
    assert scene.upgrade() is Outcome.UNDONE
    assert "withdrawn" in scene.told.words
    scene.assert_never_touched()


def test_with_the_registry_down_it_is_refused_before_anything_changed() -> None:
    scene = Scene()
    scene.world.registry_trouble = Refused("The registry registry.example cannot be reached.")
    assert scene.upgrade() is Outcome.UNDONE
    assert "cannot be reached" in scene.told.words
    scene.assert_never_touched()


def test_what_runs_already_is_refused() -> None:
    scene = Scene()
    scene.new = scene.old
    assert scene.upgrade() is Outcome.UNDONE
    assert "runs already" in scene.told.words
    scene.assert_never_touched()


def test_what_is_there_but_stopped_is_refused_with_what_to_do() -> None:
    scene = Scene()
    scene.new = scene.old
    scene.world.the_container().stopped = True
    assert scene.upgrade() is Outcome.UNDONE
    assert "exited: start it instead" in scene.told.words


def test_the_candidate_of_a_rehearsal_carries_no_label_that_a_proxy_could_follow() -> None:
    scene = Scene()
    scene.world.rendered["services"]["chatbot"]["labels"] = {"traefik.enable": "true"}
    seen: list[dict[str, str]] = []
    made = scene.world.make_container

    def making(service: dict[str, Any], name: str, project: str, service_name: str) -> FakeContainer:
        seen.append(service.get("labels", {}))
        return made(service, name, project, service_name)

    scene.world.make_container = making  # type: ignore[method-assign]  # looks at what is made
    assert scene.upgrade() is Outcome.SUCCEEDED
    assert seen == [{}, {"traefik.enable": "true"}]


@pytest.mark.parametrize("name", ["chatbot-", "chat_-bot", "a___b", "personal_chatbot"])
def test_any_name_of_a_service_makes_a_name_under_which_its_images_are_kept(name: str) -> None:
    scene = Scene()
    context = job_context(scene.world, scene.records, target=scene.new.digest)
    context.task = replace(context.task, service=name)
    assert run_steps(upgrade.STEPS, context, scene.told) is Outcome.SUCCEEDED
    assert len(scene.world.kept) == 2
    assert all(parse_reference(kept).tag for kept in scene.world.kept)


def test_a_port_that_the_service_newly_publishes_and_that_is_taken_is_found_in_the_rehearsal() -> None:
    scene = Scene()
    ports = scene.world.rendered["services"]["chatbot"]["ports"]
    ports.append({"host_ip": "127.0.0.1", "published": "9000", "target": 9000, "protocol": "tcp"})
    scene.world.foreign_ports.add("127.0.0.1:9000/tcp")
    assert scene.upgrade() is Outcome.UNDONE
    assert "9000" in scene.told.words
    scene.assert_never_touched()


def test_a_failed_smoke_test_puts_the_old_one_back() -> None:
    scene = Scene()
    assert scene.upgrade(smoke_tests=(SmokeTest("answers", ("false",)),)) is Outcome.UNDONE
    assert "answers" in scene.told.words
    scene.assert_the_old_one_serves()


ACTS = [
    "files.write_pin", "compose.up", "records.serving", "engine.execute", "records.observed", "records.deployed",
    "records.healthy",
]  # fmt: skip


@pytest.mark.parametrize("call", ACTS)
def test_whichever_step_fails_after_the_pin_the_old_digest_is_serving_again(call: str) -> None:
    scene = Scene()
    scene.world.fail(call)
    outcome = scene.upgrade(smoke_tests=(SmokeTest("answers", ("true",)),))
    assert outcome is Outcome.UNDONE
    scene.assert_the_old_one_serves()


@pytest.mark.parametrize("stage", STAGES)
def test_a_compose_killed_in_the_middle_of_the_switch_leaves_the_old_digest_serving(stage: str) -> None:
    scene = Scene()
    memory = FakeMemory()
    context = job_context(scene.world, scene.records, target=scene.new.digest, memory=memory, rehearsal="off")
    scene.world.kill_compose_after(stage)
    assert run_steps(upgrade.STEPS, context, scene.told) is Outcome.UNDONE
    scene.assert_the_old_one_serves()


def test_one_that_falls_ill_in_the_watch_is_undone_and_recorded_as_undone() -> None:
    scene = scene_with(Behaviour(exits_after=25.0))
    assert scene.upgrade(watch_seconds=60, rehearsal="off") is Outcome.UNDONE
    assert "restarted" in scene.told.words or "exited" in scene.told.words
    scene.assert_the_old_one_serves()
    assert scene.records.deployments == [scene.old.digest, scene.new.digest, scene.old.digest]


def test_a_service_that_did_not_run_before_does_not_run_after_a_failure() -> None:
    world = World()
    new = world.add_image("2", NEVER_HEALTHY)
    records, told = FakeRecords(world), Told()
    records.know(new)
    context = job_context(world, records, target=new.digest, rehearsal="off")
    assert run_steps(upgrade.STEPS, context, told) is Outcome.UNDONE
    assert not world.containers
    assert world.pin is None
    assert not told.stuck


def test_one_that_was_crashing_before_is_put_back_and_not_taken_away() -> None:
    scene = Scene()
    see = scene.world.see

    def crashing(container: FakeContainer) -> ContainerFacts:
        seen = see(container)
        return replace(seen, state="restarting", health="unhealthy") if container.image is scene.old else seen

    scene.world.see = crashing  # type: ignore[method-assign]  # the old one crashes again and again
    outcome = scene.upgrade(rehearsal="off", smoke_tests=(SmokeTest("answers", ("false",)),))
    assert outcome is Outcome.UNDONE
    assert scene.world.the_container().image is scene.old
    assert scene.world.pin == scene.pin_before


def test_an_undo_that_cannot_bring_the_old_one_back_says_stuck() -> None:
    scene = Scene()
    scene.world.fail("compose.up", nth=1)
    scene.world.fail("compose.up", nth=2, error=Broken("no space left on the host"), before=True)
    assert scene.upgrade(rehearsal="off") is Outcome.STUCK
    assert any("no space left" in words for words in scene.told.stuck)
