"""Probes and events of five minutes, packed for one row. Pure.

Probes: a line of JSON with the containers and the outputs, each told once, then columns of numbers; about eight bytes a
probe. Moments are microseconds since 1970, as both databases and Docker's own log are at least as exact.
"""

import json
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

STRETCH = 300
MICRO = 1_000_000
MOST_PROBES = 20_000
MOST_EVENTS = 20_000
"""Of one block. What comes beyond that in the same five minutes is dropped: nothing real probes or restarts so often."""
MOST_TEXT = 32_000
"""Characters of all outputs of a block; once they are used up, the rest is cut to `SHORT`."""
SHORT = 100
OUTPUT_OF_FAILURE, OUTPUT_OF_PASS = 2000, 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST = 2**32 - 1
_EXIT_CODES = 2**15 - 1


class Probe(NamedTuple):
    """`duration` in microseconds; never below zero, were the clock set back meanwhile."""

    container: str
    start: int
    duration: int
    exit_code: int
    output: str

    @property
    def failed(self) -> bool:
        return self.exit_code != 0

    @property
    def key(self) -> tuple[int, str]:
        return (self.start, self.container)


class Event(NamedTuple):
    """`action` in Docker's words, `detail` what it adds: a signal, a health, how it became known."""

    container: str
    at: int
    action: str
    exit_code: int
    detail: str

    @property
    def key(self) -> tuple[int, str, str, str]:
        return (self.at, self.container, self.action, self.detail if self.action == "health_status" else "")


T = TypeVar("T", Probe, Event)


def micros(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at)


def block_of(at: int, stretch: int = STRETCH) -> int:
    """Where the block of this moment begins, in seconds."""
    seconds = at // MICRO
    return seconds - seconds % stretch


def merged(kept: Iterable[T], new: Iterable[T], most: int) -> tuple[list[T], list[T]]:
    """All in their order, each once, and those that were not known yet. What was kept first stays as it was."""
    known = {one.key: one for one in kept}
    fresh = []
    for one in new:
        if one.key not in known and len(known) < most:
            known[one.key] = one
            fresh.append(one)
    return sorted(known.values(), key=_by_key), fresh


def _by_key(one: Probe | Event) -> tuple[object, ...]:
    return one.key


def pack_probes(start: int, probes: Sequence[Probe]) -> bytes:
    """`probes` that began within the stretch from `start` on."""
    containers, outputs = _Words(), _Words(MOST_TEXT)
    begin = start * MICRO
    count = len(probes)
    columns = (
        struct.pack(f"<{count}I", *(probe.start - begin for probe in probes)),
        struct.pack(f"<{count}I", *(min(probe.duration, _LONGEST) for probe in probes)),
        struct.pack(f"<{count}h", *(max(-_EXIT_CODES, min(probe.exit_code, _EXIT_CODES)) for probe in probes)),
        struct.pack(f"<{count}H", *(containers.number(probe.container) for probe in probes)),
        struct.pack(f"<{count}H", *(outputs.number(probe.output) for probe in probes)),
    )
    head = json.dumps([containers.words, outputs.words], separators=(",", ":"), ensure_ascii=False).encode()
    shuffled = (_shuffled(column, len(column) // count) if count else b"" for column in columns)
    return zlib.compress(struct.pack("<II", count, len(head)) + head + b"".join(shuffled))


def unpack_probes(start: int, data: bytes) -> list[Probe]:
    raw = zlib.decompress(data)
    count, length = struct.unpack_from("<II", raw)
    containers, outputs = json.loads(raw[8 : 8 + length])
    place = 8 + length
    columns = []
    for kind, width in (("I", 4), ("I", 4), ("h", 2), ("H", 2), ("H", 2)):
        columns.append(struct.unpack(f"<{count}{kind}", _unshuffled(raw[place : place + count * width], count)))
        place += count * width
    begin = start * MICRO
    return [
        Probe(containers[container], begin + offset, duration, exit_code, outputs[output])
        for offset, duration, exit_code, container, output in zip(*columns, strict=True)
    ]


def pack_events(start: int, events: Sequence[Event]) -> bytes:
    containers = _Words()
    begin = start * MICRO
    rows = [[one.at - begin, containers.number(one.container), one.action, one.exit_code, one.detail] for one in events]
    return zlib.compress(json.dumps([containers.words, rows], separators=(",", ":")).encode())


def unpack_events(start: int, data: bytes) -> list[Event]:
    containers, rows = json.loads(zlib.decompress(data))
    begin = start * MICRO
    return [
        Event(containers[container], begin + offset, sys.intern(action), exit_code, detail)
        for offset, container, action, exit_code, detail in rows
    ]


def by_block(found: Iterable[tuple[int, T]], when: Callable[[T], int]) -> dict[tuple[int, int], list[T]]:
    """By service and block."""
    groups: dict[tuple[int, int], list[T]] = {}
    for service, one in found:
        groups.setdefault((service, block_of(when(one))), []).append(one)
    return groups


class _Words:
    """Numbers for words, each kept once; of long ones only as much as the budget has."""

    def __init__(self, budget: int = sys.maxsize) -> None:
        self.words: list[str] = []
        self._numbers: dict[str, int] = {}
        self._left = budget

    def number(self, word: str) -> int:
        known = self._numbers.get(word)
        if known is not None:
            return known
        kept = word if len(word) <= max(self._left, SHORT) else word[:SHORT]
        self._left -= len(kept)
        if kept is not word and kept in self._numbers:
            return self._numbers.setdefault(word, self._numbers[kept])
        self.words.append(kept)
        self._numbers[word] = self._numbers[kept] = len(self.words) - 1
        return len(self.words) - 1


def _shuffled(column: bytes, width: int) -> bytes:
    """The first byte of each number, then the second of each…: like beside like, which compresses better."""
    return b"".join(column[place::width] for place in range(width))


def _unshuffled(column: bytes, count: int) -> bytes:
    back = bytearray(len(column))
    width = len(column) // count if count else 0
    for place in range(width):
        back[place::width] = column[place * count : (place + 1) * count]
    return bytes(back)
