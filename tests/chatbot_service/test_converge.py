"""What a killed compose left behind is cleared, and what serves is kept."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.jobs.converge import Remove, Rename, plan
from chatbot_service.jobs.ports import ContainerFacts, Healthcheck

BASE = ContainerFacts(
    id="c", name="demo-app-1", image="app", image_id="sha256:1", state="running", health="healthy", failing_streak=0,
    restart_count=0, exit_code=0, oom_killed=False, started_at=None, healthcheck=Healthcheck(), user="10001",
)  # fmt: skip


def container(number: str, name: str, state: str = "running") -> ContainerFacts:
    return replace(BASE, id=number, name=name, state=state)


TEMPORARY = "0123456789ab_demo-app-1"


def test_nothing_is_done_when_all_is_in_order() -> None:
    assert plan([container("a", "demo-app-1")]) == []


def test_a_half_made_container_is_removed() -> None:
    assert plan([container("a", "demo-app-1"), container("b", TEMPORARY, "created")]) == [Remove("b")]


def test_a_running_one_whose_name_is_free_gets_it_back() -> None:
    assert plan([container("b", TEMPORARY)]) == [Rename("b", "demo-app-1")]


def test_a_running_one_takes_the_name_of_one_that_has_stopped() -> None:
    old, new = container("a", "demo-app-1", "exited"), container("b", TEMPORARY)
    assert plan([old, new]) == [Remove("a"), Rename("b", "demo-app-1")]


def test_of_two_that_run_the_named_one_stays() -> None:
    assert plan([container("a", "demo-app-1"), container("b", TEMPORARY)]) == [Remove("b")]


STATES = st.sampled_from(["running", "created", "exited", "dead"])
NAMES = st.sampled_from(["demo-app-1", TEMPORARY, "ba9876543210_demo-app-1"])


@given(st.lists(st.tuples(NAMES, STATES), max_size=4, unique_by=lambda pair: pair[0]))
def test_afterwards_no_temporary_name_is_left_and_what_ran_still_runs(world: list[tuple[str, str]]) -> None:
    there = {str(n): container(str(n), name, state) for n, (name, state) in enumerate(world)}
    ran = any(c.running for c in there.values())
    for act in plan(list(there.values())):
        if isinstance(act, Remove):
            del there[act.container]
        else:
            there[act.container] = replace(there[act.container], name=act.name)
    names = [c.name for c in there.values()]
    assert not [name for name in names if "_" in name]
    assert len(names) == len(set(names))
    assert any(c.running for c in there.values()) == ran
