"""Exceptions as an OSCAL plan of action and milestones, in JSON. Pure."""

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, time
from typing import Any

from deploy_records.errors import Refused
from deploy_records.poam_files.entry import Entry
from deploy_records.poam_files.moments import moment_text
from deploy_records.poam_files.vex import NAMESPACE
from deploy_records.rules.exceptions import end_of_day
from deploy_records.rules.terms import Milestone

OSCAL_VERSION = "1.1.2"
_SYSTEM_OF_IDS = "https://ietf.org/rfc/rfc4122"
_SEVERITY_SYSTEM = "https://www.first.org/cvss"
_OWN = "https://known-good.example/ns/oscal"
_STATUSES = {
    "requested": "deviation-requested",
    "approved": "deviation-approved",
    "rejected": "open",
    "expired": "open",
    "mitigated": "closed",
    "closed": "closed",
}


def write_oscal(entries: Iterable[Entry], at: datetime, system: str = "Known Good") -> str:
    """Drafts are left out. The format has no place for a plan without items: then it is refused."""
    told = [entry for entry in entries if entry.status != "draft"]
    if not told:
        raise Refused("There is no exception to write: an OSCAL plan holds at least one item. Drafts do not count.")
    body = {
        "system-id": {"identifier-type": _SYSTEM_OF_IDS, "id": _id("system", system)},
        "observations": [_observation(entry) for entry in told],
        "risks": [_risk(entry, at) for entry in told],
        "poam-items": [_item(entry, at) for entry in told],
    }
    version = uuid.uuid5(NAMESPACE, json.dumps(body, sort_keys=True))
    metadata = {
        "title": f"Plan of action and milestones of {system}",
        "last-modified": moment_text(at),
        "version": moment_text(at),
        "oscal-version": OSCAL_VERSION,
        "parties": [{"uuid": _id("party", name), "type": "organization", "name": name} for name in _owners(told)],
    }
    whole = {"plan-of-action-and-milestones": {"uuid": str(version), "metadata": metadata, **body}}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _observation(entry: Entry) -> dict[str, Any]:
    return {
        "uuid": _id("observation", entry.id),
        "title": _name(entry),
        "description": f"A scan found {', '.join(entry.terms.vulnerabilities) or 'a weakness'}.",
        "methods": ["TEST"],
        "types": ["finding"],
        "collected": moment_text(entry.created_at),
    }


def _risk(entry: Entry, at: datetime) -> dict[str, Any]:
    terms = entry.terms
    actor = {"actors": [{"type": "party", "actor-uuid": _id("party", _owner(entry))}]}
    facet = {"name": "severity", "system": _SEVERITY_SYSTEM, "value": terms.severity.lower()}
    controls = (
        [{"uuid": _id("controls", entry.id), "description": terms.compensating_controls}] if terms.compensating_controls else []
    )
    risk = {
        "uuid": _id("risk", entry.id),
        "title": _name(entry),
        "description": terms.justification or _name(entry),
        "statement": f"{terms.severity} at most; {terms.justification or 'no reason is given yet.'}",
        "status": _STATUSES[entry.status_at(at)],
        "origins": [actor],
        "characterizations": [{"origin": actor, "facets": [facet]}],
        "deadline": moment_text(terms.expires_at),
        "remediations": [_remediation(entry)],
        "risk-log": {"entries": _log(entry)},
        "related-observations": [{"observation-uuid": _id("observation", entry.id)}],
    }
    return {**risk, "mitigating-factors": controls} if controls else risk


def _remediation(entry: Entry) -> dict[str, Any]:
    made = {
        "uuid": _id("remediation", entry.id),
        "lifecycle": "planned",
        "title": f"Remediation of {entry.id}",
        "description": entry.terms.remediation_plan or "No plan is given yet.",
    }
    tasks = [_task(entry, number, one) for number, one in enumerate(entry.terms.milestones, start=1)]
    return {**made, "tasks": tasks} if tasks else made


def _task(entry: Entry, number: int, one: Milestone) -> dict[str, Any]:
    done = [_property("completed", moment_text(one.done_at))] if one.done_at else []
    begin = datetime.combine(one.due, time(0), UTC)
    task = {
        "uuid": _id("milestone", f"{entry.id} {number}"),
        "type": "milestone",
        "title": one.title,
        "timing": {"within-date-range": {"start": moment_text(begin), "end": moment_text(end_of_day(one.due))}},
    }
    return {**task, "props": done} if done else task


def _log(entry: Entry) -> list[dict[str, str]]:
    events = [("Created", entry.created_at), ("Approved", entry.approved_at), (f"Became {entry.status}", entry.changed_at)]
    return [
        {"uuid": _id("log", f"{entry.id} {title}"), "title": title, "start": moment_text(moment)}
        for title, moment in events
        if moment
    ]


def _item(entry: Entry, at: datetime) -> dict[str, Any]:
    terms = entry.terms
    said = {
        "POAM-ID": entry.id,
        "status": entry.status_at(at),
        "component": terms.component,
        "repository": terms.repository,
        "digest": terms.digest,
        "service": terms.service,
        "vendor-dependency": terms.vendor_dependency.replace("\n", " "),
        "owner": terms.owner,
    }
    return {
        "uuid": _id("item", entry.id),
        "title": _name(entry),
        "description": terms.justification or _name(entry),
        "props": [
            *(_property(name, value) for name, value in said.items() if value),
            *(_property("vulnerability", name) for name in terms.vulnerabilities),
        ],
        "related-observations": [{"observation-uuid": _id("observation", entry.id)}],
        "related-risks": [{"risk-uuid": _id("risk", entry.id)}],
        **({"remarks": "\n\n".join(entry.comments)} if entry.comments else {}),
    }


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": name, "ns": _OWN, "value": value}


def _name(entry: Entry) -> str:
    ids = ", ".join(entry.terms.vulnerabilities) or "A weakness"
    return f"{entry.id}: {ids} in {entry.terms.component}" if entry.terms.component else f"{entry.id}: {ids}"


def _owner(entry: Entry) -> str:
    return entry.terms.owner or "Nobody is named"


def _owners(entries: Iterable[Entry]) -> list[str]:
    return list(dict.fromkeys(_owner(entry) for entry in entries))


def _id(kind: str, name: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f"{kind} {name}"))
