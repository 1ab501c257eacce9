"""The FedRAMP POA&M workbook: sheets Open and Closed, columns A to AE, headers in row 5. Pure."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import xlsxwriter

from deploy_records.poam_files.entry import Entry
from deploy_records.rules.terms import Milestone
from deploy_records.scanners.report import Severity

COLUMNS = (
    "POAM ID", "Controls", "Weakness Name", "Weakness Description", "Weakness Detector Source", "Weakness Source Identifier",
    "Asset Identifier", "Point of Contact", "Resources Required", "Overall Remediation Plan", "Original Detection Date",
    "Scheduled Completion Date", "Planned Milestones", "Milestone Changes", "Status Date", "Vendor Dependency",
    "Last Vendor Check-in Date", "Vendor Dependent Product Name", "Original Risk Rating", "Adjusted Risk Rating",
    "Risk Adjustment", "False Positive", "Operational Requirement", "Deviation Rationale", "Supporting Documents", "Comments",
    "Auto-Approve", "Binding Operational Directive 22-01 tracking", "Binding Operational Directive 22-01 Due Date", "CVE",
    "Service Name",
)  # fmt: skip
HEADER_ROW = 4
_MOST_IN_CELL = 32_767
_RATINGS = {Severity.CRITICAL: "High", Severity.HIGH: "High", Severity.MEDIUM: "Moderate", Severity.LOW: "Low"}
_OPERATIONAL = {"requested": "Pending", "approved": "Yes"}
_CLOSED = frozenset({"mitigated", "closed"})


@dataclass(frozen=True, slots=True)
class Header:
    """The block above the table. Who provides which system is for the organisation to say."""

    csp: str = ""
    system_name: str = ""
    impact_level: str = ""


NO_HEADER = Header()


def write_workbook(entries: Iterable[Entry], at: datetime, header: Header = NO_HEADER) -> bytes:
    """Drafts are left out: they are nobody's word yet."""
    told = [entry for entry in entries if entry.status != "draft"]
    target = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(target, options) as book:
        book.set_properties({"title": "Plan of Action and Milestones", "created": at.astimezone(UTC).replace(tzinfo=None)})
        formats = {
            "head": book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1}),
            "day": book.add_format({"num_format": "yyyy-mm-dd", "valign": "top", "align": "left"}),
            "text": book.add_format({"text_wrap": True, "valign": "top"}),
        }
        for name, closed in (("Open", False), ("Closed", True)):
            sheet = book.add_worksheet(name)
            _head(sheet, header, at, formats)
            for row, entry in enumerate((one for one in told if (one.status in _CLOSED) == closed), start=HEADER_ROW + 1):
                for column, value in enumerate(_row(entry, at)):
                    _write(sheet, row, column, value, formats)
    return target.getvalue()


def _head(sheet: Any, header: Header, at: datetime, formats: dict[str, Any]) -> None:
    _write(sheet, 0, 0, "Plan of Action and Milestones (POA&M)", formats)
    block: dict[str, str | date] = {
        "CSP": header.csp,
        "System Name": header.system_name,
        "Impact Level": header.impact_level,
        "POAM Date": at.date(),
    }
    for column, (name, value) in enumerate(block.items()):
        sheet.write_string(1, column, name, formats["head"])
        _write(sheet, 2, column, value, formats)
    for column, name in enumerate(COLUMNS):
        sheet.write_string(HEADER_ROW, column, name, formats["head"])
    sheet.set_column(0, len(COLUMNS) - 1, 24)
    sheet.freeze_panes(HEADER_ROW + 1, 1)


def _write(sheet: Any, row: int, column: int, value: str | date | None, formats: dict[str, Any]) -> None:
    """Text always as text, whatever it begins with."""
    if isinstance(value, date):
        sheet.write_datetime(row, column, datetime(value.year, value.month, value.day), formats["day"])  # noqa: DTZ001 - cells have no zone
    elif value:
        text = value if len(value) <= _MOST_IN_CELL else value[: _MOST_IN_CELL - 1] + "…"
        sheet.write_string(row, column, text, formats["text"])


def _row(entry: Entry, at: datetime) -> tuple[str | date | None, ...]:
    terms, ids = entry.terms, ", ".join(entry.terms.vulnerabilities)
    status = entry.status_at(at)
    place = " ".join(part for part in (terms.repository, terms.digest) if part) or terms.component
    return (
        entry.id,
        "RA-5",
        f"{ids} in {terms.component}" if terms.component else ids,
        terms.justification,
        "Vulnerability scan",
        ids,
        place,
        terms.owner,
        None,
        terms.remediation_plan,
        entry.created_at.astimezone(UTC).date(),
        terms.expires_at.astimezone(UTC).date(),
        _lines(f"{one.due.isoformat()} {one.title}" for one in terms.milestones),
        _lines(_done(one) for one in terms.milestones if one.done_at),
        (entry.changed_at or entry.created_at).astimezone(UTC).date(),
        "Yes" if terms.vendor_dependency else "No",
        None,
        terms.vendor_dependency,
        _RATINGS[terms.severity],
        "N/A",
        "No",
        "No",
        _OPERATIONAL.get(status, "No"),
        _lines(part for part in (terms.justification, terms.compensating_controls) if part) if status in _OPERATIONAL else None,
        None,
        _lines((f"Status: {status}. Severity by the scanner: {terms.severity}.", *entry.comments)),
        "No",
        "No",
        None,
        ", ".join(one for one in terms.vulnerabilities if one.startswith("CVE-")),
        terms.service,
    )


def _done(one: Milestone) -> str:
    return f"{one.done_at:%Y-%m-%d} done: {one.title}"


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)
