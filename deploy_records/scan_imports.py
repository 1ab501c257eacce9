"""Large reports, read by a worker: the page hands the file over and looks at the progress.

A wake-up of a worker carries a number only; the database knows what waits. Whoever reads claims by compare-and-set, under
a word of chance that is new each time; a reader without a sign of life for a while is taken over, and what it then still
stores is undone by its claim being gone.
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import BinaryIO

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from deploy_records import audit, scans, stored_files
from deploy_records.audit import Actor, Event, about
from deploy_records.errors import Refused
from deploy_records.models import ImageDigest, ImportState, ScanImport
from deploy_records.people import Person, require
from deploy_records.scanners.reading import is_at_least
from deploy_records.scans import MAY_IMPORT, Imported

log = logging.getLogger(__name__)

LARGE = 5 * 1024 * 1024
"""From so many bytes on, unpacked, a page hands a file over to a worker."""
SILENCE = timedelta(seconds=60)
"""After so long without a sign of life a reader is taken for dead."""
PUBLISH_AGAIN_AFTER = timedelta(seconds=15)
MOST_ATTEMPTS = 3
_TOLD_EVERY = timedelta(seconds=1)


class _TakenOverError(Exception):
    """Another reader has the import now."""


def receive(
    file: BinaryIO, name: str, by: Person, *, chosen: ImageDigest | None = None, address: str = ""
) -> Imported | ScanImport:  # fmt: skip
    """For pages: a small file is imported at once, a large one is kept and read by a worker."""
    if is_at_least(file, LARGE):
        return hand_over(file, name, by, chosen=chosen, address=address)
    return scans.import_report(file, name, by, chosen=chosen, address=address)


def hand_over(
    file: BinaryIO, name: str, by: Person, *, chosen: ImageDigest | None = None, address: str = ""
) -> Imported | ScanImport:  # fmt: skip
    """Keeps the file for a worker to read. A file that is known as a report already needs none."""
    person = require(by, MAY_IMPORT, "Importing a scan report")
    label = scans.shown_name(name)
    with stored_files.packed(file, label) as packed:
        if scans.is_known(packed.sha256):
            return scans.import_report(file, name, by, chosen=chosen, address=address)
        try:
            # Without the trail, which nothing is written into: an import holds the file first and then the trail.
            with transaction.atomic():
                stored = stored_files.keep(packed)
                made = ScanImport.objects.create(name=label, file=stored, chosen=chosen, asked_by=person, address=address)
                transaction.on_commit(lambda: _publish(made.pk))
        except IntegrityError:  # somebody else imported the same file in the same moment
            return scans.import_report(file, name, by, chosen=chosen, address=address)
    return made


def read(number: int) -> None:
    """What the worker does. Returns at once when the import has ended or somebody else reads it."""
    claim = _claim(number)
    if claim is None:
        return
    asked = ScanImport.objects.select_related("file", "chosen", "asked_by").get(pk=number)
    try:
        report = _import(asked, claim).report
        claim.end(ImportState.DONE, report=report, findings_read=report.findings_count)
    except _TakenOverError:
        log.warning("import %s: another reader has taken over; stopped", number)
    except Refused as why:
        _refuse(asked, claim, str(why), why.code)
    except Exception:
        log.exception("import %s: could not be read; it is tried again", number)
        claim.rows().update(state=ImportState.WAITING, reader="", published_at=Now())


def publish_waiting() -> int:
    """Wakes workers for what nobody has begun to read, and for what a reader that died has left."""
    due = Q(published_at=None) | Q(published_at__lt=timezone.now() - PUBLISH_AGAIN_AFTER)
    numbers = list(ScanImport.objects.filter(_free(), due).order_by("asked_at").values_list("pk", flat=True))
    return sum(_publish(number) for number in numbers)


_wake: list[Callable[[int], None]] = []


def wakes_readers(wake: Callable[[int], None]) -> None:
    """The portal says here how a worker is woken, so that this file needs no Celery."""
    _wake[:] = [wake]


@dataclass(frozen=True, slots=True)
class _Claim:
    number: int
    reader: str

    def rows(self) -> QuerySet[ScanImport]:
        """The import, as long as it is ours."""
        return ScanImport.objects.filter(pk=self.number, reader=self.reader, state=ImportState.READING)

    def beat(self, findings: int) -> None:
        if not self.rows().update(findings_read=findings, claimed_at=Now()):
            raise _TakenOverError

    def end(self, state: ImportState, **fields: object) -> None:
        if not self.rows().update(state=state, ended_at=timezone.now(), **fields):
            raise _TakenOverError


def _free() -> Q:
    return Q(state=ImportState.WAITING) | Q(state=ImportState.READING, claimed_at__lt=Now() - SILENCE)


def _claim(number: int) -> _Claim | None:
    claim = _Claim(number, secrets.token_hex(16))
    taken = ScanImport.objects.filter(_free(), pk=number).update(
        state=ImportState.READING, reader=claim.reader, claimed_at=Now(), attempts=F("attempts") + 1, findings_read=0
    )
    return claim if taken else None


def _import(asked: ScanImport, claim: _Claim) -> Imported:
    if asked.attempts > MOST_ATTEMPTS or asked.file is None:
        raise Refused(
            f"{asked.name} was begun {MOST_ATTEMPTS} times, and no reader came to its end. Nothing was stored. "
            "Try a smaller part of it, and tell an administrator.",
            code="not-read",
        )
    last = timezone.now()

    def progress(findings: int) -> None:
        nonlocal last
        if timezone.now() - last >= _TOLD_EVERY:
            last = timezone.now()
            claim.beat(findings)

    with stored_files.opened(asked.file) as file:
        return scans.import_report(
            file, asked.name, asked.asked_by, chosen=asked.chosen, address=asked.address, progress=progress
        )


def _refuse(asked: ScanImport, claim: _Claim, problem: str, code: str) -> None:
    """Says why, and lets the file go."""
    try:
        with transaction.atomic():
            if asked.file is not None:
                stored_files.hold(asked.file)
            with audit.changing():
                claim.end(ImportState.REFUSED, problem=problem, file=None)
                actor = Actor.of(asked.asked_by, asked.address)
                audit.record(actor, Event("report.refused", **about(asked), reason=problem, changes={"code": code}))
                if asked.file is not None:
                    stored_files.let_go(asked.file)
    except _TakenOverError:
        log.warning("import %s: another reader has taken over; stopped", asked.pk)


def _publish(number: int) -> bool:
    try:
        for wake in _wake:
            wake(number)
    except Exception:  # noqa: BLE001 - whatever the broker's client raises: the import is safe in the database
        log.warning("import %s: the broker does not answer; the sweep tries again", number)
        return False
    return bool(ScanImport.objects.filter(pk=number).update(published_at=timezone.now()))
