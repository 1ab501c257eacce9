"""A service with data on a real disk, backed up by the real restic; only engine and Compose are fakes.

`stage.run(stage.backup())` is a whole job as a worker runs it, with the real record.
"""

import atexit
import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from chatbot_service.backup_places import place_of
from chatbot_service.backup_records import JobBackups
from chatbot_service.claims import Claim
from chatbot_service.dispatch import Order, start
from chatbot_service.jobs.backup_ports import Measured
from chatbot_service.jobs.context import JobContext
from chatbot_service.models import Backup, BackupPlan, BackupRepository, Job, Kind, Restore, RestoreState
from chatbot_service.progress import Progress
from chatbot_service.project import Folder
from chatbot_service.restic import Restic
from chatbot_service.restic_commands import Place
from chatbot_service.secrets import seal
from chatbot_service.trees import Folders
from tests.chatbot_service.fakes import FakeFiles, World
from tests.chatbot_service.test_runner import Stage
from tests.machine import restic_binary

PASSWORD = "0123456789abcdef" * 4


class NoReader:
    """Keeps what a download would have sent."""

    def __init__(self) -> None:
        self.sent = b""

    def send(self, pieces: Iterator[bytes], measured: Measured) -> int:
        self.sent = b"".join(pieces)
        return len(self.sent)


class PinInMemory(FakeFiles):
    """The pin is the small world's, as its Compose reads it there; all else is on the disk."""

    def __init__(self, world: World, project: Path, scratch: Path) -> None:
        super().__init__(world)
        folder = Folder(str(project), "docker-compose.prod.yml", scratch)
        self.has, self.env_keys = folder.has, folder.env_keys  # type: ignore[method-assign]  # the real ones instead
        self.scratch, self.remove_copies = folder.scratch, folder.remove_copies  # type: ignore[method-assign]  # as above


@functools.cache
def _made_repository() -> Path:
    """A repository as `prepare` makes it; making one takes seconds, as its first key is slow on purpose."""
    folder = Path(tempfile.mkdtemp(prefix="known-good-repository-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Restic(Place(str(folder / "made"), PASSWORD), "any", folder / "locks", folder / "cache", restic_binary()).prepare()
    return folder / "made"


class DataStage(Stage):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.project = folder / "project"
        self.data = self.project / "uploads"
        self.data.mkdir(parents=True)
        (self.project / "docker-compose.yml").write_text("services: {}\n")
        (self.project / ".env").write_text("OPENROUTER_API_KEY=not-to-be-kept\nexport PORT=8000\n")
        self.service.project_dir = str(self.project)
        self.service.data_paths = [str(self.data)]
        self.service.save()
        self.repository, _ = BackupRepository.objects.get_or_create(
            name="test", defaults={"url": str(folder / "repositories"), "sealed_password": seal(PASSWORD)}
        )
        BackupPlan.objects.update_or_create(service=self.service, defaults={"repository": self.repository})
        self.world.rendered["services"]["chatbot"]["volumes"] = [
            {"type": "bind", "source": str(self.data), "target": "/app/uploads"}
        ]
        self.outlet = NoReader()
        shutil.copytree(_made_repository(), self.repository_folder)

    @property
    def repository_folder(self) -> Path:
        return self.folder / "repositories" / self.service.host.name / self.service.name

    def restic(self) -> Restic:
        place = place_of(BackupRepository.objects.get(pk=self.repository.pk), self.service)
        return Restic(place, self.service.host.name, self.folder / "locks", self.folder / "cache", restic_binary())

    def context(self, job: Job, progress: Progress, claim: Claim) -> JobContext:
        return replace(
            super().context(job, progress, claim),
            files=PinInMemory(self.world, self.project, self.folder / "scratch" / str(job.pk)),
            backups=self.restic(),
            trees=Folders(self.folder / "state"),
            kept=JobBackups(job, claim),
            outlet=self.outlet,
            measured=progress.measured,
        )

    def plan(self, **fields: Any) -> None:
        BackupPlan.objects.filter(service=self.service).update(**fields)

    def write(self, name: str, content: str = "some words", age: float = 60.0) -> Path:
        """A file that was changed so long ago; its content alone would not tell."""
        file = self.data / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        os.utime(file, (1_700_000_000 - age, 1_700_000_000 - age))
        return file

    def contents(self) -> dict[str, str]:
        return {str(f.relative_to(self.data)): f.read_text(errors="replace") for f in sorted(self.data.rglob("*")) if f.is_file()}

    def start(self, kind: Kind, **asked: Any) -> Job:
        return start(Order(kind, self.service.host, self.service, asked=asked), self.request)

    def backed_up(self, **asked: Any) -> Backup:
        job = self.run(self.start(Kind.BACKUP, **asked))
        assert job.state == "succeeded", job.error
        return Backup.objects.get(job=job)

    def restore(self, backup: Backup, *paths: str) -> Job:
        restore = Restore.objects.create(
            service=self.service, backup=backup, paths=list(paths), state=RestoreState.STARTED, asked_by=self.operator
        )
        job = self.start(Kind.RESTORE, backup=backup.pk, paths=list(paths), restore=restore.pk)
        Restore.objects.filter(pk=restore.pk).update(job=job)
        return job

    def undo(self, restored: Job) -> Job:
        restore = Restore.objects.get(job=restored)
        job = self.start(Kind.UNDO_RESTORE, restore=restore.pk)
        Restore.objects.filter(pk=restore.pk).update(undo_job=job)
        return job

    def lapse(self, job: Job) -> None:
        """The worker that held it has been silent for too long."""
        Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1), worker="elsewhere/1/1")

    def during(self, name: str, do: Callable[[], None]) -> None:
        """Runs `do` at the next call of that name of the small world, `engine.stop` for example."""
        self.world.at(name, do)
