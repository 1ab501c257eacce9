"""The worker is killed in every step of upgrade and rollback and in every undo: the job ends by itself, all is whole."""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from chatbot_service.jobs.catalogue import KINDS
from chatbot_service.models import Job, JobState, StepState
from deploy_records.models import AuditEvent, Deployment, ImageDigest, LedgerState, Outcome
from tests.docker.faults import workers
from tests.docker.faults.ahead import Ahead, cases_to_come
from tests.docker.faults.stage import Build, Stage, Stand, is_whole
from tests.docker.faults.workers import Rig

WITHIN = 60.0
BOTH = ("upgrade", "rollback")


@dataclass(frozen=True)
class Killed:
    """The worker that runs a job of that kind is killed as `rig` says; the next one as `again` says, if so."""

    kind: str
    rig: Rig
    again: Rig | None = None

    def __str__(self) -> str:
        moments = [f"{'after' if rig.after else 'before'} {'the undo of ' if rig.undo else ''}{rig.step}" for rig in self.rigs]
        return f"{self.kind}: {', then '.join(moments)}"

    @property
    def rigs(self) -> list[Rig]:
        return [self.rig, *([self.again] if self.again else [])]


@dataclass(frozen=True)
class End:
    job: Job
    stand: Stand
    was: Build
    wanted: Build
    seconds: float
    """From the start of the last worker to the end of the job."""


def steps_of(kind: str) -> list[str]:
    return [step.key for step in KINDS[kind].steps]


def undone_steps_of(kind: str) -> list[str]:
    return [step.key for step in KINDS[kind].steps if step.undo]


def in_steps() -> list[Killed]:
    return [Killed(kind, Rig(step, after=after)) for kind in BOTH for step in steps_of(kind) for after in (False, True)]


def in_undos() -> list[Killed]:
    """The job fails by itself in its last step that can, so that everything is undone."""
    return [
        Killed(kind, Rig(step, after=after, undo=True, fails="watch"))
        for kind in BOTH for step in undone_steps_of(kind) for after in (False, True)
    ]  # fmt: skip


def twice() -> list[Killed]:
    return [
        Killed("upgrade", Rig("serving"), Rig("switch", undo=True)),
        Killed("upgrade", Rig("switch", after=True), Rig("pin", undo=True, after=True)),
        Killed("rollback", Rig("switch"), Rig("switch", undo=True, after=True)),
        Killed("rollback", Rig("watch"), Rig("watch", after=True)),
    ]


@pytest.fixture(scope="module")
def killed(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Ahead[Killed, End]]:
    stage.build("good-1"), stage.build("good-2")

    def play(case: Killed) -> End:
        if "deprecate" in {rig.step for rig in case.rigs}:
            # A repository of its own: what is deprecated there is not offered to the other stands any more.
            where = f"stage/deprecated-{case.rig.after}".lower()
            new, old = (stage.build(name, repository=where) for name in ("good-1", "good-2"))
            return played(stage.stand(new, old), case, note="It was slow.")
        with stage.borrowed() as stand:
            return played(stand, case)

    with Ahead(play, cases_to_come(request, Killed)) as ahead:
        yield ahead


def played(stand: Stand, case: Killed, note: str = "") -> End:
    was, wanted = stand.pair()
    job = stand.upgrade(wanted) if case.kind == "upgrade" else stand.rollback(wanted, note=note)
    ended = workers.worker(job.pk, case.rig).ends_with(WITHIN)
    assert ended == -signal.SIGKILL, Job.objects.get(pk=job.pk).error
    if case.again:
        assert workers.comes_back(job.pk, case.again).ends_with(WITHIN) == -signal.SIGKILL
    begun = time.monotonic()
    assert workers.comes_back(job.pk).ends_with(WITHIN) == 0
    seconds = time.monotonic() - begun
    job.refresh_from_db()
    end = End(job, stand, was, wanted, seconds)
    is_whole(stand, job, on=wanted if job.state == JobState.SUCCEEDED else was)
    return end


def ids(cases: list[Killed]) -> list[str]:
    return [str(case) for case in cases]


@pytest.mark.parametrize("case", in_steps(), ids=ids(in_steps()))
def test_killed_in_a_step_the_job_ends_and_all_is_whole(killed: Ahead[Killed, End], case: Killed) -> None:
    end = killed.of(case).result()
    keys = steps_of(case.kind)
    committed = keys.index(case.rig.step) > keys.index("record")
    assert end.job.state == (JobState.SUCCEEDED if committed else JobState.FAILED)
    assert end.seconds < WITHIN
    if committed:
        finished(end)
    else:
        undone(end, begun=keys[: keys.index(case.rig.step) + 1])


@pytest.mark.parametrize("case", in_undos(), ids=ids(in_undos()))
def test_killed_in_an_undo_the_undoing_goes_on_and_the_first_cause_is_told(killed: Ahead[Killed, End], case: Killed) -> None:
    end = killed.of(case).result()
    assert end.job.state == JobState.FAILED
    assert "it fails as the test wants" in end.job.error
    assert end.job.steps.get(key="watch").error == "it fails as the test wants"
    for key in undone_steps_of(case.kind):
        assert end.job.steps.get(key=key, is_undo=True).state == StepState.DONE
    assert Deployment.objects.get(job=end.job.pk, kind=case.kind).outcome == Outcome.UNDONE


@pytest.mark.parametrize("case", twice(), ids=ids(twice()))
def test_killed_again_while_recovering_the_third_worker_ends_it(killed: Ahead[Killed, End], case: Killed) -> None:
    end = killed.of(case).result()
    assert end.job.fence == 3
    if case.rig.step == "watch":
        finished(end)
    else:
        undone(end, begun=steps_of(case.kind)[: steps_of(case.kind).index(case.rig.step) + 1])


def finished(end: End) -> None:
    assert set(end.job.steps.values_list("state", flat=True)) == {StepState.DONE}
    assert Deployment.objects.filter(job=end.job.pk).count() == 1
    assert entry_of(end.wanted).state == LedgerState.KNOWN_GOOD
    if end.job.asked.get("deprecate"):
        assert entry_of(end.was).state == LedgerState.DEPRECATED
    told(end, "job.succeeded")


def undone(end: End, begun: list[str]) -> None:
    """The step list tells which step the worker died in, and every undo that was needed is done."""
    rows = {row.key: row for row in end.job.steps.filter(is_undo=False)}
    *done, died_in = begun
    assert {rows[key].state for key in done} <= {StepState.DONE}
    assert rows[died_in].state == StepState.FAILED
    assert "worker died" in rows[died_in].error
    assert {row.state for key, row in rows.items() if key not in begun} <= {StepState.WAITING}
    undos = {row.key: row.state for row in end.job.steps.filter(is_undo=True)}
    assert undos == {key: StepState.DONE for key in undone_steps_of(end.job.kind) if key in begun}
    assert rows[died_in].name in end.job.error
    events = AuditEvent.objects.filter(job=end.job.pk)
    assert not events.filter(action="digest.failed").exists(), "a worker's death is not the image's fault"
    told(end, "job.failed")


def told(end: End, last: str) -> None:
    actions = list(AuditEvent.objects.filter(job=end.job.pk).order_by("sequence").values_list("action", flat=True))
    assert actions[:2] == ["job.asked", "job.started"]
    assert actions.count("job.started") == 1
    assert actions.count("job.recovered") == end.job.fence - 1
    assert actions[-1] == last


def entry_of(build: Build) -> ImageDigest:
    return ImageDigest.objects.get(repository=build.repository, digest=build.digest)
