"""Puts the real ports behind a job's context."""

import time
from pathlib import Path

from django.conf import settings

from chatbot_service.claims import Claim
from chatbot_service.compose import ComposeBinary
from chatbot_service.engine import DockerEngine
from chatbot_service.jobs.context import JobContext, SmokeTest, Task
from chatbot_service.jobs.ports import Login, Project
from chatbot_service.models import Host, Job, Service
from chatbot_service.progress import Progress
from chatbot_service.project import Folder
from chatbot_service.records import JobRecords
from chatbot_service.registry import Registry
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
    )


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
