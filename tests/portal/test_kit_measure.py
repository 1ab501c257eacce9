"""How far a long step is, as its row says it."""

from typing import Any

from portal.templatetags.known_good import step
from portal.templatetags.measure import how_far
from portal.templatetags.moments import NBSP


def words(progress: dict[str, Any]) -> str:
    found = how_far(progress)
    assert found is not None
    return found.words.replace(NBSP, " ")


def test_bytes_files_and_what_is_left_are_told() -> None:
    measured = {
        "bytes_done": 612_000_000,
        "bytes_total": 1_000_000_000,
        "files_done": 3812,
        "files_total": 6000,
        "seconds_left": 4.2,
    }
    assert words(measured) == "612 MB of 1.0 GB · 3,812 of 6,000 files · about 4 s left"
    found = how_far(measured)
    assert found is not None
    assert (found.share, found.whole) == (612, 1000)


def test_without_a_total_it_says_how_much_and_draws_no_share() -> None:
    found = how_far({"bytes_done": 12_000_000, "files_done": 1})
    assert found is not None
    assert found.share is None
    assert words({"bytes_done": 12_000_000, "files_done": 1}) == "12 MB · 1 file"


def test_files_that_hold_nothing_are_counted_by_number() -> None:
    found = how_far({"files_done": 50, "files_total": 200})
    assert found is not None
    assert found.share == 250


def test_more_than_was_expected_is_not_more_than_all() -> None:
    found = how_far({"bytes_done": 30, "bytes_total": 20})
    assert found is not None
    assert found.share == found.whole


def test_the_last_moment_says_that_it_is_nearly_done() -> None:
    assert words({"bytes_done": 20, "bytes_total": 20, "seconds_left": 0.2}) == "20 B of 20 B · nearly done"


def test_nothing_measured_shows_nothing_and_a_field_of_later_versions_is_passed_over() -> None:
    assert how_far(None) is None
    assert how_far({}) is None
    assert words({"files_done": 2, "speed": 7}) == "2 files"


def test_a_step_that_measures_shows_that_instead_of_a_guess_by_its_usual_time() -> None:
    shown = step("running", "Copy", took=5, usual=10, progress={"bytes_done": 1, "bytes_total": 4})
    assert shown["share"] is None
    assert shown["measured"].share == 250


def test_a_step_that_has_ended_shows_no_progress() -> None:
    assert step("done", "Copy", took=5, usual=10, progress={"bytes_done": 1, "bytes_total": 4})["measured"] is None
