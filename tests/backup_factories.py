"""Makes backups and what belongs to them, each with as few words as the test needs."""

import itertools
from datetime import timedelta
from typing import Any

from django.utils import timezone

from chatbot_service.models import (
    Backup,
    BackupPlan,
    BackupRepository,
    Job,
    JobState,
    Kind,
    Restore,
    RestoreRehearsal,
    RestoreState,
    Service,
)
from chatbot_service.secrets import seal
from tests import factories as make

_numbers = itertools.count(1)


def repository(name: str = "local", **fields: Any) -> BackupRepository:
    usual = {"url": f"/srv/backups/{name}", "sealed_password": seal("of 256 random bits")}
    made, _new = BackupRepository.objects.get_or_create(name=name, defaults=usual | fields)
    return made


def plan(of: Service, **fields: Any) -> BackupPlan:
    made, _new = BackupPlan.objects.update_or_create(service=of, defaults={"repository": repository()} | fields)
    return made


def job(kind: str, of: Service, state: str = JobState.SUCCEEDED, *, hours: float = 0, **fields: Any) -> Job:
    """Without steps: for what only looks at the row."""
    at = timezone.now() - timedelta(hours=hours)
    usual: dict[str, Any] = {"host": of.host, "created_at": at}
    if state not in {JobState.QUEUED, JobState.RUNNING, JobState.UNDOING}:
        usual |= {"ended_at": at}
    return Job.objects.create(kind=kind, service=of, state=state, **usual | fields)


def backup(of: Service, *, hours: float = 3, **fields: Any) -> Backup:
    """A good one of `hours` ago, of what runs now."""
    number = next(_numbers)
    usual: dict[str, Any] = {
        "repository": repository(), "at": timezone.now() - timedelta(hours=hours), "snapshot": f"{number:064x}",
        "tree": f"{number:064x}", "digest": of.seen_digest, "paths": list(of.data_paths), "mode": "live",
        "files": 12, "bytes": 34_000, "disk_bytes": 40_000,
    }  # fmt: skip
    by = fields.pop("job", None) or job(Kind.BACKUP, of, hours=hours)
    return Backup.objects.create(service=of, job=by, **usual | fields)


def rehearsal(of: Backup, *, passed: bool = True, hours: float = 2, **fields: Any) -> RestoreRehearsal:
    at = timezone.now() - timedelta(hours=hours)
    if passed:
        Backup.objects.filter(pk=of.pk).update(rehearsed_at=at)
    by = job(Kind.REHEARSE, of.service, hours=hours)
    return RestoreRehearsal.objects.create(service=of.service, backup=of, job=by, at=at, passed=passed, **fields)


def restore(of: Backup, state: str = RestoreState.DONE, **fields: Any) -> Restore:
    """One that is done can be undone for a day."""
    usual: dict[str, Any] = {"asked_by": fields.pop("asked_by", None) or make.person("Operator")}
    if state == RestoreState.DONE:
        usual |= {"replaced_until": timezone.now() + timedelta(days=1), "job": job(Kind.RESTORE, of.service)}
    return Restore.objects.create(service=of.service, backup=of, state=state, **usual | fields)
