"""Only a health log without a hole and without a contrary probe proves that nothing changed."""

from dataclasses import replace

import pytest

from chatbot_service.health.blocks import MICRO, Probe, moment
from chatbot_service.health.bridge import bridges
from chatbot_service.health.log import Inspected
from chatbot_service.jobs.ports import Healthcheck

NOW = 1_790_000_000 * MICRO
CHECK = Healthcheck(("CMD", "true"), 10, 3, 3, 0)


def seen(*, health: str = "healthy", code: int = 0, ages: tuple[int, ...] = (45, 35, 25, 15, 5), up: int = 1000) -> Inspected:
    probes = tuple(Probe("c", NOW - age * MICRO, 50_000, code, "") for age in ages)
    started = moment(NOW - up * MICRO)
    return Inspected("c", "running", health, "", "", started, None, 0, False, 0, CHECK, probes, frozenset())


def test_what_was_probed_all_the_time_was_so_all_the_time() -> None:
    assert bridges(seen(), "healthy", NOW - 40 * MICRO, NOW)
    assert bridges(seen(health="unhealthy", code=1), "unhealthy", NOW - 40 * MICRO, NOW)


@pytest.mark.parametrize(
    ("look", "before"),
    [
        (seen(), "unhealthy"),
        (seen(), "unknown"),
        (seen(code=1), "healthy"),
        (seen(ages=(35, 25, 15, 5)), "healthy"),
        (seen(ages=(45, 15, 5)), "healthy"),
        (seen(ages=(65, 55, 45, 35)), "healthy"),
        (seen(ages=()), "healthy"),
        (seen(up=30), "healthy"),
        (replace(seen(), state="exited"), "healthy"),
        (replace(seen(), started_at=None), "healthy"),
    ],
    ids=[
        "another state",
        "unknown before",
        "failed between",
        "log begins later",
        "hole",
        "stale",
        "no log",
        "restarted",
        "gone",
        "?",
    ],
)
def test_everything_else_proves_nothing(look: Inspected, before: str) -> None:
    assert not bridges(look, before, NOW - 40 * MICRO, NOW)
