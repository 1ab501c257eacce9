"""Puts the real ports behind a job's context."""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from django.conf import settings

from chatbot_service.backup_places import place_of
from chatbot_service.backup_records import JobBackups
from chatbot_service.claims import Claim
from chatbot_service.compose import ComposeBinary
from chatbot_service.engine import DockerEngine
from chatbot_service.jobs.backup_ports import Backups
from chatbot_service.jobs.context import JobContext, SmokeTest, Task
from chatbot_service.jobs.ports import Login, Project
from chatbot_service.models import BackupRepository, Host, Job, Service
from chatbot_service.progress import Progress
from chatbot_service.project import Folder
from chatbot_service.records import JobRecords
from chatbot_service.registry import Registry
from chatbot_service.restic import Restic
from chatbot_service.sending import Socket
from chatbot_service.trees import Folders
from deploy_records.errors import Broken, Refused
from deploy_records.ledger import Resolved


def context_of(job: Job, progress: Progress, claim: Claim) -> JobContext:
    """Raises `Refused` when the engine or Compose cannot be used."""
    host = job.host
    task = task_of(job)

    def pause(seconds: float) -> None:
        time.sleep(seconds)
        progress.look_up()

    return JobContext(
        task=task,
        engine=DockerEngine(host.engine_url),
        compose=compose_of(host),
        files=Folder(task.project.directory, task.project.pin_file, settings.STATE_DIR / "rehearsals" / str(job.pk)),
        records=JobRecords(job, claim, ask_registry),
        memory=progress,
        say=progress.say,
        pause=pause,
        now=time.monotonic,
        backups=cast("Backups", Later(lambda: repository_of(job))),
        trees=Folders(settings.STATE_DIR),
        kept=JobBackups(job, claim),
        outlet=Socket(settings.STATE_DIR / "downloads" / f"{job.pk}.sock"),
        measured=progress.measured,
    )


class Later:
    """Stands for something that is made when it is first used: a job that never asks for it does not need it to be there."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = functools.cache(make)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._make(), name)


def repository_of(job: Job) -> Restic:
    """The restic repository of the job's service; where it was when the backup was taken, if the job is about one.

    `Refused` without a backup plan, and without a restic that can be used.
    """
    if job.service is None:
        raise Broken(f"{job} belongs to no service.")
    number = job.asked.get("backup")
    of_backup = BackupRepository.objects.filter(backups=number, backups__service=job.service).first() if number else None
    kept_in = of_backup or BackupRepository.objects.filter(plans__service=job.service).first()
    if kept_in is None:
        raise Refused(f"{job.service} has no backup plan, so nothing says where its backups go. Make one on its page.")
    state = settings.STATE_DIR
    place = place_of(kept_in, job.service)
    return Restic(place, job.host.name, state / "locks", state / "restic-cache", settings.RESTIC_BINARY)


def compose_of(host: Host) -> ComposeBinary:
    return ComposeBinary(settings.COMPOSE_BINARY, docker_host=host.engine_url, locks=settings.STATE_DIR / "locks")


def ask_registry(reference: str, login: Login | None) -> Resolved:
    return Registry(private_hosts=frozenset(settings.PRIVATE_REGISTRIES)).resolve(reference, login)


def task_of(job: Job) -> Task:
    service = job.service
    if service is None:
        return Task(job.pk, job.kind, "", job.host.name, _asked_project(job), "", asked=job.asked)
    return Task(
        id=job.pk, kind=job.kind, service=service.name, host=job.host.name, project=project_of(service),
        repository=service.repository, target=job.target_digest, asked=job.asked, watch_seconds=service.watch_seconds,
        required_env=tuple(service.required_env), rehearsal=service.rehearsal,
        smoke_tests=tuple(SmokeTest(test["name"], tuple(test["argv"])) for test in service.smoke_tests),
    )  # fmt: skip


def project_of(service: Service) -> Project:
    return Project(
        service.project_dir, service.project_name, tuple(service.compose_files), service.pin_file, service.compose_service
    )


def _asked_project(job: Job) -> Project:
    directory = str(job.asked.get("directory", ""))
    name = str(job.asked.get("project_name") or Path(directory).name.lower())
    return Project(directory, name, tuple(job.asked.get("files") or ()), "", "")
