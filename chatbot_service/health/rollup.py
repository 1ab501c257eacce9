"""Time buckets: what a service was in, how it was probed, what happened, within 5 minutes, an hour or a day. Pure.

A bucket is a sum over the raw data whose moment lies in it, so buckets add up: an hour is the sum of its twelve, a day that
of its 24, exactly. States are whole microseconds. Durations are counted in classes that grow by a tenth (`class_of`), as
medians cannot be added: p50 and p95 of any sum are exact to the class, that is to 5 %.

All is UTC and in the order of moments, not of arrival; raw data that arrives late changes the buckets it lies in, and a
change of state those up to the next change. Time before the first change of state is in no bucket.
"""

import json
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple, Self

from chatbot_service.health.blocks import MICRO, STRETCH, Event, Probe, micros
from chatbot_service.health.runs import SLACK, UNCOUNTED, WELL, Change, Run, Touch, split

FIVE_MINUTES, HOUR, DAY = STRETCH, 3600, 86400
WIDTHS = (FIVE_MINUTES, HOUR, DAY)
BLOCKS = {FIVE_MINUTES: DAY, HOUR: 10 * DAY, DAY: 100 * DAY}
"""Seconds that one row holds of each width."""
_STATES = ("healthy", "unhealthy", "starting", "down", "stopped", "paused", "pause", "unknown")
_NUMBERS = {state: number for number, state in enumerate(_STATES)}
_ENDS_BADLY = frozenset({"unhealthy", "down", "starting"})
_FIRST_CLASS, _GROWTH, _LAST_CLASS = 1000, 1.1, 3600 * MICRO


def _bounds() -> tuple[int, ...]:
    found = [_FIRST_CLASS]
    while found[-1] < _LAST_CLASS:
        found.append(round(found[-1] * _GROWTH))
    return tuple(found)


BOUNDS = _bounds()
"""Upper ends of the classes in microseconds, from one millisecond to an hour; the last class takes what is longer."""


def class_of(duration: int) -> int:
    return min(bisect_left(BOUNDS, duration), len(BOUNDS) - 1)


def quantile(classes: Mapping[int, int], share: float) -> float | None:
    """Seconds: the middle of the class in which this share of durations is reached; nothing without durations."""
    total = sum(classes.values())
    wanted, reached = max(1, -int(-share * total // 1)), 0
    for number in sorted(classes):
        reached += classes[number]
        if total and reached >= wanted:
            below = BOUNDS[number - 1] if number else BOUNDS[0] / _GROWTH
            return float((below * BOUNDS[number]) ** 0.5 / MICRO)
    return None


class Spell(NamedTuple):
    """A stretch in one state while one digest ran, in microseconds."""

    start: int
    end: int
    state: str
    digest: str


def spells(changes: Sequence[Change], until: datetime, touches: Sequence[Touch] = ()) -> list[Spell]:
    """`changes` oldest first. A stretch that a job made is a pause, as everywhere."""
    found: list[Spell] = []
    ends = [*(change.at for change in changes), until][1:]
    for change, end in zip(changes, ends, strict=True):
        if change.at < min(end, until):
            pieces = split(Run(change.at, min(end, until), change.state), touches)
            found += (Spell(micros(piece.start), micros(piece.end), piece.state, change.digest) for piece in pieces)
    return found


@dataclass
class Part:
    """While one digest ran: microseconds in each state, and how often it left healthy without a job's doing."""

    states: dict[str, int] = field(default_factory=dict)
    flaps: int = 0

    def add(self, other: "Part") -> None:
        for state, length in other.states.items():
            self.states[state] = self.states.get(state, 0) + length
        self.flaps += other.flaps


@dataclass
class Bucket:
    """`start` and `width` in seconds. `restarts`: every start of one of its containers, whoever wanted it."""

    start: int
    width: int
    parts: dict[str, Part] = field(default_factory=dict)
    probes: int = 0
    failures: int = 0
    durations: dict[int, int] = field(default_factory=dict)
    restarts: int = 0
    deaths: int = 0
    ooms: int = 0

    @property
    def end(self) -> int:
        return self.start + self.width

    @property
    def states(self) -> dict[str, int]:
        """Microseconds. They may be less than the bucket is wide; the rest is unknown."""
        if len(self.parts) == 1:
            return dict(next(iter(self.parts.values())).states)
        whole = Part()
        for part in self.parts.values():
            whole.add(part)
        return whole.states

    @property
    def flaps(self) -> int:
        return sum(part.flaps for part in self.parts.values())

    def part(self, digest: str) -> Part:
        return self.parts.setdefault(digest, Part())

    def count_probe(self, probe: Probe) -> None:
        self.probes += 1
        self.failures += probe.failed
        number = class_of(probe.duration)
        self.durations[number] = self.durations.get(number, 0) + 1

    def count_event(self, event: Event) -> None:
        self.restarts += event.action == "start"
        self.deaths += event.action == "die"
        self.ooms += event.action == "oom"

    def add(self, other: "Bucket") -> None:
        for digest, part in other.parts.items():
            self.part(digest).add(part)
        for number, count in other.durations.items():
            self.durations[number] = self.durations.get(number, 0) + count
        self.probes += other.probes
        self.failures += other.failures
        self.restarts += other.restarts
        self.deaths += other.deaths
        self.ooms += other.ooms

    def at(self, start: int, width: int) -> Self:
        """The same with another place; shares nothing with this one."""
        made = replace(self, start=start, width=width, parts={}, durations={}, probes=0, failures=0, restarts=0, deaths=0, ooms=0)
        made.add(self)
        return made


def share_of(states: Mapping[str, int]) -> float | None:
    """Of the counted time it was well, in percent and never rounded up; nothing if no time counts."""
    counted = sum(length for state, length in states.items() if state not in UNCOUNTED)
    return states.get(WELL, 0) * 100_000 // counted / 1000 if counted else None


def roll(
    start: int, end: int, passed: Sequence[Spell], probes: Iterable[Probe] = (), events: Iterable[Event] = ()
) -> list[Bucket]:
    """The buckets of 5 minutes from `start` up to `end`, both at their edges; empty ones are left out.

    `passed` must hold all spells that reach into the stretch and the one before, whose end may be a flap.
    """
    found = _Buckets(start, end)
    for spell in passed:
        found.pass_through(spell)
    for before, after in pairwise(passed):
        if _is_flap(before, after) and (bucket := found.at(after.start)):
            bucket.part(before.digest).flaps += 1
    for probe in probes:
        if bucket := found.at(probe.start):
            bucket.count_probe(probe)
    for event in events:
        if bucket := found.at(event.at):
            bucket.count_event(event)
    return found.in_order()


class _Buckets:
    def __init__(self, start: int, end: int) -> None:
        self._start, self._end = start, end
        self._found: dict[int, Bucket] = {}

    def at(self, moment: int) -> Bucket | None:
        """Nothing outside of the stretch."""
        begin = moment // MICRO // FIVE_MINUTES * FIVE_MINUTES
        if not self._start <= begin < self._end:
            return None
        known = self._found.get(begin)
        if known is None:
            known = self._found[begin] = Bucket(begin, FIVE_MINUTES)
        return known

    def pass_through(self, spell: Spell) -> None:
        at, last = max(spell.start, self._start * MICRO), min(spell.end, self._end * MICRO)
        while at < last and (bucket := self.at(at)):
            edge = min(last, bucket.end * MICRO)
            states = bucket.part(spell.digest).states
            states[spell.state] = states.get(spell.state, 0) + edge - at
            at = edge

    def in_order(self) -> list[Bucket]:
        return [self._found[begin] for begin in sorted(self._found)]


def _is_flap(before: Spell, after: Spell) -> bool:
    return before.state == WELL and after.state in _ENDS_BADLY and before.end == after.start


def coarser(buckets: Iterable[Bucket], width: int) -> list[Bucket]:
    """The sums of those that lie in the same hour or day."""
    found: dict[int, Bucket] = {}
    for one in buckets:
        begin = one.start // width * width
        if begin not in found:
            found[begin] = Bucket(begin, width)
        found[begin].add(one)
    return [found[begin] for begin in sorted(found)]


def total(buckets: Iterable[Bucket]) -> Bucket:
    """Of all together; its place means nothing."""
    whole = Bucket(0, 0)
    for one in buckets:
        whole.add(one)
    return whole


def block_start(width: int, at: int) -> int:
    """Where the row begins that holds the bucket of this moment, all in seconds."""
    return at // BLOCKS[width] * BLOCKS[width]


def replaced(kept: Iterable[Bucket], new: Iterable[Bucket], start: int, end: int) -> list[Bucket]:
    """`new` in the place of all that lay between `start` and `end`."""
    outside = (one for one in kept if not start <= one.start < end)
    return sorted((*outside, *new), key=lambda one: one.start)


def pack(start: int, width: int, buckets: Sequence[Bucket]) -> bytes:
    digests = sorted({digest for one in buckets for digest in one.parts})
    numbers = {digest: number for number, digest in enumerate(digests)}
    rows = [
        [
            (one.start - start) // width,
            [_packed_part(numbers[digest], one.parts[digest]) for digest in sorted(one.parts)],
            one.probes, one.failures,
            [number for pair in sorted(one.durations.items()) for number in pair],
            one.restarts, one.deaths, one.ooms,
        ]
        for one in buckets
    ]  # fmt: skip
    return zlib.compress(json.dumps([digests, rows], separators=(",", ":")).encode(), 4)


def _packed_part(digest: int, part: Part) -> list[int]:
    states = (number for state in sorted(part.states) for number in (_NUMBERS[state], part.states[state]))
    return [digest, part.flaps, *states]


def unpack(start: int, width: int, data: bytes) -> list[Bucket]:
    digests, rows = json.loads(zlib.decompress(data))
    found = []
    for place, packed, probes, failures, classes, restarts, deaths, ooms in rows:
        parts = {
            digests[number]: Part(dict(zip((_STATES[one] for one in states[::2]), states[1::2], strict=True)), flaps)
            for number, flaps, *states in packed
        }
        durations = dict(zip(classes[::2], classes[1::2], strict=True))
        found.append(Bucket(start + place * width, width, parts, probes, failures, durations, restarts, deaths, ooms))
    return found


def touched(at: int, until: int | None = None) -> tuple[int, int]:
    """The stretch in seconds, at the edges of buckets, that something at `at` changes; a change of state up to the next one.

    A change of state may also make a pause of the two seconds before it. On the very edge it is a flap of the bucket it begins.
    """
    first = at if until is None else at - round(SLACK.total_seconds() * MICRO)
    last = at if until is None else until
    return first // MICRO // FIVE_MINUTES * FIVE_MINUTES, last // MICRO // FIVE_MINUTES * FIVE_MINUTES + FIVE_MINUTES
