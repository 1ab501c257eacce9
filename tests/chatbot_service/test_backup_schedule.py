from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.backup_schedule import (
    FIRST_WAIT,
    LONGEST_WAIT,
    NONE_FAILED,
    Tries,
    When,
    checked_cron,
    due_at,
    is_due,
    longest_gap,
    next_rehearsal,
    next_try,
)
from deploy_records.errors import Invalid

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MONTH_AGO = NOW - timedelta(days=30)
BY_RPO = When("", 24, MONTH_AGO)
BY_CRON = When("30 2 * * *", 24, MONTH_AGO)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(("hours", "due"), [(22, False), (22.9, False), (23, True), (27, True)])
def test_by_the_rpo_it_is_due_an_hour_before_the_last_good_one_is_too_old(hours: float, due: bool) -> None:
    assert is_due(BY_RPO, NOW - timedelta(hours=hours), NONE_FAILED, NOW) is due


def test_a_short_rpo_leaves_time_for_the_backup_too() -> None:
    assert next_try(When("", 1, MONTH_AGO), NOW) == NOW + timedelta(minutes=45)


def test_what_was_never_backed_up_is_due_at_once_by_the_rpo_and_at_its_time_by_cron() -> None:
    assert is_due(BY_RPO, None, NONE_FAILED, NOW)
    assert due_at(When("30 2 * * *", 24, NOW), None) == datetime(2026, 11, 24, 2, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("last", "due"),
    [
        (datetime(2026, 11, 23, 2, 31, tzinfo=UTC), False), (datetime(2026, 11, 23, 2, 30, tzinfo=UTC), False),
        (datetime(2026, 11, 23, 2, 29, tzinfo=UTC), True), (datetime(2026, 11, 2, 2, 31, tzinfo=UTC), True),
    ],
)  # fmt: skip
def test_by_cron_it_is_due_when_a_time_has_come_since_the_last_good_one(last: datetime, due: bool) -> None:
    assert is_due(BY_CRON, last, NONE_FAILED, NOW) is due


def test_times_that_were_missed_are_made_up_once() -> None:
    a_week_down = NOW - timedelta(days=7)
    assert is_due(BY_CRON, a_week_down, NONE_FAILED, NOW)
    assert next_try(BY_CRON, NOW) == datetime(2026, 11, 24, 2, 30, tzinfo=UTC)


def test_no_hour_of_a_clock_change_is_skipped_or_taken_twice() -> None:
    when = When("30 1 * * *", 24, MONTH_AGO)
    for night in (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)):
        assert due_at(when, night) == night + timedelta(hours=1, minutes=30)
        assert due_at(when, night + timedelta(hours=1, minutes=31)) == night + timedelta(days=1, hours=1, minutes=30)


def test_after_a_failure_it_waits_and_longer_each_time() -> None:
    long_due = NOW - timedelta(days=3)
    waits = [next_try(BY_RPO, long_due, Tries(failed, NOW)) for failed in (1, 2, 3, 50)]
    assert waits == [NOW + FIRST_WAIT, NOW + 2 * FIRST_WAIT, NOW + 4 * FIRST_WAIT, NOW + LONGEST_WAIT]
    assert not is_due(BY_RPO, long_due, Tries(1, NOW - timedelta(minutes=14)), NOW)
    assert is_due(BY_RPO, long_due, Tries(1, NOW - timedelta(minutes=15)), NOW)


@given(st.integers(0, 10_000), st.integers(1, 9_000), st.integers(0, 2_000))
def test_a_failure_never_makes_it_due_earlier(failed: int, rpo: int, hours: int) -> None:
    when, last = When("", rpo, MONTH_AGO), NOW - hours * HOUR
    plain, waiting = next_try(when, last), next_try(when, last, Tries(failed, NOW))
    assert plain is not None
    assert waiting is not None
    assert plain <= waiting <= max(plain, NOW + LONGEST_WAIT)


@pytest.mark.parametrize("cron", ["30 2 * * *", "*/15 * * * *", "0 3 * * 1-5", "0 3 1 * *", " 0  3\t* * SUN "])
def test_a_cron_expression_is_taken(cron: str) -> None:
    assert checked_cron(cron, NOW) == " ".join(cron.split())


@pytest.mark.parametrize(
    "cron", ["x", "30 2 * *", "* * * * * *", "61 * * * *", "0 0 31 2 *", "0 0 30 2 *", "@daily", "0 0 * * 9", "\x00 * * * *"]
)
def test_what_is_none_is_refused_with_an_example(cron: str) -> None:
    with pytest.raises(Invalid, match="One looks like 30 2"):
        checked_cron(cron, NOW)


def test_an_empty_one_means_by_the_rpo() -> None:
    assert checked_cron("  ", NOW) == ""


@pytest.mark.parametrize(("cron", "hours"), [("30 2 * * *", 24), ("0 3 * * 1-5", 72), ("0 */6 * * *", 6), ("0 3 1 * *", 744)])
def test_the_longest_gap_between_two_times(cron: str, hours: int) -> None:
    assert longest_gap(cron, NOW) == hours * HOUR


def test_a_rehearsal_is_due_by_days_and_a_failed_one_a_day_later() -> None:
    def due(last: datetime | None, *, passed: bool = True, days: int = 7, tries: Tries = NONE_FAILED) -> datetime | None:
        return next_rehearsal(days, last, passed=passed, tries=tries, since=MONTH_AGO)

    assert due(None) == MONTH_AGO
    assert due(NOW) == NOW + timedelta(days=7)
    assert due(NOW, passed=False) == NOW + timedelta(days=1)
    assert due(NOW, days=0) is None
    assert due(None, tries=Tries(1, NOW)) == NOW + HOUR
    assert due(None, tries=Tries(9, NOW)) == NOW + timedelta(days=1)
