"""Upgrades to what must not run: caught before the service is touched or undone after, with the reason in words."""

import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from chatbot_service.models import Job, JobState
from portal.demo.visitor import Visitor
from tests.docker.faults import workers
from tests.docker.faults.ahead import Ahead, cases_to_come
from tests.docker.faults.stage import Build, Stage, Stand, is_whole

WITHIN = 90.0
Prepared = Callable[[Stand], AbstractContextManager[None]]


@contextmanager
def as_it_is(_stand: Stand) -> Iterator[None]:
    yield


@contextmanager
def without_healthcheck(stand: Stand) -> Iterator[None]:
    text = (stand.folder / "docker-compose.yml").read_text()
    block = re.search(r"    healthcheck:\n(      .*\n)+", text)
    assert block
    stand.edit(block[0], "")
    yield


@contextmanager
def without_user(stand: Stand) -> Iterator[None]:
    """So that the image's own counts; the compose file would overrule it."""
    stand.edit('    user: "10001:10001"\n', "")
    yield


@contextmanager
def another_port(stand: Stand) -> Iterator[None]:
    """Newly published, and held by this very process."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        stand.edit("    ports:\n", f'    ports:\n      - "127.0.0.1:{port}:9000"\n')
        yield


@contextmanager
def little_memory(stand: Stand) -> Iterator[None]:
    stand.edit("memory: 1024M", "memory: 96M")
    yield


@dataclass(frozen=True, eq=False)
class Bad:
    """`before`: the service is not touched, and a visitor sees nothing of it. `says`: a pattern of the job's error."""

    name: str
    says: str
    fault: str = ""
    image: str = ""
    platform: str = ""
    prepared: Prepared = as_it_is
    fields: Mapping[str, Any] = field(default_factory=dict)
    before: bool = True
    refused: bool = False
    rolls_back: bool = False
    failed_in: str = field(default="", kw_only=True)

    def __str__(self) -> str:
        return self.name


FLAPS = r"flaps|was well and then failed|Docker calls it unhealthy"
LONG_WATCH = {"watch_seconds": 12}
NOT_REHEARSED = {"rehearsal": "off"}
CASES = [
    Bad("never becomes healthy", r"candidate: .*made to fail: never healthy", "unhealthy", failed_in="rehearse"),
    Bad("exits at once", r"candidate: it exited with code 1", "exit", failed_in="rehearse"),
    Bad("exits after 2 s", r"candidate: it exited with code 1", "exit-later", failed_in="rehearse"),
    Bad("answers too late", r"candidate: .*(no answer within|Still running)", "hang", failed_in="rehearse"),
    Bad("has no healthcheck", r"Neither the image nor the compose file has a healthcheck.* Add one",
        image="no-healthcheck", prepared=without_healthcheck, refused=True, failed_in="verify"),
    Bad("runs as root", r"would run as root\. .*USER 10001:10001",
        image="root-user", prepared=without_user, refused=True, failed_in="verify"),
    Bad("is for another platform", r"linux/s390x.*linux/amd64|does not match.*platform",
        image="other-platform", platform="linux/s390x", refused=True),
    Bad("lacks a key its image asks for", r"CHATBOT_LICENCE, and no value is set.*\.env",
        image="required-env", refused=True, failed_in="verify"),
    Bad("lacks a key the contract asks for", r"OPENROUTER_API_KEY, and no value is set.*\.env",
        fields={"required_env": ["OPENROUTER_API_KEY"]}, refused=True, failed_in="verify"),
    Bad("wants a port that is taken", r"port .*(taken|in use|allocated)", prepared=another_port, failed_in="rehearse"),
    Bad("wants a port that is taken, not rehearsed", r"Port 127.0.0.1:\d+/tcp .*taken.* Free it", prepared=another_port,
        fields=NOT_REHEARSED, refused=True, failed_in="verify"),
    Bad("wants a port that is taken, rolling back", r"Port 127.0.0.1:\d+/tcp .*taken.* Free it", prepared=another_port,
        rolls_back=True, refused=True, failed_in="verify"),
    Bad("flaps", FLAPS, "flap", fields=LONG_WATCH, before=False),
    Bad("flaps, not rehearsed", FLAPS, "flap", fields=LONG_WATCH | NOT_REHEARSED, before=False),
    Bad("takes too much memory", r"memory|restarted|exited", image="out-of-memory", prepared=little_memory, fields=LONG_WATCH,
        before=False),
    Bad("never becomes healthy, not rehearsed", r"new container .*made to fail: never healthy", "unhealthy",
        fields=NOT_REHEARSED, before=False, failed_in="serving"),
    Bad("exits at once, not rehearsed", r"new container .*it exits and is restarted|it exited", "exit",
        fields=NOT_REHEARSED, before=False, failed_in="serving"),
    Bad("fails its smoke test", r"smoke test “asks itself” failed with exit 1",
        fields={"smoke_tests": [{"name": "asks itself", "argv": ["false"]}]}, before=False, failed_in="smoke"),
]  # fmt: skip


@dataclass(frozen=True)
class End:
    job: Job
    candidate: Build
    asked: int
    answered: int
    longest_gap: float


@pytest.fixture(scope="module")
def tried(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Ahead[Bad, End]]:
    cases = cases_to_come(request, Bad)
    for case in cases:
        candidate_of(stage, case)

    def play(case: Bad) -> End:
        with stage.for_one(**case.fields) as stand:
            return played(stand, case, candidate_of(stage, case))

    with Ahead(play, cases) as ahead:
        yield ahead


def candidate_of(stage: Stage, case: Bad) -> Build:
    if case.fault:
        return stage.build(f"bad-{case.fault}", fault=case.fault)
    if case.image:
        return stage.build(f"bad-{case.image}", image=case.image, platform=case.platform)
    return stage.build("good-2")


def played(stand: Stand, case: Bad, candidate: Build) -> End:
    with case.prepared(stand), Visitor(stand.address) as visitor:
        job = stand.rollback(candidate) if case.rolls_back else stand.upgrade(candidate)
        assert workers.worker(job.pk).ends_with(WITHIN) == 0
    is_whole(stand, job, on=stand.stage.build("good-1"))
    return End(job, candidate, visitor.asked, visitor.answered, visitor.longest_gap)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_upgrade_to_what_must_not_run(stage: Stage, tried: Ahead[Bad, End], case: Bad) -> None:
    end = tried.of(case).result()
    assert re.search(case.says, end.job.error), end.job.error
    assert end.job.state == (JobState.REFUSED if case.refused else JobState.FAILED)
    if case.failed_in:
        assert end.job.steps.get(state="failed").key == case.failed_in
    if case.before:
        assert end.asked == end.answered > 0
        assert not end.job.steps.filter(key="pin", started_at__isnull=False).exists()
    else:
        assert not end.job.steps.filter(is_undo=True).exclude(state="done").exists()
    if case.fault:
        entry = stage.entry(end.candidate)
        assert entry.failed_at is not None
        assert entry.note
