"""Bandit's JSON."""

from itertools import islice

from deploy_records.scanners import identity, severity
from deploy_records.scanners.fields import Node
from deploy_records.scanners.report import Finding, FindingKind, Lazily, Report, ReportKind
from deploy_records.scanners.texts import line

NAME = "bandit"
TOOL = "Bandit"

_TOTALS = "_totals"
_MOST_REMARKS = 100


def is_bandit(root: Node) -> bool:
    return "results" in root.data and "metrics" in root.data and ("generated_at" in root.data or "errors" in root.data)


def read(root: Node) -> Report:
    files = [name for name, _measured in root.entries("metrics") if name != _TOTALS]
    errors = islice(root.nodes("errors"), _MOST_REMARKS)
    return Report(
        format=NAME,
        tool=TOOL,
        version="",
        target=_target(files),
        kinds=(ReportKind.SAST,),
        findings=Lazily(lambda: map(_finding, root.nodes("results"))),
        components=(),
        created_at=root.moment("generated_at"),
        remarks=tuple(f"{error.text('filename')} was not looked at: {error.text('reason')}." for error in errors),
    )


def _target(files: list[str]) -> str:
    if len(files) == 1:
        return line(files[0], 500)
    return f"{len(files):,} Python files" if files else ""


def _finding(result: Node) -> Finding:
    own, word = result.needed("test_id"), result.text("issue_severity")
    location, number = result.text("filename", 460), result.whole("line_number")
    column, cwe = result.whole("col_offset"), result.node("issue_cwe").whole("id")
    place = location + (f":{number}" if number else "") + (f":{column}" if number and column is not None else "")
    confidence = result.text("issue_confidence", 80).lower()
    return Finding(
        tool=TOOL,
        kind=FindingKind.CODE,
        id=own,
        severity=severity.from_word(word),
        tool_severity=word,
        location=place,
        cwe=(f"CWE-{cwe}",) if cwe else (),
        title=result.text("test_name").replace("_", " "),
        description=result.block("issue_text", 3900) + (f"\nConfidence: {confidence}." if confidence else ""),
        link=result.link("more_info"),
        fingerprint=identity.fingerprint(FindingKind.CODE, TOOL, own, place),
    )
