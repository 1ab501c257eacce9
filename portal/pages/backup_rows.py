"""Backups and what belongs to them as rows of tables, and the frame of their pages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import Http404
from django.shortcuts import get_object_or_404

from chatbot_service import board
from chatbot_service.board import Row
from chatbot_service.models import Backup, BackupState, Restore, RestoreRehearsal, RestoreState
from deploy_records.models import ImageDigest
from portal.pages.service_detail import host_light
from portal.sentences.backups import RESTORE_TONES, STATE_TONES, can_be_undone, refuses_restore, took

LOOK = "chatbot_service.view_backup"
MAY_BACK_UP = "chatbot_service.back_up_service"
MAY_RESTORE = "chatbot_service.restore_backup"
MAY_AGREE = "chatbot_service.agree_to_restore"
MAY_DOWNLOAD = "chatbot_service.download_backup"
MAY_PLAN = "chatbot_service.back_up_service"
TO_READ = "Reading backups"


@dataclass(frozen=True)
class ShownBackup:
    """`refuses`: why nothing can be restored from it; empty if it can."""

    backup: Backup
    tone: str
    entry: ImageDigest | None
    refuses: str

    @property
    def word(self) -> str:
        return self.backup.get_state_display()


@dataclass(frozen=True)
class ShownRehearsal:
    rehearsal: RestoreRehearsal
    took: float

    @property
    def tone(self) -> str:
        return "ok" if self.rehearsal.passed else "stop"


@dataclass(frozen=True)
class ShownRestore:
    restore: Restore
    tone: str
    can_be_undone: bool


def shown_backups(backups: Sequence[Backup], repository: str) -> Sequence[ShownBackup]:
    """In one query for the digests that ran."""
    entries = _entries(repository, {one.digest for one in backups})
    return [
        ShownBackup(one, STATE_TONES[BackupState(one.state)], entries.get(one.digest), refuses_restore(one)) for one in backups
    ]


def _entries(repository: str, digests: Iterable[str]) -> Mapping[str, ImageDigest]:
    found = ImageDigest.objects.filter(repository=repository, digest__in=set(digests) - {""})
    return {entry.digest: entry for entry in found}


def shown_rehearsals(rehearsals: Iterable[RestoreRehearsal]) -> Sequence[ShownRehearsal]:
    return [ShownRehearsal(one, took(one)) for one in rehearsals]


def shown_restores(restores: Iterable[Restore], now: datetime) -> Sequence[ShownRestore]:
    """Newest first. Of several only the last that was done can be undone."""
    found = list(restores)
    last = max((one.pk for one in found if one.state == RestoreState.DONE), default=0)
    return [
        ShownRestore(one, RESTORE_TONES[RestoreState(one.state)], one.pk == last and can_be_undone(one, now)) for one in found
    ]


def frame(row: Row, tab: str = "backups") -> dict[str, Any]:
    """What the pages of a service have in common: its tabs, who holds it, whether its host answers."""
    return {"row": row, "service": row.service, "host_light": host_light(row), "tab": tab}


def row_or_404(service: int) -> Row:
    row = board.row_of(service)
    if row is None:
        raise Http404
    return row


def backup_or_404(pk: int) -> Backup:
    rows = Backup.objects.select_related("service__host", "repository", "job__by")
    found: Backup = get_object_or_404(rows, pk=pk)
    return found
