"""Starts what backup plans ask for: backups and rehearsals that are due. Called every minute, in nobody's name."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Subquery
from django.utils import timezone

from chatbot_service import backup_plans, dispatch
from chatbot_service.backup_schedule import Tries, When, is_due, next_rehearsal, next_try
from chatbot_service.backup_starting import backup_order, rehearsal_order
from chatbot_service.dispatch import Order, Request
from chatbot_service.lights import NO_WORKER_AFTER
from chatbot_service.models import (
    ACTIVE,
    Backup,
    BackupPlan,
    BackupState,
    Job,
    JobState,
    Kind,
    Restore,
    RestoreRehearsal,
    RestoreState,
)
from deploy_records import audit
from deploy_records.errors import Refused

log = logging.getLogger(__name__)

MOST_AT_A_TIME = 2
"""On one host: they share its disk with what runs there."""
_HEAVY = (Kind.BACKUP, Kind.REHEARSE, Kind.CHECK)


@dataclass(frozen=True)
class Due:
    """`since`: when it became due; the longest first."""

    order: Order
    reason: str
    since: datetime


def start_due(now: datetime | None = None) -> list[Job]:
    moment = now or timezone.now()
    backup_plans.make_missing()
    end_dead_restores()
    waiting = sorted(due(moment), key=lambda one: (one.order.kind != Kind.BACKUP, one.since))
    busy = Counter(Job.objects.filter(kind__in=_HEAVY, state__in=ACTIVE).values_list("host", flat=True))
    return list(_start(waiting, busy))


def _start(waiting: Iterable[Due], busy: Counter[int]) -> Iterator[Job]:
    for one in waiting:
        if busy[one.order.host.pk] >= MOST_AT_A_TIME:
            continue
        try:
            job = dispatch.start(one.order, Request(by=None, reason=one.reason))
        except Refused as why:
            log.info("%s of %s waits for the next round: %s", one.order.kind.label, one.order.service, why)
            continue
        busy[one.order.host.pk] += 1
        yield job


def due(now: datetime) -> Iterator[Due]:
    """Not on hosts where no worker answers: a job that waits there would only hold its service."""
    for plan in _plans(now):
        backup = _backup_due(plan, now) if plan.scheduled else None
        rehearsal = None if backup else _rehearsal_due(plan, now)
        yield from filter(None, (backup, rehearsal))


def _plans(now: datetime) -> list[BackupPlan]:
    good = Backup.objects.filter(service=OuterRef("service"), state=BackupState.GOOD).order_by("-at", "-id")
    rehearsal = RestoreRehearsal.objects.filter(service=OuterRef("service")).order_by("-at", "-id")
    held = Job.objects.active().filter(service=OuterRef("service"), kind__in=_HEAVY)
    there = BackupPlan.objects.filter(service__is_demo=False, service__host__seen_at__gte=now - NO_WORKER_AFTER)
    plans = there.exclude(service__data_paths=[]).exclude(Exists(held)).select_related("service__host").annotate(
        good=Subquery(good.values("pk")[:1]),
        good_at=Subquery(good.values("at")[:1]),
        tried_at=Subquery(rehearsal.values("at")[:1]),
        passed=Subquery(rehearsal.values("passed")[:1]),
    )  # fmt: skip
    return list(plans)


def _backup_due(plan: BackupPlan, now: datetime) -> Due | None:
    service, when = plan.service, when_of(plan)
    last: datetime | None = plan.good_at  # type: ignore[attr-defined]  # annotated by _plans
    since = next_try(when, last)
    if since is None or since > now or not is_due(when, last, tries(Kind.BACKUP, service.pk, last), now):
        return None
    return Due(backup_order(service, plan), "Due by the backup plan", since)


def _rehearsal_due(plan: BackupPlan, now: datetime) -> Due | None:
    good: datetime | None = plan.good_at  # type: ignore[attr-defined]  # annotated by _plans
    last: datetime | None = plan.tried_at  # type: ignore[attr-defined]  # likewise
    passed = bool(plan.passed)  # type: ignore[attr-defined]  # likewise
    if good is None or not plan.rehearse_days:
        return None
    failed = tries(Kind.REHEARSE, plan.service_id, last)
    since = next_rehearsal(plan.rehearse_days, last, passed=passed, tries=failed, since=good)
    if since is None or since > now:
        return None
    newest: int = plan.good  # type: ignore[attr-defined]  # likewise
    return Due(rehearsal_order(plan.service, newest), "Rehearsal due by the backup plan", since)


def when_of(plan: BackupPlan) -> When:
    return When(plan.cron, plan.rpo_hours, plan.service.added_at)


def tries(kind: Kind, service: int, since: datetime | None) -> Tries:
    """Jobs of that kind that ended without success after `since`."""
    failed = Job.objects.filter(kind=kind, service=service, ended_at__isnull=False).exclude(state=JobState.SUCCEEDED)
    ends = list((failed.filter(ended_at__gt=since) if since else failed).values_list("ended_at", flat=True))
    return Tries(len(ends), max(filter(None, ends), default=None))


def next_backup(plan: BackupPlan) -> datetime | None:
    """When the schedule takes the next one, for the page; past: in the next minute. Nothing: it takes none."""
    if not plan.scheduled:
        return None
    good = Backup.objects.filter(service=plan.service_id, state=BackupState.GOOD).order_by("-at", "-id")
    last = good.values_list("at", flat=True).first()
    return next_try(when_of(plan), last, tries(Kind.BACKUP, plan.service_id, last))


def end_dead_restores() -> None:
    """Those whose job ended before it could say so: cancelled while it waited, or refused."""
    dead = Restore.objects.filter(state=RestoreState.STARTED, job__isnull=False).exclude(job__state__in=ACTIVE)
    for restore in dead.select_related("backup", "service__host", "job"):
        with audit.changing():
            if Restore.objects.filter(pk=restore.pk, state=RestoreState.STARTED).update(state=RestoreState.FAILED):
                why = restore.job.error if restore.job else ""
                told = {"service": str(restore.service), "restore": restore.pk}
                event = audit.Event("restore.failed", **audit.about(restore.backup), reason=why, job=restore.job_id, changes=told)
                audit.record(audit.SCHEDULER, event)
