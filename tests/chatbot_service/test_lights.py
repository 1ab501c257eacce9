from datetime import UTC, datetime, timedelta

import pytest

from chatbot_service import lights
from chatbot_service.lights import Standing

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GOOD = Standing("known-good", allowed=True, why="known good")


def approved(*, drift: str = "", looked: bool = True, runs: bool = True, standing: Standing | None = GOOD) -> tuple[str, str]:
    light = lights.approved(drift=drift, looked=looked, runs_something=runs, standing=standing)
    return light.tone, light.word


def test_what_runs_as_approved_is_quiet() -> None:
    assert approved() == ("ok", "Gate passes")


def test_drift_comes_before_everything_else() -> None:
    assert approved(drift="runs 71c0…, the pin names 2e94…: changed outside the portal") == ("stop", "Drift")


@pytest.mark.parametrize(
    ("standing", "word"),
    [
        (None, "Not in the ledger"),
        (Standing("candidate", allowed=False, why=""), "Not approved"),
        (Standing("revoked", allowed=False, why="It is revoked."), "Gate refuses"),
        (Standing("approved", allowed=False, why="No approval is in force."), "Gate refuses"),
    ],
)
def test_what_runs_without_authority_is_said_loudly(standing: Standing | None, word: str) -> None:
    assert approved(standing=standing) == ("stop", word)


def test_before_the_first_look_nothing_is_claimed() -> None:
    assert approved(looked=False, runs=False, standing=None)[0] == "none"


def health(state: str, seen: str = "none", *, ago: float = 5, on_purpose: bool = False) -> tuple[str, str]:
    seen_at = NOW - timedelta(seconds=ago)
    light = lights.health(state=state, seen_health=seen, seen_at=seen_at, now=NOW, on_purpose=on_purpose)
    return light.tone, light.word


@pytest.mark.parametrize(
    ("state", "seen", "expected"),
    [
        ("running", "healthy", ("ok", "Healthy")),
        ("running", "starting", ("run", "Starting")),
        ("running", "unhealthy", ("stop", "Unhealthy")),
        ("running", "none", ("warn", "No healthcheck")),
        ("paused", "none", ("off", "Paused")),
        ("exited", "none", ("stop", "Down")),
        ("missing", "none", ("stop", "Down")),
    ],
)
def test_health_in_one_word(state: str, seen: str, expected: tuple[str, str]) -> None:
    assert health(state, seen) == expected


def test_stopped_by_a_job_is_not_down() -> None:
    assert health("exited", on_purpose=True) == ("off", "Stopped")


def test_what_nobody_looks_at_is_not_called_healthy() -> None:
    assert health("running", "healthy", ago=300) == ("warn", "Not watched")


@pytest.mark.parametrize(
    ("has_target", "local", "word"),
    [(True, True, "Ready"), (True, False, "Not ready"), (True, None, "Not checked"), (False, None, "Not yet")],
)
def test_ready_to_roll_back_takes_a_target_and_its_image(has_target: bool, local: bool | None, word: str) -> None:
    assert lights.rollback(has_target=has_target, image_local=local).word == word
