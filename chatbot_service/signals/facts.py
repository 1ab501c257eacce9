"""What the rules judge: plain facts on one service, or on one exception. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chatbot_service.health.blocks import Event, moment
from chatbot_service.health.runs import Change, Touch
from chatbot_service.jobs.ports import Healthcheck


class NotKnown(Exception):
    """Nobody could look, so a rule can say neither that it holds nor that it does not."""


@dataclass(frozen=True)
class LogFacts:
    """How many lines within which time, and the last of them."""

    errors: int = 0
    errors_within: timedelta = timedelta(minutes=10)
    error_lines: tuple[tuple[str, str], ...] = ()
    denials: int = 0
    denials_within: timedelta = timedelta(hours=1)
    denial_lines: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class UsageFacts:
    """On average. `memory` in bytes. `cpus`: processors in use; nothing before there are two samples. `over`: in words."""

    memory: float
    cpus: float | None
    samples: int
    over: str


@dataclass(frozen=True)
class Recommended:
    memory: float
    cpus: float


@dataclass(frozen=True)
class FailedPull:
    job: int
    why: str


@dataclass(frozen=True)
class Facts:
    """`changes`: the state it came with, then each change, oldest first. `watched`: whether somebody looks at it now."""

    now: datetime
    watched: bool = True
    changes: Sequence[Change] = ()
    touches: Sequence[Touch] = ()
    events: Sequence[Event] = ()
    healthcheck: Healthcheck | None = None
    log: LogFacts | None = None
    usage: UsageFacts | None = None
    recommended: Recommended = Recommended(1024 * 2**20, 1.0)
    failed_pull: FailedPull | None = None
    drift: str = ""
    drift_since: datetime | None = None
    changed_files: tuple[tuple[str, str], ...] | None = None
    """Each with how it differs; nothing known: None."""
    backup_late: str = ""
    backup_facts: tuple[tuple[str, str], ...] = ()
    exception_ends: str = ""
    exception_facts: tuple[tuple[str, str], ...] = ()

    @property
    def watched_now(self) -> datetime:
        if not self.watched:
            raise NotKnown
        return self.now

    @property
    def log_now(self) -> LogFacts:
        if self.log is None:
            raise NotKnown
        return self.log

    def by_job(self, at: datetime) -> bool:
        return any(touch.holds(at) for touch in self.touches)

    def at(self, micro: int) -> datetime:
        return moment(micro)
