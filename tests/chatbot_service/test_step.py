"""Steps run in order, and whatever fails, what begun is undone, newest first."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.jobs.step import Fenced, Outcome, Step, patient, run_steps, undo_steps


@dataclass
class World:
    """What the steps change, and what was reported."""

    on: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def begin(self, step: Step) -> None:
        self.told.append(f"begin {step.key}")

    def done(self, step: Step, note: str) -> None:
        self.told.append(f"done {step.key}")

    def failed(self, step: Step, error: Exception) -> None:
        self.told.append(f"failed {step.key}: {error}")

    def begin_undo(self, step: Step) -> None:
        self.told.append(f"undo {step.key}")

    def undone(self, step: Step, note: str) -> None:
        self.told.append(f"undone {step.key}")

    def undo_failed(self, step: Step, error: Exception) -> None:
        self.told.append(f"stuck {step.key}: {error}")


def switch_on(key: str, *, fails: bool = False, undo_fails: bool = False, has_undo: bool = True) -> Step:
    """Acts, then fails: the worst case."""

    def do(world: World) -> str:
        world.on.append(key)
        if fails:
            raise ValueError("broke")
        return "on"

    def undo(world: World) -> str:
        if undo_fails:
            raise ValueError("cannot")
        if key in world.on:
            world.on.remove(key)
        return "off"

    return Step(key, key.title(), do, undo if has_undo else None, f"{key} off")


def test_all_steps_run_in_their_order() -> None:
    world = World()
    outcome = run_steps([switch_on("a"), switch_on("b")], world, world)
    assert outcome is Outcome.SUCCEEDED
    assert world.on == ["a", "b"]
    assert world.told == ["begin a", "done a", "begin b", "done b"]


def test_a_step_that_fails_halfway_is_undone_as_well_and_the_newest_first() -> None:
    world = World()
    outcome = run_steps([switch_on("a"), switch_on("b"), switch_on("c", fails=True), switch_on("d")], world, world)
    assert outcome is Outcome.UNDONE
    assert world.on == []
    assert world.told[-6:] == ["undo c", "undone c", "undo b", "undone b", "undo a", "undone a"]
    assert not any(" d" in line for line in world.told)


def test_an_undo_that_fails_does_not_keep_the_others_from_running_and_the_job_says_stuck() -> None:
    world = World()
    steps = [switch_on("a"), switch_on("b", undo_fails=True), switch_on("c", fails=True)]
    assert run_steps(steps, world, world) is Outcome.STUCK
    assert world.on == ["b"]


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_whichever_step_fails_nothing_undoable_is_left_on(has_undo: list[bool], data: st.DataObject) -> None:
    broken = data.draw(st.integers(0, len(has_undo) - 1))
    steps = [switch_on(str(n), fails=n == broken, has_undo=undo) for n, undo in enumerate(has_undo)]
    world = World()
    assert run_steps(steps, world, world) is Outcome.UNDONE
    assert world.on == [str(n) for n, undo in enumerate(has_undo) if n <= broken and not undo]


@given(st.integers(0, 5))
def test_after_a_recovery_only_what_is_not_done_runs(done: int) -> None:
    steps = [switch_on(str(n)) for n in range(6)]
    world = World()
    run_steps(steps, world, world, done_before=[str(n) for n in range(done)])
    assert world.on == [str(n) for n in range(done, 6)]


def test_what_was_done_before_a_recovery_is_undone_too() -> None:
    world = World(on=["a"])
    run_steps([switch_on("a"), switch_on("b", fails=True)], world, world, done_before=["a"])
    assert world.on == []


def test_a_worker_that_lost_its_job_stops_at_once_and_undoes_nothing() -> None:
    def lost(_world: World) -> str:
        raise Fenced("taken over")

    world = World()
    with pytest.raises(Fenced):
        run_steps([switch_on("a"), Step("b", "B", lost, lost)], world, world)
    assert world.on == ["a"]
    assert not any(line.startswith("undo") for line in world.told)


def test_an_undo_waits_until_it_has_a_chance() -> None:
    world, waits = World(on=["a"]), []
    undo_steps(patient([switch_on("a")], lambda: waits.append("waited"), lambda _error: False), world, world)
    assert waits == ["waited"]
    assert world.on == []


def test_an_undo_that_fails_is_repeated_as_long_as_there_is_patience() -> None:
    world, waits, failures = World(on=["a"]), [], iter([True, True, False])
    steps = patient([switch_on("a", undo_fails=True)], lambda: waits.append("waited"), lambda _error: next(failures))
    assert undo_steps([*steps], world, world) is Outcome.STUCK
    assert waits == ["waited"] * 3
