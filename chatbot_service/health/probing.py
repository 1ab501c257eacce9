"""Which containers to inspect when, so that no probe leaves Docker's health log unread. Bounded in calls, memory and time."""

import heapq
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from chatbot_service.health.log import Inspected
from chatbot_service.jobs.ports import Healthcheck
from deploy_records.errors import Broken, Refused

INTERVALS = 3.0
"""The log holds five probes: read every three intervals, two are left for a watcher that begins anew."""
LEAST, MOST = 1.0, 300.0
UNPROBED = 60.0
AGAIN = 2.0
MOST_AT_ONCE = 200
LONGEST = 1.0
"""Seconds that one round may take; what is due then waits for the next."""


class Engine(Protocol):
    def inspect_health(self, container_id: str, known: frozenset[int] = ...) -> Inspected | None: ...


class Prober:
    def __init__(self, engine: Engine, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._monotonic = monotonic
        self._services: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._logs: dict[str, frozenset[int]] = {}
        self._looked: dict[str, float] = {}

    def track(self, services: Mapping[str, int]) -> None:
        """The containers there are, each with the number of its service; others are forgotten."""
        for container in self._services.keys() - services.keys():
            self._forget(container)
        for container, service in services.items():
            self.add(container, service)

    def add(self, container: str, service: int) -> None:
        if container not in self._services:
            self._plan(container, self._monotonic())
        self._services[container] = service

    def soon(self, container: str, service: int) -> None:
        """Something was told of it. A container that is told of all the time is inspected once a second."""
        self._services[container] = service
        last = self._looked.get(container)
        self._plan(container, self._monotonic() if last is None else max(self._monotonic(), last + LEAST))

    def inspect_due(self) -> list[tuple[int, Inspected]]:
        """`Broken` only if not a single one could be inspected."""
        begun, found = self._monotonic(), list[tuple[int, Inspected]]()
        for _ in range(MOST_AT_ONCE):
            container = self._next(begun)
            if container is None or self._monotonic() - begun > LONGEST:
                break
            try:
                seen = self.inspect(container)
            except (Broken, Refused):
                self._plan(container, self._monotonic() + AGAIN)
                if not found:
                    raise
                break
            if seen is not None:
                found.append((self._services[container], seen))
            else:
                self._forget(container)
        return found

    def inspect(self, container: str, *, whole: bool = False) -> Inspected | None:
        """With the new probes; `whole`: with all that are in the log."""
        seen = self._engine.inspect_health(container, frozenset() if whole else self._logs.get(container, frozenset()))
        now = self._monotonic()
        if seen is not None:
            self._logs[container], self._looked[container] = seen.log, now
            self._plan(container, now + _every(seen.healthcheck), sooner=False)
        return seen

    def again(self, container: str) -> None:
        """What was inspected could not be kept: the whole log counts as unread."""
        self._logs.pop(container, None)
        if container in self._services:
            self._plan(container, self._monotonic() + AGAIN)

    def _next(self, until: float) -> str | None:
        """The heap may hold moments that were replanned since."""
        while self._heap and self._heap[0][0] <= until:
            at, container = heapq.heappop(self._heap)
            if self._due.get(container) == at:
                del self._due[container]
                return container
        return None

    def _plan(self, container: str, at: float, *, sooner: bool = True) -> None:
        known = self._due.get(container)
        if known is not None and sooner and known <= at:
            return
        self._due[container] = at
        heapq.heappush(self._heap, (at, container))
        if len(self._heap) > 4 * len(self._due) + 100:
            self._heap = [(moment, one) for one, moment in self._due.items()]
            heapq.heapify(self._heap)

    def _forget(self, container: str) -> None:
        for known in (self._services, self._due, self._logs, self._looked):
            known.pop(container, None)


def _every(check: Healthcheck) -> float:
    return min(max(check.interval * INTERVALS, LEAST), MOST) if check.exists else UNPROBED
