"""Records to look at where no engine can be had. Each is marked as demo; none of it ever ran."""

import hashlib
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from chatbot_service.jobs.catalogue import KINDS
from chatbot_service.models import Environment, HealthTransition, Host, Job, JobState, Service, StepState
from chatbot_service.progress import lay_out
from deploy_records import audit, ledger
from deploy_records.ledger import Platform, Resolved
from deploy_records.models import Deployment, ImageDigest, Outcome
from portal.demo import evidence
from portal.demo.people import DEMO, People

REPOSITORY = "registry.invalid/known-good/personal-chatbot"
SECONDS_A_STEP = 3


def made_up(words: str) -> str:
    """A digest of nothing that exists, always the same for the same words."""
    return f"sha256:{hashlib.sha256(f'known-good demo: {words}'.encode()).hexdigest()}"


def make(people: People, host: Host) -> None:
    """Three builds, one service, an upgrade that succeeded and one that was undone. Does nothing the second time."""
    if Service.objects.filter(is_demo=True).exists():
        return
    now = timezone.now()
    with transaction.atomic():
        one, two, three = (_entry(people, number) for number in ("1", "2", "3"))
        service = _service(people, host, two, now)
        good = _job(people, service, one, two, JobState.SUCCEEDED, now - timedelta(hours=6))
        _job(people, service, two, three, JobState.FAILED, now - timedelta(hours=1))
        _deployments(people, service, one, two, good)
        _health(service, two, now)
        audit.record(DEMO, audit.Event("demo.records_made", **audit.about(service)))


def _entry(people: People, number: str) -> ImageDigest:
    platform = Platform("linux/amd64", made_up(f"build {number}"), made_up(f"image ID of build {number}"), 60_000_000)
    image = Resolved(REPOSITORY, made_up(f"build {number}"), (platform,), tag=f"build-{number}")
    entry = ledger.register(image, people.operator, is_demo=True)
    evidence.bring(entry, number, people.operator)
    ledger.approve(entry, people.release_manager, "demo")
    if number != "3":
        ledger.note_healthy(entry, actor=DEMO)
    return ImageDigest.objects.get(pk=entry.pk)


def _service(people: People, host: Host, runs: ImageDigest, now: datetime) -> Service:
    return Service.objects.create(
        host=host, name="personal_chatbot", environment=Environment.STAGING, project_dir="/srv/personal_chatbot",
        project_name="personal_chatbot", compose_files=["docker-compose.yml", "docker-compose.prod.yml"],
        compose_service="personal_chatbot", repository=REPOSITORY, added_by=people.operator, is_demo=True,
        seen_at=now, seen_state="running", seen_health="healthy", seen_since=now - timedelta(hours=6),
        seen_digest=runs.digest, seen_pin=f"{REPOSITORY}:{runs.tag}@{runs.digest}", previous_local=True,
    )  # fmt: skip


def _job(  # noqa: PLR0917 - one call for each job
    people: People, service: Service, old: ImageDigest, new: ImageDigest, state: JobState, at: datetime
) -> Job:
    job = Job.objects.create(
        kind="upgrade", state=state, host=service.host, service=service, by=people.operator, reason="demo record",
        target_digest=new.digest, from_digest=old.digest, created_at=at, started_at=at, worker="demo",
    )  # fmt: skip
    lay_out(job, KINDS["upgrade"].steps)
    moment = at
    for row in job.steps.all():
        row.started_at, moment = moment, moment + timedelta(seconds=SECONDS_A_STEP)
        row.ended_at, row.state = moment, StepState.DONE
        if state == JobState.FAILED and row.key == "rehearse":
            row.state = StepState.FAILED
            row.error = job.error = "candidate: Docker calls it unhealthy: “demo record”"
            row.save()
            break
        row.save()
    job.ended_at = moment
    job.save()
    return job


def _deployments(people: People, service: Service, one: ImageDigest, two: ImageDigest, job: Job) -> None:
    place = {"host": service.host.name, "service": service.name, "by": people.operator}
    switched = job.ended_at or job.created_at
    before = switched - timedelta(days=9)
    Deployment.objects.create(
        **place, entry=one, kind="adopted", started_at=before, healthy_at=before, ended_at=switched, outcome=Outcome.REPLACED
    )
    Deployment.objects.create(**place, entry=two, kind="upgrade", job=job.pk, started_at=switched, healthy_at=switched)


def _health(service: Service, runs: ImageDigest, now: datetime) -> None:
    for hours, state in ((26, "healthy"), (6, "starting"), (5.99, "healthy")):
        HealthTransition.objects.create(service=service, at=now - timedelta(hours=hours), state=state, digest=runs.digest)
