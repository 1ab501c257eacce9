"""What a worker saw of a service and remembers for the next look."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from chatbot_service.models import Kind
from chatbot_service.signals.file_sight import FileSight
from chatbot_service.signals.log_sight import LogSight

REWRITES = (Kind.UPGRADE, Kind.ROLLBACK, Kind.START, Kind.RESTORE, Kind.UNDO_RESTORE, Kind.ADOPT, Kind.CONFIGURE)
"""After these the compose files are as they should be."""


@dataclass(frozen=True)
class Sight:
    log: LogSight
    files: FileSight

    def as_data(self) -> dict[str, Any]:
        return {"log": self.log.as_data(), "files": self.files.as_data()}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(LogSight.of(data.get("log", {})), FileSight.of(data.get("files", {})))
