"""Scan reports: the one way in, for pages, the command and the API; and the ways to what they say.

with open(path, "rb") as file:
    done = import_report(file, "trivy.json", person)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from deploy_records import audit, scan_matching, stored_files
from deploy_records.audit import Actor, Event, about
from deploy_records.bulk_rows import load
from deploy_records.digest_findings import compare as compare
from deploy_records.digest_findings import compare_reports as compare_reports
from deploy_records.digest_findings import current_reports as current_reports
from deploy_records.digest_findings import findings_of as findings_of
from deploy_records.digest_findings import findings_of_all as findings_of_all
from deploy_records.errors import Refused
from deploy_records.finding_rows import COMPONENT_COLUMNS, FINDING_COLUMNS, cut
from deploy_records.models import ImageDigest, NamedDigest, ScanComponent, ScanFinding, ScanMatch, ScanReport, StoredFile
from deploy_records.people import Person, require
from deploy_records.scan_matching import adopt_quarantined as adopt_quarantined
from deploy_records.scan_spool import Progress, Read, read_whole
from deploy_records.scanners.texts import line
from deploy_records.stored_files import Packed

MAY_IMPORT = "deploy_records.import_report"
_SHELL = "shell"


@dataclass(frozen=True, slots=True)
class Imported:
    """`is_new` is false for a file that is known. `matches` are all digests that the report counts for; none: quarantine."""

    report: ScanReport
    is_new: bool
    matches: tuple[ScanMatch, ...]

    @property
    def sentence(self) -> str:
        return f"{_what(self.report, is_new=self.is_new)} {_where(self.report, self.matches)}"


@dataclass(frozen=True, slots=True)
class _Order:
    name: str
    person: User | None
    actor: Actor
    chosen: ImageDigest | None
    is_demo: bool = False


def import_report(
    file: BinaryIO, name: str, by: Person, *, chosen: ImageDigest | None = None, address: str = "", is_demo: bool = False,
    progress: Progress = lambda _read: None,
) -> Imported:  # fmt: skip
    """Reads, keeps and matches a report; all of it or nothing. `file` must be seekable and is left open; `name` is a label.

    `chosen` is for a report that names no digest, and is refused if it names another. Raises `Invalid` and `Refused`.
    """
    person = require(by, MAY_IMPORT, "Importing a scan report")
    return _import(file, _Order(shown_name(name), person, Actor.of(person, address), chosen, is_demo), progress)


def import_from_shell(file: BinaryIO, name: str, by: User | None, *, chosen: ImageDigest | None = None) -> Imported:
    """The same for who sits at the machine, and may give no name: that one could write into the database anyway."""
    if by is not None:
        return import_report(file, name, by, chosen=chosen, address=_SHELL)
    return _import(file, _Order(shown_name(name), None, Actor(_SHELL), chosen))


def assign(report: ScanReport, entry: ImageDigest, by: Person, *, address: str = "") -> ScanMatch:
    """A person says which digest a report is about that names none itself."""
    person = require(by, MAY_IMPORT, "Matching a scan report")
    with audit.changing():
        return _chosen(report, entry, person, Actor.of(person, address), str(report))


def is_known(sha256: str) -> bool:
    """Whether a file of this content is a report already."""
    return _known(sha256) is not None


def quarantined() -> QuerySet[ScanReport]:
    """Reports that count for no digest, newest first: what they name is not in the ledger, or they name nothing."""
    return ScanReport.objects.filter(matches__isnull=True).select_related("file", "imported_by")


def original(report: ScanReport) -> Iterator[bytes]:
    """The file as it came. `Broken` before its last piece if what is kept is not what came."""
    return stored_files.original(report.file)


def shown_name(name: str) -> str:
    """A file's name as a label: without its folders, and with what cannot be seen made visible."""
    bare = name.replace("\\", "/").rpartition("/")[2].encode("utf-8", "replace").decode()
    return line(bare, 255) or "report"


def _import(file: BinaryIO, order: _Order, progress: Progress = lambda _read: None) -> Imported:
    with stored_files.packed(file, order.name) as packed:
        known = _known(packed.sha256)
        if known is not None:
            return _import_again(known, order)
        with read_whole(file, order.name, progress) as read:
            return _import_new(packed, read, order)


def _import_new(packed: Packed, read: Read, order: _Order) -> Imported:
    if order.chosen is not None:
        scan_matching.refuse_other_than(read.header.digests, order.chosen, order.name)
    try:
        with transaction.atomic():
            report = _stored(packed, read, order)
            with audit.changing():
                audit.record(order.actor, Event("report.imported", **about(report), changes=_changes(report)))
                return Imported(report, True, tuple(_matched(report, order)))
    except IntegrityError:
        known = _known(packed.sha256)
        if known is None:
            raise
        # Somebody else imported the same file in the same moment.
        return _import_again(known, order)


def _import_again(report: ScanReport, order: _Order) -> Imported:
    """The same file is one report. One that does not say when it was made is as good as made now: the scan says the same."""
    with audit.changing():
        if report.scanned_at is None:
            _made_now(report, order.actor)
        if order.chosen is not None and not report.matches.filter(entry=order.chosen).exists():
            _chosen(report, order.chosen, order.person, order.actor, order.name)
    return Imported(report, False, tuple(report.matches.select_related("entry")))


def _made_now(report: ScanReport, actor: Actor) -> None:
    before, report.made_at = report.made_at, timezone.now()
    report.save(update_fields=["made_at"])
    changes = {"made": [before, report.made_at]}
    audit.record(actor, Event("report.came-again", **about(report), changes=changes))
    for one in report.matches.select_related("entry"):
        scan_matching.settle(one.entry)


def _matched(report: ScanReport, order: _Order) -> list[ScanMatch]:
    if report.names_a_digest:
        return scan_matching.match(report, order.actor)
    if order.chosen is not None:
        return [scan_matching.choose(report, order.chosen, order.person, order.actor)]
    return []


def _chosen(report: ScanReport, entry: ImageDigest, person: User | None, actor: Actor, name: str) -> ScanMatch:
    scan_matching.refuse_other_than(scan_matching.digests_of(report), entry, name)
    known = report.matches.filter(entry=entry).first()
    if known is not None:
        raise Refused(f"{name} is matched to {entry} already. Nothing was changed.", code="matched-already")
    return scan_matching.choose(report, entry, person, actor)


def _stored(packed: Packed, read: Read, order: _Order) -> ScanReport:
    header, now = read.header, timezone.now()
    report = ScanReport.objects.create(
        file=stored_files.keep(packed), name=order.name, format=header.format, tool=cut(header.tool, 100),
        tool_version=cut(header.version, 100), target=cut(header.target, 1000), kind=header.kind.value,
        kinds=[kind.value for kind in header.kinds], said=scan_matching.said_of(header.digests), remarks=list(header.remarks),
        scanned_at=header.created_at, imported_at=now, made_at=min(header.created_at or now, now), imported_by=order.person,
        severities=dict(read.severities), findings_count=read.findings.count, components_count=read.components.count,
        is_demo=order.is_demo,
    )  # fmt: skip
    NamedDigest.objects.bulk_create(scan_matching.names(report))
    load(ScanFinding, ("report_id", *FINDING_COLUMNS), ((report.pk, *row) for row in read.findings))
    load(ScanComponent, ("report_id", *COMPONENT_COLUMNS), ((report.pk, *row) for row in read.components))
    return report


def _known(sha256: str) -> ScanReport | None:
    return ScanReport.objects.select_related("file").filter(file__sha256=sha256).first()


def _changes(report: ScanReport) -> dict[str, object]:
    stored: StoredFile = report.file
    told = {
        "file": report.name, "sha256": stored.sha256, "bytes": stored.size, "format": report.format,
        "tool": f"{report.tool} {report.tool_version}".strip(), "target": report.target, "findings": report.severities,
    }  # fmt: skip
    return {key: [None, value] for key, value in told.items() if value}


def _what(report: ScanReport, *, is_new: bool) -> str:
    number = f"{report.findings_count:,} finding{'' if report.findings_count == 1 else 's'}"
    parts = f" and {report.components_count:,} components" if report.components_count else ""
    return f"{report.name}: {number}{parts} by {report.tool or report.format}" + ("." if is_new else ", known already.")


def _where(report: ScanReport, matches: tuple[ScanMatch, ...]) -> str:
    if matches:
        return " ".join(f"{one.get_by_display()}: {one.entry}." for one in matches)
    if report.names_a_digest:
        return "It names a digest that the ledger does not know, so it waits in quarantine until that one is registered."
    return "It names no digest, so it waits in quarantine until somebody chooses one."
