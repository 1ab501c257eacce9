"""A job in the database from request to end, on the small world; recovered when its worker has died."""

import socket
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import InterfaceError, connection
from django.utils import timezone

from chatbot_service import claims, dispatch
from chatbot_service.claims import Claim, Lease
from chatbot_service.dispatch import Request
from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.ports import Login
from chatbot_service.models import Job, JobState, Service, StepState
from chatbot_service.progress import Progress
from chatbot_service.records import JobRecords
from chatbot_service.runner import run_job
from chatbot_service.wiring import task_of
from deploy_records.ledger import Resolved
from deploy_records.models import AuditEvent, Deployment, ImageDigest, LedgerState, PlatformImage
from tests import factories
from tests.chatbot_service.fakes import NEVER_HEALTHY, FakeCompose, FakeEngine, FakeFiles, FakeImage, World, without_backups

pytestmark = pytest.mark.django_db


class WorkerDied(BaseException):
    """Ends the worker as SIGKILL would: nothing of it runs any more, not even an undo."""


class Stage:
    """The small world, with a real record: build 1 runs, build 2 is approved."""

    def __init__(self) -> None:
        self.world = World()
        self.operator = factories.person("Operator", name="olga")
        self.old, self.new = self.world.add_image("1"), self.world.add_image("2")
        self.old_entry = self.enter(self.old, LedgerState.KNOWN_GOOD)
        self.new_entry = self.enter(self.new, LedgerState.APPROVED)
        self.world.run(self.old)
        self.service = factories.service(
            "chatbot", runs=self.old_entry, project_name="chatbot", compose_service="chatbot", watch_seconds=0,
            repository=self.old.repository, project_dir="/srv/chatbot",
        )  # fmt: skip
        self.die_in: Callable[[], bool] = lambda: False

    def enter(self, image: FakeImage, state: LedgerState) -> ImageDigest:
        entry = factories.entry(image.tag, state, repository=image.repository, tag=image.tag)
        ImageDigest.objects.filter(pk=entry.pk).update(digest=image.digest)
        PlatformImage.objects.filter(entry=entry).update(manifest_digest=image.digest, config_digest=image.id)
        entry.refresh_from_db()
        return entry

    @property
    def request(self) -> Request:
        return Request(self.operator, "monthly refresh")

    def context(self, job: Job, progress: Progress, claim: Claim) -> JobContext:
        def pause(seconds: float) -> None:
            self.world.pause(seconds)
            progress.look_up(force=True)

        def no_registry(_reference: str, _login: Login | None) -> Resolved:
            raise AssertionError("the registry must not be asked")

        return JobContext(
            task=task_of(job), engine=FakeEngine(self.world), compose=FakeCompose(self.world), files=FakeFiles(self.world),
            records=JobRecords(job, claim, no_registry), memory=progress, say=progress.say, pause=pause,
            now=lambda: self.world.now, **without_backups(),
        )  # fmt: skip

    def run(self, job: Job) -> Job:
        run_job(job.pk, self.context)
        job.refresh_from_db()
        return job

    def service_now(self) -> Service:
        return Service.objects.get(pk=self.service.pk)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def upgrade(stage: Stage) -> Job:
    return dispatch.upgrade(stage.service, stage.new.digest, stage.request)


def test_an_upgrade_ends_with_the_new_digest_running_recorded_and_known_good(stage: Stage) -> None:
    job = stage.run(upgrade(stage))
    assert job.state == JobState.SUCCEEDED
    assert stage.world.running_digest() == stage.new.digest
    assert stage.service_now().seen_digest == stage.new.digest
    assert Deployment.objects.get(ended_at=None).entry == stage.new_entry
    stage.new_entry.refresh_from_db()
    assert stage.new_entry.state == LedgerState.KNOWN_GOOD
    assert job.serving_at is not None
    assert set(job.steps.values_list("state", flat=True)) == {StepState.DONE}


def test_every_change_of_state_has_its_event(stage: Stage) -> None:
    job = stage.run(upgrade(stage))
    actions = list(AuditEvent.objects.filter(job=job.pk).order_by("sequence").values_list("action", flat=True))
    assert actions[:2] == ["job.asked", "job.started"]
    assert {"deployment.began", "deployment.healthy", "digest.known-good"} <= set(actions)
    assert actions[-1] == "job.succeeded"


def test_a_bad_build_ends_as_failed_and_undone_with_the_cause_in_words(stage: Stage) -> None:
    bad = stage.world.add_image("bad", NEVER_HEALTHY)
    entry = stage.enter(bad, LedgerState.APPROVED)
    job = stage.run(dispatch.upgrade(stage.service, bad.digest, stage.request))
    assert job.state == JobState.FAILED
    assert "connection refused" in job.error
    assert stage.world.running_digest() == stage.old.digest
    assert job.steps.filter(is_undo=True, key="rehearse", state=StepState.DONE).exists()
    assert job.steps.filter(key="pin", state=StepState.WAITING).exists()
    entry.refresh_from_db()
    assert entry.failed_at is not None


def test_a_digest_whose_approval_ended_meanwhile_is_refused_by_the_worker(stage: Stage) -> None:
    job = upgrade(stage)
    stage.new_entry.approvals.update(ended_at=timezone.now())
    job = stage.run(job)
    assert job.state == JobState.REFUSED
    assert stage.world.running_digest() == stage.old.digest
    assert stage.world.calls["files.write_pin"] == 0


def test_a_cancelled_job_is_undone(stage: Stage) -> None:
    job = upgrade(stage)
    paused = stage.world.pause

    def cancel_while_it_waits(seconds: float) -> None:
        Job.objects.filter(pk=job.pk).update(cancel_asked_at=timezone.now())
        paused(seconds)

    stage.world.pause = cancel_while_it_waits  # type: ignore[method-assign]  # the world's clock, with a person beside it
    job = stage.run(job)
    assert job.state == JobState.CANCELLED
    assert stage.world.running_digest() == stage.old.digest


def test_a_job_is_claimed_once(stage: Stage) -> None:
    job = upgrade(stage)
    assert claims.claim(job.pk) is not None
    assert claims.claim(job.pk) is None


def test_a_job_whose_lease_is_over_can_be_claimed_by_another_and_the_fence_grows(stage: Stage) -> None:
    job = upgrade(stage)
    first = claims.claim(job.pk)
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1), worker="elsewhere/1/1")
    second = claims.claim(job.pk)
    assert first
    assert second
    assert second.recovered
    assert second.fence == first.fence + 1
    assert not first.rows().exists()


def test_a_worker_whose_process_is_gone_is_not_waited_for(stage: Stage) -> None:
    job = upgrade(stage)
    claims.claim(job.pk)
    Job.objects.update(worker=claims.worker_name().rsplit("/", 1)[0] + "/123")
    assert claims.lapsed_jobs() == [job.pk]
    assert claims.claim(job.pk) is not None


def test_a_worker_in_another_container_is_not_taken_for_dead(stage: Stage) -> None:
    """On the host's network it has the same host name, but its process numbers are its own."""
    job = upgrade(stage)
    claims.claim(job.pk)
    place, pid, _start = claims.worker_name().split("/")
    assert place != socket.gethostname()
    Job.objects.update(worker=f"{place}1/{pid}/123")
    assert claims.lapsed_jobs() == []
    assert claims.claim(job.pk) is None


def test_a_lease_outlives_a_connection_that_breaks(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    held = claims.claim(upgrade(stage).pk)
    assert held
    monkeypatch.setattr("django.db.connection.close", lambda: None)  # the test's own

    def broken(_claim: Claim) -> None:
        raise InterfaceError("connection already closed")

    with monkeypatch.context() as patched:
        patched.setattr(Claim, "rows", broken)
        Lease(held)._renew()
    Job.objects.update(lease_until=None)
    Lease(held)._renew()
    assert Job.objects.get(pk=held.job_id).lease_until is not None


def test_the_record_is_written_under_a_lock_that_keeps_other_claims_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked before the transaction, a worker could lose its job between the question and the write."""
    depths: list[int] = []
    asked = Claim.check

    def check(claim: Claim) -> None:
        depths.append(len(connection.savepoint_ids))
        asked(claim)

    held = claims.claim(upgrade(stage).pk)
    assert held
    outside = len(connection.savepoint_ids)
    records = JobRecords(Job.objects.with_people().get(pk=held.job_id), held, lambda *_: pytest.fail("not asked"))
    monkeypatch.setattr(Claim, "check", check)
    records.deployed(stage.new.digest, {})
    records.healthy(stage.new.digest)
    records.observed(None, None, "")
    records.serving()
    assert len(depths) == 4
    assert min(depths) > outside


def test_a_worker_that_cannot_work_does_not_hold_the_service_for_ever(stage: Stage) -> None:
    job = upgrade(stage)

    def no_home(*_: object) -> JobContext:
        raise RuntimeError("Could not determine home directory.")

    run_job(job.pk, no_home)
    job.refresh_from_db()
    assert job.state == JobState.REFUSED
    assert job.error == "The worker cannot work: RuntimeError. Its log says more. Nothing was changed."
    assert stage.world.running_digest() == stage.old.digest


CALLS = [
    "engine.keep", "compose.config", "compose.up_rendered", "files.write_pin", "compose.up", "engine.probe", "compose.down",
]  # fmt: skip


@pytest.mark.parametrize("before", [True, False], ids=["before it acted", "after it acted"])
@pytest.mark.parametrize("call", CALLS)
def test_a_job_whose_worker_died_before_the_commit_is_undone_by_the_next_one(stage: Stage, call: str, before: bool) -> None:
    job = upgrade(stage)
    stage.world.fail(call, error=WorkerDied(), before=before)  # type: ignore[arg-type]  # not an Exception, on purpose
    with pytest.raises(WorkerDied):
        stage.run(job)
    job.refresh_from_db()
    assert job.is_active
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1), worker="elsewhere/1/1")
    job = stage.run(job)
    assert job.state == JobState.FAILED
    assert "died" in job.error
    assert stage.world.running_digest() == stage.old.digest
    assert stage.world.answers()
    assert len(stage.world.containers) == 1
    assert stage.old.digest in (stage.world.pin or "")
    assert Deployment.objects.get(ended_at=None).entry == stage.old_entry


def test_a_job_whose_worker_died_in_the_watch_is_finished_by_the_next_one(stage: Stage) -> None:
    job = upgrade(stage)
    looks = iter(range(1000))

    def die_in_the_watch(seconds: float) -> None:
        if job.steps.filter(key="watch", state=StepState.RUNNING).exists() and next(looks) == 0:
            raise WorkerDied
        World.pause(stage.world, seconds)

    stage.world.pause = die_in_the_watch  # type: ignore[method-assign]  # the world's clock
    with pytest.raises(WorkerDied):
        stage.run(job)
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1), worker="elsewhere/1/1")
    job = stage.run(job)
    assert job.state == JobState.SUCCEEDED
    assert stage.world.running_digest() == stage.new.digest
    assert Deployment.objects.filter(entry=stage.new_entry).count() == 1


def test_a_worker_that_lost_its_job_writes_nothing_more(stage: Stage) -> None:
    job = upgrade(stage)
    paused = stage.world.pause

    def taken_over(seconds: float) -> None:
        Job.objects.filter(pk=job.pk).update(fence=99, worker="elsewhere/1/1")
        paused(seconds)

    stage.world.pause = taken_over  # type: ignore[method-assign]  # the world's clock
    job = stage.run(job)
    assert job.state == JobState.RUNNING
    assert job.fence == 99
    assert not job.steps.filter(is_undo=True).exists()
