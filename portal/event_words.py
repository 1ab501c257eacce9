"""Audit events in words: what was done, to what, and how it looks."""

from dataclasses import dataclass
from typing import Any

from deploy_records.errors import Invalid
from deploy_records.models import AuditEvent
from deploy_records.rules.digest import parse_pinned

_QUIET = "none"
_DEEDS: dict[str, tuple[str, str]] = {
    "approval.given": ("Approved", "ok"),
    "approval.needs-review": ("Approval has to be looked at again", "warn"),
    "approval.renewed": ("Approved again", "ok"),
    "approval.withdrawn": ("Approval withdrawn", "warn"),
    "audit.checked": ("Trail checked", "ok"),
    "backup.changed": ("Backup plan changed", _QUIET),
    "backup.checked": ("Backups checked", "ok"),
    "backup.damaged": ("Backup found damaged", "stop"),
    "backup.found-faulty": ("Fault found in the backups", "stop"),
    "backup.forgotten": ("Backup no longer kept", "off"),
    "backup.incomplete": ("Backup is incomplete", "warn"),
    "backup.planned": ("Backup plan made", _QUIET),
    "backup.taken": ("Backed up", "ok"),
    "backup.verified": ("Backup verified", "ok"),
    "capability.excepted": ("A capability may stay for a while", "warn"),
    "capability.exception-ended": ("Exception for a capability ended", "off"),
    "channel.added": ("Channel for notifications added", _QUIET),
    "channel.changed": ("Channel for notifications changed", _QUIET),
    "channel.forgotten": ("Channel for notifications forgotten", "off"),
    "channel.tested": ("Test message asked for", _QUIET),
    "deployment.began": ("Deployed", "ok"),
    "deployment.ended": ("Deployment ended", "off"),
    "deployment.healthy": ("Ran healthy", "ok"),
    "deployment.undone": ("Deployment undone", "undone"),
    "digest.approved": ("May run from now on", "ok"),
    "digest.candidate": ("Back to candidate", "warn"),
    "digest.deprecated": ("Deprecated", "off"),
    "digest.failed": ("A job with it was undone", "undone"),
    "digest.found": ("Found running and registered", _QUIET),
    "digest.known-good": ("Became known good", "ok"),
    "digest.registered": ("Registered", _QUIET),
    "digest.reinstated": ("Offered again", _QUIET),
    "digest.revoked": ("Revoked", "stop"),
    "digest.tagged": ("Seen under another tag", _QUIET),
    "environment.changed": ("Environment changed", "ok"),
    "environment.contract": ("Environment contract set", _QUIET),
    "environment.found": ("Environment was changed by hand", "warn"),
    "hardening.failed": ("Hardening baseline not met", "stop"),
    "hardening.passed": ("Hardening baseline met", "ok"),
    "job.asked": ("Asked for", _QUIET),
    "job.cancel_asked": ("Asked to cancel", "warn"),
    "job.cancelled": ("Cancelled and undone", "undone"),
    "job.failed": ("Failed and was undone", "undone"),
    "job.recovered": ("Recovered from a worker that died", "warn"),
    "job.refused": ("Refused", "stop"),
    "job.started": ("Began", "run"),
    "job.stuck": ("Stuck", "stop"),
    "job.succeeded": ("Succeeded", "ok"),
    "person.added": ("Added", _QUIET),
    "person.sign_in_refused": ("Sign-in refused", "stop"),
    "person.signed_in": ("Signed in", _QUIET),
    "person.signed_out": ("Signed out", _QUIET),
    "person.roles-changed": ("Roles changed", "warn"),
    "poam.approved": ("Exception approved", "ok"),
    "poam.closed": ("Exception closed", "off"),
    "poam.commented": ("Commented on an exception", _QUIET),
    "poam.drafted": ("Exception drafted", _QUIET),
    "poam.drafted-by-rollback": ("Exception drafted by a rollback", "warn"),
    "poam.exported": ("Exceptions exported", _QUIET),
    "poam.extended": ("Exception extended", "ok"),
    "poam.extension-asked": ("Asked to extend an exception", "warn"),
    "poam.extension-rejected": ("Extension rejected", "stop"),
    "poam.file-read": ("File of exceptions taken over", _QUIET),
    "poam.imported": ("Exception taken over from a file", _QUIET),
    "poam.met-by-rollback": ("A rollback went past the same findings", "warn"),
    "poam.milestone-added": ("Milestone added", _QUIET),
    "poam.milestone-done": ("Milestone done", "ok"),
    "poam.milestone-reopened": ("Milestone open again", "warn"),
    "poam.mitigated": ("Weakness mitigated", "ok"),
    "poam.rejected": ("Exception rejected", "stop"),
    "poam.requested": ("Exception requested", "warn"),
    "poam.revised": ("Exception changed", _QUIET),
    "poam.taken-back": ("Exception a draft again", _QUIET),
    "poam.warned": ("Warned of the end of an exception", "warn"),
    "policy.set": ("Gate policy set", "warn"),
    "refused": ("Refused", "stop"),
    "rehearsal.failed": ("Rehearsal of a restore failed", "stop"),
    "rehearsal.passed": ("Rehearsal of a restore passed", "ok"),
    "report.came-again": ("Scan report came again", _QUIET),
    "report.downloaded": ("Scan report downloaded", _QUIET),
    "report.imported": ("Scan report imported", _QUIET),
    "report.matched": ("Scan report matched", "ok"),
    "report.refused": ("Scan report refused", "stop"),
    "registry.forgotten": ("Registry forgotten", "off"),
    "registry.set": ("Registry set", _QUIET),
    "repository.added": ("Place for backups added", _QUIET),
    "repository.changed": ("Place for backups changed", _QUIET),
    "repository.forgotten": ("Place for backups forgotten", "off"),
    "repository.key-shown": ("Recovery key shown", "warn"),
    "repository.rekeyed": ("Recovery key replaced", "warn"),
    "restore.agreed": ("Agreed to a restore", "ok"),
    "restore.asked": ("Asked for a restore", "warn"),
    "restore.declined": ("Restore declined", "off"),
    "restore.done": ("Restored", "ok"),
    "restore.failed": ("Not restored", "undone"),
    "restore.removed": ("What a restore had replaced is removed", "off"),
    "restore.undone": ("Restore undone", "undone"),
    "service.added": ("Put under management", _QUIET),
    "service.badge-private": ("Badge is not public any more", "off"),
    "service.badge-public": ("Badge made public", "warn"),
    "service.changed": ("Settings changed", _QUIET),
    "service.drift_ended": ("Drift ended", "ok"),
    "service.drifted": ("Drift found", "stop"),
    "signal.acknowledged": ("Signal acknowledged", "ok"),
    "signal.closed": ("Signal closed by itself", "ok"),
    "signal.opened": ("Signal opened", "warn"),
    "triage.bundled": ("Triage bundle made", _QUIET),
}

AREAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "digests": ("Digests and approvals", ("digest.", "approval.")),
    "exceptions": ("Exceptions", ("poam.",)),
    "policies": ("Gate policies", ("policy.",)),
    "reports": ("Scan reports", ("report.",)),
    "deployments": ("Deployments", ("deployment.",)),
    "jobs": ("Jobs", ("job.",)),
    "services": ("Services and hosts", ("service.", "host.")),
    "people": ("People and sign-in", ("person.",)),
    "registries": ("Registries", ("registry.",)),
    "signals": ("Signals and notifications", ("signal.", "channel.")),
    "trail": ("Checks of the trail", ("audit.",)),
    "refused": ("Anything refused", ("refused", "job.refused", "person.sign_in_refused", "report.refused")),
}
"""What the filter offers: a word for the address, words for the person, and how the actions begin."""


@dataclass(frozen=True)
class Change:
    """One field of an event, before and after; `None` where there is nothing to show."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Told:
    """An event as a row tells it. `digest` and `about`: what it was done to; `extra`: under which tag."""

    event: AuditEvent
    deed: str
    tone: str
    about: str = ""
    digest: str = ""
    extra: str = ""

    @property
    def by(self) -> str:
        """Who did it, for a sentence; nobody for what follows from another event."""
        return "" if self.event.action in _CONSEQUENCES else who(self.event)


def told(event: AuditEvent) -> Told:
    deed, tone = _deed(event)
    about, digest = _about(event)
    return Told(event, deed, tone, about, digest, _extra(event))


def changes(event: AuditEvent) -> list[Change]:
    """`changes` is {field: [before, after]}; a value alone is what was asked for."""
    return [_change(str(name), value) for name, value in event.changes.items()]


def _deed(event: AuditEvent) -> tuple[str, str]:
    if event.action in _DEEDS:
        return _DEEDS[event.action]
    return event.action.replace(".", ": ").replace("-", " ").replace("_", " ").capitalize(), _QUIET


_CONSEQUENCES = frozenset({"approval.needs-review", "digest.approved", "digest.candidate", "digest.known-good"})
_PARTS = {
    "worker": "a worker",
    "watcher": "the watcher",
    "gate": "the gate",
    "anonymous": "somebody not signed in",
    "shell": "somebody at the shell",
}


def who(event: AuditEvent) -> str:
    """For a sentence: the parts of the portal that act have no names."""
    return _PARTS.get(event.actor, event.actor)


def _about(event: AuditEvent) -> tuple[str, str]:
    if event.object_type == "user" and event.object_name == event.actor:
        return "", ""
    if event.object_type == "deployment":
        return event.object_name, _after(event, "digest")
    if event.object_type != "imagedigest":
        return event.object_name, ""
    try:
        return "", parse_pinned(event.object_name).digest
    except Invalid:
        return event.object_name, ""


def _extra(event: AuditEvent) -> str:
    if event.action in {"digest.registered", "digest.found"}:
        tag = _after(event, "tag")
        return f"as {tag}" if tag else ""
    if event.action == "report.matched":
        return _after(event, "report")
    if event.action == "digest.tagged":
        tags = event.changes.get("tags")
        last = tags[1] if isinstance(tags, list) and len(tags) == _PAIR and isinstance(tags[1], list) else []
        return str(last[-1]) if last else ""
    return ""


_PAIR = 2


def _after(event: AuditEvent, field: str) -> str:
    pair = event.changes.get(field)
    return str(pair[1]) if isinstance(pair, list) and len(pair) == _PAIR and pair[1] is not None else ""


def _change(name: str, value: Any) -> Change:
    if isinstance(value, list) and len(value) == _PAIR:
        return Change(name, _shown(value[0]), _shown(value[1]))
    return Change(name, None, _shown(value))


def _shown(value: Any) -> str | None:
    if value is None or value in ("", [], {}):
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {one}" for key, one in value.items())
    return str(value)
