from datetime import timedelta

import pytest

from chatbot_service.health.rollup import DAY, Bucket, Part
from portal import health_charts
from portal.templatetags.columns import Band, Column, LaneMark, Spark, columns, lane, ribbon, sparks

WHOLE_DAY = DAY * 1_000_000


def a_day(**states: timedelta) -> Bucket:
    return Bucket(0, DAY, {"": Part({state: length // timedelta(microseconds=1) for state, length in states.items()})})


def hours(number: float) -> timedelta:
    return timedelta(hours=number)


def test_a_day_that_was_well_all_day_is_flat() -> None:
    assert health_charts.state_of(a_day(healthy=hours(24)), WHOLE_DAY) == ("ok", 0)


def test_the_longer_it_was_down_the_taller() -> None:
    heights = [health_charts.state_of(a_day(healthy=hours(24 - long), down=hours(long)), WHOLE_DAY) for long in (0.01, 0.5, 24)]
    assert [state for state, _height in heights] == ["down"] * 3
    assert 0 < heights[0][1] < heights[1][1] < heights[2][1] <= 1


@pytest.mark.parametrize(
    "day", [a_day(healthy=hours(23)), a_day(healthy=hours(23.9), unknown=hours(0.1)), a_day(pause=hours(1)), Bucket(0, DAY)]
)
def test_a_day_of_which_something_is_not_known_is_never_drawn_as_healthy(day: Bucket) -> None:
    assert health_charts.state_of(day, WHOLE_DAY)[0] == "none"
    assert "kg-l-none" in columns([Column(0, 10, "none")], "x")
    assert "kg-l-ok" not in columns([Column(0, 10, "none")], "x")


def test_a_day_it_was_stopped_on_purpose_is_hollow() -> None:
    assert health_charts.state_of(a_day(stopped=hours(24)), WHOLE_DAY) == ("off", 0)


def test_columns_say_in_words_what_they_show_and_escape_it() -> None:
    assert "<title>90 &lt;days&gt;</title>" in columns([], "90 <days>")


def test_a_band_is_named_as_far_as_there_is_room() -> None:
    drawn = [ribbon([Band(0, end, "9f3e c41a · <v1>", "9f3e…")]) for end in (40, 8, 2)]
    assert "9f3e c41a · &lt;v1&gt;" in drawn[0]
    assert ">9f3e…<" in drawn[1]
    assert "></text>" in drawn[2]


def test_marks_and_columns_that_nobody_knows_are_refused() -> None:
    with pytest.raises(ValueError, match="is not a mark"):
        LaneMark(0, "party")
    with pytest.raises(ValueError, match="is not a state"):
        Column(0, 1, "great")
    assert lane([LaneMark(50, "backup")]).count("kg-l-done-backup") == 1


def test_a_course_is_broken_where_nothing_was_measured() -> None:
    drawn = sparks([Spark([(0, 0.5), (10, 0.5), (20, None), (30, 0.5), (40, 0.7)], "p50")], "x")
    assert drawn.count("<line") == 2


@pytest.mark.parametrize(
    ("share", "shown"), [(100.0, "100 %"), (99.999, "99.99 %"), (99.57, "99.57 %"), (0.0, "0 %"), (99.5, "99.5 %"), (None, "")]
)
def test_a_share_is_never_rounded_up(share: float | None, shown: str) -> None:
    assert health_charts.percent(share).replace("\N{NO-BREAK SPACE}", " ") == shown


@pytest.mark.parametrize(("value", "shown"), [(0.0871, "87 ms"), (0.12, "120 ms"), (1.44, "1.4 s"), (310, "310 s"), (None, "")])
def test_durations_claim_no_more_than_was_counted(value: float | None, shown: str) -> None:
    assert health_charts.seconds(value).replace("\N{NO-BREAK SPACE}", " ") == shown
