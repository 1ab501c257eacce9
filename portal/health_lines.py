"""A service's runs as a line to draw, and in words for those who do not see it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chatbot_service.health.runs import PAUSE, UNKNOWN, WELL, Run, coarse, summary
from chatbot_service.touching import Held
from portal.templatetags.line import Mark, Segment, Tick, Window
from portal.templatetags.moments import NBSP, duration

_DRAWN = {
    WELL: "ok",
    "unhealthy": "fail",
    "down": "down",
    "stopped": "off",
    "paused": "off",
    PAUSE: "pause",
}
_WORDS = {
    "unhealthy": "probes failed for",
    "down": "down for",
    "stopped": "stopped on purpose for",
    "paused": "paused for",
    PAUSE: "paused by a job for",
    "starting": "starting for",
    UNKNOWN: "not watched for",
}
_PLACES = 480
_MOST_TOLD = 6
_LAST_TICK = 96
"""A word that begins farther to the right would stand beyond the line's end."""


@dataclass(frozen=True)
class HealthLine:
    """`note`: share and what was not well, short; `label`: all of it in one sentence."""

    segments: Sequence[Segment]
    marks: Sequence[Mark]
    ticks: Sequence[Tick]
    label: str
    note: str


def line_of(runs: Sequence[Run], held: Iterable[Held] = (), *, over: str = "24 hours") -> HealthLine:
    """`over`: the stretch in words."""
    window = Window(runs[0].start, runs[-1].end)
    drawn = coarse(runs, (window.end - window.start) / _PLACES)
    return HealthLine(
        segments=[window.segment(run.start, run.end, _DRAWN.get(run.state, "none")) for run in drawn],
        marks=[window.mark(one.touch.start, "deploy") for one in held if window.start <= one.touch.start <= window.end],
        ticks=[tick for tick in window.ticks() if tick.at < _LAST_TICK],
        label=_label(runs, over),
        note=_note(runs),
    )


def _note(runs: Sequence[Run]) -> str:
    found = summary(runs)
    if found.share is None:
        return "not watched yet" if runs[-1].state == UNKNOWN else _WORDS.get(runs[-1].state, "").removesuffix(" for")
    parts = [f"{found.share:g}{NBSP}%"]
    if found.down:
        parts.append(f"down {duration(found.down)}")
    elif found.failing:
        parts.append(f"failing {duration(found.failing)}")
    return " · ".join(parts)


def _label(runs: Sequence[Run], over: str) -> str:
    deviating = [run for run in runs if run.state != WELL]
    if not deviating:
        return f"Healthy without interruption over {over}"
    if len(runs) == 1:
        return f"{_WORDS.get(runs[0].state, runs[0].state).removesuffix(' for').capitalize()} over {over}"
    told = [f"{_WORDS.get(run.state, run.state)} {duration(run.length)} from {_clock(run.start)}" for run in deviating]
    more = f"; and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
    return f"Over {over} healthy except: {'; '.join(told[-_MOST_TOLD:])}{more}"


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%H:%M}"
