"""What looks saw is kept for a day, and secret values that were asked for no longer than that. Logs hold up to 1 MB each."""

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from chatbot_service.models import ACTIVE, LOOKS, UNRECORDED, Job, Kind

KEPT_FOR = timedelta(days=1)
FOLLOWED_FOR = timedelta(minutes=15)
_AT_ONCE = 500


def clear() -> int:
    """How many jobs were cleared or removed. What is left is for the next time: each call is short."""
    now = timezone.now()
    ended = Job.objects.exclude(state__in=ACTIVE)
    followed = ended.filter(kind__in=UNRECORDED, ended_at__lt=now - FOLLOWED_FOR).order_by()
    gone = list(followed.values_list("pk", flat=True)[:_AT_ONCE])
    Job.objects.filter(pk__in=gone).delete()
    seen = ended.filter(kind__in=LOOKS, ended_at__lt=now - KEPT_FOR).exclude(result={}).order_by()
    emptied = Job.objects.filter(pk__in=list(seen.values_list("pk", flat=True)[:_AT_ONCE])).update(result={})
    return len(gone) + emptied + _forget_secrets(ended.filter(kind=Kind.CONFIGURE, ended_at__lt=now - KEPT_FOR))


def _forget_secrets(jobs: QuerySet[Job]) -> int:
    """Of changes of an environment: versions keep them, and what was asked for says then only which keys they were."""
    cleared = 0
    for job in jobs.filter(asked__has_key="sealed").exclude(asked__has_key="cleared").defer("result")[:_AT_ONCE]:
        names = sorted(job.asked.get("sealed") or {})
        job.asked = {**job.asked, "sealed": {}, "cleared": names}
        job.save(update_fields=["asked"])
        cleared += 1
    return cleared
