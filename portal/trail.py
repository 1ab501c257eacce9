"""Checking the audit trail on demand, and what is known from the last check. A check is an event itself."""

from dataclasses import dataclass

from django.db import transaction

from deploy_records import audit, audit_check
from deploy_records.audit_check import Report
from deploy_records.models import AuditEvent, AuditHead

ACTION = "audit.checked"
MOST_AT_ONCE = 100_000
"""A person waits for the answer; the whole of a longer trail is for `manage.py verify_audit`."""


@dataclass(frozen=True)
class Integrity:
    """Where the trail ends, and the last check that is on record, if there is one."""

    head: int
    head_digest: str
    check: AuditEvent | None

    def _said(self, name: str) -> int:
        value = self.check.changes.get(name) if self.check else None
        return value if isinstance(value, int) else 0

    @property
    def since(self) -> int:
        return self._said("since")

    @property
    def until(self) -> int:
        return self._said("until")

    @property
    def unchecked(self) -> int:
        """Events that were written after the part that was checked."""
        return max(0, self.head - self.until)

    @property
    def broken_at(self) -> int:
        """The first event that did not fit; 0 if all did."""
        return self._said("broken_at")

    @property
    def problem(self) -> str:
        return str(self.check.changes.get("problem", "")) if self.check else ""

    @property
    def tone(self) -> str:
        if self.check is None:
            return "none"
        return "stop" if self.broken_at else "ok"


def integrity() -> Integrity:
    """In two queries."""
    head = AuditHead.objects.filter(pk=1).first()
    check = AuditEvent.objects.filter(action=ACTION).first()
    return Integrity(head.sequence, head.digest, check) if head else Integrity(0, audit.GENESIS, check)


def check_now(actor: audit.Actor) -> Report:
    """Checks the trail, or its last part if it is long, and puts on record what was found."""
    report = audit_check.verify(max(1, integrity().head - MOST_AT_ONCE + 1))
    changes: dict[str, int | str] = {"since": report.since, "until": report.until, "checked": report.checked}
    if report.problem:
        changes |= {"broken_at": report.problem.sequence, "problem": report.problem.why}
    name = f"events {report.since:,} to {report.until:,}"
    with transaction.atomic():
        audit.record(actor, audit.Event(ACTION, "auditevent", object_name=name, reason=report.sentence, changes=changes))
    return report
