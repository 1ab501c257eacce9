"""The canonical poam.yaml. Reading what is written here gives the same entries. Pure."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from deploy_records.poam_files.entry import Entry
from deploy_records.poam_files.moments import moment_text
from deploy_records.poam_files.yaml_text import yaml_text
from deploy_records.rules.terms import Milestone

COMMENTS = (
    "Exceptions to the vulnerability gate: what is excused, why, until when, and who answers for it.",
    "A finding is excused only if an entry names both its id and its component, is approved, and has not expired.",
)


def write_poam(entries: Iterable[Entry], now: datetime) -> str:
    """What is open and past its end is written as expired."""
    return yaml_text({"version": 1, "exceptions": [_fields(entry, now) for entry in entries]}, *COMMENTS)


def _fields(entry: Entry, now: datetime) -> dict[str, Any]:
    terms = entry.terms
    scope = {"repository": terms.repository, "digest": terms.digest, "service": terms.service}
    more = {"compensatingControls": terms.compensating_controls, "vendorDependency": terms.vendor_dependency}
    approved = {"approvedAt": moment_text(entry.approved_at), "approvedBy": entry.approved_by} if entry.approved_at else {}
    lists = {"milestones": [_milestone(one) for one in terms.milestones], "comments": list(entry.comments)}
    return {
        "id": entry.id,
        "cves": list(terms.vulnerabilities),
        "component": terms.component,
        "severity": str(terms.severity),
        **_said(scope),
        "justification": terms.justification,
        "mitigationPlan": terms.remediation_plan,
        **_said(more),
        "owner": terms.owner,
        "createdAt": moment_text(entry.created_at),
        **_said(approved),
        "expiresAt": moment_text(terms.expires_at),
        **_said(lists),
        "status": entry.status_at(now),
    }


def _milestone(one: Milestone) -> dict[str, str]:
    done = {"doneAt": moment_text(one.done_at)} if one.done_at else {}
    return {"title": one.title, "due": one.due.isoformat(), **done}


def _said(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
