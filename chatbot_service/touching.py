"""Which jobs had their hands on a service, and when: what tells a pause by a job from being down."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min, Q

from chatbot_service.health.runs import Touch
from chatbot_service.models import READS_ONLY, Job


@dataclass(frozen=True)
class Held:
    """A job, and the stretch in which the service was not as it had been before."""

    job: Job
    touch: Touch


def touching_jobs(services: Iterable[int], since: datetime) -> dict[int, list[Held]]:
    """By service, oldest first: the jobs that touched it and had not ended before `since`."""
    first_touch = Min("steps__started_at", filter=Q(steps__touches=True))
    still = Q(ended_at__gte=since) | Q(ended_at=None)
    jobs = Job.objects.filter(still, service__in=services, started_at__isnull=False).select_related("by")
    jobs = jobs.exclude(kind__in=READS_ONLY)
    found: dict[int, list[Held]] = defaultdict(list)
    for job in jobs.annotate(touched=first_touch).order_by("created_at", "id"):
        touched: datetime | None = job.touched  # type: ignore[attr-defined]  # annotated above
        if job.service_id is not None and touched is not None:
            found[job.service_id].append(Held(job, Touch(touched, job.ended_at)))
    return found
