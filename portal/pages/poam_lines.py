"""The next 90 days of an exception as a line: in force, asked for, over; its end and its milestones."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from deploy_records import poam_listing
from deploy_records.models import PoamItem, PoamState
from deploy_records.poam_listing import WINDOW, Timeline
from portal.sentences.exceptions import status_of
from portal.templatetags.line import Mark, Segment, Tick

_DRAWN_AS = {"in force": "excused", "waiting": "none", "over": "refused"}
_MARKED_AS = {"end": "end", "milestone": "review"}
_MONTHS = 12


@dataclass(frozen=True)
class Drawn:
    """What `{% line %}` takes, with all of it in words."""

    segments: Sequence[Segment]
    marks: Sequence[Mark]
    words: str


def drawn(item: PoamItem, start: datetime, now: datetime, *, needed: bool) -> Drawn:
    """`needed`: something that runs relies on it, so that the gate refuses that where it does not hold."""
    line = poam_listing.timeline(item, start)
    if needed and item.state == PoamState.REQUESTED:
        line = replace(line, segments=(poam_listing.Segment("over", line.start, line.end),))
    elif not needed:
        line = replace(line, segments=tuple(one for one in line.segments if one.kind != "over"))
    segments = [Segment(line.place(one.since) * 100, line.place(one.until) * 100, _DRAWN_AS[one.kind]) for one in line.segments]
    marks = [Mark(line.place(one.at) * 100, _MARKED_AS[one.kind]) for one in line.marks if one.kind in _MARKED_AS]
    return Drawn(segments, marks, f"{item.name}: {_words(item, line, now)}")


def months(start: datetime) -> list[Tick]:
    """The first day of each month in the window; January with its year."""
    end, at, ticks = start + timedelta(days=WINDOW), start, []
    while (at := _next_month(at)) < end:
        ticks.append(Tick((at - start) / (end - start) * 100, f"{at:%b} {at.year}" if at.month == 1 else f"{at:%b}"))
    return ticks


def _next_month(at: datetime) -> datetime:
    year, month = (at.year + 1, 1) if at.month == _MONTHS else (at.year, at.month + 1)
    return datetime(year, month, 1, tzinfo=UTC)


def _words(item: PoamItem, line: Timeline, now: datetime) -> str:
    parts = [status_of(item, now).word.lower()]
    for one in line.segments:
        until = f"{one.until:%-d %b}"
        said = {"in force": f"in force until {until}", "waiting": f"asked for until {until}"}.get(one.kind)
        parts.append(said or f"from {one.since:%-d %b} on the gate refuses what relies on it")
    parts += [f"milestone “{one.text}” on {one.at:%-d %b}" for one in line.marks if one.kind == "milestone"]
    return "; ".join(parts)
