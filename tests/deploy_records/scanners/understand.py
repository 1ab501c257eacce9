"""Reads a report to its end, as an import would, and says what was understood."""

import io
import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from deploy_records.errors import Refused
from deploy_records.rules.words import cannot_be_seen
from deploy_records.scanners import opened_report
from deploy_records.scanners.report import Component, Finding, Report

FILE = "report.file"
_LONGEST = {
    "tool": 100,
    "id": 200,
    "package": 300,
    "version": 300,
    "purl": 1000,
    "fixed_version": 300,
    "location": 500,
    "title": 300,
    "description": 4000,
    "link": 2000,
    "state_note": 1500,
}


@dataclass(frozen=True)
class Understood:
    report: Report
    findings: list[Finding]
    components: list[Component]

    @property
    def only(self) -> Finding:
        (finding,) = self.findings
        return finding


def as_bytes(report: Any) -> bytes:
    """`report` as a tool would write it: bytes and texts as they are, all else as JSON."""
    if isinstance(report, bytes):
        return report
    return (report if isinstance(report, str) else json.dumps(report)).encode()


def understood(report: Any, name: str = FILE) -> Understood:
    with opened_report(io.BytesIO(as_bytes(report)), name) as found:
        return Understood(found, list(found.findings), list(found.components))


def refusal(report: Any, name: str = FILE) -> str:
    """The sentence with which `report` is refused, which names the file and says that nothing came of it."""
    with pytest.raises(Refused) as refused:
        understood(report, name)
    said = str(refused.value)
    assert said.startswith(f"“{name}”")
    assert said.endswith("Nothing was stored.")
    assert len(said) < 1000
    assert said.isprintable()
    return said


def refused_or_fit_to_keep(report: Any) -> None:
    """Whatever it is: it is refused, or all that is understood of it is bounded and can be seen. Nothing else happens."""
    try:
        found = understood(report)
    except Refused:
        refusal(report)
        return
    for finding in found.findings:
        assert_fit_to_keep(finding)
    for component in found.components:
        _assert_text(component.name, 300)
        _assert_text(component.purl, 1000)
        assert all(_assert_text(licence, 300) for licence in component.licences)
    _assert_text(found.report.target, 500)
    _assert_text(found.report.tool, 100)
    _assert_text(found.report.version, 100)


def assert_fit_to_keep(finding: Finding) -> None:
    assert finding.id
    assert re.fullmatch("[0-9a-f]{64}", finding.fingerprint)
    assert re.match("https?://", finding.link) or not finding.link
    for name, most in _LONGEST.items():
        _assert_text(getattr(finding, name), most)
    for text in (*finding.aliases, *finding.cwe):
        _assert_text(text, 300)
    for score in finding.cvss:
        assert score.score is None or 0 <= score.score <= 10
        _assert_text(score.vector, 400)
        _assert_text(score.source, 60)


def _assert_text(text: str, most: int) -> bool:
    assert isinstance(text, str)
    assert len(text) <= most
    assert not any(cannot_be_seen(character) for character in text if character != "\n")
    return True
