"""rollback: an emergency exit that works when much else does not."""

import pytest

from chatbot_service.jobs import rollback
from chatbot_service.jobs.ports import Verdict
from chatbot_service.jobs.step import Outcome, run_steps
from deploy_records.errors import Refused
from tests.chatbot_service.fakes import STAGES, Behaviour, job_context
from tests.chatbot_service.test_upgrade import Scene


class Back(Scene):
    """The candidate runs, and the way back to build 1 is asked for."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        super().__init__()
        faulty = self.world.add_image("faulty", behaviour)
        self.records.know(faulty, "known-good")
        self.target, self.old = self.old, faulty
        self.world.run(faulty)
        self.pin_before = self.world.pin
        self.records.deployments.append(faulty.digest)
        self.world.down_seconds = 0.0

    def roll_back(self, **asked: object) -> Outcome:
        context = job_context(self.world, self.records, target=self.target.digest, kind="rollback", asked=asked)
        return run_steps(rollback.STEPS, context, self.told)


def test_the_known_good_digest_serves_again() -> None:
    scene = Back()
    assert scene.roll_back() is Outcome.SUCCEEDED
    assert scene.world.running_digest() == scene.target.digest
    assert scene.records.deployments[-1] == scene.target.digest
    assert scene.records.state_of(scene.old) == "known-good"


def test_it_works_with_the_registry_down_when_the_image_is_local() -> None:
    scene = Back()
    scene.world.registry_trouble = Refused("The registry cannot be reached.")
    assert scene.roll_back() is Outcome.SUCCEEDED
    assert scene.world.calls["engine.pull"] == 0


def test_an_image_that_has_gone_from_the_host_is_pulled_again() -> None:
    scene = Back()
    scene.world.on_host.discard(scene.target.id)
    assert scene.roll_back() is Outcome.SUCCEEDED
    assert scene.world.calls["engine.pull"] == 1


def test_the_faulty_digest_is_deprecated_with_a_note_when_asked() -> None:
    scene = Back()
    assert scene.roll_back(deprecate=True, note="answers in Latin") is Outcome.SUCCEEDED
    assert scene.records.state_of(scene.old) == "deprecated"
    assert scene.records.notes[scene.old.digest] == "answers in Latin"


def test_it_is_not_deprecated_when_the_rollback_is_undone() -> None:
    scene = Back()
    scene.world.fail("records.healthy")
    assert scene.roll_back(deprecate=True, note="answers in Latin") is Outcome.UNDONE
    assert scene.records.state_of(scene.old) == "known-good"


def test_it_works_when_what_runs_is_down() -> None:
    scene = Back(Behaviour(healthy_after=None))
    assert not scene.world.answers()
    assert scene.roll_back() is Outcome.SUCCEEDED
    assert scene.world.answers()


def test_it_works_when_there_is_no_container_any_more() -> None:
    scene = Back()
    scene.world.containers.clear()
    assert scene.roll_back() is Outcome.SUCCEEDED
    assert scene.world.running_digest() == scene.target.digest


def test_what_it_goes_past_is_told_by_its_first_step() -> None:
    scene = Back()
    scene.records.drafts_say[scene.target.digest] = "POAM-7 waits for a security reviewer to look at what blocks."
    assert scene.roll_back() is Outcome.SUCCEEDED
    assert scene.told.notes["choose"].endswith("POAM-7 waits for a security reviewer to look at what blocks.")


def test_a_refusal_of_the_gate_changes_nothing() -> None:
    scene = Back()
    scene.records.gate_says[scene.target.digest] = Verdict(False, "Must not be deployed. It is revoked.")
    assert scene.roll_back() is Outcome.UNDONE
    assert "revoked" in scene.told.words
    scene.assert_never_touched()


@pytest.mark.parametrize("call", ["files.write_pin", "compose.up", "records.serving", "records.observed", "records.deployed"])
def test_whichever_step_fails_what_ran_before_is_serving_again(call: str) -> None:
    scene = Back()
    scene.world.fail(call)
    assert scene.roll_back() is Outcome.UNDONE
    scene.assert_the_old_one_serves()


@pytest.mark.parametrize("stage", STAGES)
def test_a_compose_killed_in_the_middle_leaves_what_ran_before_serving(stage: str) -> None:
    scene = Back()
    scene.world.kill_compose_after(stage)
    assert scene.roll_back() is Outcome.UNDONE
    scene.assert_the_old_one_serves()
