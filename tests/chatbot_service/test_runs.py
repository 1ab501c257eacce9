from datetime import UTC, datetime, timedelta

from chatbot_service.health.runs import Change, Run, Touch, coarse, runs_between, summary

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def told(runs: list[Run]) -> list[tuple[float, float, str]]:
    return [((r.start - NOON).total_seconds() / 60, (r.end - NOON).total_seconds() / 60, r.state) for r in runs]


def test_without_any_change_it_stays_as_it_came() -> None:
    assert told(runs_between(at(0), at(60), [], "healthy")) == [(0, 60, "healthy")]


def test_before_the_first_look_nothing_is_known() -> None:
    assert told(runs_between(at(0), at(60), [Change(at(20), "healthy")])) == [(0, 20, "unknown"), (20, 60, "healthy")]


def test_a_new_digest_in_the_same_state_is_no_new_run() -> None:
    changes = [Change(at(20), "healthy", "sha256:b")]
    assert told(runs_between(at(0), at(60), changes, "healthy")) == [(0, 60, "healthy")]


def test_down_while_a_job_holds_the_service_is_a_pause() -> None:
    changes = [Change(at(20), "down"), Change(at(20.5), "starting"), Change(at(21), "healthy")]
    runs = runs_between(at(0), at(60), changes, "healthy", [Touch(at(19.9), at(22))])
    assert told(runs) == [(0, 20, "healthy"), (20, 21, "pause"), (21, 60, "healthy")]


def test_still_down_after_the_job_has_ended_is_down() -> None:
    runs = runs_between(at(0), at(60), [Change(at(20), "down")], "healthy", [Touch(at(19), at(25))])
    assert told(runs) == [(0, 20, "healthy"), (20, 25, "pause"), (25, 60, "down")]


def test_of_two_jobs_in_a_row_the_later_one_made_the_pause() -> None:
    first, second = Touch(at(10), at(19.99)), Touch(at(20), at(25))
    runs = runs_between(at(0), at(60), [Change(at(20), "down"), Change(at(21), "healthy")], "healthy", [first, second])
    assert told(runs)[1] == (20, 21, "pause")


def test_down_without_a_job_is_down() -> None:
    runs = runs_between(at(0), at(60), [Change(at(20), "down")], "healthy", [Touch(at(40), at(45))])
    assert told(runs) == [(0, 20, "healthy"), (20, 60, "down")]


def test_stopped_on_purpose_is_neither_down_nor_a_pause() -> None:
    runs = runs_between(at(0), at(60), [Change(at(20), "stopped")], "healthy", [Touch(at(19), at(20))])
    assert told(runs) == [(0, 20, "healthy"), (20, 60, "stopped")]


def test_the_share_counts_what_was_seen_and_not_wanted_and_is_never_rounded_up() -> None:
    runs = [Run(at(0), at(999.9), "healthy"), Run(at(999.9), at(1000), "down"), Run(at(1000), at(2000), "stopped")]
    found = summary(runs)
    assert found.share == 99.9
    assert found.down == timedelta(seconds=6)


def test_with_nothing_seen_there_is_no_share() -> None:
    assert summary([Run(at(0), at(60), "unknown")]).share is None


def test_drawn_coarsely_the_worst_of_neighbours_stays_visible() -> None:
    flapping = [Run(at(n), at(n + 1), "healthy" if n % 2 else "down") for n in range(10)]
    drawn = coarse([Run(at(-60), at(0), "healthy"), *flapping], timedelta(minutes=5))
    assert len(drawn) <= 4
    assert {run.state for run in drawn} == {"healthy", "down"}
    assert drawn[0].start == at(-60)
    assert drawn[-1].end == at(10)
