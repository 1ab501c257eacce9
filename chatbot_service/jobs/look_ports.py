"""What can be seen of a running container, as plain facts, and the port that looks. The real one: `container_look.ContainerLook`.

Nothing here changes anything. Times are seconds, sizes bytes, moments aware and UTC. Text from the container is neutral, and
the secret values of its environment are masked in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chatbot_service.ansi import Span
from chatbot_service.jobs.ports import ProbeResult
from chatbot_service.jobs.reach import Endpoint, Reach

# Hardening


@dataclass(frozen=True)
class Capabilities:
    """The kernel's names, for each of its sets."""

    effective: frozenset[str] = frozenset()
    permitted: frozenset[str] = frozenset()
    bounding: frozenset[str] = frozenset()
    ambient: frozenset[str] = frozenset()
    inheritable: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        return self.effective | self.permitted | self.bounding | self.ambient | self.inheritable


@dataclass(frozen=True)
class Process:
    """`uids`, `gids`: real, effective, saved, of the file system. `seccomp`: 0 off, 1 strict, 2 by a filter."""

    pid: int
    name: str
    uids: tuple[int, ...]
    gids: tuple[int, ...]
    groups: tuple[int, ...]
    capabilities: Capabilities
    no_new_privileges: bool | None
    seccomp: int | None


@dataclass(frozen=True)
class Mount:
    """As the kernel has it. `at`: inside the container."""

    at: str
    kind: str
    read_only: bool


@dataclass(frozen=True)
class Tree:
    """What was found below a mount. `foreign`: entries that the service's user does not own; `whole`: nothing was left out."""

    at: str
    uid: int
    gid: int
    entries: int
    foreign: int
    set_id: tuple[str, ...]
    whole: bool


@dataclass(frozen=True)
class RawHealthcheck:
    """As configured: 0 where nothing was said, so that the engine's default holds."""

    test: tuple[str, ...] = ()
    interval: float = 0
    timeout: float = 0
    retries: int = 0
    start_period: float = 0


@dataclass(frozen=True)
class Standing:
    """How a container stands towards the baseline. What could not be seen is None; `blind` says why."""

    image: str
    image_id: str
    privileged: bool
    read_only_root: bool
    host_namespaces: frozenset[str]
    security_options: tuple[str, ...]
    engine_sockets: tuple[str, ...]
    cpus: float
    memory: int
    pids: int
    check: RawHealthcheck
    processes: tuple[Process, ...] | None = None
    mounts: tuple[Mount, ...] | None = None
    trees: tuple[Tree, ...] | None = None
    blind: str = ""
    seen_from: str = ""


# Logs


@dataclass(frozen=True)
class LogQuery:
    """Which lines. `after`: a cursor from an earlier page; lines behind it, first ones first. Else the last `tail` lines.

    `since`, `until`: moments. `words`: only lines that hold them, whatever their case. `pattern`: only lines in whose bytes this
    expression is found, or that are coloured; for who looks at many lines and wants few.
    """

    tail: int = 500
    since: datetime | None = None
    until: datetime | None = None
    words: str = ""
    after: str = ""
    pattern: str = ""


@dataclass(frozen=True)
class LogLine:
    """`cut`: how many bytes of it are left out. `stream`: stdout or stderr."""

    at: str
    stream: str
    spans: tuple[Span, ...]
    cut: int = 0

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)


@dataclass(frozen=True)
class LogPage:
    """`cursor` goes into the next query. `ended`: end, lines, bytes or time: why reading stopped.

    `dropped`: lines that matched and were left out, as the page was full.
    """

    lines: tuple[LogLine, ...]
    cursor: str = ""
    ended: str = "end"
    dropped: int = 0
    read_bytes: int = 0


# The rest


@dataclass(frozen=True)
class HealthcheckRun:
    """The container's own healthcheck, run once by hand. `user` as configured."""

    command: tuple[str, ...]
    user: str
    timeout: float
    result: ProbeResult


@dataclass(frozen=True)
class Usage:
    """Counters at one moment: two of them make a rate. `memory` without the page cache; limits 0: none."""

    at: datetime
    cpu_seconds: float
    cpus: int
    memory: int
    memory_limit: int
    processes: int
    received: int
    sent: int
    read: int
    written: int


@dataclass(frozen=True)
class DataSize:
    path: str
    bytes: int
    files: int
    whole: bool
    problem: str = ""


class Looks(Protocol):
    """Every call is bounded in time and memory. Raises `Broken` when the engine does not answer, `Refused` when nothing runs."""

    def standing(self, container_id: str) -> Standing: ...
    def log(self, container_id: str, query: LogQuery) -> LogPage: ...
    def healthcheck(self, container_id: str) -> HealthcheckRun: ...
    def reach(self, container_id: str, endpoint: Endpoint, timeout: float) -> Reach: ...
    def usage(self, container_id: str) -> Usage: ...
    def sizes(self, paths: Sequence[str]) -> tuple[DataSize, ...]:
        """Of folders and files on the host."""

    def environment(self, container_id: str) -> dict[str, str]:
        """Of the container as it runs. Holds secret values: never log, keep or show it."""
