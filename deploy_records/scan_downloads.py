"""The file of a scan report as it came, for a person. That somebody took it is on record."""

from collections.abc import Iterator
from dataclasses import dataclass

from deploy_records import audit, scans
from deploy_records.audit import Actor, Event, about
from deploy_records.models import ScanReport
from deploy_records.people import Person, require

MAY_VIEW = "deploy_records.view_scanreport"


@dataclass(frozen=True, slots=True)
class Download:
    """`pieces` ends with `Broken` before its last piece if what is kept is not what came."""

    name: str
    size: int
    sha256: str
    pieces: Iterator[bytes]


def download(report: ScanReport, by: Person, *, address: str = "") -> Download:
    person = require(by, MAY_VIEW, "Reading scan reports")
    with audit.changing():
        changes = {"file": report.name, "sha256": report.file.sha256, "bytes": report.file.size}
        audit.record(Actor.of(person, address), Event("report.downloaded", **about(report), changes=changes))
    return Download(report.name, report.file.size, report.file.sha256, scans.original(report))
