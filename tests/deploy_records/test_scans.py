import gzip
import hashlib

import pytest
from django.contrib.auth.models import User

from deploy_records import audit_check, scans
from deploy_records.errors import Broken, Invalid, NotAllowed
from deploy_records.models import (
    AuditEvent,
    DigestFinding,
    ImageDigest,
    Match,
    ScanComponent,
    ScanFinding,
    ScanReport,
    StoredFile,
    StoredPiece,
)
from deploy_records.scanners import opened_report
from tests.deploy_records.scan_files import UNKNOWN, file, trivy, vulnerability
from tests.deploy_records.scanned import actions, imported
from tests.deploy_records.scanned import entry as entry
from tests.deploy_records.scanned import importer as importer
from tests.deploy_records.scanners.reports import ALL_FILES

pytestmark = pytest.mark.django_db


def nothing_is_stored() -> bool:
    return not any(model.objects.exists() for model in (ScanReport, StoredFile, StoredPiece, ScanFinding, DigestFinding))


def test_a_report_is_kept_with_what_it_says(importer: User, entry: ImageDigest) -> None:
    done = imported(trivy(entry.digest, packages=({"Name": "openssl", "Version": "1.0"},)), importer, "/tmp/scans/trivy.json")
    report = done.report
    assert done.is_new
    assert (report.name, report.format, report.tool, report.kind, report.target) == (
        "trivy.json", "trivy", "Trivy", "image", "app",
    )  # fmt: skip
    assert (report.findings_count, report.severities, report.components_count) == (1, {"High": 1}, 1)
    assert report.imported_by == importer
    assert [(one.name, one.severity) for one in ScanFinding.objects.filter(report=report)] == [("CVE-2026-1000", "High")]
    assert [one.name for one in ScanComponent.objects.filter(report=report)] == ["openssl"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_the_file_comes_back_byte_for_byte(importer: User, pack: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy_records.stored_files.PIECE", 100)
    data = pack(trivy(UNKNOWN, findings=tuple(vulnerability(f"CVE-2026-{number}") for number in range(1000, 1100))))  # type: ignore[operator]  # one of two
    report = imported(data, importer).report
    assert b"".join(scans.original(report)) == data
    assert report.file.sha256 == hashlib.sha256(data).hexdigest()
    assert report.file.size == len(data)
    assert StoredPiece.objects.filter(file=report.file).count() > 3


@pytest.mark.parametrize("how", ["a byte flipped", "a piece lost", "its hash changed", "nothing"])
def test_a_file_that_was_damaged_never_comes_back_whole(importer: User, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy_records.stored_files.PIECE", 100)
    report = imported(trivy(UNKNOWN, findings=tuple(vulnerability(f"CVE-2026-{n}") for n in range(1000, 1100))), importer).report
    pieces = StoredPiece.objects.filter(file=report.file).order_by("number")
    last, total = pieces.last(), pieces.count()
    assert last
    if how == "a byte flipped":
        data = bytearray(last.data)
        data[0] ^= 1
        pieces.filter(pk=last.pk).update(data=bytes(data))
    elif how == "a piece lost":
        last.delete()
    elif how == "its hash changed":
        StoredFile.objects.filter(pk=report.file.pk).update(sha256="0" * 64)
    else:
        pieces.delete()
    assert total > 3
    with pytest.raises(Broken, match="is damaged"):
        b"".join(scans.original(ScanReport.objects.get(pk=report.pk)))


def test_the_same_file_twice_is_one_report(importer: User, entry: ImageDigest) -> None:
    first, second = (imported(trivy(entry.digest), importer, name) for name in ("a.json", "b.json"))
    assert (first.is_new, second.is_new) == (True, False)
    assert first.report == second.report
    assert [one.entry for one in second.matches] == [entry]
    assert ScanFinding.objects.count() == 1
    assert actions() == ["report.imported", "report.matched"]


def test_who_may_not_import_is_refused_and_nothing_is_stored(stranger: User) -> None:
    with pytest.raises(NotAllowed, match="Importing a scan report takes the role"):
        imported(trivy(UNKNOWN), stranger)
    assert nothing_is_stored()


def test_what_is_wrong_at_the_end_of_a_report_leaves_nothing_of_its_beginning(importer: User, entry: ImageDigest) -> None:
    findings = (*(vulnerability(f"CVE-2026-{number}") for number in range(1000, 3000)), {"Severity": "HIGH"})
    with pytest.raises(Invalid, match="VulnerabilityID"):
        imported(trivy(entry.digest, findings=findings), importer)
    assert nothing_is_stored()
    assert actions() == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "C:\\scans\\t.json", "a\x00b\u202e.json", "\udcff.json", "", "x" * 5000])
def test_a_files_name_is_a_label_only(importer: User, name: str) -> None:
    kept = imported(trivy(UNKNOWN), importer, name).report.name
    assert 1 <= len(kept) <= 255
    assert "/" not in kept
    assert "\\" not in kept
    assert "\u202e" not in kept
    assert kept.encode()


def test_texts_longer_than_their_columns_are_cut_but_no_purl_is(importer: User, entry: ImageDigest) -> None:
    purl = f"pkg:deb/debian/{'p' * 900}@1.0"
    long = vulnerability(PkgIdentifier={"PURL": purl}, FixedVersion="9" * 400, Title="t" * 3000, PkgPath="p" * 3000)
    imported(trivy(entry.digest, findings=(long,)), importer)
    made = ScanFinding.objects.get()
    assert made.purl == purl
    assert len(made.location) <= 1000
    assert DigestFinding.objects.get().purl == purl


@pytest.mark.parametrize("kind", ALL_FILES)
def test_every_form_of_report_is_stored_as_it_is_understood(importer: User, entry: ImageDigest, kind: str) -> None:
    data = ALL_FILES[kind]
    with opened_report(file(data), "report") as report:
        findings, components = list(report.findings), list(report.components)
    done = imported(data, importer)
    stored = ScanFinding.objects.filter(report=done.report).order_by("pk")
    assert [(one.name, one.severity, one.purl, one.names) for one in stored] == [
        (one.id, one.severity, one.purl, one.names) for one in findings
    ]
    assert [one.detail.get("description", "") for one in stored] == [one.description for one in findings]
    assert ScanComponent.objects.filter(report=done.report).count() == len(components)
    assert b"".join(scans.original(done.report)) == data


def test_the_trail_tells_who_brought_what(importer: User, entry: ImageDigest) -> None:
    done = imported(trivy(entry.digest), importer)
    came, matched = AuditEvent.objects.filter(action__startswith="report.").order_by("sequence")
    assert (came.actor, came.object_type, came.object_id) == ("imre", "scanreport", str(done.report.pk))
    assert came.changes["sha256"] == [None, done.report.file.sha256]
    assert (matched.object_type, matched.object_id) == ("imagedigest", str(entry.pk))
    assert matched.changes["matched by"] == [None, Match.MANIFEST.label]
    assert audit_check.verify().intact
