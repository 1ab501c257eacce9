"""A service with days of health behind it, written and rolled up by what does so for real."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from chatbot_service.health import rolling
from chatbot_service.health.blocks import Event, Probe, micros
from chatbot_service.health.log import Inspected
from chatbot_service.health.writing import Batch, HealthWriter
from chatbot_service.jobs.ports import Healthcheck
from chatbot_service.models import HealthEventBlock, HealthTransition, Job, JobState, JobStep, Kind, Service
from tests import factories as make

CHECK = Healthcheck(("CMD", "python", "-m", "chatbot.healthcheck"), 300, 5, 3, 20)
EVIL = '<script>alert(1)</script>\x1b[31m\n=HYPERLINK("http://evil.test")'

Change = tuple[timedelta, str, str, str, str]


def ago(**length: float) -> timedelta:
    return timedelta(**length)


def lived(service: Service, days: int = 5, changes: Sequence[Change] = (), failing: Sequence[timedelta] = ()) -> datetime:
    """Healthy for so many days but for `changes`: how long ago, state, digest, note, output. Returns when that was.

    `failing`: how long ago a probe failed.
    """
    now = timezone.now()
    HealthTransition.objects.filter(service=service).delete()
    for before, state, digest, note, output in [(ago(days=days), "healthy", service.seen_digest, "", ""), *changes]:
        HealthTransition.objects.create(service=service, at=now - before, state=state, digest=digest, note=note, output=output)
    name = "c" * 64
    starts = [now - ago(days=days) + ago(minutes=5 * place) for place in range(days * 288)]
    bad = {round((now - one).timestamp()) // 300 for one in failing}
    probes = tuple(
        Probe(name, micros(at), 80_000 + place % 7 * 1000, int(round(at.timestamp()) // 300 in bad), "ok")
        for place, at in enumerate(starts)
    )
    look = Inspected(name, "running", "healthy", "", "", None, None, 0, False, 0, CHECK, probes, frozenset())
    HealthWriter(service.host).write(Batch(looks=[(service.pk, look)]), now)
    while rolling.roll(service.host, now):
        pass
    return now


def started_by_itself(service: Service, at: datetime) -> None:
    """Told by the engine before it is rolled up."""
    from chatbot_service.health.blocks import block_of, pack_events  # noqa: PLC0415 - only here

    start = block_of(micros(at))
    events = [Event("c" * 64, micros(at), action, 137, "") for action in ("oom", "start")]
    HealthEventBlock.objects.create(service=service, start=start, count=2, data=pack_events(start, events))


def touched(kind: Kind, service: Service, at: datetime, seconds: float = 20) -> Job:
    """A job that had its hands on the service from `at` on."""
    job = make.job(kind, service, JobState.SUCCEEDED, asked=at - timedelta(seconds=1), took=seconds + 1)
    JobStep.objects.filter(job=job).update(touches=False)
    last = job.steps.order_by("position").last()
    assert last is not None
    JobStep.objects.filter(pk=last.pk).update(touches=True, started_at=at, ended_at=at + timedelta(seconds=seconds))
    return job
