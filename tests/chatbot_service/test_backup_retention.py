from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.backup_retention import RECENT, Candidate, Keep, going, kept

START = datetime(2025, 12, 20, tzinfo=UTC)
USUAL = Keep(7, 4, 6)

_keeps = st.builds(Keep, st.integers(0, 9), st.integers(0, 6), st.integers(0, 6))


@st.composite
def _candidates(draw: st.DrawFn) -> list[Candidate]:
    rows = draw(st.lists(st.tuples(st.integers(0, 400 * 24), st.booleans(), st.booleans(), st.integers(0, 5)), max_size=60))
    return [
        Candidate(number, START + timedelta(hours=hours), f"snapshot-{number - share if share < 3 else number}", good, held)
        for number, (hours, good, held, share) in enumerate(rows)
    ]


def _daily(days: int) -> list[Candidate]:
    return [Candidate(day, START + timedelta(days=day, hours=2), str(day)) for day in range(days)]


def test_a_year_of_daily_backups_becomes_days_weeks_and_months() -> None:
    days = [(START + timedelta(days=number)).date().isoformat() for number in sorted(kept(_daily(340), USUAL))]
    assert days == [
        "2026-06-30", "2026-07-31", "2026-08-31", "2026-09-30", "2026-10-31",
        "2026-11-08", "2026-11-15",
        *(f"2026-11-{day}" for day in range(18, 25)),
    ]  # fmt: skip


def test_days_without_a_backup_do_not_count() -> None:
    far_apart = [Candidate(number, START + timedelta(days=40 * number), str(number)) for number in range(10)]
    assert kept(far_apart, Keep(3, 0, 0)) == {7, 8, 9}


def test_of_an_earlier_day_the_newest_good_one_stays() -> None:
    three = [Candidate(number, START + timedelta(hours=number), str(number), good=number != 2) for number in range(3)]
    later = Candidate(9, START + timedelta(days=2), "later")
    assert kept([*three, later], Keep(2, 0, 0)) == {1, 2, 9}
    assert kept([*three, later], Keep(0, 0, 0)) == {9}


def test_all_good_ones_of_the_last_day_stay() -> None:
    hourly = [Candidate(number, START + timedelta(hours=number), str(number), good=number != 40) for number in range(48)]
    assert kept(hourly, Keep(0, 0, 0)) == {*range(24, 48)} - {40}


def test_a_snapshot_that_a_kept_backup_shares_stays_and_only_its_row_goes() -> None:
    unchanged = [Candidate(number, START + timedelta(days=number), "same") for number in range(3)]
    other = Candidate(9, START - timedelta(days=1), "other")
    found = going([*unchanged, other], Keep(1, 0, 0))
    assert found.rows == {0, 1}
    assert found.snapshots == {9}


@given(_candidates(), _keeps)
def test_the_newest_good_one_and_what_is_held_stay(candidates: list[Candidate], keep: Keep) -> None:
    staying = kept(candidates, keep)
    good = [one for one in candidates if one.good]
    if good:
        assert max(good, key=lambda one: (one.at, one.id)).id in staying
    assert {one.id for one in candidates if one.held} <= staying


@given(_candidates(), _keeps)
def test_never_more_than_asked_for_stays(candidates: list[Candidate], keep: Keep) -> None:
    held = sum(one.held for one in candidates)
    last = max((one.at for one in candidates if one.good), default=START)
    recent = sum(one.good and last - one.at < RECENT for one in candidates)
    asked = keep.daily + keep.weekly + keep.monthly
    staying = kept(candidates, keep)
    assert sum(one.good for one in candidates if one.id in staying) <= asked + recent + held
    assert len(staying) <= asked + recent + keep.daily + held


@given(_candidates(), _keeps)
def test_what_was_kept_is_kept_again(candidates: list[Candidate], keep: Keep) -> None:
    staying = kept(candidates, keep)
    assert kept([one for one in candidates if one.id in staying], keep) == staying


@given(_candidates(), _keeps)
def test_no_snapshot_goes_that_a_kept_backup_rests_on(candidates: list[Candidate], keep: Keep) -> None:
    found = going(candidates, keep)
    staying = kept(candidates, keep)
    assert found.rows | found.snapshots | staying == {one.id for one in candidates}
    needed = {one.snapshot for one in candidates if one.id in staying}
    assert not needed & {one.snapshot for one in candidates if one.id in found.snapshots}
