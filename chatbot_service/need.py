"""One thing that needs somebody: what it is, why, how urgent, and who can do something about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from deploy_records.people import Person, holds


class Matter(IntEnum):
    """Most urgent first."""

    DOWN = 1
    STUCK = 2
    HOST = 3
    AGREE = 4
    DRIFT = 5
    OUT_OF_USE = 6
    BACKUP_DAMAGED = 7
    REHEARSAL_FAILED = 8
    UNHEALTHY = 9
    URGENT_SIGNAL = 10
    EXPIRED = 11
    NO_WAY_BACK = 12
    BACKUP_LATE = 13
    SIGNAL = 14
    REVIEW = 15
    ENDS = 16
    PASSED = 17
    APPROVE = 18
    DECIDE = 19
    HARDENING = 20


_WAITS = frozenset({Matter.AGREE, Matter.APPROVE, Matter.DECIDE})
_SOON = frozenset({
    Matter.NO_WAY_BACK, Matter.BACKUP_LATE, Matter.UNHEALTHY, Matter.SIGNAL, Matter.REVIEW, Matter.ENDS, Matter.PASSED,
    Matter.HARDENING,
})  # fmt: skip


@dataclass(frozen=True)
class Need:
    """`permissions`: who holds one of them can do something about it. `why_not_you`: a rule that bars this person.
    `exception`: its number; `backups_of`, `hardening_of`: the service whose backups or hardening it is about; `digest`:
    follows the title; `order`: the smaller the sooner, among those of one matter.
    """

    matter: Matter
    title: str
    why: str
    permissions: Sequence[str]
    since: datetime | None = None
    service: int = 0
    host: int = 0
    job: int = 0
    entry: int = 0
    exception: int = 0
    restore: int = 0
    backups_of: int = 0
    signal: int = 0
    hardening_of: int = 0
    digest: str = ""
    why_not_you: str = ""
    order: int = 0

    @property
    def tone(self) -> str:
        if self.matter in _WAITS:
            return "wait"
        return "warn" if self.matter in _SOON else "stop"

    def is_for(self, person: Person) -> bool:
        return not self.why_not_you and any(holds(person, permission) for permission in self.permissions)
