"""A worker that has lost its job can still look, and can no longer act."""

from typing import Any

import pytest

from chatbot_service.fenced import BACKUP_ACTS, COMPOSE_ACTS, ENGINE_ACTS, FILE_ACTS, TREE_ACTS, fenced
from chatbot_service.jobs.backup_ports import Backups, Trees
from chatbot_service.jobs.ports import Compose, Engine, ProjectFiles
from chatbot_service.jobs.step import Fenced
from tests.chatbot_service.fakes import FakeRecords, World, job_context

LOOKS = {
    Engine: {"facts", "image", "containers", "container", "port_is_taken", "probe", "logs", "volume_path"},
    Compose: {"config", "settle"},
    ProjectFiles: {"read_pin", "has", "env_keys"},
    Backups: {"snapshot", "snapshots", "check", "damaged_by", "nodes", "ahead", "tar"},
    Trees: {"problem", "survey", "changed_since", "free_bytes", "plan_swaps", "differences", "seen"},
}
ACTS = {Engine: ENGINE_ACTS, Compose: COMPOSE_ACTS, ProjectFiles: FILE_ACTS, Backups: BACKUP_ACTS, Trees: TREE_ACTS}


def lost() -> None:
    raise Fenced("taken over")


@pytest.mark.parametrize("port", list(LOOKS))
def test_everything_that_a_port_can_do_is_an_act_or_a_look(port: Any) -> None:
    can = {name for name in vars(port) if not name.startswith("_")}
    assert can == LOOKS[port] | ACTS[port]


def test_an_act_is_stopped_before_it_changes_anything() -> None:
    world = World()
    world.run(world.add_image("1"))
    pin, context = world.pin, fenced(job_context(world, FakeRecords(world)), lost)
    with pytest.raises(Fenced):
        context.files.write_pin("another")
    with pytest.raises(Fenced):
        context.compose.up(context.project, world.said.append, 60)
    with pytest.raises(Fenced):
        context.engine.stop(world.the_container().id, 10)
    assert world.pin == pin
    assert world.answers()
    assert context.files.read_pin() == pin
    assert context.engine.containers(world.project.name, world.project.service)


def test_a_worker_that_still_holds_its_job_acts() -> None:
    world = World()
    world.run(world.add_image("1"))
    context = fenced(job_context(world, FakeRecords(world)), lambda: None)
    context.files.write_pin("another")
    assert world.pin == "another"
