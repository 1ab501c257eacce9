"""What a recovered job tells: the first cause stays, whoever undoes it; and a cancel between two steps ends the job."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chatbot_service import dispatch, runner
from chatbot_service.jobs.catalogue import KINDS
from chatbot_service.models import Job, JobState, Kind, StepState
from deploy_records.errors import Broken
from deploy_records.models import AuditEvent, LedgerState
from tests.chatbot_service.fakes import NEVER_HEALTHY
from tests.chatbot_service.test_runner import Stage, WorkerDied, upgrade
from tests.chatbot_service.test_runner import stage as stage

pytestmark = pytest.mark.django_db

Then = Callable[[str, Callable[[], None]], None]


@pytest.fixture
def after(monkeypatch: pytest.MonkeyPatch) -> Then:
    """`after("verify", deed)`: what happens when that step of an upgrade has acted, before it is recorded as done."""

    def happens(key: str, deed: Callable[[], None]) -> None:
        def then(act: Callable[[Any], str | None]) -> Callable[[Any], str | None]:
            def both(context: Any) -> str | None:
                note = act(context)
                deed()
                return note

            return both

        kind = KINDS["upgrade"]
        steps = tuple(replace(step, do=then(step.do)) if step.key == key else step for step in kind.steps)
        monkeypatch.setitem(KINDS, "upgrade", replace(kind, steps=steps))

    return happens


def cancel() -> None:
    Job.objects.filter(cancel_asked_at=None).update(cancel_asked_at=timezone.now())


def dies_then_recovered(stage: Stage, job: Job) -> Job:
    with pytest.raises(WorkerDied):
        stage.run(job)
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1), worker="elsewhere/1/1")
    return stage.run(job)


@pytest.mark.parametrize("step", ["gate", "verify", "pin", "switch", "record"])
def test_a_cancel_asked_at_the_end_of_a_step_ends_the_job_undone(stage: Stage, after: Then, step: str) -> None:
    after(step, cancel)
    job = stage.run(upgrade(stage))
    assert job.state == JobState.CANCELLED
    assert stage.world.running_digest() == stage.old.digest
    assert not job.steps.filter(state=StepState.RUNNING).exists()
    assert job.steps.get(key=step, is_undo=False).state == StepState.DONE


def test_a_cancelled_job_whose_worker_dies_while_undoing_is_cancelled(stage: Stage, after: Then) -> None:
    after("switch", cancel)
    job = upgrade(stage)
    stage.world.fail("compose.up", nth=2, error=WorkerDied())  # type: ignore[arg-type]  # not an Exception, on purpose
    job = dies_then_recovered(stage, job)
    assert job.state == JobState.CANCELLED
    assert stage.world.running_digest() == stage.old.digest


def test_the_cause_of_a_bad_build_is_told_even_if_the_worker_dies_while_undoing(stage: Stage) -> None:
    bad = stage.world.add_image("bad", NEVER_HEALTHY)
    entry = stage.enter(bad, LedgerState.APPROVED)
    job = dispatch.upgrade(stage.service, bad.digest, stage.request)
    stage.world.fail("compose.down", nth=2, error=WorkerDied())  # type: ignore[arg-type]  # likewise
    job = dies_then_recovered(stage, job)
    assert job.state == JobState.FAILED
    assert "connection refused" in job.error
    assert "died" not in job.error
    entry.refresh_from_db()
    assert entry.failed_at is not None


def test_a_job_whose_worker_died_twice_names_the_step_in_which_it_died_first(stage: Stage) -> None:
    job = upgrade(stage)
    stage.world.fail("compose.up", error=WorkerDied())  # type: ignore[arg-type]  # likewise
    stage.world.fail("compose.up", nth=2, error=WorkerDied())  # type: ignore[arg-type]  # likewise
    with pytest.raises(WorkerDied):
        dies_then_recovered(stage, job)
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1), worker="elsewhere/1/1")
    job = stage.run(job)
    assert job.state == JobState.FAILED
    assert job.error == "The worker died in “Switch”."
    assert stage.world.answers()


def test_a_job_whose_worker_died_when_all_was_done_has_succeeded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    job = dispatch.lifecycle(Kind.STOP, stage.service, stage.request)

    def dies(*_: object) -> None:
        raise WorkerDied

    with monkeypatch.context() as patched:
        patched.setattr(runner, "_end", dies)
        with pytest.raises(WorkerDied):
            stage.run(job)
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1), worker="elsewhere/1/1")
    assert stage.run(job).state == JobState.SUCCEEDED
    assert not stage.world.answers()


def test_an_ended_job_keeps_nothing_of_the_pin_file(stage: Stage) -> None:
    stage.world.pin = f"{stage.world.pin}    environment:\n      TOKEN: hunter22\n"
    job = stage.run(upgrade(stage))
    assert job.state == JobState.SUCCEEDED
    assert "hunter22" not in str(job.facts)
    assert job.facts["ran_before"]


def test_the_trail_says_in_which_state_a_job_ended(stage: Stage) -> None:
    stage.world.fail("compose.up")
    job = stage.run(upgrade(stage))
    event = AuditEvent.objects.get(action="job.failed", job=job.pk)
    assert event.changes["state"] == ["undoing", "failed"]


def test_an_undo_that_fails_while_the_engine_shuts_down_is_repeated(stage: Stage) -> None:
    stage.world.fail("compose.up", before=True)
    stage.world.fail("files.write_pin", nth=2, error=Broken("the engine shuts down"), before=True)
    job = stage.run(upgrade(stage))
    assert job.state == JobState.FAILED
    assert stage.world.running_digest() == stage.old.digest
    assert "is tried again: the engine shuts down" in "".join(job.steps.values_list("output", flat=True))


def test_an_undo_that_fails_for_good_ends_stuck_after_half_a_minute(stage: Stage) -> None:
    stage.world.fail("compose.up", before=True)
    for nth in range(2, 100):
        stage.world.fail("files.write_pin", nth=nth, error=Broken("the disk is full"), before=True)
    begun = stage.world.now
    job = stage.run(upgrade(stage))
    assert job.state == JobState.STUCK
    assert "the disk is full" in job.error
    assert stage.world.now - begun < 120
