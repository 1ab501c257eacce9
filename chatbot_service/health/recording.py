"""Keeps what one host's engine tells and shows: events as they come, probes before Docker forgets them, in one batch a second.

Whatever comes faster than it can be written waits, first in a queue of bounded length, then at the engine. What could not be
written is tried again; probes are read anew from the health log.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import Error
from django.utils import timezone

from chatbot_service.facts import EngineEvent
from chatbot_service.health import rolling
from chatbot_service.health.blocks import micros
from chatbot_service.health.bridge import bridges
from chatbot_service.health.probing import Engine, Prober
from chatbot_service.health.standing import last_before
from chatbot_service.health.writing import Batch, HealthWriter
from chatbot_service.models import HealthWatch, Host, Service
from deploy_records.errors import Broken, Refused

log = logging.getLogger(__name__)

MOST_WAITING, MOST_AT_ONCE = 20_000, 5_000
ALIVE_EVERY = 5.0
ROLL_EVERY, FORGET_EVERY = 30.0, 3600.0
SHORTEST_GAP = timedelta(seconds=2)
LONGEST_BRIDGE = timedelta(minutes=30)
SET_BACK, SET_FORWARD = timedelta(seconds=2), timedelta(seconds=5)
LONGEST_TURN = timedelta(seconds=30)
"""From one record to the next: after more than that nobody can be said to have watched meanwhile."""
TELLING = frozenset({"start", "die", "oom", "health_status: healthy", "health_status: unhealthy"})
"""After these the health log holds something new, or how it ended."""


@dataclass(frozen=True)
class Seen:
    """A service's container as a look at all of them found it; `container` is empty if there is none."""

    container: str
    digest: str


class Recorder:
    """`hear` may be called by another thread; everything else by the one that looks."""

    def __init__(
        self,
        host: Host,
        engine: Engine,
        *,
        clock: Callable[[], datetime] = timezone.now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        watched = HealthWatch.objects.filter(host=host).first()
        since = watched.alive_at if watched else None
        self._host = host
        self._clock, self._monotonic = clock, monotonic
        self._writer = HealthWriter(host, since)
        self._prober = Prober(engine, monotonic)
        self._queue: queue.Queue[tuple[int, EngineEvent]] = queue.Queue(MOST_WAITING)
        self._pending = Batch()
        self._heard: dict[int, float] = {}
        self._gap = since
        self._deaf_since: datetime | None = None
        self._contact = since
        self._wall, self._steady = clock(), monotonic()
        self._alive_due = self._roll_due = 0.0
        self._forget_due = monotonic() + FORGET_EVERY / 60
        self.events_until = watched.events_until if watched else 0

    @property
    def contact(self) -> datetime | None:
        """When the engine last told or showed something."""
        return self._contact

    # Told by others

    def hear(self, service: int, event: EngineEvent, stop: threading.Event | None = None) -> None:
        """Waits while too much is waiting already, unless `stop` is set."""
        self._heard[service] = self._monotonic()
        self.events_until = max(self.events_until, event.at_nano)
        while True:
            try:
                self._queue.put((service, event), timeout=1.0)
            except queue.Full:
                if stop is not None and stop.is_set():
                    return
            else:
                return

    def heard_since(self, service: int, moment: float) -> bool:
        """Whether something was told since a moment of the steady clock: then what was seen before may be no longer so."""
        return self._heard.get(service, -1.0) >= moment

    def lost_events(self) -> None:
        """The stream of events broke: what happens from the last contact on is to be proved or unknown."""
        if self._deaf_since is None:
            self._deaf_since = self._contact

    def lost_sight(self) -> None:
        """The engine does not answer at all."""
        self.lost_events()
        if self._gap is None and self._deaf_since is not None:
            self._gap = self._writer.since = self._deaf_since
        self._deaf_since = None

    def saw(self, found: Mapping[int, Seen], all_containers: Mapping[str, int]) -> None:
        """A look at all containers, before anything of it is written."""
        if self._deaf_since is not None:
            self.lost_sight()
        self._notice_clock()
        self._contact = self._clock()
        self._prober.track(all_containers)
        self._writer.forget_all_but(frozenset(all_containers))
        if self._gap is not None:
            self._close_gap(found)
        self.write_heard()
        for service, seen in found.items():
            if seen.container and not self.heard_since(service, self._monotonic() - 1.0):
                self._writer.knows(service, seen.container, seen.digest)

    # Once a second

    def record(self) -> None:
        """`Broken` when the engine does not answer; what had come before is written."""
        self._notice_clock()
        self._drain()
        try:
            self._pending.looks += self._prober.inspect_due()
            if self._pending.looks:
                self._contact = self._clock()
        finally:
            self._write()
        self._keep_up()

    def write_heard(self) -> None:
        self._drain()
        self._write()

    def _drain(self) -> None:
        while len(self._pending.events) < MOST_AT_ONCE:
            try:
                service, event = self._queue.get_nowait()
            except queue.Empty:
                return
            self._pending.events.append((service, event))
            if event.action in TELLING:
                self._prober.soon(event.container_id, service)

    def _write(self) -> None:
        batch, now = self._pending, self._clock()
        if not batch:
            return
        self._pending = Batch()
        try:
            self._writer.write(batch, now, alive=self._is_whole)
        except Error:
            self._pending = Batch(events=batch.events)
            for _service, seen in batch.looks:
                self._prober.again(seen.container)
            raise
        self._alive_due = self._monotonic() + ALIVE_EVERY

    @property
    def _is_whole(self) -> bool:
        """No gap is open of which nothing is written yet."""
        return self._gap is None and self._deaf_since is None

    def _keep_up(self) -> None:
        now = self._monotonic()
        if now >= self._alive_due and self._is_whole and self._contact is not None:
            self._writer.alive(self._contact)
            self._alive_due = now + ALIVE_EVERY
        if now >= self._roll_due and self._is_whole and not rolling.roll(self._host, self._clock()):
            self._roll_due = now + ROLL_EVERY
        if now >= self._forget_due:
            rolling.forget_old(self._host, self._clock())
            self._forget_due = now + FORGET_EVERY

    # Time

    def _notice_clock(self) -> None:
        """Set back: until it has come as far again, nothing is written before what was known already. Set forward, or this
        process stood still: a stretch in which nobody watched.
        """
        wall, steady = self._clock(), self._monotonic()
        turn = timedelta(seconds=steady - self._steady)
        step = (wall - self._wall) - turn
        if step < -SET_BACK:
            log.warning("%s: the clock was set back by %s", self._host, -step)
            self._writer.not_before = max(self._wall, self._writer.not_before or self._wall)
        elif self._writer.not_before is not None and wall > self._writer.not_before:
            self._writer.not_before = None
        if (step > SET_FORWARD or turn > LONGEST_TURN) and self._contact is not None and self._gap is None:
            self._gap = self._writer.since = min(self._contact, self._wall)
        self._wall, self._steady = wall, steady

    def _close_gap(self, found: Mapping[int, Seen]) -> None:
        """Of each service either the health log proves that nothing changed, or the gap is unknown."""
        since, now = self._gap, self._clock()
        assert since is not None  # noqa: S101 - asked by the caller
        if now - since > SHORTEST_GAP:
            proved = set(self._bridged(found, since, now)) if now - since <= LONGEST_BRIDGE else set()
            self._writer.note_gap(found.keys() - proved, since, now)
            Service.objects.filter(pk__in=proved).update(seen_at=now)
        self._gap = None

    def _bridged(self, found: Mapping[int, Seen], since: datetime, now: datetime) -> Iterable[int]:
        last = last_before(found, now + timedelta(days=1))
        for service, seen in found.items():
            before = last.get(service)
            if before is None or not seen.container:
                continue
            try:
                look = self._prober.inspect(seen.container, whole=True)
            except (Broken, Refused):
                return  # the next look tells of it
            if look is not None:
                self._pending.looks.append((service, look))
                if bridges(look, before.state, micros(since), micros(now)):
                    yield service
