"""Services as rows of a table: the same on the dashboard and in the list."""

from dataclasses import dataclass
from datetime import datetime

from chatbot_service.board import Row
from chatbot_service.models import Job
from portal.health_lines import HealthLine, line_of
from portal.templatetags.status import JOB_TONES


@dataclass(frozen=True)
class ShownRow:
    row: Row
    line: HealthLine

    @property
    def since(self) -> datetime | None:
        """Since when what runs has been running, as far as the record knows."""
        deployment, entry = self.row.deployment, self.row.entry
        if deployment is not None and entry is not None and deployment.entry_id == entry.pk:
            return deployment.started_at
        return self.row.service.drift_since

    @property
    def job(self) -> Job | None:
        return self.row.last_job

    @property
    def job_tone(self) -> str:
        return tone_of(self.row.last_job) if self.row.last_job else "none"

    @property
    def job_ended_well(self) -> bool:
        return self.row.last_job is not None and self.row.last_job.state == "succeeded"


def tone_of(job: Job) -> str:
    return JOB_TONES[job.state]  # type: ignore[index]  # a state's value is equal to its member


def shown(row: Row) -> ShownRow:
    return ShownRow(row, line_of(row.runs, row.touching))
