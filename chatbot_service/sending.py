"""From a worker to the web process: a stream through a socket in the state folder. So the web needs no credentials."""

import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from chatbot_service.jobs.backup_ports import Measure, Measured
from deploy_records.errors import Broken, Refused

WAIT = 60.0
SILENCE = 60.0
LOOK_EVERY = 0.5
_LONGEST_PATH = 107
"""Bytes in the address of a unix socket, without its closing NUL."""


class Socket:
    """`path`: where the one who asked connects; the end of the stream is told by the job's state, not by the stream."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, pieces: Iterator[bytes], measured: Measured) -> int:
        sent = 0
        with self._reader(measured) as reader:
            reader.settimeout(SILENCE)
            for piece in pieces:
                try:
                    reader.sendall(piece)
                except OSError as error:
                    raise Broken("Whoever asked for it no longer reads, so the rest was not sent.") from error
                sent += len(piece)
                measured(Measure(bytes_done=sent))
        return sent

    def _reader(self, measured: Measured) -> socket.socket:
        if len(str(self._path).encode()) > _LONGEST_PATH:
            raise Refused(f"{self._path} is too long for a socket. Choose a shorter KG_STATE_DIR.")
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path.unlink(missing_ok=True)
        with closing(socket.socket(socket.AF_UNIX)) as door:
            door.bind(str(self._path))
            try:
                self._path.chmod(0o600)
                door.listen(1)
                return _accepted(door, measured)
            finally:
                self._path.unlink(missing_ok=True)


def _accepted(door: socket.socket, measured: Measured) -> socket.socket:
    door.settimeout(LOOK_EVERY)
    ends = time.monotonic() + WAIT
    while time.monotonic() < ends:
        with suppress(TimeoutError):
            return door.accept()[0]
        measured(Measure())
    raise Refused("Nobody came for it within a minute. Start the download again.")
