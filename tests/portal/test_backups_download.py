"""Handing on what a worker sends: whole, or broken off; never half for whole."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.utils import timezone

from chatbot_service.models import Backup, Job, JobState, Kind
from deploy_records.errors import Broken, Refused
from portal.pages import backup_download as download
from tests import backup_factories as backups
from tests import factories as make
from tests.portal.looking import last_refusal, text_of, window

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def state(tmp_path: Path, settings: Any) -> Path:
    """A folder whose name is longer than the address of a socket may be."""
    long = tmp_path / ("x" * 90)
    (long / "downloads").mkdir(parents=True)
    settings.STATE_DIR = long
    return long


@pytest.fixture
def backup(state: Path) -> Backup:
    service = make.service(runs=make.entry())
    backups.plan(service)
    return backups.backup(service)


@pytest.fixture
def job(backup: Backup) -> Job:
    return backups.job(Kind.DOWNLOAD, backup.service, JobState.RUNNING, asked={"backup": backup.pk, "path": ""})


Worker = Callable[..., None]
Found = TypeVar("Found")


def _listening(folder: Path, name: str) -> socket.socket:
    """As a worker whose state folder is near its root."""
    door = socket.socket(socket.AF_UNIX)
    held = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    door.bind(f"/proc/self/fd/{held}/{name}")
    os.close(held)
    door.listen(1)
    return door


def _patiently(do: Callable[[], Found]) -> Found:
    """SQLite in memory has locks of tables for which nobody waits."""
    while True:
        try:
            return do()
        except OperationalError:
            time.sleep(0.02)


@pytest.fixture
def worker(state: Path) -> Iterator[Worker]:
    """Waits for the job to be asked for, sends the pieces, and says how it ended."""
    threads: list[threading.Thread] = []

    def run(pieces: Sequence[bytes], ends: str, of: Job | None) -> None:
        try:
            while (found := of or _patiently(lambda: Job.objects.filter(kind=Kind.DOWNLOAD).first())) is None:
                time.sleep(0.02)
            with _listening(state / "downloads", f"{found.pk}.sock") as door:
                reader, _address = door.accept()
                (state / "downloads" / f"{found.pk}.sock").unlink()
                with reader:
                    for piece in pieces:
                        reader.sendall(piece)
            ended = {"state": ends, "ended_at": timezone.now(), "error": "The repository is gone."}
            _patiently(lambda: Job.objects.filter(pk=found.pk).update(**ended))
        except OSError:
            pass
        finally:
            connection.close()

    def begin(pieces: Sequence[bytes], ends: str = JobState.SUCCEEDED, of: Job | None = None) -> None:
        threads.append(threading.Thread(target=run, args=(pieces, ends, of)))
        threads[-1].start()

    yield begin
    for thread in threads:
        thread.join(timeout=20)


def test_what_the_worker_sends_arrives_whole(job: Job, worker: Worker) -> None:
    worker([b"a" * 300_000, b"b"], of=job)
    assert b"".join(download.read(job)) == b"a" * 300_000 + b"b"


def test_a_job_that_breaks_off_breaks_the_answer_off(job: Job, worker: Worker) -> None:
    worker([b"half"], ends=JobState.FAILED, of=job)
    pieces = download.read(job)
    assert next(pieces) == b"half"
    with pytest.raises(Broken, match="not whole"):
        next(pieces)


def test_a_job_that_sends_nothing_is_refused_with_its_reason(job: Job, worker: Worker) -> None:
    worker([], ends=JobState.FAILED, of=job)
    with pytest.raises(Refused, match="The repository is gone"):
        download.read(job)


def test_a_job_that_ends_before_it_listens_is_refused_with_its_reason(job: Job) -> None:
    Job.objects.update(state=JobState.REFUSED, ended_at=timezone.now(), error="The backup is damaged.")
    with pytest.raises(Refused, match="The backup is damaged"):
        download.read(Job.objects.get(pk=job.pk))


def test_without_a_worker_it_does_not_wait_for_ever_and_leaves_no_job_behind(
    backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "BEGINS_WITHIN", 0.2)
    waiting = backups.job(Kind.DOWNLOAD, backup.service, JobState.QUEUED)
    with pytest.raises(Refused, match="No worker has begun to send it"):
        download.read(waiting)
    waiting.refresh_from_db()
    assert (waiting.state, waiting.error[:13]) == (JobState.CANCELLED, "Nobody waits ")


def test_a_worker_that_begun_and_does_not_send_is_asked_to_stop(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "BEGINS_WITHIN", 0.2)
    with pytest.raises(Refused, match="The worker is not ready to send"):
        download.read(job)
    job.refresh_from_db()
    assert job.state == JobState.RUNNING
    assert job.cancel_asked_at is not None


def test_nothing_is_held_longer_than_a_piece(job: Job, worker: Worker) -> None:
    worker([b"x" * 1_000_000] * 8, of=job)
    assert max(len(piece) for piece in download.read(job)) <= 256 * 1024


# The page


def test_the_browser_gets_a_tar_with_a_name_that_says_what_it_is(backup: Backup, operator: User, worker: Worker) -> None:
    worker([b"tar"])
    path = backup.paths[0]
    answer = window(operator).post(f"/backups/{backup.pk}/download/", {"path": path})
    assert answer.headers["Content-Type"] == "application/x-tar"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="personal_chatbot-backup-{backup.pk}-uploads.tar"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert b"".join(answer.streaming_content) == b"tar"  # type: ignore[attr-defined]  # it streams
    asked = Job.objects.get(kind=Kind.DOWNLOAD)
    assert (asked.by, asked.asked["backup"], asked.asked["path"]) == (operator, backup.pk, path)


def test_a_refusal_is_a_page_that_says_why_and_is_on_record(backup: Backup, operator: User, worker: Worker) -> None:
    worker([], ends=JobState.REFUSED)
    answer = window(operator).post(f"/backups/{backup.pk}/download/")
    assert answer.status_code == 409
    assert "Nothing was downloaded. The repository is gone." in text_of(answer)
    assert last_refusal().actor == "olga"


def test_a_path_outside_starts_nothing(backup: Backup, operator: User) -> None:
    assert window(operator).post(f"/backups/{backup.pk}/download/", {"path": "/etc"}).status_code == 400
    assert not Job.objects.filter(kind=Kind.DOWNLOAD).exists()


def test_who_may_not_download_starts_nothing(backup: Backup, viewer: User) -> None:
    assert window(viewer).post(f"/backups/{backup.pk}/download/").status_code == 403
    assert not Job.objects.filter(kind=Kind.DOWNLOAD).exists()


def test_the_name_holds_nothing_that_could_steer(backup: Backup) -> None:
    assert download.file_name(backup, '/srv/a/..;"\r\nx: y/é') == f"personal_chatbot-backup-{backup.pk}.tar"
    assert download.file_name(backup, "/srv/my files") == f"personal_chatbot-backup-{backup.pk}-my-files.tar"
