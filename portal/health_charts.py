"""A service's history as a chart: days as columns or the line, what ran below it, how long probes took. All on one axis."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chatbot_service.health.history import History, Piece, Ran
from chatbot_service.health.rollup import DAY, FIVE_MINUTES, HOUR, Bucket
from chatbot_service.health.runs import UNKNOWN, WELL
from deploy_records.models import ImageDigest
from portal.health_lines import line_of
from portal.templatetags.columns import Band, Column, Spark
from portal.templatetags.line import Segment, Tick, Window
from portal.templatetags.moments import NBSP

BY_DAYS = ("90d", "1y")
"""Spans of which each day is a column."""
_COURSE = {"24h": FIVE_MINUTES, "7d": HOUR, "30d": 6 * HOUR, "90d": DAY, "1y": DAY}
TABLE = {"24h": HOUR, "7d": DAY, "30d": DAY, "90d": DAY, "1y": 7 * DAY}
"""How wide a row of the table of numbers is."""
_LONG = timedelta(days=60)
_LAST_TICK = 96
_TOLERATED = 1_000_000
_SHORT, _HEX = 4, 12
_NICE = (1, 2, 5, 10)
_TWO_FIGURES = 100


@dataclass(frozen=True)
class Chart:
    """Either `columns` or `segments`; `scale`: the ends of the durations, in seconds, between which each tenfold is as far.
    Without it nothing was measured.
    """

    window: Window
    columns: Sequence[Column]
    segments: Sequence[Segment]
    bands: Sequence[Band]
    ticks: Sequence[Tick]
    courses: Sequence[Spark]
    scale: tuple[float, float] | None


def chart_of(history: History, entries: dict[str, ImageDigest]) -> Chart:
    window = Window(history.start, history.end)
    by_days = history.span.key in BY_DAYS
    course = history.pieces_of(_COURSE[history.span.key])
    scale = _scale([value for piece in course for value in (piece.totals.p50, piece.totals.p95) if value])
    return Chart(
        window=window,
        columns=[_column(piece, window) for piece in history.pieces_of(DAY)] if by_days else (),
        segments=() if by_days else line_of(history.runs).segments,
        bands=[_band(one, window, entries) for one in history.ran],
        ticks=_months(window) if window.end - window.start > _LONG else [t for t in window.ticks() if t.at < _LAST_TICK],
        courses=_courses(course, window, scale) if scale else (),
        scale=scale,
    )


def _column(piece: Piece, window: Window) -> Column:
    length = (piece.end - piece.start) // timedelta(microseconds=1)
    return Column(window.place(piece.start), window.place(piece.end), *state_of(piece.bucket, length))


def state_of(bucket: Bucket, length: int) -> tuple[str, float]:
    """How a day of so many microseconds is drawn, and how tall. What is not known is never drawn as healthy."""
    states = bucket.states
    down, failing = states.get("down", 0), states.get("unhealthy", 0)
    if down or failing:
        return ("down" if down else "fail"), _tall(down + failing)
    if length - sum(states.values()) + states.get(UNKNOWN, 0) > _TOLERATED:
        return "none", 0
    if not states.get(WELL):
        return "off", 0
    return "ok", 0


def _tall(ill: int) -> float:
    """From seconds to a day, each tenfold by the same step, as a minute must still be seen beside an hour."""
    return min(1.0, math.log10(1 + ill / 1e6) / math.log10(86400))


def _band(one: Ran, window: Window, entries: dict[str, ImageDigest]) -> Band:
    hexes = one.digest.removeprefix("sha256:")
    tag = entries[one.digest].tag if one.digest in entries else ""
    groups = " ".join(hexes[i : i + _SHORT] for i in range(0, _HEX, _SHORT))
    return Band(window.place(one.start), window.place(one.end), f"{groups} · {tag}" if tag else groups, f"{hexes[:_SHORT]}…")


def _months(window: Window) -> list[Tick]:
    """The first of each month, by its name."""
    at = window.start.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    ticks = []
    while (at := _next_month(at)) < window.end:
        place = window.place(at)
        if place < _LAST_TICK:
            ticks.append(Tick(place, f"{at:%b}" if at.month > 1 else f"{at:%b %Y}"))
    first = window.start.astimezone(UTC)
    return [Tick(0, f"{first.day} {first:%b}"), *(tick for tick in ticks if tick.at > 7)]  # noqa: PLR2004 - room for the first


def _next_month(at: datetime) -> datetime:
    return (at.replace(day=1) + timedelta(days=32)).replace(day=1)


# How long probes took


def _scale(found: Sequence[float]) -> tuple[float, float] | None:
    """The round numbers next below and above all."""
    if not found:
        return None
    (tens, digit), (most_tens, most_digit) = _split(min(found)), _split(max(found))
    least = tens * max(step for step in _NICE if step <= digit)
    most = most_tens * min(step for step in _NICE if step >= most_digit)
    return least, most if most > least else 2 * least


def _split(value: float) -> tuple[float, float]:
    """A power of ten and how often it goes into it."""
    tens = 10.0 ** math.floor(math.log10(value))
    return tens, max(1.0, value / tens)


def _courses(pieces: Sequence[Piece], window: Window, scale: tuple[float, float]) -> list[Spark]:
    """p95 behind p50."""
    least, height = math.log(scale[0]), math.log(scale[1] / scale[0])

    def place(value: float | None) -> float | None:
        return (math.log(value) - least) / height if value else None

    middles = [window.place(piece.start + (piece.end - piece.start) / 2) for piece in pieces]
    p95, p50 = ([place(getattr(piece.totals, name)) for piece in pieces] for name in ("p95", "p50"))
    return [Spark(list(zip(middles, values, strict=True)), css) for css, values in (("p95", p95), ("p50", p50))]


def seconds(value: float | None) -> str:
    """`87 ms`, `1.4 s`: exact to the class it was counted in, so no more than two figures."""
    if value is None:
        return ""
    if value >= 1:
        return f"{value:.2g}{NBSP}s" if value < _TWO_FIGURES else f"{round(value)}{NBSP}s"
    return f"{float(f'{value * 1000:.2g}'):g}{NBSP}ms"


def percent(share: float | None) -> str:
    """Two figures behind the point, never rounded up: `100 %` only if it was never ill."""
    if share is None:
        return ""
    return f"{math.floor(share * 100 + 1e-6) / 100:g}{NBSP}%"
