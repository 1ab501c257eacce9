import itertools

from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.health.blocks import Event
from chatbot_service.health.follow import Followed, Turn, follow, news

actions = st.sampled_from(["start", "die", "oom", "kill", "destroy", "pause", "unpause", "health_status", "create"])
events = st.lists(
    st.builds(
        Event, st.sampled_from(["a", "b"]), st.integers(0, 1000), actions, st.integers(0, 255), st.sampled_from(["healthy", ""])
    ),
    max_size=30,
)


def event(action: str, container: str = "a", at: int = 1, code: int = 0, detail: str = "") -> Event:
    return Event(container, at, action, code, detail)


def turned(known: Followed, *told: Event) -> list[tuple[str, str]]:
    return [(turn.state, turn.note) for turn in follow(known, [(one, "") for one in told])[1]]


def test_an_end_says_its_exit_code_and_whether_memory_ran_out() -> None:
    assert turned(Followed("a"), event("oom"), event("die", code=137)) == [("down", "exit code 137, out of memory")]
    assert turned(Followed("a"), event("die", code=1)) == [("down", "exit code 1")]


def test_what_happens_to_the_container_that_is_being_replaced_changes_nothing() -> None:
    told = [event("start", "new"), event("health_status", "new", detail="healthy"), event("die", "old"), event("destroy", "old")]
    assert [state for state, _note in turned(Followed("old"), *told)] == ["starting", "healthy"]


def test_one_that_is_not_probed_is_never_said_to_be_starting() -> None:
    assert turned(Followed("a", is_probed=False), event("start")) == [("unknown", "")]


@given(events)
def test_only_a_passed_probe_makes_healthy(told: list[Event]) -> None:
    _known, turns = follow(Followed(), [(one, "") for one in told])
    passed = {one.at for one in told if one.action == "health_status" and one.detail == "healthy"}
    assert all(turn.at in passed for turn in turns if turn.state == "healthy")


@given(
    events, st.lists(st.tuples(st.integers(0, 1000), st.sampled_from(["healthy", "down", "unknown"]), st.just("")), max_size=5)
)
def test_telling_the_same_twice_is_no_news(told: list[Event], known: list[tuple[int, str, str]]) -> None:
    _known, turns = follow(Followed("a"), [(one, "") for one in sorted(told, key=lambda one: one.at)])
    before = sorted(known)
    fresh = news(turns, before)
    after = sorted([*before, *((turn.at, turn.state, turn.digest) for turn in fresh)], key=lambda one: one[0])
    pairs = itertools.pairwise(after)
    assert not [pair for pair in pairs if pair[0][1] == pair[1][1] and pair[1] not in before]


def test_removed_is_no_news_of_one_that_was_stopped() -> None:
    assert news([Turn(5, "down", "", "removed", "a")], [(1, "stopped", "")]) == []
