"""`backup_ports.BackupRecords` on the database: what a job on backups asks of the record and writes into it.

And what a host still keeps of what restores have replaced.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from chatbot_service.backup_held import held
from chatbot_service.backup_paths import paths_on_host
from chatbot_service.backup_retention import Candidate, Keep, going
from chatbot_service.claims import Claim
from chatbot_service.jobs.backup_ports import Kept, Plan, Swap
from chatbot_service.models import (
    ACTIVE,
    Backup,
    BackupPlan,
    BackupState,
    Host,
    Job,
    Restore,
    RestoreRehearsal,
    RestoreState,
    Service,
)
from deploy_records import audit
from deploy_records.audit import Event, about
from deploy_records.errors import Broken, Refused

_MOST_WHY = 2000


@dataclass(frozen=True)
class JobBackups:
    """All writes check the fence first, in the same transaction: a worker that lost its job writes nothing."""

    job: Job
    claim: Claim

    # How, and what there is

    def plan(self) -> Plan | None:
        found = self._plan()
        paths = paths_on_host(self._service)
        if found is None or not paths:
            return None
        return Plan(
            paths, found.mode, float(found.longest_pause), found.with_values, found.before_upgrade, found.keep_replaced_hours
        )

    def last(self) -> Kept | None:
        here = BackupPlan.objects.filter(service=self._service).values("repository")
        found = self._backups().filter(state=BackupState.GOOD, repository__in=here).first()
        return _kept(found) if found else None

    def backup(self, number: int) -> Kept | None:
        found = self._backups().filter(pk=number).first()
        return _kept(found) if found else None

    # Taken, verified, spoilt

    def taken(self, facts: dict[str, Any]) -> int:
        plan = self._plan()
        if plan is None:
            raise Broken(f"{self._service} has no backup plan, so nothing says where this backup lies.")
        if facts.get("verified_how") and not facts.get("verified_at"):
            facts = {**facts, "verified_at": timezone.now()}
        with self._ours():
            made = Backup.objects.create(service=self._service, job=self.job, repository=plan.repository, **facts)
            action = "backup.taken" if made.state == BackupState.GOOD else f"backup.{made.state}"
            told = {name: getattr(made, name) for name in ("files", "bytes", "added_bytes", "unchanged", "mode")}
            self._note(action, made, reason=made.why, changes={"snapshot": made.snapshot, "place": plan.repository.name, **told})
        return made.pk

    def noted(self) -> str:
        return self._backups().filter(job=self.job).values_list("snapshot", flat=True).first() or ""

    def verified(self, number: int, how: str) -> None:
        with self._ours():
            self._backups().filter(pk=number).update(verified_at=timezone.now(), verified_how=how[:200])
            self._note("backup.verified", self._get(number), reason=how)

    def spoilt(self, number: int, state: str, why: str) -> None:
        if state not in {BackupState.INCOMPLETE, BackupState.DAMAGED}:
            raise Broken(f"{state} is not how a backup is spoilt.")
        with self._ours():
            self._spoil(self._get(number), state, why)

    def damaged(self, snapshots: Sequence[str], why: str) -> int:
        with self._ours():
            resting = list(self._backups().filter(snapshot__in=list(snapshots)).exclude(state=BackupState.FORGOTTEN))
            for one in resting:
                if one.state != BackupState.DAMAGED:
                    self._spoil(one, BackupState.DAMAGED, why)
        return len(resting)

    def checked(self, problem: str) -> None:
        now = timezone.now()
        with self._ours():
            BackupPlan.objects.filter(service=self._service).update(checked_at=now, check_problem=problem[:_MOST_WHY])
            action = "backup.found-faulty" if problem else "backup.checked"
            audit.record(audit.WORKER, Event(action, **about(self._service), reason=problem, job=self.job.pk))

    def on_record(self) -> list[Kept]:
        here = BackupPlan.objects.filter(service=self._service).values("repository")
        rows = self._backups().filter(repository__in=here, state__in=(BackupState.GOOD, BackupState.INCOMPLETE))
        return [_kept(row) for row in rows]

    # What is no longer kept

    def to_forget(self) -> list[Kept]:
        """One a snapshot, of the place where the plan keeps them now. Rows whose snapshot another backup needs are
        forgotten at once, as nothing in the repository goes with them.
        """
        plan = self._plan()
        if plan is None:
            return []
        with self._ours():
            rows = list(self._backups().filter(repository=plan.repository).exclude(state=BackupState.FORGOTTEN))
            holding = held(self._service, timezone.now())
            asked = [Candidate(r.pk, r.at, r.snapshot, r.state == BackupState.GOOD, r.pk in holding) for r in rows]
            found = going(asked, Keep(plan.keep_daily, plan.keep_weekly, plan.keep_monthly))
            self._forget(row for row in rows if row.pk in found.rows)
        newest = {row.snapshot: row for row in reversed(rows) if row.pk in found.snapshots}
        return [_kept(row) for row in newest.values()]

    def forgotten(self, numbers: Sequence[int]) -> None:
        """And all other backups that rested on the same snapshots."""
        with self._ours():
            gone = self._backups().filter(pk__in=list(numbers)).values("snapshot")
            self._forget(list(self._backups().filter(snapshot__in=gone).exclude(state=BackupState.FORGOTTEN)))

    # Rehearsed, restored, undone

    def rehearsed(self, number: int, facts: dict[str, Any]) -> None:
        with self._ours():
            backup = self._get(number)
            made = RestoreRehearsal.objects.create(service=self._service, backup=backup, job=self.job, **facts)
            if made.passed:
                Backup.objects.filter(pk=backup.pk).update(rehearsed_at=made.at)
            told = {"files": made.files, "bytes": made.bytes, "digest": made.digest}
            self._note(f"rehearsal.{'passed' if made.passed else 'failed'}", backup, reason=made.problem, changes=told)

    def restoring(self, swaps: Sequence[Swap]) -> None:
        with self._ours():
            Restore.objects.filter(pk=self._restore().pk).update(swaps=[asdict(swap) for swap in swaps])

    def restored(self) -> None:
        with self._ours():
            restore, plan = self._restore(), self._plan()
            until = timezone.now() + timedelta(hours=plan.keep_replaced_hours if plan else 0)
            Restore.objects.filter(pk=restore.pk).update(state=RestoreState.DONE, replaced_until=until)
            self._note("restore.done", restore.backup, changes={"restore": restore.pk, "undo_until": until})

    def not_restored(self) -> None:
        with self._ours():
            restore, open_ones = self._restore(), (RestoreState.STARTED, RestoreState.DONE)
            if Restore.objects.filter(pk=restore.pk, state__in=open_ones).update(state=RestoreState.FAILED, replaced_until=None):
                self._note("restore.failed", restore.backup, changes={"restore": restore.pk})

    def restore_to_undo(self) -> tuple[int, list[Swap]]:
        restore = Restore.objects.filter(undo_job=self.job).first()
        if restore is None or restore.state != RestoreState.DONE or restore.replaced_removed_at is not None:
            raise Refused("What this restore replaced is no longer there, so it cannot be undone. Nothing was changed.")
        return restore.pk, _swaps(restore)

    def undone(self) -> None:
        with self._ours():
            restore = Restore.objects.select_related("backup").get(undo_job=self.job)
            if Restore.objects.filter(pk=restore.pk, state=RestoreState.DONE).update(state=RestoreState.UNDONE):
                self._note("restore.undone", restore.backup, changes={"restore": restore.pk})

    def not_undone(self) -> None:
        with self._ours():
            restore = Restore.objects.select_related("backup").get(undo_job=self.job)
            if Restore.objects.filter(pk=restore.pk, state=RestoreState.UNDONE).update(state=RestoreState.DONE):
                self._note("restore.done", restore.backup, changes={"restore": restore.pk, "undo_until": restore.replaced_until})

    # The parts

    @property
    def _service(self) -> Service:
        if self.job.service is None:
            raise Broken(f"{self.job} belongs to no service.")
        return self.job.service

    def _plan(self) -> BackupPlan | None:
        return BackupPlan.objects.select_related("repository").filter(service=self._service).first()

    def _backups(self) -> QuerySet[Backup]:
        return Backup.objects.filter(service=self._service)

    def _get(self, number: int) -> Backup:
        found = self._backups().filter(pk=number).first()
        if found is None:
            raise Broken(f"{self._service} has no backup {number}.")
        return found

    def _restore(self) -> Restore:
        found = Restore.objects.select_related("backup").filter(job=self.job).first()
        if found is None:
            raise Broken(f"{self.job} belongs to no restore.")
        return found

    def _spoil(self, backup: Backup, state: str, why: str) -> None:
        Backup.objects.filter(pk=backup.pk).update(state=state, why=why[:_MOST_WHY])
        action = "backup.damaged" if state == BackupState.DAMAGED else "backup.incomplete"
        self._note(action, backup, reason=why, changes={"state": [backup.state, state], "snapshot": backup.snapshot})

    def _forget(self, rows: Iterable[Backup]) -> None:
        now = timezone.now()
        for row in rows:
            Backup.objects.filter(pk=row.pk).update(state=BackupState.FORGOTTEN, forgotten_at=now)
            self._note("backup.forgotten", row, changes={"state": [row.state, BackupState.FORGOTTEN], "snapshot": row.snapshot})

    def _note(self, action: str, backup: Backup, *, reason: str = "", changes: dict[str, Any] | None = None) -> None:
        """All of them tell of the service as well, so that its history shows them."""
        told = {"service": str(self._service), **(changes or {})}
        audit.record(audit.WORKER, Event(action, **about(backup), reason=reason, job=self.job.pk, changes=told))

    @contextmanager
    def _ours(self) -> Iterator[None]:
        with audit.changing():
            self.claim.check()
            yield


@dataclass(frozen=True)
class Replaced:
    """What a restore replaced, whose time is over. `swaps` as they were made: what is to go lies at `staged`."""

    restore: int
    service: int
    swaps: tuple[Swap, ...]


def replaced_to_remove(host: Host, now: datetime | None = None) -> list[Replaced]:
    """Also what was left of a restore that was undone. Not while a job holds the service."""
    moment = now or timezone.now()
    over = Restore.objects.filter(
        service__host=host, replaced_removed_at=None, replaced_until__lte=moment,
        state__in=(RestoreState.DONE, RestoreState.UNDONE),
    ).exclude(swaps=[])  # fmt: skip
    busy = Job.objects.filter(service__host=host, state__in=ACTIVE).values("service")
    rows = over.exclude(service__in=busy).order_by("replaced_until", "pk")
    return [Replaced(one.pk, one.service_id, tuple(_swaps(one))) for one in rows]


def replaced_removed(restore: int) -> None:
    """Safe to repeat."""
    with audit.changing():
        if Restore.objects.filter(pk=restore, replaced_removed_at=None).update(replaced_removed_at=timezone.now()):
            found = Restore.objects.select_related("backup", "service__host").get(pk=restore)
            told = {"service": str(found.service), "restore": found.pk}
            audit.record(audit.WORKER, Event("restore.removed", **about(found.backup), changes=told))


def _swaps(restore: Restore) -> list[Swap]:
    return [Swap(**one) for one in restore.swaps]


def _kept(row: Backup) -> Kept:
    return Kept(
        id=row.pk, snapshot=row.snapshot, tree=row.tree, state=row.state, paths=tuple(row.paths), digest=row.digest,
        fingerprint=row.fingerprint, files=row.files, bytes=row.bytes, disk_bytes=row.disk_bytes, at=row.at,
        verified=row.verified_how if row.verified_at else "", verified_at=row.verified_at,
    )  # fmt: skip
