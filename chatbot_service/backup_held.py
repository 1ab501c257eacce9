"""Which backups may something still need, whatever a plan says? Read of one service at a time."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Q, QuerySet

from chatbot_service.models import ACTIVE, Backup, BackupState, Job, Kind, Restore, RestoreState, Service
from deploy_records import deployments
from deploy_records.models import Deployment


def held(service: Service, now: datetime) -> frozenset[int]:
    """Their numbers: the last good one, the last that was seen to restore, what a rollback may need, and what restores
    and jobs under way rest on.
    """
    good = Backup.objects.filter(service=service, state=BackupState.GOOD)
    newest = [*_first(good), *_first(good.filter(rehearsed_at__isnull=False))]
    return frozenset([*newest, *_for_a_rollback(service, good), *_of_restores(service, now), *_of_jobs(service)])


def _first(backups: QuerySet[Backup]) -> list[int]:
    return list(backups.order_by("-at", "-id").values_list("pk", flat=True)[:1])


def _for_a_rollback(service: Service, good: QuerySet[Backup]) -> Iterator[int]:
    """What the upgrade to the digest that runs took before it changed anything, what the last one to the digest a rollback
    would go back to took, and the last of the time when that one ran.
    """
    here = service.host.name, service.name
    target = deployments.previous_known_good(*here, but_not=service.seen_digest, repository=service.repository)
    upgrades = Deployment.objects.filter(host=here[0], service=here[1], job__isnull=False).order_by("-started_at", "-id")
    jobs = [*upgrades.filter(ended_at=None).values_list("job", flat=True)[:1]]
    if target is not None:
        jobs += upgrades.filter(entry=target, kind=Kind.UPGRADE).values_list("job", flat=True)[:1]
    yield from good.filter(job__in=jobs, job__kind=Kind.UPGRADE).values_list("pk", flat=True)
    if target is not None:
        yield from _first(good.filter(digest=target.digest))


def _of_restores(service: Service, now: datetime) -> Iterator[int]:
    """One that waits or is under way, and one that can still be undone."""
    undoable = Q(state=RestoreState.DONE, replaced_until__gt=now, replaced_removed_at=None)
    open_ones = Q(state__in=(RestoreState.ASKED, RestoreState.STARTED)) | undoable
    yield from Restore.objects.filter(open_ones, service=service).values_list("backup", flat=True)


def _of_jobs(service: Service) -> Iterator[int]:
    for asked in Job.objects.filter(service=service, state__in=ACTIVE).values_list("asked", flat=True):
        if isinstance(asked.get("backup"), int):
            yield asked["backup"]
