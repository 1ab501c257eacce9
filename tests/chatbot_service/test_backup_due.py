from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chatbot_service import backup_due
from chatbot_service.models import Backup, BackupPlan, Host, Job, JobState, Kind, Restore, Service
from deploy_records.models import AuditEvent
from tests import backup_factories as backups
from tests import factories as make

pytestmark = pytest.mark.django_db


def _service(name: str = "bot", *, backed_up: float | None = 30, rehearsed: float | None = 20, **plan: Any) -> Service:
    """With its last good backup and its last rehearsal so many hours ago."""
    service = make.service(name, runs=make.entry(name))
    backups.plan(service, **plan)
    if backed_up is not None:
        made = backups.backup(service, hours=backed_up)
        if rehearsed is not None:
            backups.rehearsal(made, hours=rehearsed)
    return service


def _started() -> list[tuple[str, str]]:
    return [(job.kind, str(job.service and job.service.name)) for job in backup_due.start_due()]


def test_a_backup_that_is_due_is_started_in_nobodys_name() -> None:
    _service(mode="paused")
    (job,) = backup_due.start_due()
    assert (job.kind, job.by, job.asked, job.reason) == ("backup", None, {"mode": "paused"}, "Due by the backup plan")
    assert AuditEvent.objects.get(action="job.asked").actor == "scheduler"
    assert _started() == []


@pytest.mark.parametrize(
    ("plan", "hours"),
    [({}, 5), ({"scheduled": False, "rehearse_days": 0}, 500), ({"rpo_hours": 48}, 30)],
)
def test_what_is_not_due_or_not_scheduled_is_not_started(plan: dict[str, Any], hours: float) -> None:
    _service(backed_up=hours, **plan)
    assert _started() == []


def test_a_demo_record_one_without_data_and_one_without_a_worker_are_left_alone() -> None:
    changes: list[dict[str, Any]] = [{"is_demo": True}, {"data_paths": []}]
    for number, change in enumerate(changes):
        Service.objects.filter(pk=_service(f"bot-{number}").pk).update(**change)
    assert _started() == []
    _service("bot")
    Host.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    assert _started() == []


def test_a_busy_service_waits_for_the_next_round() -> None:
    service = _service()
    held = backups.job(Kind.UPGRADE, service, JobState.RUNNING)
    assert _started() == []
    Job.objects.filter(pk=held.pk).update(state=JobState.SUCCEEDED)
    assert _started() == [("backup", "bot")]


def test_a_few_at_a_time_on_one_host_the_longest_due_first() -> None:
    for number in range(4):
        _service(f"bot-{number}", backed_up=30 + number)
    assert _started() == [("backup", "bot-3"), ("backup", "bot-2")]
    assert _started() == []
    Job.objects.filter(service__name="bot-3", state=JobState.QUEUED).update(state=JobState.SUCCEEDED)
    Backup.objects.filter(service__name="bot-3").update(at=timezone.now())
    assert _started() == [("backup", "bot-1")]


def test_after_a_failed_try_it_waits() -> None:
    service = _service()
    backups.job(Kind.BACKUP, service, JobState.FAILED, hours=0.2)
    assert _started() == []
    Job.objects.filter(state=JobState.FAILED).update(ended_at=timezone.now() - timedelta(minutes=16))
    assert _started() == [("backup", "bot")]


def test_failures_before_the_last_good_one_count_for_nothing() -> None:
    service = _service(backed_up=30)
    for hours in range(31, 40):
        backups.job(Kind.BACKUP, service, JobState.FAILED, hours=hours)
    assert _started() == [("backup", "bot")]


@pytest.mark.parametrize(("hours", "due"), [(None, True), (200, True), (20, False)])
def test_a_rehearsal_is_started_when_it_is_due(hours: float | None, due: bool) -> None:
    service = _service(backed_up=5, rehearsed=None)
    if hours is not None:
        backups.rehearsal(Backup.objects.get(), hours=hours)
    assert _started() == ([("rehearse", service.name)] if due else [])


def test_a_rehearsal_waits_for_something_to_rehearse_and_is_left_out_if_nobody_wants_it() -> None:
    _service("new", backed_up=None, scheduled=False)
    _service("none", backed_up=5, rehearsed=None, rehearse_days=0)
    assert _started() == []


def test_services_without_a_plan_get_one_and_their_first_backup() -> None:
    backups.repository()
    service = make.service("bot")
    assert _started() == [("backup", "bot")]
    assert BackupPlan.objects.get(service=service).rpo_hours == 24


def test_the_next_one_is_told_for_the_page() -> None:
    service = _service(backed_up=3)
    plan = service.backup_plan
    moment = backup_due.next_backup(plan)
    assert moment is not None
    assert timedelta(hours=19, minutes=59) < moment - timezone.now() < timedelta(hours=20, minutes=1)
    plan.scheduled = False
    assert backup_due.next_backup(plan) is None


def test_a_restore_whose_job_never_began_is_over() -> None:
    backup = Backup.objects.get(service=_service(backed_up=3))
    job = backups.job(Kind.RESTORE, backup.service, JobState.CANCELLED, error="Cancelled before it began.")
    backups.restore(backup, "started", job=job)
    backup_due.start_due()
    assert Restore.objects.get().state == "failed"
    assert AuditEvent.objects.get(action="restore.failed").reason == "Cancelled before it began."
    Restore.objects.update(state="started")
    Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING)
    backup_due.start_due()
    assert Restore.objects.get().state == "started"
