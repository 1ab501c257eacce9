"""A worker sends a backup, and somebody reads it, breaks off, stops reading, or never comes. The service goes on meanwhile."""

import io
import random
import socket
import tarfile
import time
from collections.abc import Iterator

import pytest
from django.conf import settings

from chatbot_service import backup_starting
from chatbot_service.models import Backup, Job, JobState
from portal.pages.backup_download import _connected, read
from tests.docker.faults import workers
from tests.docker.faults.data_stand import BRISK, DataStand, data_stand, own
from tests.docker.faults.stage import Stage
from tests.docker.faults.workers import Rig, Worker

pytestmark = [pytest.mark.docker, pytest.mark.restic]

SHORT = Rig(sets=(*BRISK, ("chatbot_service.sending.WAIT", 1.5), ("chatbot_service.sending.SILENCE", 1.5)))
WITHIN = 20.0


@pytest.fixture(scope="module")
def stand(stage: Stage) -> Iterator[DataStand]:
    made = data_stand(stage)
    (made.data / "large.bin").write_bytes(random.Random(3).randbytes(12_000_000))
    own(made.data)
    yield made
    made.clear()


@pytest.fixture(scope="module")
def backup(stand: DataStand) -> Backup:
    return stand.backed_up()


@pytest.fixture
def sending(stand: DataStand, backup: Backup) -> Iterator[tuple[Job, Worker]]:
    job = backup_starting.download(backup, str(stand.data), stand.request)
    with workers.worker(job.pk, SHORT) as worker:
        yield job, worker
    assert not (settings.STATE_DIR / "downloads" / f"{job.pk}.sock").exists()


def ended(job: Job, worker: Worker) -> Job:
    assert worker.ends_with(WITHIN) == 0
    job.refresh_from_db()
    return job


def test_what_is_sent_is_the_data(stand: DataStand, sending: tuple[Job, Worker]) -> None:
    archive = b"".join(read(sending[0]))
    job = ended(*sending)
    assert job.state == JobState.SUCCEEDED, job.error
    assert job.result["bytes"] == len(archive)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        whole = str(stand.data).lstrip("/")
        for name in ("large.bin", "sub-1/1.txt", "told.txt"):
            member = tar.getmember(f"{whole}/{name}")
            content = tar.extractfile(member)
            assert content
            assert content.read() == (stand.data / name).read_bytes()
            assert member.uid == 10001


def test_a_reader_that_stops_reading_ends_it_and_holds_up_no_backup(stand: DataStand, sending: tuple[Job, Worker]) -> None:
    with _connected(sending[0]) as reader:
        assert reader.recv(1000)
        begun = time.monotonic()
        stand.backed_up()  # a download keeps nobody from it
        job = ended(*sending)
        assert time.monotonic() - begun < WITHIN
    assert job.state == JobState.FAILED
    assert "no longer reads" in job.error


def test_a_reader_that_breaks_off_ends_it_at_once(sending: tuple[Job, Worker]) -> None:
    reader = _connected(sending[0])
    reader.recv(1000)
    reader.shutdown(socket.SHUT_RDWR)
    reader.close()
    assert ended(*sending).state == JobState.FAILED


def test_when_nobody_comes_it_is_given_up(sending: tuple[Job, Worker]) -> None:
    job = ended(*sending)
    assert job.state == JobState.REFUSED
    assert "Nobody came for it" in job.error


def test_a_sender_that_is_killed_leaves_an_archive_that_is_told_to_be_broken(sending: tuple[Job, Worker]) -> None:
    job, worker = sending
    pieces = read(job)
    next(pieces)
    worker.process.kill()
    worker.ends_with(WITHIN)
    assert workers.comes_back(job.pk, SHORT).ends_with(WITHIN) == 0
    with pytest.raises(Exception, match="broke off"):
        list(pieces)
    job.refresh_from_db()
    assert job.state == JobState.FAILED
