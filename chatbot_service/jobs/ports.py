"""What jobs need from the world, as protocols and plain facts. The real ones: `engine`, `compose`, `project`, `records`.

Times are seconds. Every call is bounded: it ends within its `timeout` or raises `Broken`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

Say = Callable[[str], None]
"""Takes one line of progress for the step's output."""


@dataclass(frozen=True)
class Healthcheck:
    """A container healthcheck as configured. `test` as Docker keeps it: ["CMD", …], ["CMD-SHELL", "…"] or []."""

    test: tuple[str, ...] = ()
    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0

    @property
    def exists(self) -> bool:
        return bool(self.test) and self.test[0] != "NONE"

    @property
    def verdict_after(self) -> float:
        """When Docker has had every chance to say unhealthy."""
        return self.start_period + self.retries * (self.interval + self.timeout)


@dataclass(frozen=True)
class ImageFacts:
    id: str
    repo_digests: tuple[str, ...]
    platform: str
    user: str
    healthcheck: Healthcheck
    env: dict[str, str]
    labels: dict[str, str]
    size: int
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    created: str = ""


@dataclass(frozen=True)
class ContainerFacts:
    """`image` is the reference it was created from, `image_id` what it really runs."""

    id: str
    name: str
    image: str
    image_id: str
    state: str
    health: str
    failing_streak: int
    restart_count: int
    exit_code: int
    oom_killed: bool
    started_at: datetime | None
    healthcheck: Healthcheck
    user: str
    labels: dict[str, str] = field(default_factory=dict)
    error: str = ""
    last_probe_output: str = ""
    last_probe_at: datetime | None = None
    published: frozenset[str] = frozenset()
    """Host ports it holds, each as address:port/protocol, for example 127.0.0.1:8000/tcp."""

    @property
    def running(self) -> bool:
        return self.state == "running"


@dataclass(frozen=True)
class ProbeResult:
    exit_code: int
    output: str
    took: float

    @property
    def passed(self) -> bool:
        return self.exit_code == 0


@dataclass(frozen=True)
class Login:
    """For one pull or look-up; lives in the worker's memory only."""

    username: str = ""
    password: str = field(default="", repr=False)
    ca_certificate: str = field(default="", repr=False)


@dataclass(frozen=True)
class Project:
    """A Compose project on the host. The pin file is the last of `files`."""

    directory: str
    name: str
    files: tuple[str, ...]
    pin_file: str
    service: str


@dataclass(frozen=True)
class EngineFacts:
    version: str
    api: str
    platform: str


class Engine(Protocol):
    """`chatbot_service.engine.DockerEngine`. Raises `Broken` when the engine does not answer."""

    def facts(self) -> EngineFacts: ...
    def image(self, reference: str) -> ImageFacts | None: ...
    def pull(  # noqa: PLR0917 - a pull has this many facts
        self, repository: str, digest: str, platform: str, login: Login | None, say: Say, timeout: float
    ) -> None:
        """Reads the pull stream to its end and checks RepoDigests.

        Raises `Refused`: denied, not found, rate limit, TLS, unreachable, told apart in words.
        """

    def volume_path(self, project: str, name: str) -> str:
        """Where the volume that a Compose project calls so lies on the host; empty: there is none."""

    def keep(self, image_id: str, repository: str, tag: str) -> None:
        """A local tag that saves an image known by digest only from a plain `docker image prune`."""

    def containers(self, project: str, service: str) -> list[ContainerFacts]:
        """All of them, also stopped ones and those a killed compose left half made."""

    def container(self, container_id: str) -> ContainerFacts | None: ...
    def port_is_taken(self, port: str) -> bool:
        """Of the engine's machine, written as in `ContainerFacts.published`. False where it cannot be told."""

    def probe(self, container_id: str, timeout: float | None = None) -> ProbeResult:
        """The container's own healthcheck command by exec, as its own user, within its own timeout."""

    def execute(self, container_id: str, argv: Sequence[str], timeout: float) -> ProbeResult: ...
    def logs(self, container_id: str, tail: int) -> list[str]: ...
    def start(self, container_id: str, timeout: float) -> None: ...
    def stop(self, container_id: str, timeout: float) -> None: ...
    def pause(self, container_id: str) -> None:
        """Freezes it. Nothing happens if it is paused already."""

    def unpause(self, container_id: str) -> None:
        """Nothing happens if it is not paused."""

    def remove(self, container_id: str) -> None:
        """By force; nothing happens if it is gone."""

    def rename(self, container_id: str, name: str) -> None: ...


class Compose(Protocol):
    """`chatbot_service.compose.ComposeBinary`. Raises `Refused` for a project that is not in order, else `Broken`."""

    def config(self, project: Project, *, filled_in: bool = True) -> dict[str, Any]:
        """The rendered project. Holds secret values: never log, store or show it. Not `filled_in`: with the names of
        variables where their values would be, and nothing brought into one form.
        """

    def up(self, project: Project, say: Say, timeout: float) -> None:
        """`up -d --no-deps --pull never --no-build SERVICE`; does not wait for health.

        It finishes even if the worker dies meanwhile: killed half way it would leave nothing running.
        """

    def settle(self, project: Project) -> None:
        """Waits until no `up` is under way that a worker left behind when it died. `Broken` if that takes too long."""

    def up_rendered(self, project_name: str, directory: str, rendered: dict[str, Any], say: Say, timeout: float) -> None:
        """Brings up a project given as data (by standard input, never on disk): a rehearsal."""

    def down(self, project_name: str, say: Say, timeout: float) -> None:
        """Removes a rehearsal's containers, networks and anonymous volumes by project name."""


class ProjectFiles(Protocol):
    """`chatbot_service.project.Folder`."""

    def read_pin(self) -> str | None:
        """The pin file's text, or nothing if there is no such file."""

    def write_pin(self, text: str | None) -> None:
        """Atomically: temporary file, fsync, rename. Nothing removes the file."""

    def throw_away_copy(self, path: str, most_bytes: int) -> str | None:
        """A copy of a data path with owners and modes kept; nothing if it is larger or cannot be copied."""

    def remove_copies(self) -> None:
        """And all else that is in the scratch folder."""

    def scratch(self) -> str:
        """A folder for this job only, outside the project, made if it is not there."""

    def has(self, name: str) -> bool:
        """Whether a plain file of that name is in the project's folder."""

    def env_keys(self, name: str) -> list[str]:
        """The names of the variables in an environment file of the project; none if it is not there. Never a value."""


@dataclass(frozen=True)
class Entry:
    """What the ledger says of one digest, as far as a job needs it."""

    repository: str
    digest: str
    state: str
    tag: str
    image_ids: frozenset[str]
    """Config and manifest digests of its platforms and the digest itself: what an engine may show as image ID."""
    platforms: tuple[str, ...]

    @property
    def reference(self) -> str:
        """As written into the pin: `repository[:tag]@sha256:…`."""
        return f"{self.repository}:{self.tag}@{self.digest}" if self.tag else f"{self.repository}@{self.digest}"


@dataclass(frozen=True)
class Verdict:
    """The gate's answer in words, and as data for the record."""

    allowed: bool
    sentence: str
    record: dict[str, Any] = field(default_factory=dict)


class Records(Protocol):
    """What a job asks of the record and writes into it; each write with its audit event in one transaction."""

    def entry(self, digest: str) -> Entry | None: ...
    def entry_of_image(self, image_id: str, repo_digests: Sequence[str]) -> Entry | None:
        """The ledger entry that a running image is, by digest or image ID; never by name or tag."""

    def register(self, reference: str) -> Entry:
        """Resolves `repository:tag` or `repository@digest` at the registry and enters it as a candidate.

        Raises `Refused`: denied, not found, rate limit, TLS, unreachable, told apart in words.
        """

    def gate(self, digest: str) -> Verdict:
        """Asked again at deployment. For a rollback to a digest that was known good it warns and allows."""

    def draft_for_review(self, digest: str) -> str:
        """Of what blocks in a digest that a rollback goes back to, an exception is drafted, once. Which one, as a sentence;
        empty when nothing blocks. Never stops a way back: that it failed is a sentence as well.
        """

    def deployed(self, digest: str, gate: dict[str, Any]) -> None:
        """Ends the open deployment and opens one for `digest`."""

    def undeployed(self, digest: str) -> None:
        """Ends this job's deployment as undone and opens one for the digest that runs again. Safe to repeat."""

    def healthy(self, digest: str) -> None:
        """It has run healthy: approved becomes known-good."""

    def failed(self, digest: str, why: str) -> None:
        """Marks the candidate with the failure."""

    def deprecate(self, digest: str, note: str) -> None: ...
    def login(self, repository: str) -> Login | None: ...
    def serving(self) -> None:
        """Notes the moment from which the new container answers."""

    def observed(self, container: ContainerFacts | None, entry: Entry | None, pin: str) -> None:
        """Brings what pages show of the service up to date at once."""


class Memory(Protocol):
    """What must not be forgotten if the worker dies: kept in the job's row, written before the act it is for."""

    def get(self, key: str) -> Any: ...
    def put(self, key: str, value: Any) -> None:
        """Kept at once. Raises `Fenced` when the job is no longer ours."""
