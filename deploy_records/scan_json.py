"""What was understood of a report, as JSON or in a few lines; without anything of the ledger."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, TextIO

from deploy_records.rules.matching import named
from deploy_records.scanners.report import Component, Finding, Report, Severity

_encode = json.JSONEncoder(ensure_ascii=False, separators=(", ", ": ")).encode


def write(report: Report, name: str, out: TextIO) -> None:
    """One object on one line, only once all of the report has been read: what is refused at its end is not half told."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as waiting:
        for part in _parts(report, name):
            waiting.write(part)
        waiting.seek(0)
        while text := waiting.read(65536):
            out.write(text)


def in_words(report: Report, name: str) -> list[str]:
    severities = Counter(one.severity for one in report.findings)
    components = sum(1 for _ in report.components)
    by_severity = ", ".join(f"{severities[one]:,} {one}" for one in Severity if severities[one])
    found = f"{_number(severities.total(), 'finding')}{f': {by_severity}' if by_severity else ''}"
    lines = [
        f"{name}: {report.format}, {', '.join(report.kinds)}",
        f"  by {' '.join(filter(None, (report.tool, report.version))) or 'an unnamed tool'}{_when(report)}",
        f"  of {report.target or 'something it does not name'}",
        *(f"  names {digest}" for digest in named(report.digests)),
        f"  {found}; {_number(components, 'component')}",
        *(f"  {remark}" for remark in report.remarks),
    ]
    if not report.digests:
        lines.insert(3, "  names no digest")
    return lines


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _when(report: Report) -> str:
    return f", {report.created_at:%Y-%m-%d %H:%M UTC}" if report.created_at else ""


def _parts(report: Report, name: str) -> Iterator[str]:
    header = {
        "file": name, "format": report.format, "tool": report.tool, "version": report.version, "target": report.target,
        "kinds": [kind.value for kind in report.kinds],
        "created_at": report.created_at.isoformat() if report.created_at else None,
        "digests": asdict(report.digests), "remarks": report.remarks,
    }  # fmt: skip
    yield _encode(header)[:-1]
    yield ', "findings": ['
    yield from _joined(finding_data(one) for one in report.findings)
    yield '], "components": ['
    yield from _joined(component_data(one) for one in report.components)
    yield "]}\n"


def _joined(values: Iterable[dict[str, Any]]) -> Iterator[str]:
    for number, value in enumerate(values):
        yield f"{', ' if number else ''}{_encode(value)}"


def finding_data(one: Finding) -> dict[str, Any]:
    return {
        "id": one.id, "aliases": one.aliases, "kind": one.kind.value, "severity": one.severity.value,
        "tool_severity": one.tool_severity, "purl": one.purl, "package": one.package, "version": one.version,
        "fixed_version": one.fixed_version, "location": one.location, "title": one.title, "description": one.description,
        "link": one.link, "cwe": one.cwe, "cvss": [asdict(score) for score in one.cvss], "state": one.state.value,
        "state_note": one.state_note, "tool": one.tool, "fingerprint": one.fingerprint,
    }  # fmt: skip


def component_data(one: Component) -> dict[str, Any]:
    return asdict(one)
