"""Runs programs side by side: starts them, restarts what fails, stops them together in order.

Executed by path and without Django, so that the one process that only waits stays small.
The programs come as data: `portal.processes` says what to run, this file does it.
"""

import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

STEADY_SECONDS = 30.0
"""A program that ran this long before it ended is restarted as if it had never failed."""
LONGEST_PAUSE = 30.0
READY_WITHIN = 60.0
PROBE_EVERY = 0.1
LONGEST_LINE = 4000
IMPATIENT_AFTER = 1.0
"""Seconds: a second signal earlier than this is the same request heard twice, from a terminal and from make."""
_PR_SET_PDEATHSIG = 1
_SERVER_ERROR = 500


@dataclass(frozen=True)
class Program:
    name: str
    argv: tuple[str, ...]
    stage: int = 0
    """Programs of a lower stage stop after those of a higher one."""
    grace: float = 10.0
    """Seconds from SIGTERM to SIGKILL."""
    ready: str = ""
    """`tcp://HOST:PORT`, `unix://PATH` or `http://…` that answers once it is up; empty: up when started."""
    env: Mapping[str, str] = field(default_factory=dict)
    unsaid: tuple[str, ...] = ()
    """A line that contains one of these is not shown."""


@dataclass(frozen=True)
class Plan:
    programs: tuple[Program, ...]
    address: str
    notes: tuple[str, ...] = ()
    """Lines to say once everything is up."""
    then: tuple[str, ...] = ()
    """A command to run once everything is up, in the same terminal."""
    then_done: str = ""
    """File that is written when that command has succeeded."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        raw = json.loads(text)
        programs = tuple(
            Program(**(each | {"argv": tuple(each["argv"]), "unsaid": tuple(each["unsaid"])})) for each in raw["programs"]
        )
        return cls(**(raw | {"programs": programs, "notes": tuple(raw["notes"]), "then": tuple(raw["then"])}))


def pause_before_restart(failures_in_a_row: int) -> float:
    """Seconds: 1, 2, 4, … up to half a minute."""
    return min(LONGEST_PAUSE, 2.0 ** min(failures_in_a_row - 1, 10))


def stop_order(programs: Iterable[Program]) -> list[list[str]]:
    """Names in the order in which they stop; those of one list at the same time."""
    by_stage: dict[int, list[str]] = {}
    for program in programs:
        by_stage.setdefault(program.stage, []).append(program.name)
    return [by_stage[stage] for stage in sorted(by_stage, reverse=True)]


def how_it_ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def printable(raw: bytes) -> str:
    text = raw.decode(errors="replace").rstrip()[:LONGEST_LINE]
    return "".join(c for c in text if c == "\t" or c.isprintable())


def answers(where: str) -> bool:
    url = urlsplit(where)
    try:
        if url.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as plug:
                plug.settimeout(1)
                plug.connect(url.path)
        elif url.scheme == "tcp":
            socket.create_connection((url.hostname or "", url.port or 0), timeout=1).close()
        else:
            return _http_status(url.hostname or "", url.port or 80, url.path or "/") < _SERVER_ERROR
    except (OSError, ValueError):
        return False
    return True


def _http_status(host: str, port: int, path: str) -> int:
    """By hand: http.client takes 5 MB, for as long as the supervisor lives. `ValueError` if it is no HTTP."""
    with socket.create_connection((host, port), timeout=5) as plug:
        name = f"[{host}]" if ":" in host else host
        plug.sendall(f"GET {path} HTTP/1.0\r\nHost: {name}:{port}\r\n\r\n".encode())
        protocol, _, rest = plug.makefile("rb").readline(200).decode("latin-1").partition(" ")
    if not protocol.startswith("HTTP/"):
        raise ValueError(protocol)
    return int(rest[:3])


def _die_with_parent(parent: int) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)

    def in_child() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return in_child


class Child:
    """One program and its present process."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.failures = 0
        self.start_at: float | None = None
        """When to start it again; None while it runs."""

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def spawn(self, now: float) -> IO[bytes]:
        self.started_at, self.start_at = now, None
        self.process = subprocess.Popen(  # noqa: S603 - argv comes from portal.processes
            self.program.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.program.env},
            # Its own group: Ctrl-C reaches the supervisor alone, which then stops them in order.
            process_group=0,
            preexec_fn=_die_with_parent(os.getpid()),  # noqa: PLW1509 - this process has one thread
        )
        if self.process.stdout is None:
            raise RuntimeError(self.program.name)
        return self.process.stdout

    def ended(self, now: float) -> int | None:
        """The exit code, once; plans the next start."""
        if not self.alive or self.process is None or self.process.poll() is None:
            return None
        steady = now - self.started_at >= STEADY_SECONDS
        self.failures = 1 if steady else self.failures + 1
        self.start_at = now + pause_before_restart(self.failures)
        return int(self.process.returncode)

    def signal_group(self, number: signal.Signals) -> None:
        if self.process is not None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass

    def ask_to_stop(self) -> None:
        # The main process alone: it knows in which order its own children stop.
        if self.alive and self.process is not None:
            self.process.terminate()


class Supervisor:
    def __init__(self, plan: Plan, out: IO[str], clock: Callable[[], float] = time.monotonic) -> None:
        self.plan = plan
        self.children = {program.name: Child(program) for program in plan.programs}
        self.begun_at = clock()
        self._out, self._clock = out, clock
        self._colours = out.isatty()
        self._width = max((len(name) for name in self.children), default=0)
        self._selector = selectors.DefaultSelector()
        self._asked_at: list[float] = []
        """When it was asked to stop."""
        self._then: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        self._listen_for_signals()
        for child in self.children.values():
            self._start(child)
        if self._until_ready():
            self._announce()
            self._start_then()
            while not self._asked_at:
                self._turn(self._next_start())
        self._stop_all()
        return 0

    def say(self, text: str) -> None:
        self._write(f"· {text}")

    # the loop

    def _turn(self, timeout: float | None) -> None:
        for key, _ in self._selector.select(timeout):
            key.data(key.fileobj)
        now = self._clock()
        for child in self.children.values():
            code = child.ended(now)
            if code is not None and not self._asked_at:
                pause = pause_before_restart(child.failures)
                self.say(f"{child.program.name} {how_it_ended(code)}; starting it again in {pause:.0f} s")
            if child.start_at is not None and child.start_at <= now and not self._asked_at:
                self._start(child)
        self._see_then_through()

    def _next_start(self) -> float | None:
        waiting = [child.start_at for child in self.children.values() if child.start_at is not None]
        return max(0.0, min(waiting) - self._clock()) if waiting else None

    def _start(self, child: Child) -> None:
        try:
            pipe = child.spawn(self._clock())
        except OSError as error:
            child.failures += 1
            child.start_at = self._clock() + pause_before_restart(child.failures)
            self.say(f"{child.program.name} cannot be started: {error.strerror}: {child.program.argv[0]}")
            return
        os.set_blocking(pipe.fileno(), False)
        self._selector.register(pipe, selectors.EVENT_READ, _Lines(self, child.program.name))

    def forget(self, pipe: IO[bytes]) -> None:
        self._selector.unregister(pipe)
        pipe.close()

    # signals

    def _listen_for_signals(self) -> None:
        here, there = socket.socketpair()
        here.setblocking(False)
        there.setblocking(False)
        signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
        self._wakeup = there
        self._selector.register(here, selectors.EVENT_READ, lambda plug: plug.recv(4096))
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._asked_at.append(self._clock()))

    # ready, and then

    def _until_ready(self) -> bool:
        """False if asked to stop before everything was up."""
        waiting = {child.program.name: child.program.ready for child in self.children.values() if child.program.ready}
        while waiting and self._clock() - self.begun_at < READY_WITHIN and not self._asked_at:
            self._turn(PROBE_EVERY)
            for name in [name for name, where in waiting.items() if self.children[name].alive and answers(where)]:
                del waiting[name]
        for name in waiting if not self._asked_at else ():
            self.say(f"{name} does not answer yet after {READY_WITHIN:.0f} s; its lines above may say why")
        return not self._asked_at

    def _announce(self) -> None:
        for note in self.plan.notes:
            self.say(note)
        self.say(f"Known Good is ready at {self.plan.address} ({self._clock() - self.begun_at:.1f} s). Ctrl-C stops it.")

    def _start_then(self) -> None:
        if self.plan.then:
            self._then = subprocess.Popen(  # noqa: S603 - argv comes from portal.processes
                self.plan.then,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},  # its progress is to be seen as it happens, through a pipe as well
                process_group=0,
                preexec_fn=_die_with_parent(os.getpid()),  # noqa: PLW1509 - this process has one thread
            )

    def _see_then_through(self) -> None:
        if self._then is None or self._then.poll() is None:
            return
        code, self._then = self._then.returncode, None
        if code == 0 and self.plan.then_done:
            Path(self.plan.then_done).touch()
        elif code:
            self.say(f"{' '.join(self.plan.then[-2:])} {how_it_ended(code)}; it is tried again at the next start")

    # the end

    def _stop_all(self) -> None:
        if self._then is not None:
            self._then.terminate()
        for names in stop_order(self.plan.programs):
            children = [self.children[name] for name in names if self.children[name].alive]
            if children:
                self.say(f"stopping {', '.join(child.program.name for child in children)}")
            for child in children:
                child.ask_to_stop()
            self._wait_for(children)
            for child in children:
                child.signal_group(signal.SIGKILL)  # also what a program left behind
        self.say("Known Good has stopped.")

    def _wait_for(self, children: list[Child]) -> None:
        begun_at = self._clock()
        told = set()
        while alive := [child for child in children if child.alive]:
            self._turn(PROBE_EVERY)
            for child in alive:
                if child.alive and (self._asked_again or self._clock() - begun_at >= child.program.grace):
                    child.signal_group(signal.SIGKILL)
                    if child not in told:
                        self.say(f"{child.program.name} did not stop in time and is ended")
                        told.add(child)

    @property
    def _asked_again(self) -> bool:
        return self._asked_at[-1] - self._asked_at[0] > IMPATIENT_AFTER

    # words

    def line(self, name: str, text: str) -> None:
        label = f"{name:<{self._width}} │"
        self._write(f"\x1b[2m{label}\x1b[0m {text}" if self._colours else f"{label} {text}")

    def _write(self, text: str) -> None:
        try:
            self._out.write(text + "\n")
            self._out.flush()
        except OSError:  # the terminal has gone; the programs go on until they are told
            pass


class _Lines:
    """Reads a program's pipe and passes on whole lines."""

    def __init__(self, supervisor: Supervisor, name: str) -> None:
        self._supervisor, self._name, self._rest = supervisor, name, b""
        self._unsaid = supervisor.children[name].program.unsaid

    def __call__(self, pipe: IO[bytes]) -> None:
        chunk = os.read(pipe.fileno(), 65536)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if not chunk or len(self._rest) > LONGEST_LINE:
            lines, self._rest = [*lines, self._rest], b""
        for raw in lines:
            text = printable(raw)
            if text and not any(each in text for each in self._unsaid):
                self._supervisor.line(self._name, text)
        if not chunk:
            self._supervisor.forget(pipe)


def main(arguments: list[str]) -> int:
    plan = Plan.from_json(Path(arguments[0]).read_text())
    return Supervisor(plan, sys.stdout).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
