"""Is a container well? Judged from its own healthcheck and from Docker's word."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.jobs.ports import ContainerFacts, Healthcheck, ProbeResult
from chatbot_service.jobs.verdict import Judge

CHECK = Healthcheck(("CMD", "true"), interval=10, timeout=3, retries=6, start_period=20)
RUNS = ContainerFacts(
    id="c1", name="app-1", image="app", image_id="sha256:1", state="running", health="starting", failing_streak=0,
    restart_count=0, exit_code=0, oom_killed=False, started_at=None, healthcheck=CHECK, user="10001",
)  # fmt: skip
PASS, FAIL = ProbeResult(0, "", 0.01), ProbeResult(1, "cannot write to exports", 0.01)


def judged(probes: list[ProbeResult]) -> tuple[bool, str]:
    judge = Judge(CHECK)
    for probe in probes:
        said = judge.probed(probe)
        if said.serving or said.fault:
            return said.serving, said.fault
    return False, ""


def test_three_passes_in_a_row_are_serving() -> None:
    assert judged([FAIL, PASS, PASS, PASS]) == (True, "")


def test_two_passes_are_not_yet_serving() -> None:
    assert judged([PASS, PASS]) == (False, "")


def test_a_container_still_starting_may_fail_as_long_as_it_likes() -> None:
    assert judged([FAIL] * 50) == (False, "")


def test_one_that_falls_ill_twice_flaps() -> None:
    serving, fault = judged([PASS, FAIL, PASS, FAIL])
    assert not serving
    assert "flaps" in fault
    assert "cannot write to exports" in fault


def test_one_that_was_well_and_then_fails_more_than_its_retries_has_failed() -> None:
    serving, fault = judged([PASS, *([FAIL] * 7)])
    assert not serving
    assert "7 probes in a row" in fault


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"state": "exited", "exit_code": 3}, "code 3"),
        ({"oom_killed": True}, "memory"),
        ({"restart_count": 1}, "restarted"),
        ({"health": "unhealthy", "last_probe_output": "no answer"}, "no answer"),
    ],
)
def test_what_docker_says_of_it_is_told_in_words(change: dict[str, object], words: str) -> None:
    assert words in Judge(CHECK).look(replace(RUNS, **change)).fault  # type: ignore[arg-type]  # a parametrised change


def test_a_container_that_is_gone_has_failed() -> None:
    assert Judge(CHECK).look(None).fault == "the container is gone"


def test_one_that_runs_and_is_starting_is_still_open() -> None:
    said = Judge(CHECK).look(RUNS)
    assert not said.fault
    assert not said.serving


@given(st.lists(st.booleans(), max_size=30))
def test_it_never_serves_without_three_passes_in_a_row(passes: list[bool]) -> None:
    judge = Judge(CHECK)
    for number, passed in enumerate(passes):
        said = judge.probed(PASS if passed else FAIL)
        assert said.serving == (number >= 2 and all(passes[number - 2 : number + 1]))
        if said.fault:
            return
