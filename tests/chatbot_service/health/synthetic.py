"""An engine that is only clockwork: containers that are probed every so often, events, both as Docker words them.

Time is told to it. It answers with the JSON text that a real one sends, so that reading that is done and measured, too.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from chatbot_service.facts import EngineEvent, SeenContainer, event_facts
from chatbot_service.health.blocks import MICRO
from chatbot_service.health.log import Inspected, inspected
from chatbot_service.models import Service
from deploy_records.errors import Broken

INTERVAL = 10.0
START = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


def docker_time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


@dataclass
class Container:
    id: str
    project: str
    name: str
    started: datetime
    health: str = "healthy"
    state: str = "running"
    image: str = "r/i:1@sha256:" + "1" * 64
    probes: list[dict[str, Any]] = field(default_factory=list)
    next_probe: datetime | None = None
    finished: datetime | None = None
    exit_code: int = 0

    def until(self, now: datetime, interval: float) -> None:
        """All probes up to now; the log holds five."""
        at = self.next_probe or self.started + timedelta(seconds=interval)
        if self.state == "running" and now - at > timedelta(seconds=20 * interval):
            at += timedelta(seconds=(interval + 0.07)) * int((now - at).total_seconds() / (interval + 0.07) - 10)
        while self.state == "running" and at <= now:
            took = 0.05 + (at.microsecond % 977) / 50_000
            code = 0 if self.health == "healthy" else 1
            output = "ok" if code == 0 else "connection refused"
            entry = {
                "Start": docker_time(at),
                "End": docker_time(at + timedelta(seconds=took)),
                "ExitCode": code,
                "Output": output,
            }
            self.probes = [*self.probes[-4:], entry]
            at += timedelta(seconds=interval + took)
        self.next_probe = at


class SyntheticEngine:
    """Raises what `DockerEngine` raises once `away` is set. `told`: every probe that a container made, by its start."""

    def __init__(self, now: datetime = START, interval: float = INTERVAL) -> None:
        self.now, self.interval, self.away = now, interval, False
        self.containers: dict[str, Container] = {}
        self.inspected = 0

    def run(self, service: Service, name: str = "", *, started: datetime | None = None) -> Container:
        made = Container(
            (name or f"c{service.pk:06}").ljust(64, "0"), service.project_name, service.compose_service, started or self.now
        )
        offset = service.pk * 7919 % 10_000 / 10_000 * self.interval
        made.next_probe = made.started + timedelta(seconds=self.interval if started is None else offset)
        self.containers[made.id] = made
        return made

    # As DockerEngine

    def states(self) -> tuple[SeenContainer, ...]:
        self._answer()
        return tuple(
            SeenContainer(one.id, one.name, one.project, one.name, one.state, one.health, "sha256:i", one.image, one_off=False)
            for one in self.containers.values()
        )

    def inspect_health(self, container_id: str, known: Collection[int] = ()) -> Inspected | None:
        self._answer()
        self.inspected += 1
        one = self.containers.get(container_id)
        if one is None:
            return None
        one.until(self.now, self.interval)
        return inspected(json.loads(self._told(one)), known)

    def image(self, _reference: str) -> None:
        return None

    def local_image_ids(self) -> frozenset[str]:
        return frozenset()

    def event(self, action: str, one: Container, at: datetime | None = None, **attributes: str) -> EngineEvent:
        labels = {"com.docker.compose.project": one.project, "com.docker.compose.service": one.name, "image": one.image}
        nano = round((at or self.now).timestamp() * MICRO) * 1000
        return event_facts({"Action": action, "timeNano": nano, "Actor": {"ID": one.id, "Attributes": labels | attributes}})

    def _answer(self) -> None:
        if self.away:
            raise Broken("The engine does not answer.")

    def _told(self, one: Container) -> str:
        """As long as a real answer."""
        return json.dumps({
            "Id": one.id, "Image": "sha256:i", "RestartCount": 0, "Padding": _PADDING,
            "State": {
                "Status": one.state, "StartedAt": docker_time(one.started), "ExitCode": one.exit_code,
                "FinishedAt": docker_time(one.finished) if one.finished else "0001-01-01T00:00:00Z",
                "Health": {"Status": one.health, "Log": one.probes},
            },
            "Config": {
                "Image": one.image, "Env": ["API_KEY=abcdefghijkl", "PORT=8000"],
                "Healthcheck": {
                    "Test": ["CMD", "true"], "Interval": int(self.interval * 1e9), "Timeout": 3 * 10**9, "Retries": 3,
                },
            },
        })  # fmt: skip


_PADDING = [{"Name": f"setting {number}", "Value": ["x" * 30]} for number in range(60)]
