"""How was it, from when to when? Turns changes of state into runs, and tells a pause by a job from being down. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

UNKNOWN = "unknown"
PAUSE = "pause"
WELL = "healthy"
NOT_SERVING = frozenset({"down", "starting", "stopped"})
UNCOUNTED = frozenset({UNKNOWN, "starting", "stopped", "paused", PAUSE})
"""Neither well nor ill: nobody has looked or Docker has not judged yet, or somebody wanted it so."""

_WORST = ("down", "unhealthy", PAUSE, "starting", "paused", "stopped", UNKNOWN, WELL)
SLACK = timedelta(seconds=2)
"""The watcher may see what a job did a moment after it."""


@dataclass(frozen=True)
class Change:
    """From `at` on it was in `state`."""

    at: datetime
    state: str
    digest: str = ""


@dataclass(frozen=True)
class Touch:
    """While a job had its hands on the service. `end` is nothing while it still has."""

    start: datetime
    end: datetime | None

    def holds(self, moment: datetime) -> bool:
        return self.start - SLACK <= moment and (self.end is None or moment <= self.end + SLACK)


@dataclass(frozen=True)
class Run:
    """A stretch in one state: that of a transition, `pause` by a job, or unknown."""

    start: datetime
    end: datetime
    state: str

    @property
    def length(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True)
class Summary:
    """`share` of the counted time it was well, in percent and never rounded up; nothing if no time counts."""

    share: float | None
    down: timedelta
    failing: timedelta
    paused: timedelta


def runs_between(
    start: datetime, end: datetime, changes: Iterable[Change], before: str = UNKNOWN, touches: Sequence[Touch] = ()
) -> list[Run]:
    """`changes` within the stretch, oldest first; `before`: the state it came with."""
    found: list[Run] = []
    at, state = start, before or UNKNOWN
    for change in changes:
        if change.at > at:
            found += split(Run(at, min(change.at, end), state), touches)
            at = change.at
        state = change.state
    if at < end:
        found += split(Run(at, end, state), touches)
    return _merged(found)


def split(run: Run, touches: Sequence[Touch]) -> list[Run]:
    """Not serving is a pause while a job does it, and what it is once the job has ended."""
    if run.state not in NOT_SERVING:
        return [run]
    touch = max((one for one in touches if one.holds(run.start)), key=lambda one: one.start, default=None)
    if touch is None or run.state == "stopped":
        return [run]
    if touch.end is None or run.end <= touch.end + SLACK:
        return [replace(run, state=PAUSE)]
    edge = max(touch.end, run.start)
    parts = [replace(run, end=edge, state=PAUSE), replace(run, start=edge)]
    return [part for part in parts if part.length]


def _merged(found: Iterable[Run]) -> list[Run]:
    merged: list[Run] = []
    for run in found:
        if merged and merged[-1].state == run.state:
            merged[-1] = replace(merged[-1], end=run.end)
        else:
            merged.append(run)
    return merged


def coarse(found: Sequence[Run], least: timedelta) -> list[Run]:
    """Fit to draw: neighbours shorter than `least` become one of the worst state among them."""
    drawn: list[Run] = []
    for run in found:
        last = drawn[-1] if drawn else None
        if last is not None and run.length < least and last.length < least:
            drawn[-1] = Run(last.start, run.end, min(last.state, run.state, key=_badness))
        else:
            drawn.append(run)
    return _merged(drawn)


def worst(states: Iterable[str]) -> str:
    """At least one."""
    return min(states, key=_badness)


def _badness(state: str) -> int:
    return _WORST.index(state) if state in _WORST else 0


def summary(found: Iterable[Run]) -> Summary:
    lengths: dict[str, timedelta] = {}
    for run in found:
        lengths[run.state] = lengths.get(run.state, timedelta()) + run.length
    counted = sum((length for state, length in lengths.items() if state not in UNCOUNTED), timedelta())
    well = lengths.get(WELL, timedelta())
    share = int(well / counted * 1000) / 10 if counted else None
    return Summary(
        share=share,
        down=lengths.get("down", timedelta()),
        failing=lengths.get("unhealthy", timedelta()),
        paused=lengths.get(PAUSE, timedelta()),
    )
