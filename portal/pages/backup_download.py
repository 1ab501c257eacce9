"""A backup as a tar file. A worker opens the repository and sends; this process hands on what comes, and holds no credentials.

The worker listens on a socket of the job's own and writes the archive to whoever connects. Whether all of it was sent is told by
the job afterwards: if it was not, the connection is broken off, so that nobody takes half an archive for a whole one.
"""

import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST

from chatbot_service import backup_starting
from chatbot_service.models import Backup, Job, JobState
from deploy_records.errors import Broken, Refused
from portal.access import needs
from portal.pages import backup_rows as rows
from portal.pages.asking import asks
from portal.pages.backup_browse import checked_path

BEGINS_WITHIN = 30.0
ENDS_WITHIN = 30.0
SILENT_AT_MOST = 300.0
_PIECE = 256 * 1024
_LOOK_EACH = 0.1
_NAME = re.compile(r"[^A-Za-z0-9._-]+")


@require_POST
@needs(rows.MAY_DOWNLOAD, "Downloading a backup")
def download(request: HttpRequest, pk: int) -> HttpResponse:
    backup = rows.backup_or_404(pk)
    path = checked_path(request.POST.get("path", ""), backup)
    job = backup_starting.download(backup, path, asks(request))
    pieces = read(job)
    response = StreamingHttpResponse(pieces, content_type="application/x-tar")
    response.headers["Content-Disposition"] = content_disposition_header(True, file_name(backup, path)) or "attachment"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response  # type: ignore[return-value]  # Django takes both alike


def file_name(backup: Backup, path: str) -> str:
    """Of letters that every system takes: `personal_chatbot-backup-12-uploads.tar`."""
    last = _NAME.sub("-", path.rpartition("/")[2]).strip("-.")[:60]
    return "-".join(part for part in (backup.service.name, "backup", str(backup.pk), last) if part) + ".tar"


def read(job: Job) -> Iterator[bytes]:
    """The archive in pieces. Once this returns the worker sends; `Refused` with its reason if it does not."""
    connection = _connected(job)
    try:
        connection.settimeout(SILENT_AT_MOST)
        first = connection.recv(_PIECE)
        if not first:
            _whole_or_refused(job)
    except BaseException:
        connection.close()
        raise
    return _pieces(job, connection, first)


def _pieces(job: Job, connection: socket.socket, first: bytes) -> Iterator[bytes]:
    with connection:
        piece = first
        while piece:
            yield piece
            piece = connection.recv(_PIECE)
    if first and not _ended(job).state == JobState.SUCCEEDED:
        raise Broken(f"{job} broke off. What was sent is not whole.")


def _whole_or_refused(job: Job) -> None:
    """Nothing was sent at all: an archive is never empty."""
    raise Refused(_why(_ended(job)))


def _connected(job: Job) -> socket.socket:
    """Waits until the worker listens."""
    until = time.monotonic() + BEGINS_WITHIN
    place = Path(settings.STATE_DIR) / "downloads" / f"{job.pk}.sock"
    while True:
        found = _connect(place)
        if found is not None:
            return found
        now = _fresh(job)
        if not now.is_active:
            raise Refused(_why(now), status=409)
        if time.monotonic() > until:
            backup_starting.give_up(job, "Nobody waits for it any more: no worker had begun to send it in time.")
            waits = "No worker has begun to send it" if now.state == JobState.QUEUED else "The worker is not ready to send"
            raise Refused(f"{waits} within {BEGINS_WITHIN:.0f} s. Nothing was downloaded, and it is cancelled. Try again later.")
        time.sleep(_LOOK_EACH)


def _connect(place: Path) -> socket.socket | None:
    """By way of the open folder: the address of a socket may not be as long as a path may."""
    try:
        folder = os.open(place.parent, os.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.connect(f"/proc/self/fd/{folder}/{place.name}")
    except (FileNotFoundError, ConnectionRefusedError):
        made.close()
        return None
    except BaseException:
        made.close()
        raise
    finally:
        os.close(folder)
    return made


def _ended(job: Job) -> Job:
    """As it is once it has ended; as it is now if it takes too long over that."""
    until = time.monotonic() + ENDS_WITHIN
    while (now := _fresh(job)).is_active and time.monotonic() < until:
        time.sleep(_LOOK_EACH)
    return now


def _fresh(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def _why(job: Job) -> str:
    return f"Nothing was downloaded. {job.error or f'{job} ended before it sent anything.'}"
