"""Long answers of the engine, read within a deadline. Knows HTTP answers, not Docker's objects."""

import contextlib
import json
import os
import signal
import struct
import threading
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests
import urllib3.exceptions

_HEADER = 8
BROKEN_OFF = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)


@contextlib.contextmanager
def cut_off(answer: requests.Response, seconds: float) -> Iterator[threading.Event]:
    """Ends the reading of `answer` after `seconds`, however it trickles; the event tells whether it came to that."""
    passed = threading.Event()

    def cut() -> None:
        passed.set()
        with contextlib.suppress(ValueError, RuntimeError, OSError):  # it has just ended by itself
            answer.raw.shutdown()

    timer = threading.Timer(max(0.0, seconds), cut)
    timer.daemon = True
    timer.start()
    try:
        yield passed
    finally:
        timer.cancel()


def json_lines(answer: requests.Response, cut: threading.Event) -> Iterator[dict[str, Any]]:
    """One message a line. Being cut off is an end like any other."""
    try:
        for line in answer.iter_lines(chunk_size=None):
            if line:
                yield json.loads(line)
    except BROKEN_OFF:
        if not cut.is_set():
            raise


def read_frames(answer: requests.Response, most_bytes: int, cut: threading.Event) -> bytes:
    """The first `most_bytes` of stdout and stderr together, in the order they came; the rest is read and dropped."""
    kept = bytearray()
    try:
        while len(header := answer.raw.read(_HEADER)) == _HEADER:
            (left,) = struct.unpack(">xxxxL", header)
            while left and (part := answer.raw.read(min(left, 65536))):
                kept += part[: most_bytes - len(kept)]
                left -= len(part)
    except BROKEN_OFF:
        if not cut.is_set():
            raise
    return bytes(kept)


def said_at_nano(answer: requests.Response) -> int | None:
    """When the answer began by the other side's clock, in nanoseconds, exact to a second."""
    date = answer.headers.get("Date")
    return int(parsedate_to_datetime(date).timestamp()) * 10**9 if date else None


def kill_in_container(pid: int, container_id: str) -> None:
    """Ends a process of this machine and what it started, if that number really belongs to this container."""
    with contextlib.suppress(OSError):
        process = os.pidfd_open(pid)
        try:
            if container_id in Path(f"/proc/{pid}/cgroup").read_text():
                children = [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in _words(file)]
                signal.pidfd_send_signal(process, signal.SIGKILL)
                for child in children:
                    kill_in_container(child, container_id)
        finally:
            os.close(process)


def _words(file: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return file.read_text().split()
    return []
