"""What a step is given: the task, the ports, and ways to speak, wait and remember."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chatbot_service.jobs.backup_ports import BackupRecords, Backups, Measured, Outlet, Trees
from chatbot_service.jobs.ports import Compose, Engine, Entry, Memory, Project, ProjectFiles, Records, Say
from deploy_records.errors import Refused


class Cancelled(Exception):
    """Somebody asked to cancel and undo."""


@dataclass(frozen=True)
class SmokeTest:
    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """One job as asked, without anything of the database."""

    id: int
    kind: str
    service: str
    host: str
    project: Project
    repository: str
    target: str = ""
    asked: dict[str, Any] | None = None
    watch_seconds: float = 0
    required_env: tuple[str, ...] = ()
    smoke_tests: tuple[SmokeTest, ...] = ()
    rehearsal: str = "isolated"
    """isolated: own network; joined: the project's networks; off: none."""


@dataclass
class JobContext:
    """`pause` waits so many seconds and raises `Cancelled` or `Fenced` when the job must end; `now` is monotonic."""

    task: Task
    engine: Engine
    compose: Compose
    files: ProjectFiles
    records: Records
    memory: Memory
    say: Say
    pause: Callable[[float], None]
    now: Callable[[], float]
    backups: Backups
    trees: Trees
    kept: BackupRecords
    outlet: Outlet
    measured: Measured

    @property
    def project(self) -> Project:
        return self.task.project

    def target(self) -> Entry:
        entry = self.records.entry(self.task.target)
        if entry is None:
            raise Refused(f"{self.task.target[:19]}… is not in the ledger. Register and approve it first.")
        return entry
