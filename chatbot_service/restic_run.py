"""Runs restic on one repository: one run at a time that changes something, over the locks of runs that died, and never for
long against a place that does not answer.
"""

import fcntl
import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from chatbot_service.child import Command, pieces, run
from chatbot_service.restic_commands import (
    NO_LOCK,
    RETRY_LOCK,
    Place,
    environment,
    general_argv,
    lock_argv,
    locks_argv,
    unlock_argv,
)
from chatbot_service.restic_output import Said
from chatbot_service.restic_words import LOCKED, failure, lock_not_written, unreachable
from deploy_records.errors import Broken

SHORT = 120.0
STALLED = 180.0
LOCK_TIMEOUT = 60.0
_TICK = 0.5
_LONG = 300.0
# Restic tries again for a quarter of an hour, after 1, 2, 3, 5, 8 and then more seconds.
_PATIENCE, _LONG_PATIENCE = 3, 6

Tick = Callable[[Said], None]


@dataclass(frozen=True)
class Done:
    exit_code: int
    said: Said
    output: bytes = field(default=b"", repr=False)


class Runs:
    """`alone` excludes every other run that is `alone`, of workers that died as well; reading needs no such thing."""

    def __init__(self, place: Place, binary: str, locks: Path, cache: Path) -> None:
        name = hashlib.sha256(place.url.encode()).hexdigest()[:32]
        self._place = place
        self._binary = binary
        self._lock = locks / f"restic-{name}.lock"
        self.cache = cache / name
        self._environment = environment(place, self.cache, os.environ)

    def alone(
        self,
        what: str,
        argv: Sequence[str],
        seconds: float = SHORT,
        tick: Tick | None = None,
        *,
        hint: str = "",
        reads: bool = False,
        folder: str = "/",
    ) -> Done:
        """How it ended. `hint` names the key to open with. `reads`: it changes nothing, so it can do without restic's lock.

        `folder`: where it is run.
        """

        def once(command: Sequence[str]) -> Done:
            with self._locked(tick) as lock:
                return self._once(what, command, seconds, tick, lock, {"RESTIC_KEY_HINT": hint} if hint else {}, folder=folder)

        return self._over_locks(once, argv, reads=reads)

    def reading(self, what: str, argv: Sequence[str]) -> bytes:
        """Its standard output."""

        def once(command: Sequence[str]) -> Done:
            return self._once(what, command, SHORT, separately=True)

        done = self._over_locks(once, argv, reads=True)
        if done.exit_code:
            raise self.failed(what, done)
        return done.output

    def stream(self, what: str, argv: Sequence[str]) -> Iterator[bytes]:
        """Its standard output in pieces. Raises at the end if it did not end well."""
        done = yield from self._streamed(argv)
        if done.exit_code == LOCKED:
            self._unlock()
            done = yield from self._streamed([*RETRY_LOCK, *argv])
        if done.exit_code and lock_not_written(done.said.text):
            done = yield from self._streamed([*NO_LOCK, *argv])
        if done.exit_code:
            raise self.failed(what, done)

    def failed(self, what: str, done: Done) -> Exception:
        return failure(what, self._place, done.exit_code, done.said.text)

    def tidy(self) -> None:
        """Removes what a check that died left in the cache. Only while no check runs."""
        for left in self.cache.glob("restic-check-cache-*"):
            shutil.rmtree(left, ignore_errors=True)

    def _over_locks(self, once: Callable[[Sequence[str]], Done], argv: Sequence[str], *, reads: bool) -> Done:
        done = once(argv)
        if done.exit_code == LOCKED:
            self._unlock()
            done = once([*RETRY_LOCK, *argv])
        if reads and done.exit_code and lock_not_written(done.said.text):
            done = once([*NO_LOCK, *argv])
        return done

    def _unlock(self) -> None:
        """Restic takes away the locks of dead processes of this host and those half an hour old. It takes a process for
        alive when there is any of that number, and in a container numbers come again soon.
        """
        self._once("unlock", unlock_argv(), SHORT)
        left = self._once("list locks", locks_argv(), SHORT, separately=True).output.split()
        if left and all(self._is_dead(name.decode()) for name in left):
            self._once("unlock", unlock_argv(everybody=True), SHORT)

    def _is_dead(self, lock: str) -> bool:
        shown = self._once("cat lock", lock_argv(lock), SHORT, separately=True)
        try:
            facts = json.loads(shown.output)
        except ValueError:
            return False
        return bool(facts.get("hostname") == socket.gethostname() and not _runs_restic(facts.get("pid")))

    def _once(  # noqa: PLR0917 - private, and said in few words where it is called
        self,
        what: str,
        argv: Sequence[str],
        seconds: float,
        tick: Tick | None = None,
        lock: IO[bytes] | None = None,
        more: Mapping[str, str] | None = None,
        *,
        separately: bool = False,
        folder: str = "/",
    ) -> Done:
        said = Said()
        command = Command(
            self._argv(argv), self._environment | dict(more or {}), seconds,
            lock=lock, stops=True, separately=separately, folder=folder,
        )  # fmt: skip
        ran = run(command, self._hears(said, _LONG_PATIENCE if seconds >= _LONG else _PATIENCE), _now_and_then(tick, said))
        if not ran.in_time:
            raise self._late(what, said, seconds)
        return Done(ran.exit_code, said, ran.output)

    def _streamed(self, argv: Sequence[str]) -> Generator[bytes, None, Done]:
        said = Said()
        command = Command(self._argv(argv), self._environment, STALLED, stops=True)
        ran = yield from pieces(command, self._hears(said, _LONG_PATIENCE))
        if not ran.in_time:
            raise self._late(argv[0], said, STALLED)
        return Done(ran.exit_code, said)

    def _hears(self, said: Said, patience: int) -> Callable[[str], None]:
        def heard(line: str) -> None:
            said.hear(line)
            if said.retries >= patience:
                raise unreachable(self._place, said.text)

        return heard

    def _late(self, what: str, said: Said, seconds: float) -> Exception:
        if said.retries:
            return unreachable(self._place, said.text)
        return Broken(f"restic {what} did not end in {seconds:.0f} s and was stopped.")

    def _argv(self, argv: Sequence[str]) -> list[str]:
        return [self._binary, *general_argv(self._place), *argv]

    @contextmanager
    def _locked(self, tick: Tick | None) -> Iterator[IO[bytes]]:
        """The lock's file, for the child to inherit: as long as the child lives it holds the lock, whatever becomes of us."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        ends = time.monotonic() + LOCK_TIMEOUT
        with self._lock.open("ab") as lock:
            while not _taken(lock):
                if time.monotonic() > ends:
                    raise Broken(
                        f"Another restic run on {self._place.shown} has not ended in {LOCK_TIMEOUT:.0f} s. "
                        "See whether one hangs on the host (ps -C restic), end it, and try again."
                    )
                if tick:
                    tick(Said())
                time.sleep(0.05)
            yield lock


def _taken(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _now_and_then(tick: Tick | None, said: Said) -> Callable[[], None] | None:
    if not tick:
        return None
    last = 0.0

    def ticks() -> None:
        nonlocal last
        if time.monotonic() - last >= _TICK:
            last = time.monotonic()
            tick(said)

    return ticks


def _runs_restic(pid: object) -> bool:
    try:
        name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
    except OSError:
        return False
    return name.startswith("restic") and rest.split()[0] not in {"Z", "X"}  # one that nobody has buried is dead as well
