"""Samples of what a container used, packed: those of four hours in one row, a sample in 66 bytes. Pure."""

import struct
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from chatbot_service.jobs.look_ports import Usage

WIDTH = 4 * 3600
_SAMPLE = struct.Struct("<IdQQQQQQIH")
_MOST_CPUS = 0xFFFF
_MOST_WHOLE = 0xFFFFFFFF


def start_of(at: datetime) -> int:
    """Of the stretch that a moment belongs to, in seconds since 1970."""
    second = int(at.timestamp())
    return second - second % WIDTH


def packed(samples: Iterable[Usage]) -> bytes:
    return b"".join(map(_pack, samples))


def unpacked(data: bytes) -> list[Usage]:
    """A torn end is left out."""
    whole = len(data) - len(data) % _SAMPLE.size
    return list(_unpack(data[:whole]))


def _pack(one: Usage) -> bytes:
    return _SAMPLE.pack(
        int(one.at.timestamp()), one.cpu_seconds, one.memory, one.memory_limit, one.received, one.sent, one.read, one.written,
        min(one.processes, _MOST_WHOLE), min(one.cpus, _MOST_CPUS),
    )  # fmt: skip


def _unpack(data: bytes) -> Iterator[Usage]:
    for at, cpu, memory, limit, received, sent, read, written, processes, cpus in _SAMPLE.iter_unpack(data):
        yield Usage(
            at=datetime.fromtimestamp(at, UTC), cpu_seconds=cpu, cpus=cpus, memory=memory, memory_limit=limit,
            processes=processes, received=received, sent=sent, read=read, written=written,
        )  # fmt: skip
