"""From the engine's frames to lines: whole, in order, bounded, once each."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.jobs.look_ports import LogPage, LogQuery
from chatbot_service.log_reading import MOST_BYTES, MOST_LINES, MOST_OF_A_LINE, Frame, Page, query_of
from deploy_records.errors import Invalid


def frames(*lines: str, at: int = 0, step: int = 1) -> list[Frame]:
    made = []
    for number, line in enumerate(lines):
        data = f"{moment(at + number * step)} {line}\n".encode()
        made.append(Frame(1, data, len(data), ends_line=True))
    return made


def moment(nano: int) -> str:
    return f"2026-01-01T00:00:{nano // 10**9:02}.{nano % 10**9:09}Z"


def page(given_frames: Iterable[Frame], **asked: object) -> LogPage:
    made = Page(LogQuery(**asked), {})  # type: ignore[arg-type]  # the test's own words
    made.take(given_frames)
    return made.done("end")


def texts(found: LogPage) -> list[str]:
    return [line.text for line in found.lines]


def test_the_last_lines_are_kept_and_the_others_counted() -> None:
    found = page(frames(*"abcdef"), tail=2)
    assert (texts(found), found.dropped) == (["e", "f"], 4)


def test_with_a_pattern_only_what_fits_is_kept_and_the_cursor_goes_on_over_the_rest() -> None:
    found = page(frames("GET 200", "GET 503", "\x1b[31mGET\x1b[0m 503", "GET 200"), pattern=r"\b5\d\d\b")
    assert texts(found) == ["GET 503", "GET 503"]
    assert found.cursor == f"{moment(3)}/1"


def test_behind_a_cursor_the_first_lines_are_kept() -> None:
    start = page(frames(*"abc"), tail=3)
    found = page(frames(*"abcdef"), tail=2, after=start.cursor)
    assert (texts(found), found.ended) == (["d", "e"], "lines")
    assert texts(page(frames(*"abcdef"), tail=2, after=found.cursor)) == ["f"]


@given(st.lists(st.integers(0, 3), max_size=40), st.integers(1, 6))
def test_following_in_any_steps_sees_every_line_once(steps: list[int], most: int) -> None:
    at, log = 0, []
    for number, step in enumerate(steps):
        at += step  # lines of the same nanosecond are told apart by their number
        log += frames(f"line {number}", at=at)
    seen: list[str] = []
    cursor = f"{moment(0)}/0"
    while True:
        since = cursor.partition("/")[0].encode()
        found = page([frame for frame in log if frame.data[:30] >= since], tail=most, after=cursor)
        if not found.lines:
            break
        seen += texts(found)
        cursor = found.cursor
    assert seen == [f"line {number}" for number in range(len(steps))]


def test_pieces_of_a_long_line_are_put_together_between_lines_of_the_other_stream() -> None:
    stamp = moment(5).encode() + b" "
    pieces = [stamp + b"x" * 16384, stamp + b"y" * 16384, stamp + b"end\n"]
    other = frames("meanwhile", at=6)[0]
    mixed = [
        Frame(1, pieces[0], len(pieces[0]), ends_line=False),
        Frame(2, other.data, other.size, ends_line=True),
        Frame(1, pieces[1], len(pieces[1]), ends_line=False),
        Frame(1, pieces[2], len(pieces[2]), ends_line=True),
    ]
    found = page(mixed)
    assert [line.stream for line in found.lines] == ["stderr", "stdout"]
    assert found.lines[1].text == "x" * MOST_OF_A_LINE
    assert len(found.lines[1].text) + found.lines[1].cut == 2 * 16384 + 3


def test_what_a_service_writes_like_a_moment_stays() -> None:
    stamp = moment(5)
    one = f"{stamp} {moment(3)} mine\n".encode()
    assert texts(page([Frame(1, one, len(one), ends_line=True)])) == [f"{moment(3)} mine"]


def test_a_last_line_without_an_end_is_shown() -> None:
    data = f"{moment(1)} half".encode()
    assert texts(page([Frame(1, data, len(data), ends_line=False)])) == ["half"]


def test_a_page_is_bounded_in_bytes() -> None:
    found = page(frames(*["x" * 8000] * 1000), tail=MOST_LINES)
    assert sum(len(line.text) for line in found.lines) <= MOST_BYTES
    assert found.dropped + len(found.lines) == 1000


def test_words_are_found_in_any_case_and_in_colours() -> None:
    found = page(frames("an ERROR here", "fine", "\x1b[31mer\x1b[32mror", "Straße"), words="error")
    assert texts(found) == ["an ERROR here", "error"]
    assert texts(page(frames("Straße"), words="STRASSE")) == ["Straße"]


def test_a_secret_is_not_found_by_its_value() -> None:
    made = Page(LogQuery(words="hunter2"), {"hunter2": "PASSWORD"})
    made.take(frames("it is hunter2"))
    assert made.done("end").lines == ()


@pytest.mark.parametrize("cursor", ["x", "2026-01-01T00:00:00Z/1", "2026-01-01T00:00:00.000000000Z/x", "../../etc"])
def test_a_place_that_was_never_given_out_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        query_of(LogQuery(after=cursor))


def test_the_engine_is_asked_for_no_more_than_is_needed() -> None:
    at = datetime(2026, 1, 1, 0, 0, 1, 5, tzinfo=UTC)
    assert query_of(LogQuery(tail=7))["tail"] == "7"
    assert query_of(LogQuery(tail=10**9))["tail"] == str(MOST_LINES)
    assert query_of(LogQuery(since=at))["since"] == f"{int(at.timestamp())}.000005000"
    assert "tail" not in query_of(LogQuery(since=at, until=at))
    assert query_of(LogQuery(after=f"{moment(7)}/2"))["since"] == f"{int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())}.000000007"
