"""What jobs of day-2 operation need from the world, besides what every job needs.

The real ones: `container_look.ContainerLook`, `environment_folder.EnvironmentFolder`, `operation_records.JobOperation`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from chatbot_service.environment_contract import Change, Contract
from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.hardening import Excuse
from chatbot_service.jobs.look_ports import Looks


class EnvironmentFile(Protocol):
    """The project's `.env` file. Its text holds secrets: it is kept sealed only, never logged or shown."""

    def read(self) -> str | None:
        """Nothing if there is no such file."""

    def write(self, text: str | None) -> None:
        """Atomically, owner and mode kept, a new one for its owner alone. Nothing removes the file."""


@dataclass(frozen=True)
class KeptVersion:
    """`sealed`: the whole file; empty: there was none."""

    number: int
    sealed: str


class OperationRecords(Protocol):
    """Each write with its audit event, in one transaction, and only as long as the job is ours."""

    def today(self) -> date: ...
    def excuses(self) -> tuple[Excuse, ...]:
        """Every exception that nobody ended, also those whose day has come."""

    def hardening_checked(self, results: Sequence[dict[str, Any]], *, passed: bool, due_on: date, digest: str) -> None: ...
    def contract(self) -> Contract: ...
    def version(self, number: int) -> KeptVersion | None:
        """0: the newest."""

    def keep_version(self, sealed: str, changes: Sequence[Change], *, found: bool, went_back_to: int | None = None) -> int:
        """Its number. For a job that is repeated it is the same row again. `found`: on the host, not written by a job."""


@dataclass
class OperationContext(JobContext):
    """`seal` and `unseal`: for what may rest in the database. `fingerprint`: keyed, so that it tells nothing of a text."""

    looks: Looks
    env_file: EnvironmentFile
    operation: OperationRecords
    seal: Callable[[str], str]
    unseal: Callable[[str], str]
    fingerprint: Callable[[str], str]
