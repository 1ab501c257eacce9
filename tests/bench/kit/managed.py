"""The reference service under the benchmark's own portal: set up as by an operator, driven as by `manage.py job`."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from chatbot_service import dispatch, services
from chatbot_service.dispatch import Request
from chatbot_service.models import Environment, Host, Job, JobState, Service, StepState
from deploy_records import ledger, lookup
from deploy_records.errors import Broken
from deploy_records.models import LedgerState
from portal.demo import evidence, people
from portal.demo.play import usable_host
from tests.bench.kit.chatbot import FILES, SERVICE, SMOKE_TEST, Folder
from tests.bench.kit.stack import Stack

JOB_WITHIN = 300.0
# Times are read from the record, so seldom is enough, and whoever works by hand does not ask at all.
POLL_EVERY = 0.5


@dataclass(frozen=True)
class Ran:
    """One job, in seconds from the request. `proved`: serving, smoke tests and the proof of the digest are done."""

    serving: float
    proved: float
    whole: float
    steps: dict[str, float]


@dataclass(frozen=True)
class Office:
    """Who operates the benchmark's portal, and on which host."""

    host: Host
    people: people.People

    @classmethod
    def open(cls) -> "Office":
        made = people.make()
        host = usable_host()
        if host.problem:
            raise Broken(host.problem)
        return cls(host, made)

    @property
    def request(self) -> Request:
        return Request(self.people.operator, "benchmark", "shell")

    def register_and_approve(self, stack: Stack, number: str, digest: str) -> None:
        succeeded(dispatch.resolve(self.host, f"{stack.repository}:build-{number}@{digest}", self.request))
        entry = lookup.get(stack.repository, digest)
        evidence.bring(entry, number, self.people.operator)
        ledger.approve(entry, self.people.release_manager, "benchmark")

    def adopt(self, folder: Folder) -> Service:
        """`watch_seconds` 0: a job is responsible until Docker's own health agrees, and no longer."""
        succeeded(read := dispatch.inspect(self.host, str(folder.path), list(FILES), folder.name, self.request))
        read.refresh_from_db()
        choice = services.Choice(
            compose_service=SERVICE, name=folder.name, environment=Environment.STAGING, watch_seconds=0,
            required_env=("UPLOADS_DIR", "EXPORTS_DIR"), smoke_tests=(SMOKE_TEST,),
        )  # fmt: skip
        succeeded(services.put_under_management(read, choice, self.request))
        return Service.objects.get(name=folder.name)

    def wait_until_known_good(self, repository: str, digest: str) -> None:
        _wait_for(lambda: lookup.get(repository, digest).state == LedgerState.KNOWN_GOOD, f"{digest[:19]}… to be known good")

    def run(self, ask: Callable[[], Job]) -> Ran:
        asked_at = timezone.now()
        job = succeeded(ask())
        ended = {step.key: step.ended_at for step in job.steps.all()}
        took = {s.key: s.took.total_seconds() for s in job.steps.filter(state=StepState.DONE, is_undo=False) if s.took}
        return Ran(_seconds(asked_at, job.serving_at), _seconds(asked_at, ended["prove"]), _seconds(asked_at, job.ended_at), took)


def succeeded(job: Job) -> Job:
    state = ended(job)
    if state != JobState.SUCCEEDED:
        raise Broken(f"{job} ended as {job.get_state_display()}: {job.error}")
    return job


def ended(job: Job) -> JobState:
    def over() -> bool:
        job.refresh_from_db()
        return not job.is_active

    _wait_for(over, f"{job} to end")
    return JobState(job.state)


def _wait_for(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + JOB_WITHIN
    while not holds():
        if time.monotonic() > deadline:
            raise Broken(f"Waited {JOB_WITHIN:.0f} s for {what}.")
        time.sleep(POLL_EVERY)


def _seconds(begun: datetime, end: datetime | None) -> float:
    if end is None:
        raise Broken("A job that succeeded lacks one of its times.")
    return (end - begun).total_seconds()
