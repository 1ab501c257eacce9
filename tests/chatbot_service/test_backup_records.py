from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chatbot_service import backup_records
from chatbot_service.backup_records import JobBackups
from chatbot_service.claims import Claim
from chatbot_service.jobs.backup_ports import Swap
from chatbot_service.jobs.step import Fenced
from chatbot_service.models import Backup, BackupPlan, Job, JobState, Kind, Restore, RestoreRehearsal, Service
from deploy_records.errors import Broken, Refused
from deploy_records.models import AuditEvent
from tests import backup_factories as backups
from tests import factories as make

pytestmark = pytest.mark.django_db

SWAP = Swap("/srv/bot/uploads", "/srv/bot/.known-good-restore-7/srv/bot/uploads", "rename", "1:2", "1:3")


@pytest.fixture
def service() -> Service:
    made = make.service("bot", runs=make.entry())
    backups.plan(made)
    return made


def _records(of: Service, kind: str = Kind.BACKUP) -> JobBackups:
    """Of the next job: the one before has ended."""
    Job.objects.filter(service=of, state=JobState.RUNNING).exclude(kind=Kind.BROWSE).update(state=JobState.SUCCEEDED)
    job = backups.job(kind, of, JobState.RUNNING, fence=3)
    return JobBackups(job, Claim(job.pk, 3, recovered=False))


def _facts(**fields: Any) -> dict[str, Any]:
    usual = {"at": timezone.now(), "snapshot": "a" * 64, "tree": "b" * 64, "mode": "live", "paths": ["/srv/bot/uploads"]}
    return {**usual, "files": 3, "bytes": 10, "verified_how": "structure", **fields}


def _events(action: str) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("sequence"))


def _numbers(rows: Any) -> set[int]:
    return {row.id for row in rows}


def test_the_plan_is_told_with_the_paths_on_the_host(service: Service) -> None:
    BackupPlan.objects.update(mode="paused", longest_pause=5, with_values=True, keep_replaced_hours=1)
    plan = _records(service).plan()
    assert plan is not None
    assert (plan.paths, plan.mode, plan.longest_pause) == (("/srv/bot/uploads",), "paused", 5.0)
    assert (plan.with_values, plan.before_upgrade, plan.keep_replaced_hours) == (True, True, 1)


def test_without_data_or_without_a_plan_there_is_none(service: Service) -> None:
    service.data_paths = []
    service.save()
    assert _records(service).plan() is None
    assert _records(make.service("other")).plan() is None


def test_a_backup_is_noted_with_its_event(service: Service) -> None:
    records = _records(service)
    number = records.taken(_facts())
    kept = records.backup(number)
    assert kept == records.last()
    assert kept is not None
    assert (kept.snapshot, kept.verified) == ("a" * 64, "structure")
    assert kept.verified_at is not None
    (event,) = _events("backup.taken")
    assert (event.object_id, event.job) == (str(number), records.job.pk)
    assert (event.changes["service"], event.changes["place"]) == ("bot on prod-1", "local")


def test_one_that_is_not_whole_does_not_count_as_the_last_good_one(service: Service) -> None:
    records = _records(service)
    records.taken(_facts(state="incomplete", why="2 files could not be read"))
    assert records.last() is None
    assert _events("backup.incomplete")[0].reason == "2 files could not be read"
    assert not _events("backup.taken")


def test_a_backup_of_another_service_is_none_of_this_jobs(service: Service) -> None:
    other = backups.backup(make.service("other"))
    assert _records(service).backup(other.pk) is None
    with pytest.raises(Broken):
        _records(service).spoilt(other.pk, "damaged", "x")


def test_whoever_lost_the_job_writes_nothing(service: Service) -> None:
    backup = backups.backup(service)
    records = _records(service, Kind.RESTORE)
    backups.restore(backup, "started", job=records.job)
    Job.objects.filter(pk=records.job.pk).update(fence=4)
    for write in (
        lambda: records.taken(_facts()), lambda: records.verified(backup.pk, "x"), lambda: records.checked("x"),
        lambda: records.spoilt(backup.pk, "damaged", "x"), lambda: records.damaged([backup.snapshot], "x"), records.to_forget,
        lambda: records.forgotten([backup.pk]), lambda: records.rehearsed(backup.pk, {"passed": True}),
        lambda: records.restoring([SWAP]), records.restored, records.not_restored, records.undone,
    ):  # fmt: skip
        with pytest.raises(Fenced):
            write()
    backup.refresh_from_db()
    assert (backup.state, backup.verified_at, backup.rehearsed_at) == ("good", None, None)
    assert not AuditEvent.objects.filter(action__startswith="backup.").exists()
    assert Restore.objects.get().state == "started"


def test_damage_marks_all_that_rest_on_a_snapshot(service: Service) -> None:
    first = backups.backup(service, hours=30)
    again = backups.backup(service, hours=3, snapshot=first.snapshot, unchanged=True)
    other = backups.backup(service, hours=50)
    assert _records(service).damaged([first.snapshot], "a pack is missing") == 2
    states = dict(Backup.objects.values_list("pk", "state"))
    assert states == {first.pk: "damaged", again.pk: "damaged", other.pk: "good"}
    assert [event.reason for event in _events("backup.damaged")] == ["a pack is missing"] * 2
    assert _records(service).last().id == other.pk  # type: ignore[union-attr]


def test_a_check_is_remembered_with_what_it_found(service: Service) -> None:
    _records(service).checked("1 pack is missing")
    plan = BackupPlan.objects.get()
    assert plan.check_problem == "1 pack is missing"
    assert plan.checked_at is not None
    assert _events("backup.found-faulty")
    _records(service).checked("")
    assert BackupPlan.objects.get().check_problem == ""
    assert _events("backup.checked")


def test_a_rehearsal_is_noted_and_only_one_that_passed_proves_the_backup(service: Service) -> None:
    backup = backups.backup(service)
    records = _records(service, Kind.REHEARSE)
    records.rehearsed(backup.pk, {"passed": False, "problem": "2 files differ"})
    assert not Backup.objects.filter(rehearsed_at__isnull=False).exists()
    records.rehearsed(backup.pk, {"passed": True, "restore_seconds": 1.5, "files": 12})
    assert Backup.objects.filter(rehearsed_at__isnull=False).exists()
    assert [one.passed for one in RestoreRehearsal.objects.order_by("pk")] == [False, True]
    assert _events("rehearsal.failed")[0].reason == "2 files differ"
    assert _events("rehearsal.passed")


def test_what_the_plan_no_longer_keeps_goes_with_all_that_rests_on_it(service: Service) -> None:
    backups.plan(service, keep_daily=1, keep_weekly=0, keep_monthly=0)
    last = backups.backup(service, hours=1)
    old = backups.backup(service, hours=200, digest="")
    older = backups.backup(service, hours=300, snapshot=old.snapshot, digest="")
    records = _records(service)
    found = records.to_forget()
    assert _numbers(found) == {old.pk}
    records.forgotten([old.pk])
    assert dict(Backup.objects.values_list("pk", "state")) == {last.pk: "good", old.pk: "forgotten", older.pk: "forgotten"}
    assert Backup.objects.get(pk=old.pk).forgotten_at is not None
    assert records.to_forget() == []
    assert len(_events("backup.forgotten")) == 2


def test_a_row_whose_snapshot_is_still_needed_goes_alone(service: Service) -> None:
    backups.plan(service, keep_daily=1, keep_weekly=0, keep_monthly=0)
    old = backups.backup(service, hours=200)
    last = backups.backup(service, hours=1, snapshot=old.snapshot, unchanged=True)
    assert _records(service).to_forget() == []
    assert dict(Backup.objects.values_list("pk", "state")) == {last.pk: "good", old.pk: "forgotten"}


def test_what_a_rollback_a_restore_a_job_or_a_proof_rests_on_stays(service: Service) -> None:
    backups.plan(service, keep_daily=0, keep_weekly=0, keep_monthly=0)
    before = make.entry("before")
    ran = make.ran_before(service, before)
    upgrade = backups.job(Kind.UPGRADE, service)
    type(ran).objects.filter(ended_at=None).update(job=upgrade.pk)
    before_upgrade = backups.backup(service, hours=500, job=upgrade, digest=before.digest)
    first_upgrades = [backups.job(Kind.UPGRADE, service) for _ in range(2)]
    type(ran).objects.filter(pk=ran.pk).update(job=first_upgrades[1].pk, kind="upgrade")
    make.deployment(
        service,
        before,
        started=ran.started_at - timedelta(days=9),
        ended=ran.started_at,
        job=first_upgrades[0].pk,
        kind="upgrade",
    )
    of_an_older_upgrade, of_its_upgrade = (backups.backup(service, hours=495, job=one, digest="") for one in first_upgrades)
    of_the_target = backups.backup(service, hours=490, digest=before.digest)
    undoable = backups.backup(service, hours=480, digest="")
    backups.restore(undoable)
    waiting = backups.backup(service, hours=470, digest="")
    backups.restore(waiting, "asked")
    rehearsed = backups.backup(service, hours=460, digest="")
    backups.rehearsal(rehearsed)
    looked_at = backups.backup(service, hours=450, digest="")
    backups.job(Kind.BROWSE, service, JobState.RUNNING, asked={"backup": looked_at.pk})
    gone = [of_an_older_upgrade, *(backups.backup(service, hours=hours, digest="") for hours in (485, 440))]
    last = backups.backup(service, hours=1)
    records = _records(service)
    assert _numbers(records.to_forget()) == {one.pk for one in gone}
    Restore.objects.update(state="done", replaced_until=timezone.now() - timedelta(hours=1))
    Job.objects.filter(kind=Kind.BROWSE).update(state=JobState.SUCCEEDED)
    went = _numbers(records.to_forget())
    assert {undoable.pk, waiting.pk, looked_at.pk} <= went
    assert not {before_upgrade.pk, of_its_upgrade.pk, of_the_target.pk, rehearsed.pk, last.pk} & went


def test_what_lies_at_another_place_is_not_touched(service: Service) -> None:
    backups.plan(service, keep_daily=1, keep_weekly=0, keep_monthly=0)
    away = backups.backup(service, hours=300, digest="", repository=backups.repository("away"))
    backups.backup(service, hours=1)
    assert _records(service).to_forget() == []
    assert Backup.objects.get(pk=away.pk).state == "good"


def test_a_restore_can_be_undone_until_its_time_is_over(service: Service) -> None:
    backup = backups.backup(service)
    records = _records(service, Kind.RESTORE)
    restore = backups.restore(backup, "started", job=records.job)
    records.restoring([SWAP])
    records.restored()
    restore.refresh_from_db()
    assert restore.state == "done"
    assert restore.replaced_until is not None
    assert timedelta(hours=71) < restore.replaced_until - timezone.now() <= timedelta(hours=72)
    assert _events("restore.done")[0].changes["service"] == "bot on prod-1"
    undo = _records(service, Kind.UNDO_RESTORE)
    with pytest.raises(Refused, match="no longer there"):
        undo.restore_to_undo()
    Restore.objects.update(undo_job=undo.job)
    assert undo.restore_to_undo() == (restore.pk, [SWAP])
    undo.undone()
    undo.undone()
    restore.refresh_from_db()
    assert restore.state == "undone"
    assert len(_events("restore.undone")) == 1
    with pytest.raises(Refused, match="no longer there"):
        undo.restore_to_undo()


def test_a_restore_that_failed_is_on_record_once(service: Service) -> None:
    records = _records(service, Kind.RESTORE)
    backups.restore(backups.backup(service), "started", job=records.job)
    records.not_restored()
    records.not_restored()
    assert Restore.objects.get().state == "failed"
    assert len(_events("restore.failed")) == 1


def test_what_was_replaced_is_removed_when_its_time_is_over_and_nothing_is_under_way(service: Service) -> None:
    restore = backups.restore(backups.backup(service), swaps=[asdict(SWAP)])
    assert backup_records.replaced_to_remove(service.host) == []
    Restore.objects.update(replaced_until=timezone.now())
    assert backup_records.replaced_to_remove(make.host("prod-2")) == []
    busy = backups.job(Kind.UNDO_RESTORE, service, JobState.QUEUED)
    assert backup_records.replaced_to_remove(service.host) == []
    busy.delete()
    (found,) = backup_records.replaced_to_remove(service.host)
    assert (found.restore, found.service, found.swaps) == (restore.pk, service.pk, (SWAP,))
    backup_records.replaced_removed(restore.pk)
    backup_records.replaced_removed(restore.pk)
    assert backup_records.replaced_to_remove(service.host) == []
    assert len(_events("restore.removed")) == 1


def test_what_a_failed_restore_left_is_never_removed_by_time(service: Service) -> None:
    backups.restore(backups.backup(service), "failed", swaps=[asdict(SWAP)], replaced_until=timezone.now())
    assert backup_records.replaced_to_remove(service.host) == []
