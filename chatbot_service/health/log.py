"""What an inspect says of a container's health: its healthcheck, and the probes in Docker's health log. Pure.

The log holds the last five probes, each with at most 4 KB of output, whatever the probe wrote.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chatbot_service.facts import healthcheck_facts
from chatbot_service.facts import moment as docker_moment
from chatbot_service.foreign_text import cut, neutral
from chatbot_service.health.blocks import OUTPUT_OF_FAILURE, OUTPUT_OF_PASS, Probe, micros
from chatbot_service.jobs.ports import Healthcheck
from chatbot_service.masking import masked, secrets_of

LOG_HOLDS = 5
Json = Mapping[str, Any]


@dataclass(frozen=True)
class Inspected:
    """`probes`: those that were not known yet, oldest first. `log`: the starts of all that are in the log."""

    container: str
    state: str
    health: str
    image: str
    image_id: str
    started_at: datetime | None
    finished_at: datetime | None
    exit_code: int
    oom_killed: bool
    restart_count: int
    healthcheck: Healthcheck
    probes: tuple[Probe, ...]
    log: frozenset[int]


def inspected(raw: Json, known: Collection[int] = ()) -> Inspected:
    state, config = raw["State"], raw["Config"]
    health = state.get("Health") or {}
    entries = [(start, entry) for entry in health.get("Log") or () if (start := _micros(entry.get("Start"))) is not None]
    new = [(start, entry) for start, entry in entries if start not in known]
    secrets = secrets_of(config.get("Env") or ()) if new else {}
    return Inspected(
        container=raw["Id"],
        state=state.get("Status") or "",
        health=health.get("Status") or "none",
        image=config.get("Image") or "",
        image_id=raw.get("Image") or "",
        started_at=docker_moment(state.get("StartedAt")),
        finished_at=docker_moment(state.get("FinishedAt")),
        exit_code=state.get("ExitCode") or 0,
        oom_killed=bool(state.get("OOMKilled")),
        restart_count=raw.get("RestartCount") or 0,
        healthcheck=healthcheck_facts(config.get("Healthcheck")),
        probes=tuple(sorted(_probe(raw["Id"], start, entry, secrets) for start, entry in new)),
        log=frozenset(start for start, _entry in entries),
    )


def _probe(container: str, start: int, entry: Json, secrets: Mapping[str, str]) -> Probe:
    """A clock that was set back during the probe would give a duration below zero."""
    end, exit_code = _micros(entry.get("End")), int(entry.get("ExitCode") or 0)
    most = OUTPUT_OF_FAILURE if exit_code else OUTPUT_OF_PASS
    output = cut(masked(neutral(entry.get("Output") or ""), secrets).strip(), most)
    return Probe(container, start, max(0, (start if end is None else end) - start), exit_code, output)


def _micros(text: str | None) -> int | None:
    at = docker_moment(text)
    return None if at is None else micros(at)
