"""Puts the real ports of day-2 operation behind a job's context."""

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.crypto import salted_hmac

from chatbot_service.claims import Claim
from chatbot_service.container_look import ContainerLook
from chatbot_service.engine import DockerEngine
from chatbot_service.environment_folder import EnvironmentFolder
from chatbot_service.jobs.catalogue import OPERATION
from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.operation_ports import EnvironmentFile, OperationContext
from chatbot_service.models import Job
from chatbot_service.operation_records import JobOperation
from chatbot_service.progress import Progress
from chatbot_service.secrets import seal, unseal
from chatbot_service.wiring import context_of


def context_for(job: Job, progress: Progress, claim: Claim) -> JobContext:
    """With what the job's kind needs."""
    context = context_of(job, progress, claim)
    return operation_context(context, job, claim) if job.kind in OPERATION else context


def operation_context(context: JobContext, job: Job, claim: Claim) -> OperationContext:
    """From the context that every job has."""
    return OperationContext(
        **vars(context),
        looks=ContainerLook(DockerEngine(job.host.engine_url)),
        env_file=FencedFile(EnvironmentFolder(context.project.directory), claim.check),
        operation=JobOperation(job, claim),
        seal=seal,
        unseal=unseal,
        fingerprint=fingerprint,
    )


def fingerprint(text: str) -> str:
    """Keyed, as guesses at a short secret could be tried against a plain hash of the file."""
    return salted_hmac("known-good.environment", text, algorithm="sha256").hexdigest()


@dataclass(frozen=True)
class FencedFile:
    """A worker that lost its job writes nothing more: `check` raises `Fenced`."""

    file: EnvironmentFile
    check: Callable[[], None]

    def read(self) -> str | None:
        return self.file.read()

    def write(self, text: str | None) -> None:
        self.check()
        self.file.write(text)
