"""What others do meanwhile: a registry that is down, a second person, a change by hand, a change of mind."""

import time

from chatbot_service import dispatch
from chatbot_service.engine import DockerEngine
from chatbot_service.health.watch import HostWatch
from chatbot_service.models import Job, JobState, Service
from deploy_records.errors import Refused
from deploy_records.models import AuditEvent
from tests.docker.faults import workers
from tests.docker.faults.stage import Stage, Stand, is_whole

WITHIN = 60.0


def test_with_the_registry_down_an_upgrade_is_refused_before_anything_changed(stage: Stage) -> None:
    fresh = stage.build("good-3")
    with stage.borrowed() as stand:
        runs, _other = stand.pair()
        stage.registry.stop()
        try:
            job = stand.run(stand.upgrade(fresh))
        finally:
            stage.registry.start()
        assert job.state == JobState.REFUSED
        assert "cannot be reached" in job.error or "does not answer" in job.error
        assert not job.steps.filter(touches=True).exclude(state="waiting").exists()
        is_whole(stand, job, on=runs)


def test_with_the_registry_down_a_rollback_to_a_local_image_succeeds(stage: Stage) -> None:
    with stage.borrowed() as stand:
        _runs, other = stand.pair()
        stage.registry.stop()
        try:
            job = stand.run(stand.rollback(other))
        finally:
            stage.registry.start()
        assert job.state == JobState.SUCCEEDED, job.error
        is_whole(stand, job, on=other)


def _ask(service: int, digest: str, go: float, answers: workers.Answers) -> None:
    """In a process of its own: asks for the upgrade at the given moment."""
    from django.contrib.auth.models import User  # noqa: PLC0415 - in the other process Django is set up by then

    person = User.objects.get(username="olga")
    row = Service.objects.select_related("host").get(pk=service)
    time.sleep(max(0.0, go - time.time()))
    try:
        answers.put(f"started {dispatch.upgrade(row, digest, dispatch.Request(person)).pk}")
    except Refused as why:
        answers.put(str(why))


def test_of_eight_people_who_upgrade_one_service_at_the_same_instant_one_gets_it_and_the_others_are_told_who(
    stage: Stage,
) -> None:
    with stage.borrowed() as stand:
        runs, other = stand.pair()
        answers = workers.answers()
        go = time.time() + 1.5
        asking = [workers.process(_ask, stand.service.pk, other.digest, go, answers) for _ in range(8)]
        for one in asking:
            one.ends_with(WITHIN)
        said = [answers.get() for _ in asking]
        started = [words for words in said if words.startswith("started")]
        assert len(started) == 1, said
        assert all("by olga holds" in words and "Nothing was changed" in words for words in said if words not in started)
        job = Job.objects.get(pk=int(started[0].split()[1]))
        assert Job.objects.filter(service=stand.service, state="queued").count() == 1
        assert stand.run(job).state == JobState.SUCCEEDED
        is_whole(stand, job, on=other)
        assert runs != other


def _when(stand: Stand, job: Job, step: str) -> None:
    ends = time.monotonic() + WITHIN
    while not job.steps.filter(key=step, state="running").exists():
        assert time.monotonic() < ends, f"{stand.name} never came to {step}"
        time.sleep(0.05)


def _cancelled_in(stand: Stand, job: Job, step: str) -> Job:
    with workers.worker(job.pk) as worker:
        _when(stand, job, step)
        dispatch.cancel(job, stand.request)
        assert worker.ends_with(WITHIN) == 0
    job.refresh_from_db()
    return job


def test_a_job_cancelled_in_the_rehearsal_never_touches_the_service(stage: Stage) -> None:
    with stage.borrowed() as stand:
        runs, other = stand.pair()
        job = _cancelled_in(stand, stand.upgrade(other), "rehearse")
        assert job.state == JobState.CANCELLED
        is_whole(stand, job, on=runs)


def test_a_job_cancelled_in_the_watch_is_undone(stage: Stage) -> None:
    stand = stage.stand(stage.build("good-1"), stage.build("good-2"), watch_seconds=30, rehearsal="off")
    job = _cancelled_in(stand, stand.upgrade(stage.build("good-2")), "watch")
    assert job.state == JobState.CANCELLED
    is_whole(stand, job, on=stage.build("good-1"))
    stand.clear()


def test_a_change_by_hand_is_noticed_as_drift_and_gone_when_it_is_put_right(stage: Stage) -> None:
    with stage.borrowed() as stand:
        runs, other = stand.pair()
        watch = HostWatch(stand.host, DockerEngine())
        watch.look()
        stand.pin(other)
        stand.up()
        watch.look()
        stand.service.refresh_from_db()
        assert "changed outside the portal" in stand.service.drift
        about = AuditEvent.objects.filter(object_type="service", object_id=str(stand.service.pk))
        assert about.latest("sequence").action == "service.drifted"
        stand.pin(runs)
        stand.up()
        watch.look()
        stand.service.refresh_from_db()
        assert not stand.service.drift
        assert about.latest("sequence").action == "service.drift_ended"


def test_two_services_are_upgraded_side_by_side(stage: Stage) -> None:
    with stage.borrowed() as one, stage.borrowed() as two:
        jobs = [(stand, stand.pair()[1]) for stand in (one, two)]
        asked = [(stand, stand.upgrade(to), to) for stand, to in jobs]
        running = [workers.worker(job.pk) for _stand, job, _to in asked]
        assert [worker.ends_with(WITHIN) for worker in running] == [0, 0]
        for stand, job, to in asked:
            is_whole(stand, job, on=to)
            assert job.state == JobState.SUCCEEDED
