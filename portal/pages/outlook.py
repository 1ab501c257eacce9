"""When does what runs fall out of compliance, if nobody does anything? The next 90 days, day by day."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby

from django.urls import reverse
from django.utils.http import urlencode

from chatbot_service import gate_words
from chatbot_service.board import Row
from deploy_records.rules import replay
from deploy_records.rules.case import Case, Decision
from deploy_records.verdict import AHEAD, Turn
from portal.pages.poam_lines import months
from portal.templatetags.line import Mark, Segment, Tick, Window

SOON = timedelta(days=14)
MOST_LINES = 12
_ROOM_FOR_TODAY = 14
"""In percent of the line."""


@dataclass(frozen=True)
class Ahead:
    """A service whose digest the ledger knows: what the gate judges, what it says now, and when its yes turns to a no."""

    row: Row
    case: Case
    decision: Decision
    turns: tuple[Turn, ...]

    @property
    def refused_from(self) -> datetime | None:
        """The first second of the next no; the present one, where it is refused now."""
        if not self.decision.allowed:
            return self.decision.at
        return self.turns[0].at if self.turns else None


@dataclass(frozen=True)
class Line:
    """A service in the calendar. `from_now`: it is refused already."""

    row: Row
    segments: Sequence[Segment]
    marks: Sequence[Mark]
    said: str
    tone: str
    word: str
    why: str


@dataclass(frozen=True)
class Day:
    """What the gate refuses from this day on. `at`: midnight, in UTC; None for what is refused already or never."""

    lines: Sequence[Line]
    at: datetime | None = None
    url: str = ""


@dataclass(frozen=True)
class Calendar:
    """`fall_out`: how many services turn to no; `left_out`: how many that never do are not drawn."""

    days: Sequence[Day]
    ticks: Sequence[Tick]
    fall_out: int
    refused: int
    total: int
    left_out: int


def ahead(rows: Sequence[Row], now: datetime, until: datetime | None = None) -> list[Ahead]:
    """Without a query. Services whose digest nobody knows are left out."""
    known = [(row, row.case, row.decision) for row in rows if row.case is not None and row.decision is not None]
    return [Ahead(row, case, decision, _turns(case, decision, until or now + AHEAD)) for row, case, decision in known]


def _turns(case: Case, decision: Decision, until: datetime) -> tuple[Turn, ...]:
    """What is refused now is not followed further: its line is one no."""
    return replay.turns(case, until) if decision.allowed else ()


def calendar(found: Sequence[Ahead], now: datetime, most: int = MOST_LINES) -> Calendar:
    """What is refused comes first, then what will be, by day; then what passes throughout, as far as there is room."""
    start = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    window = Window(start, start + AHEAD)
    within = [_within(one, window.end) for one in found]
    turning = sorted((one for one in within if one.refused_from), key=lambda one: (one.refused_from, str(one.row.service)))
    steady = [one for one in within if not one.refused_from]
    shown = steady[: max(0, most - len(turning))]
    days = [_day(day, list(ones), window, now) for day, ones in groupby(turning, key=lambda one: _day_of(one, now))]
    if shown:
        days.append(Day([_line(one, window, now) for one in shown]))
    refused = sum(not one.decision.allowed for one in within)
    return Calendar(days, _ticks(start), len(turning) - refused, refused, len(within), len(steady) - len(shown))


def _ticks(start: datetime) -> list[Tick]:
    """Today, as far as there is room beside the first month."""
    found = months(start)
    return found if found and found[0].at < _ROOM_FOR_TODAY else [Tick(0, "Today"), *found]


def _within(one: Ahead, end: datetime) -> Ahead:
    return replace(one, turns=tuple(turn for turn in one.turns if turn.at <= end))


def _day_of(one: Ahead, now: datetime) -> datetime | None:
    """None for what is refused already."""
    if not one.decision.allowed:
        return None
    return (one.refused_from or now).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _day(at: datetime | None, ones: Sequence[Ahead], window: Window, now: datetime) -> Day:
    return Day([_line(one, window, now) for one in ones], at, address_of(at) if at else "")


def address_of(at: datetime, environment: str = "") -> str:
    """The time machine, set to the end of that day."""
    asked = {"date": f"{at.astimezone(UTC):%Y-%m-%d}"} | ({"environment": environment} if environment else {})
    return f"{reverse('time-machine')}?{urlencode(asked)}"


def _line(one: Ahead, window: Window, now: datetime) -> Line:
    passes = "excused" if one.decision.exceptions else "ok"
    name = str(one.row.service)
    if not one.decision.allowed:
        cause = gate_words.cause(one.decision, one.row.entry.state if one.row.entry else "")
        why = cause.why if cause else one.decision.sentence
        segments = [Segment(0, 100, "refused")]
        return Line(one.row, segments, [], f"{name}: refused now. {why}", "stop", "Refused today", why)
    if not one.turns:
        on = " on an exception" if passes == "excused" else ""
        word = "Passes throughout"
        return Line(one.row, [Segment(0, 100, passes)], [], f"{name}: passes{on} for 90 days.", "ok", word, on.strip())
    first = one.turns[0]
    segments = [window.segment(window.start, first.at, passes), window.segment(first.at, window.end, "refused")]
    marks = [window.mark(turn.at, "end") for turn in one.turns]
    day = f"{first.at.astimezone(UTC):%a %-d %b}"
    tone = "warn" if first.at - now <= SOON else "wait"
    return Line(one.row, segments, marks, f"{name}: {first.sentence}", tone, f"Refused from {day}", first.because)
