"""One exception as files hold it, whatever the dialect. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime

from deploy_records.rules.exceptions import Excuse, Grant, whole_second
from deploy_records.rules.terms import Terms

STATUSES = ("draft", "requested", "approved", "rejected", "expired", "mitigated", "closed")
LAPSING = frozenset({"draft", "requested", "approved"})
"""Statuses that a passed end turns into `expired`."""
_NUMBERED = re.compile(r"POAM-0*([1-9]\d{0,6})", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """`approved_by`: as the file or the ledger names them. `changed_at` is the last change of status, where known."""

    id: str
    terms: Terms
    status: str
    created_at: datetime
    approved_at: datetime | None = None
    approved_by: str = ""
    changed_at: datetime | None = None
    comments: tuple[str, ...] = ()
    line: int = 0

    def status_at(self, now: datetime) -> str:
        """The status that holds at `now`: whatever is open and past its end has expired."""
        return "expired" if self.status in LAPSING and whole_second(self.terms.expires_at) < now else self.status

    def excuse(self) -> Excuse:
        """For the gate. Only what is approved has an approval, and it begins when it was given."""
        since = self.approved_at or self.created_at
        grants = (Grant(since, self.terms.expires_at),) if self.status == "approved" else ()
        terms = self.terms
        return Excuse(
            self.id, terms.vulnerabilities, terms.component, terms.severity, grants,
            repository=terms.repository, digest=terms.digest, service=terms.service,
        )  # fmt: skip


def number_in(entry_id: str) -> int | None:
    """The number that an id of the form POAM-0007 names."""
    found = _NUMBERED.fullmatch(entry_id)
    return int(found[1]) if found else None


def same_id(entry_id: str) -> str:
    """By which ids are compared: POAM-7 and poam-0007 are one."""
    number = number_in(entry_id)
    return f"poam-{number}" if number else entry_id.casefold()
