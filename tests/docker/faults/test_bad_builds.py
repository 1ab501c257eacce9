"""Upgrades that must not happen: each caught before or undone after, the reason in words, the service whole."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatbot_service.models import JobState
from deploy_records.models import ImageDigest
from portal.demo.visitor import Visitor
from tests.docker.faults.stage import Build, Stage, is_whole
from tests.docker.registries import free_port


@dataclass(frozen=True)
class Bad:
    make: Callable[[Stage], Build]
    state: JobState
    words: str


BAD = {
    "never healthy": Bad(lambda s: s.build("bad-unhealthy", fault="unhealthy"), JobState.FAILED, "never healthy"),
    "exits at once": Bad(lambda s: s.build("bad-exit", fault="exit"), JobState.FAILED, "exited with code"),
    "exits after 2 s": Bad(lambda s: s.build("bad-exit-later", fault="exit-later"), JobState.FAILED, "exited with code"),
    "runs as root": Bad(lambda s: s.build("bad-root", image="root-user"), JobState.REFUSED, "root"),
    "for another platform": Bad(
        lambda s: s.build("bad-platform", image="other-platform", platform="linux/s390x"), JobState.REFUSED, "s390x"
    ),
    "asks for a key that has no value": Bad(
        lambda s: s.build("bad-env", image="required-env"), JobState.REFUSED, "CHATBOT_LICENCE"
    ),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_build_is_caught_before_the_service_is_touched_and_no_request_fails(stage: Stage, bad: Bad) -> None:
    build = bad.make(stage)
    with stage.borrowed() as stand:
        runs, _other = stand.pair()
        with _without_user(stand.folder / "docker-compose.yml"), Visitor(stand.address) as visitor:
            job = stand.run(stand.upgrade(build))
        assert job.state == bad.state
        assert bad.words in job.error
        assert visitor.answered == visitor.asked > 0
        is_whole(stand, job, on=runs)


@contextmanager
def _without_user(compose_file: Path) -> Iterator[None]:
    """So that the image's own user counts; the compose file would overrule it."""
    text = compose_file.read_text()
    compose_file.write_text(text.replace('    user: "10001:10001"\n', ""))
    yield
    compose_file.write_text(text)


def test_one_that_flaps_ends_undone_with_the_old_build_serving(stage: Stage) -> None:
    build = stage.build("bad-flap", fault="flap")
    with stage.borrowed() as stand:
        runs, _other = stand.pair()
        job = stand.run(stand.upgrade(build))
        assert job.state == JobState.FAILED
        assert "flaps" in job.error or "unhealthy" in job.error or "in a row" in job.error
        is_whole(stand, job, on=runs)


def test_a_build_without_a_healthcheck_is_refused_where_the_compose_file_has_none_either(stage: Stage) -> None:
    build = stage.build("bad-nohealth", image="no-healthcheck")
    stand = stage.stand(stage.build("good-1"), stage.build("good-2"))
    compose_file = stand.folder / "docker-compose.yml"
    text = compose_file.read_text()
    begins, ends = text.index("    healthcheck:"), text.index("    stop_grace_period:")
    compose_file.write_text(text[:begins] + text[ends:])
    job = stand.run(stand.upgrade(build))
    assert job.state == JobState.REFUSED
    assert "healthcheck" in job.error
    is_whole(stand, job, on=stage.build("good-1"))
    stand.clear()


def test_a_port_that_the_compose_file_newly_publishes_and_another_program_holds_is_found_in_the_rehearsal(stage: Stage) -> None:
    taken = free_port()
    stand = stage.stand(stage.build("good-1"), stage.build("good-2"))
    compose_file = stand.folder / "docker-compose.yml"
    was = '      - "127.0.0.1:${CHATBOT_PORT:-8000}:8000"\n'
    text = compose_file.read_text()
    assert was in text
    compose_file.write_text(text.replace(was, f'{was}      - "127.0.0.1:{taken}:8000"\n'))
    with socket.socket() as holder, Visitor(stand.address) as visitor:
        holder.bind(("127.0.0.1", taken))
        holder.listen()
        job = stand.run(stand.upgrade(stage.build("good-2")))
    compose_file.write_text(text)
    assert job.state == JobState.FAILED
    assert str(taken) in job.error
    assert "port" in job.error.lower()
    assert visitor.answered == visitor.asked > 0
    is_whole(stand, job, on=stage.build("good-1"))
    stand.clear()


def test_a_key_that_the_contract_of_the_service_requires_must_have_a_value(stage: Stage) -> None:
    stand = stage.stand(stage.build("good-1"), stage.build("good-2"), required_env=["OPENROUTER_MODEL", "NOT_SET_ANYWHERE"])
    job = stand.run(stand.upgrade(stage.build("good-2")))
    assert job.state == JobState.REFUSED
    assert "NOT_SET_ANYWHERE" in job.error
    is_whole(stand, job, on=stage.build("good-1"))
    stand.clear()


def test_the_candidate_that_failed_is_marked_with_its_failure(stage: Stage) -> None:
    build = stage.build("bad-exit", fault="exit")
    with stage.borrowed() as stand:
        stand.run(stand.upgrade(build))
    entry = ImageDigest.objects.get(repository=build.repository, digest=build.digest)
    assert entry.failed_at is not None
    assert "exited" in entry.note
