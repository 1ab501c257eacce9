"""Runs another program: bounded in time, in a process group of its own, its lines told as they come."""

import functools
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, cast

from chatbot_service.foreign_text import neutral, one_line
from deploy_records.errors import Broken

# More often would take processor time from what the child is doing, and that is somebody's downtime.
_LOOK_EVERY_MS = 200
_PIPE = 1024 * 1024  # the most that any user may have: a stream stops less often for us
_MOST_LINES = 500
_MOST_OUTPUT = 16 * 1024 * 1024


@dataclass(frozen=True)
class Command:
    """`given` is its standard input. `separately`: standard output is returned instead of told line by line.

    `finishes`: it goes on if we die, as being killed half way does more harm than being late; else it dies with us.
    `lock`: an open file that it inherits and that we close at once: the lock on it is then its own.
    `folder`: where it stands. `stops`: an exception from a listener kills it at once; else that is raised when it has ended.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    seconds: float
    given: bytes = field(default=b"", repr=False)
    separately: bool = False
    finishes: bool = False
    lock: IO[bytes] | None = None
    stops: bool = False
    folder: str = "/"


@dataclass(frozen=True)
class Ran:
    """`exit_code` is minus the signal that ended it. `lines`: the first ones; a listener hears them all."""

    exit_code: int
    lines: tuple[str, ...]
    output: bytes = field(default=b"", repr=False)
    in_time: bool = True


def run(command: Command, heard: Callable[[str], None] | None = None, tick: Callable[[], None] | None = None) -> Ran:
    """`tick` is called several times a second, whether anything is said or not."""
    with _memory(command.given) as stdin, _memory() as stdout, _memory() as stderr:
        child = _started(command, stdin, stdout if command.separately else stderr, stderr)
        hearing = _Hearing(stderr.fileno(), heard, tick)
        try:
            in_time = _followed(child, hearing, command)
        finally:
            _end(child)
        hearing.look(last=True)
        if hearing.error:
            raise hearing.error
        output = os.pread(stdout.fileno(), _MOST_OUTPUT, 0) if command.separately else b""
        return Ran(child.returncode, tuple(hearing.lines), output, in_time)


def pieces(command: Command, heard: Callable[[str], None] | None = None, most: int = 256 * 1024) -> Generator[bytes, None, Ran]:
    """Its standard output as it comes, each piece at most `most` bytes; it waits while nobody takes the next one.

    `seconds` is the longest wait for a piece. What it says beside is heard while it is waited for. When the generator is
    closed early, the child is killed.
    """
    with _memory(command.given) as stdin, _memory() as stderr:
        child = _started(command, stdin, subprocess.PIPE, stderr)
        hearing = _Hearing(stderr.fileno(), heard)
        in_time = False
        try:
            out = cast(IO[bytes], child.stdout)
            while in_time := _comes(out, hearing, command):
                piece = os.read(out.fileno(), most)
                if not piece:
                    break
                yield piece
            if in_time:  # it has closed its output, so it is about to end
                child.wait(timeout=command.seconds)
        except subprocess.TimeoutExpired:
            in_time = False
        finally:
            _end(child)
        hearing.look(last=True)
        if hearing.error:
            raise hearing.error
        return Ran(child.returncode, tuple(hearing.lines), in_time=in_time)


def _comes(out: IO[bytes], hearing: "_Hearing", command: Command) -> bool:
    """Whether there is something to read, or the end."""
    ends = time.monotonic() + command.seconds
    poll = select.poll()
    poll.register(out, select.POLLIN)
    while not poll.poll(_LOOK_EVERY_MS):
        hearing.look()
        if (hearing.error and command.stops) or time.monotonic() > ends:
            return False
    return True


def _started(command: Command, stdin: IO[bytes], stdout: IO[bytes] | int, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    """Output that is not streamed goes to files in memory: writing to the pipe of a worker that died would end the child."""
    with_us = _ended_after(command.seconds) if command.finishes else _dying_with_us()
    try:
        child = subprocess.Popen(  # noqa: S603 - argv only, no shell
            [*with_us, *command.argv],
            stdin=stdin, stdout=stdout, stderr=stderr, env=dict(command.environment), cwd=command.folder, process_group=0,
            pass_fds=(command.lock.fileno(),) if command.lock else (), pipesize=_PIPE,
        )  # fmt: skip
    except OSError as error:
        raise Broken(f"{command.argv[0]} cannot be run: {one_line(str(error))}") from error
    if command.lock:
        command.lock.close()  # only the child has it now: if we are stopped or killed, it is free when the child ends
    return child


def _followed(child: subprocess.Popen[bytes], hearing: "_Hearing", command: Command) -> bool:
    """Until it ends; False if that was not in time and it was killed."""
    ends = time.monotonic() + command.seconds
    with _watched(child) as ended:
        while not ended.poll(_LOOK_EVERY_MS):
            hearing.look()
            hearing.ticks()
            if hearing.error and command.stops:
                return True
            if time.monotonic() > ends:
                return False
    return True


@contextmanager
def _watched(child: subprocess.Popen[bytes]) -> Iterator[select.poll]:
    descriptor = os.pidfd_open(child.pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        yield poll
    finally:
        os.close(descriptor)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stdout:
        child.stdout.close()


class _Hearing:
    """Reads lines from a file that the child is still writing."""

    def __init__(self, descriptor: int, heard: Callable[[str], None] | None, tick: Callable[[], None] | None = None) -> None:
        self.lines: list[str] = []
        self.error: Exception | None = None
        self._descriptor = descriptor
        self._heard = heard
        self._tick = tick
        self._at = 0
        self._rest = b""

    def look(self, *, last: bool = False) -> None:
        while part := os.pread(self._descriptor, 65536, self._at):
            self._at += len(part)
            *whole, self._rest = (self._rest + part).split(b"\n")
            for raw in whole:
                self._hear(raw)
        if last and self._rest:
            self._hear(self._rest)

    def ticks(self) -> None:
        if self._tick:
            self._listen(self._tick)

    def _hear(self, raw: bytes) -> None:
        line = neutral(raw.decode("utf-8", "replace"))
        if len(self.lines) < _MOST_LINES:
            self.lines.append(line)
        if self._heard:
            self._listen(functools.partial(self._heard, line))

    def _listen(self, listener: Callable[[], None]) -> None:
        if self.error:
            return
        try:
            listener()
        except Exception as error:  # noqa: BLE001 - kept, and raised when the child has ended
            self.error = error


@contextmanager
def _memory(content: bytes = b"") -> Iterator[IO[bytes]]:
    """A file that never touches a disk, as it may hold secrets. What is written goes to its end, whoever reads meanwhile."""
    with os.fdopen(os.memfd_create("child"), "r+b", buffering=0) as file:
        file.write(content)
        file.seek(0)
        yield file


@functools.cache
def _dying_with_us() -> tuple[str, ...]:
    """A small program that asks the kernel to kill the child when the thread that started it ends.

    Not by preexec_fn: Python code between fork and exec can hang in a process with threads.
    """
    program = shutil.which("setpriv")
    return (program, "--pdeathsig", "KILL", "--") if program else ()


def _ended_after(seconds: float) -> tuple[str, ...]:
    """A small program that ends the child some seconds after we should have, if we are no longer there to do it."""
    program = shutil.which("timeout")
    return (program, "--signal=KILL", str(int(seconds) + 5)) if program else ()
