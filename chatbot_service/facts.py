"""What the engine's JSON means: inspect, list and event answers as plain facts. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chatbot_service.foreign_text import cut, neutral
from chatbot_service.jobs.ports import ContainerFacts, Healthcheck, ImageFacts

_NANO = 1_000_000_000
_MOST_PROBE_OUTPUT = 4096
PROJECT_LABEL = "com.docker.compose.project"
SERVICE_LABEL = "com.docker.compose.service"
VOLUME_LABEL = "com.docker.compose.volume"
ONE_OFF_LABEL = "com.docker.compose.oneoff"

Json = Mapping[str, Any]


@dataclass(frozen=True)
class SeenContainer:
    """One line of the engine's list: cheap, for the watcher. `health` is starting, healthy, unhealthy or none."""

    id: str
    name: str
    project: str
    service: str
    state: str
    health: str
    image_id: str
    image: str
    one_off: bool


@dataclass(frozen=True)
class EngineEvent:
    """`action` as Docker words it: start, die, oom, "health_status: unhealthy", …"""

    at: datetime
    at_nano: int
    action: str
    container_id: str
    project: str
    service: str
    attributes: Mapping[str, str]

    @property
    def key(self) -> tuple[int, str, str]:
        return (self.at_nano, self.container_id, self.action)


def healthcheck_facts(raw: Json | None) -> Healthcheck:
    """Durations come in nanoseconds; zero means Docker's own default."""
    raw = raw or {}
    default = Healthcheck()
    return Healthcheck(
        test=tuple(raw.get("Test") or ()),
        interval=(raw.get("Interval") or 0) / _NANO or default.interval,
        timeout=(raw.get("Timeout") or 0) / _NANO or default.timeout,
        retries=raw.get("Retries") or default.retries,
        start_period=(raw.get("StartPeriod") or 0) / _NANO,
    )


def image_facts(raw: Json) -> ImageFacts:
    config = raw.get("Config") or {}
    return ImageFacts(
        id=raw["Id"],
        repo_digests=tuple(raw.get("RepoDigests") or ()),
        platform=platform_name(raw.get("Os", ""), raw.get("Architecture", ""), raw.get("Variant", "")),
        user=config.get("User") or "",
        healthcheck=healthcheck_facts(config.get("Healthcheck")),
        env=env_facts(config.get("Env")),
        labels=dict(config.get("Labels") or {}),
        size=raw.get("Size") or 0,
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        created=raw.get("Created") or "",
    )


def container_facts(raw: Json) -> ContainerFacts:
    state, config = raw["State"], raw["Config"]
    health = state.get("Health") or {}
    probe = (health.get("Log") or [{}])[-1]
    return ContainerFacts(
        id=raw["Id"],
        name=raw["Name"].removeprefix("/"),
        image=config.get("Image") or "",
        image_id=raw.get("Image") or "",
        state=state.get("Status") or "",
        health=health.get("Status") or "none",
        failing_streak=health.get("FailingStreak") or 0,
        restart_count=raw.get("RestartCount") or 0,
        exit_code=state.get("ExitCode") or 0,
        oom_killed=bool(state.get("OOMKilled")),
        started_at=moment(state.get("StartedAt")),
        healthcheck=healthcheck_facts(config.get("Healthcheck")),
        user=config.get("User") or "",
        labels=dict(config.get("Labels") or {}),
        error=neutral(state.get("Error") or ""),
        last_probe_output=cut(neutral(probe.get("Output") or ""), _MOST_PROBE_OUTPUT),
        last_probe_at=moment(probe.get("End")),
        published=published_ports(raw),
    )


def published_ports(raw: Json) -> frozenset[str]:
    """What the container holds now; a stopped one holds nothing."""
    ports = (raw.get("NetworkSettings") or {}).get("Ports") or {}
    return frozenset(
        f"{binding.get('HostIp') or '0.0.0.0'}:{binding['HostPort']}/{port.partition('/')[2]}"  # noqa: S104 - Docker's word for all
        for port, bindings in ports.items()
        for binding in bindings or ()
    )


def seen_container(raw: Json) -> SeenContainer:
    labels = raw.get("Labels") or {}
    return SeenContainer(
        id=raw["Id"],
        name=(raw.get("Names") or [""])[0].removeprefix("/"),
        project=labels.get(PROJECT_LABEL, ""),
        service=labels.get(SERVICE_LABEL, ""),
        state=raw.get("State") or "",
        health=_listed_health(raw),
        image_id=raw.get("ImageID") or "",
        image=raw.get("Image") or "",
        one_off=labels.get(ONE_OFF_LABEL, "") == "True",
    )


def _listed_health(raw: Json) -> str:
    """The list says it in words, "Up 3 minutes (healthy)"; newer engines in a field as well."""
    field = (raw.get("Health") or {}).get("Status")
    if field:
        return str(field)
    status = raw.get("Status") or ""
    for ending, health in (("(healthy)", "healthy"), ("(unhealthy)", "unhealthy"), ("(health: starting)", "starting")):
        if status.endswith(ending):
            return health
    return "none"


def event_facts(raw: Json) -> EngineEvent:
    actor = raw.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    nano = raw.get("timeNano") or (raw.get("time") or 0) * _NANO
    return EngineEvent(
        at=datetime.fromtimestamp(nano / _NANO, UTC),
        at_nano=nano,
        action=raw.get("Action") or raw.get("status") or "",
        container_id=actor.get("ID") or raw.get("id") or "",
        project=attributes.get(PROJECT_LABEL, ""),
        service=attributes.get(SERVICE_LABEL, ""),
        attributes=attributes,
    )


def env_facts(pairs: list[str] | None) -> dict[str, str]:
    return dict(pair.partition("=")[::2] for pair in pairs or [])


def platform_name(os: str, architecture: str, variant: str = "") -> str:
    """`linux/arm64`; a variant only where it tells images apart (`linux/arm/v7`)."""
    telling = variant and (architecture, variant) not in {("arm64", "v8"), ("amd64", "v1")}
    return f"{os}/{architecture}/{variant}" if telling else f"{os}/{architecture}"


def moment(text: str | None) -> datetime | None:
    """Docker's nanoseconds cut to microseconds; its year 1 means never."""
    if not text or text.startswith("0001-"):
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def familiar(repository: str) -> str:
    """As the engine lists it in RepoDigests: Docker Hub's host and `library/` are left out."""
    name = repository.removeprefix("docker.io/").removeprefix("index.docker.io/")
    return name.removeprefix("library/")


def has_digest(repo_digests: tuple[str, ...], repository: str, digest: str) -> bool:
    return f"{familiar(repository)}@{digest}" in {
        f"{familiar(name)}@{known}" for name, _, known in (entry.partition("@") for entry in repo_digests)
    }
