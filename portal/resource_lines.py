"""What a service used over time, as lines, beside what is recommended where something is, and as a table."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from chatbot_service.resource_history import Point
from portal.pages.looks_shown import MIB, MOST_CPUS, MOST_MEMORY
from portal.templatetags.moments import NBSP, size

_LEFT_OUT_AFTER = timedelta(minutes=20)


@dataclass(frozen=True)
class Segment:
    """A stretch of a line, in percent across and pixels down."""

    x1: str
    y1: str
    x2: str
    y2: str


@dataclass(frozen=True)
class Course:
    name: str
    label: str
    segments: Sequence[Segment]
    recommended: str
    """How far down the most that is recommended lies; empty if it is off the picture."""


@dataclass(frozen=True)
class Row:
    at: datetime
    cpu: str
    memory: str
    network: str
    disk: str


@dataclass(frozen=True)
class Shown:
    courses: Sequence[Course]
    rows: Sequence[Row]
    since: datetime
    until: datetime


HEIGHT = 44


def shown(points: Sequence[Point]) -> Shown | None:
    """Nothing where fewer than two samples are known: there is no line then."""
    if len(points) < 2:  # noqa: PLR2004 - a line has two ends
        return None
    start, end = points[0].at, points[-1].at
    cpu = [(one.at, one.cpu) for one in points]
    memory = [(one.at, float(one.memory)) for one in points]
    courses = (
        _course("CPU", cpu, MOST_CPUS, lambda value: f"{value:.2f}{NBSP}CPU"),
        _course("Memory", memory, float(MOST_MEMORY), lambda value: f"{value / MIB:,.0f}{NBSP}MiB"),
        _course("Network", [(one.at, one.network) for one in points], None, _a_second),
        _course("Disk", [(one.at, one.disk) for one in points], None, _a_second),
    )
    return Shown(courses, list(_rows(points)), start, end)


def _a_second(octets: float) -> str:
    return f"{size(round(octets))}/s"


def _course(
    name: str, values: Sequence[tuple[datetime, float | None]], recommended: float | None, words: Callable[[float], str]
) -> Course:
    known = [value for _at, value in values if value is not None]
    top = max([*known, recommended or 0.0, 1e-9]) * 1.1
    start, end = values[0][0], values[-1][0]
    length = max(1.0, (end - start).total_seconds())

    def place(at: datetime) -> str:
        return f"{(at - start).total_seconds() / length * 100:.2f}%"

    def height(value: float) -> str:
        return f"{HEIGHT - 2 - value / top * (HEIGHT - 4):.1f}"

    segments = [
        Segment(place(at), height(value), place(then), height(after))
        for (at, value), (then, after) in pairwise(values)
        if value is not None and after is not None and then - at <= _LEFT_OUT_AFTER
    ]
    label = f"{name}: {words(min(known))} to {words(max(known))}, last {words(known[-1])}" if known else f"{name}: not known"
    return Course(name, label, segments, "" if recommended is None else height(recommended))


def _rows(points: Sequence[Point]) -> Iterator[Row]:
    """One an hour, the most of each, newest first."""
    hours: dict[datetime, list[Point]] = {}
    for one in points:
        hours.setdefault(one.at.replace(minute=0, second=0, microsecond=0), []).append(one)
    for hour in sorted(hours, reverse=True):
        cpus = [one.cpu for one in hours[hour] if one.cpu is not None]
        most = max(one.memory for one in hours[hour])
        network, disk = (_most([getattr(one, what) for one in hours[hour]]) for what in ("network", "disk"))
        yield Row(hour, f"{max(cpus):.2f}{NBSP}CPU" if cpus else "–", f"{most / MIB:,.0f}{NBSP}MiB", network, disk)


def _most(rates: Sequence[float | None]) -> str:
    known = [rate for rate in rates if rate is not None]
    return _a_second(max(known)) if known else "–"
