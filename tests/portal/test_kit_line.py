from datetime import UTC, datetime, timedelta

import pytest

from portal.templatetags.line import Mark, Segment, Window, axis, line

START = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
DAY = Window(START, START + timedelta(days=1))


def test_a_moment_becomes_a_place_in_percent() -> None:
    assert DAY.place(START + timedelta(hours=6)) == 25
    assert DAY.segment(START, START + timedelta(hours=12), "ok") == Segment(0, 50, "ok")


def test_what_lies_outside_the_window_stays_at_its_edge() -> None:
    assert DAY.place(START - timedelta(days=9)) == 0
    assert DAY.place(START + timedelta(days=9)) == 100


def test_a_line_says_in_words_what_it_shows() -> None:
    drawn = line([Segment(0, 100, "ok")], "Healthy <24 h>")
    assert 'aria-label="Healthy &lt;24 h&gt;"' in drawn
    assert "<title>Healthy &lt;24 h&gt;</title>" in drawn


def test_a_pause_by_a_job_is_a_gap_and_not_a_fault() -> None:
    drawn = line([Segment(0, 39, "ok"), Segment(39, 41, "pause"), Segment(41, 100, "ok")], "x", [Mark(40, "deploy")])
    assert drawn.count("<rect") == 2
    assert "kg-l-down" not in drawn
    assert "kg-l-mark-deploy" in drawn


def test_four_seconds_down_in_a_day_are_still_drawn() -> None:
    drawn = line([DAY.segment(START, START + timedelta(seconds=4), "down")], "x")
    assert 'width="0.10%"' in drawn


def test_worse_is_taller() -> None:
    heights = {}
    for state in ("ok", "fail", "down"):
        drawn = line([Segment(0, 100, state)], "x")
        heights[state] = float(drawn.split('<rect class="kg-l-')[1].split('height="')[1].split('"')[0])
    assert heights["ok"] < heights["fail"] < heights["down"]


@pytest.mark.parametrize("state", ["ok", "fail", "down", "excused", "refused", "off", "none", "run", "pause"])
def test_every_state_is_drawn_without_an_inline_style(state: str) -> None:
    drawn = line([Segment(0, 100, state)], "x", now=True)
    assert "style" not in drawn
    assert "viewBox" not in drawn


def test_an_unknown_state_or_mark_is_a_fault_of_the_page() -> None:
    with pytest.raises(ValueError, match="not a state"):
        Segment(0, 1, "fine")
    with pytest.raises(ValueError, match="not a mark"):
        Mark(0, "star")


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(minutes=10), ["14:32", "14:34", "14:36", "14:38"]),
        (timedelta(hours=24), ["15:00", "18:00", "21:00", "Mon", "03:00", "06:00", "09:00", "12:00"]),
        (timedelta(days=7), ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]),
    ],
)
def test_ticks_stand_at_full_times_and_name_midnight_by_its_day(span: timedelta, words: list[str]) -> None:
    assert [tick.word for tick in Window(START, START + span).ticks()] == words


def test_the_axis_is_hidden_from_readers() -> None:
    assert 'aria-hidden="true"' in axis(DAY.ticks())
