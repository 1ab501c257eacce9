"""Exceptions as a CycloneDX VEX document. Pure."""

import json
import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from deploy_records.poam_files.entry import Entry
from deploy_records.poam_files.moments import moment_text
from deploy_records.rules.component import parsed_purl
from deploy_records.rules.exceptions import DEFAULT_LIMITS, Limits, grant_at

SPEC_VERSION = "1.5"
NAMESPACE = uuid.UUID("6f1d1c1e-7b1b-5f0e-9d3a-3b0f6a5f0c4d")
"""From which ids in written files are derived: the same exception has the same ones each time."""
_LEFT_OUT = frozenset({"draft", "closed"})


def write_vex(entries: Iterable[Entry], at: datetime, limits: Limits = DEFAULT_LIMITS) -> str:
    """Drafts say nothing yet, and what was closed does not say why: both are left out."""
    told = [entry for entry in entries if entry.status not in _LEFT_OUT]
    components = {entry.terms.component: _component(entry.terms.component) for entry in told if entry.terms.component}
    body = {
        "components": list(components.values()),
        "vulnerabilities": [_vulnerability(entry, name, at, limits) for entry in told for name in entry.terms.vulnerabilities],
    }
    serial = uuid.uuid5(NAMESPACE, json.dumps([moment_text(at), body], sort_keys=True))
    tool = {"components": [{"type": "application", "name": "Known Good"}]}
    whole = {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"timestamp": moment_text(at), "tools": tool},
        **body,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _component(text: str) -> dict[str, str]:
    purl = parsed_purl(text)
    if purl is None:
        return {"type": "container", "bom-ref": text, "name": text}
    group = {"group": purl.namespace} if purl.namespace else {}
    version = {"version": purl.version} if purl.version else {}
    return {"type": "library", "bom-ref": text, **group, "name": purl.name, **version, "purl": text}


def _vulnerability(entry: Entry, name: str, at: datetime, limits: Limits) -> dict[str, Any]:
    terms = entry.terms
    properties = {
        "known-good:poam": entry.id,
        "known-good:status": entry.status_at(at),
        "known-good:owner": terms.owner,
        "known-good:expires": moment_text(terms.expires_at),
        "known-good:repository": terms.repository,
        "known-good:digest": terms.digest,
        "known-good:service": terms.service,
    }
    return {
        "bom-ref": f"{entry.id}/{name}",
        "id": name,
        "ratings": [{"severity": terms.severity.lower()}],
        "created": moment_text(entry.created_at),
        "updated": moment_text(entry.changed_at or entry.created_at),
        **({"recommendation": terms.remediation_plan} if terms.remediation_plan else {}),
        "analysis": _analysis(entry, at, limits),
        "affects": [{"ref": terms.component}] if terms.component else [],
        "properties": [{"name": key, "value": value} for key, value in properties.items() if value],
    }


def _analysis(entry: Entry, at: datetime, limits: Limits) -> dict[str, Any]:
    terms = entry.terms
    detail = "\n".join(part for part in (terms.justification, terms.compensating_controls) if part)
    said = {"detail": detail} if detail else {}
    if entry.status == "mitigated":
        return {"state": "resolved", **said}
    if entry.status_at(at) == "requested":
        return {"state": "in_triage", **said}
    if grant_at(entry.excuse(), at, limits) is None:
        return {"state": "exploitable", **said}
    return {"state": "exploitable", "response": _response(entry), **said}


def _response(entry: Entry) -> list[str]:
    """What is done about it while it is excused."""
    found = ["workaround_available"] if entry.terms.compensating_controls else []
    return [*found, "update" if entry.terms.remediation_plan else "will_not_fix"]
