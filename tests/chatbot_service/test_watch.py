"""The watch after a switch finds what comes and goes too quickly for Docker's own probes."""

import pytest

from chatbot_service.jobs.step import Outcome
from tests.chatbot_service.fakes import Behaviour
from tests.chatbot_service.test_upgrade import scene_with


@pytest.mark.parametrize("every", [2.0, 3.0, 5.0])
def test_what_flaps_between_dockers_probes_is_undone(every: float) -> None:
    scene = scene_with(Behaviour(flaps_every=every))
    assert scene.upgrade(watch_seconds=30, rehearsal="off") is Outcome.UNDONE
    assert "flaps" in scene.told.words
    scene.assert_the_old_one_serves()


def test_what_was_well_for_half_a_minute_is_left_to_docker_from_then_on() -> None:
    scene = scene_with(Behaviour(flaps_every=40.0))
    assert scene.upgrade(watch_seconds=45, rehearsal="off") is Outcome.SUCCEEDED
    assert scene.world.running_digest() == scene.new.digest
