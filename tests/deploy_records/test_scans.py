import gzip
import hashlib

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import audit_check, digest_findings, ledger, scans
from deploy_records.errors import Broken, Invalid, NotAllowed, Refused
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
from deploy_records.scans import Imported
from tests.deploy_records.images import index, sha, single
from tests.deploy_records.people import anew, person
from tests.deploy_records.scan_files import IMPORTER, UNKNOWN, file, grype, pip_audit, spdx, trivy, vulnerability
from tests.deploy_records.scanners.reports import ALL_FILES

pytestmark = pytest.mark.django_db


@pytest.fixture
def importer(db: None) -> User:
    return person("imre", *IMPORTER)


@pytest.fixture
def entry(importer: User) -> ImageDigest:
    return ledger.register(single("build 1"), importer)


def imported(data: bytes, by: User, name: str = "report.json", *, chosen: ImageDigest | None = None) -> Imported:
    return scans.import_report(file(data), name, by, chosen=chosen)


def nothing_is_stored() -> bool:
    return not any(model.objects.exists() for model in (ScanReport, StoredFile, StoredPiece, ScanFinding, DigestFinding))


def actions() -> list[str]:
    return list(AuditEvent.objects.filter(action__startswith="report.").order_by("sequence").values_list("action", flat=True))


# What is kept


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


# What it is matched to


def test_a_report_is_matched_by_the_manifest_it_names(importer: User, entry: ImageDigest) -> None:
    (match,) = imported(trivy(entry.digest), importer).matches
    assert (match.entry, match.by, match.platform) == (entry, Match.MANIFEST, "linux/amd64")


def test_a_report_on_one_platform_counts_for_the_entry_of_the_index(importer: User) -> None:
    whole = ledger.register(index("build 2"), importer)
    (match,) = imported(trivy(sha("build 2 arm64"), platform=""), importer).matches
    assert (match.entry, match.by, match.platform) == (whole, Match.MANIFEST, "linux/arm64")


def test_a_report_on_an_index_without_a_platform_leaves_it_open(importer: User) -> None:
    whole = ledger.register(index("build 2"), importer)
    (match,) = imported(trivy(whole.digest, platform=""), importer).matches
    assert (match.by, match.platform) == (Match.INDEX, "")


def test_a_report_that_names_the_image_id_is_matched_by_it(importer: User, entry: ImageDigest) -> None:
    (match,) = imported(grype(manifest=sha("made up by a daemon"), image_id=sha("build 1 config")), importer).matches
    assert (match.entry, match.by) == (entry, Match.IMAGE_ID)


def test_a_report_on_an_unknown_digest_lies_in_quarantine(importer: User, entry: ImageDigest) -> None:
    done = imported(trivy(UNKNOWN, target=entry.repository), importer)
    assert done.matches == ()
    assert "quarantine" in done.sentence
    assert list(scans.quarantined()) == [done.report]
    assert scans.findings_of(entry) == []


def test_a_report_of_another_platform_is_not_matched(importer: User, entry: ImageDigest) -> None:
    assert imported(trivy(entry.digest, platform="windows/amd64"), importer).matches == ()


def test_a_quarantined_report_counts_as_soon_as_its_digest_is_registered(importer: User, operator: User) -> None:
    report = imported(trivy(sha("build 9")), importer).report
    registered = ledger.register(single("build 9"), operator)
    assert [one.report for one in scans.current_reports([registered])[registered.pk]] == [report]
    assert [one.name for one in scans.findings_of(registered)] == ["CVE-2026-1000"]
    assert not scans.quarantined().exists()
    event = AuditEvent.objects.get(action="report.matched")
    assert (event.actor, event.object_id) == ("otto", str(registered.pk))
    assert audit_check.verify().intact


def test_a_report_counts_for_the_same_image_in_two_repositories(importer: User, entry: ImageDigest) -> None:
    twin = ledger.register(single("build 1", repository="registry.example.com/mirror/chatbot"), importer)
    done = imported(trivy(entry.digest), importer)
    assert {one.entry for one in done.matches} == {entry, twin}
    later = ledger.register(single("build 1", repository="registry.example.com/late/chatbot"), importer)
    assert len(scans.findings_of(later)) == 1


def test_a_report_without_a_digest_waits_for_a_persons_choice(importer: User, entry: ImageDigest) -> None:
    done = imported(pip_audit("CVE-2026-1"), importer)
    assert done.matches == ()
    assert "somebody chooses" in done.sentence
    match = scans.assign(done.report, entry, importer)
    assert (match.by, match.person) == (Match.PERSON, importer)
    assert len(scans.findings_of(entry)) == 1


def test_a_report_without_a_digest_is_matched_to_the_chosen_one_and_says_so(importer: User, entry: ImageDigest) -> None:
    done = imported(pip_audit("CVE-2026-1"), importer, chosen=entry)
    assert [(one.entry, one.by) for one in done.matches] == [(entry, Match.PERSON)]
    assert "A person's choice" in done.sentence


def test_a_choice_counts_for_the_chosen_repository_only(importer: User, entry: ImageDigest) -> None:
    twin = ledger.register(single("build 1", repository="registry.example.com/mirror/chatbot"), importer)
    imported(pip_audit("CVE-2026-1"), importer, chosen=entry)
    assert (len(scans.findings_of(entry)), len(scans.findings_of(twin))) == (1, 0)


def test_the_same_file_can_be_chosen_for_two_digests(importer: User, entry: ImageDigest) -> None:
    other = ledger.register(single("build 2"), importer)
    first, second = (imported(pip_audit("CVE-2026-1"), importer, chosen=one) for one in (entry, other))
    assert first.report == second.report
    assert {one.entry for one in second.matches} == {entry, other}


@pytest.mark.parametrize("known", [False, True], ids=["a new file", "a known file"])
def test_a_report_that_names_another_digest_than_the_chosen_one_is_refused(
    importer: User, entry: ImageDigest, known: bool
) -> None:
    if known:
        imported(trivy(UNKNOWN), importer)
    with pytest.raises(Refused) as refused:
        imported(trivy(UNKNOWN), importer, chosen=entry)
    assert UNKNOWN in str(refused.value)
    assert entry.digest in str(refused.value)
    assert known or nothing_is_stored()
    assert scans.findings_of(entry) == []


def test_a_report_that_names_the_chosen_digest_is_matched_by_what_it_says(importer: User, entry: ImageDigest) -> None:
    assert [one.by for one in imported(trivy(entry.digest), importer, chosen=entry).matches] == [Match.MANIFEST]


def test_nobody_can_choose_a_digest_for_a_report_that_names_another(importer: User, entry: ImageDigest) -> None:
    report = imported(trivy(UNKNOWN), importer).report
    with pytest.raises(Refused, match="was chosen"):
        scans.assign(report, entry, importer)


def test_choosing_takes_the_permission(importer: User, entry: ImageDigest, stranger: User) -> None:
    report = imported(pip_audit(), importer).report
    with pytest.raises(NotAllowed):
        scans.assign(report, entry, stranger)


def test_a_report_on_another_platform_cannot_be_chosen_for_the_digest(importer: User, entry: ImageDigest) -> None:
    with pytest.raises(Refused, match="linux/s390x"):
        imported(trivy(platform="linux/s390x"), importer, chosen=entry)


def test_who_lost_the_role_can_no_longer_import(importer: User) -> None:
    importer.groups.clear()
    with pytest.raises(NotAllowed):
        imported(trivy(UNKNOWN), anew(importer))


# Which reports count


def test_a_newer_report_of_the_same_tool_takes_the_place_of_the_older(importer: User, entry: ImageDigest) -> None:
    old = imported(trivy(entry.digest, made="2026-11-01T00:00:00Z"), importer).report
    new = imported(trivy(entry.digest, made="2026-11-02T00:00:00Z", findings=(vulnerability("CVE-2026-2"),)), importer).report
    assert [one.report for one in scans.current_reports([entry])[entry.pk]] == [new]
    assert [one.name for one in scans.findings_of(entry)] == ["CVE-2026-2"]
    assert old.matches.get().superseded_at


def test_an_old_report_that_comes_late_is_history_at_once(importer: User, entry: ImageDigest) -> None:
    new = imported(trivy(entry.digest, made="2026-11-02T00:00:00Z"), importer).report
    imported(trivy(entry.digest, made="2026-11-01T00:00:00Z", findings=()), importer)
    assert [one.report for one in scans.current_reports([entry])[entry.pk]] == [new]
    assert len(scans.findings_of(entry)) == 1


def test_reports_of_two_tools_and_two_platforms_all_count(importer: User) -> None:
    whole = ledger.register(index("build 2"), importer)
    for platform in ("amd64", "arm64"):
        imported(trivy(sha(f"build 2 {platform}"), platform=f"linux/{platform}"), importer)
    imported(grype(manifest=sha("build 2 amd64"), matches=(("GHSA-2222-3333-4444", "Low", "CVE-2026-1000"),)), importer)
    assert len(scans.current_reports([whole])[whole.pk]) == 3
    (found,) = scans.findings_of(whole)
    assert (found.name, found.severity, found.tools) == ("CVE-2026-1000", "High", ("Grype", "Trivy"))
    assert len(found.sources) == 3


def test_what_the_database_copies_is_what_the_rules_put_together(
    importer: User, entry: ImageDigest, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = tuple(vulnerability(f"CVE-2026-{number}", "LOW", package=f"p{number}") for number in range(1000, 1010))
    renamed = vulnerability("GHSA-2222-3333-4444", package="q", VendorIDs=["CVE-2026-7"], FixedVersion="2")
    twice = (vulnerability("CVE-2026-8", package="r"), vulnerability("CVE-2026-8", "CRITICAL", package="r", PkgPath="else/where"))
    imported(trivy(entry.digest, findings=(*alone, renamed, *twice)), importer)
    imported(grype(manifest=entry.digest, matches=(("CVE-2026-9", "High", "GHSA-5555-6666-7777"),)), importer)

    def rows() -> list[tuple[object, ...]]:
        columns = [field.attname for field in DigestFinding._meta.concrete_fields if field.attname != "id"]
        return sorted(DigestFinding.objects.values_list(*columns), key=str)

    copied = rows()
    monkeypatch.setattr(digest_findings, "_FEW", -1)
    digest_findings.renew(entry)
    assert len(copied) == 13
    assert rows() == copied


def test_what_counted_at_an_earlier_moment_is_still_known(importer: User, entry: ImageDigest) -> None:
    before = timezone.now()
    imported(trivy(entry.digest, made="2026-11-01T00:00:00Z"), importer)
    between = timezone.now()
    imported(trivy(entry.digest, made="2026-11-02T00:00:00Z", findings=()), importer)
    assert scans.findings_of(entry) == []
    assert [one.name for one in scans.findings_of(entry, at=between)] == ["CVE-2026-1000"]
    assert len(scans.current_reports([entry], at=between)[entry.pk]) == 1
    assert scans.findings_of(entry, at=before) == []
    assert scans.current_reports([entry], at=before)[entry.pk] == []


def test_a_report_that_does_not_say_when_it_was_made_is_as_old_as_its_last_import(importer: User, entry: ImageDigest) -> None:
    first = imported(pip_audit("CVE-2026-1"), importer, chosen=entry).report
    imported(pip_audit("CVE-2026-2"), importer, chosen=entry)
    assert [one.name for one in scans.findings_of(entry)] == ["CVE-2026-2"]
    again = imported(pip_audit("CVE-2026-1"), importer, chosen=entry)
    assert again.report.made_at > first.made_at
    assert [one.name for one in scans.findings_of(entry)] == ["CVE-2026-1"]
    assert actions()[-1] == "report.came-again"


def test_a_report_that_says_when_it_was_made_gets_no_younger_by_coming_again(importer: User, entry: ImageDigest) -> None:
    first = imported(trivy(entry.digest), importer).report
    assert imported(trivy(entry.digest), importer).report.made_at == first.made_at == first.scanned_at


def test_a_report_from_the_future_is_as_old_as_its_import(importer: User, entry: ImageDigest) -> None:
    report = imported(trivy(entry.digest, made="2099-01-01T00:00:00Z"), importer).report
    assert report.made_at == report.imported_at
    imported(trivy(entry.digest, made="2099-01-01T00:00:00Z", findings=()), importer)
    assert scans.findings_of(entry) == []


def test_findings_can_be_asked_for_by_severity(importer: User, entry: ImageDigest) -> None:
    imported(trivy(entry.digest, findings=(vulnerability("CVE-2026-1", "LOW"), vulnerability("CVE-2026-2", "ODD"))), importer)
    assert [one.name for one in scans.findings_of(entry)] == ["CVE-2026-2", "CVE-2026-1"]
    assert [one.name for one in scans.findings_of(entry, severities=["Unknown"])] == ["CVE-2026-2"]  # type: ignore[list-item]  # a StrEnum's value


def test_the_difference_between_two_digests(importer: User, entry: ImageDigest) -> None:
    other = ledger.register(single("build 2"), importer)
    imported(trivy(entry.digest, findings=(vulnerability("CVE-2026-1"), vulnerability("CVE-2026-2"))), importer)
    imported(trivy(other.digest, findings=(vulnerability("CVE-2026-2"), vulnerability("CVE-2026-3"))), importer)
    found = scans.compare(entry, other)
    assert [[one.name for one in part] for part in (found.new, found.gone, found.still)] == [
        ["CVE-2026-3"], ["CVE-2026-1"], ["CVE-2026-2"],
    ]  # fmt: skip


def test_the_difference_between_two_reports(importer: User, entry: ImageDigest) -> None:
    first = imported(trivy(entry.digest, findings=(vulnerability("CVE-2026-1"),)), importer).report
    second = imported(trivy(entry.digest, findings=(), made="2026-11-21T00:00:00Z"), importer).report
    assert [one.name for one in scans.compare_reports(first.pk, second.pk).gone] == ["CVE-2026-1"]


def test_an_sbom_is_matched_by_what_it_describes(importer: User, entry: ImageDigest) -> None:
    (match,) = imported(spdx(entry.digest, "openssl", "zlib"), importer).matches
    assert match.entry == entry
    assert {"openssl", "zlib"} <= set(ScanComponent.objects.values_list("name", flat=True))


def test_the_trail_tells_who_brought_what(importer: User, entry: ImageDigest) -> None:
    done = imported(trivy(entry.digest), importer)
    came, matched = AuditEvent.objects.filter(action__startswith="report.").order_by("sequence")
    assert (came.actor, came.object_type, came.object_id) == ("imre", "scanreport", str(done.report.pk))
    assert came.changes["sha256"] == [None, done.report.file.sha256]
    assert (matched.object_type, matched.object_id) == ("imagedigest", str(entry.pk))
    assert matched.changes["matched by"] == [None, Match.MANIFEST.label]
    assert audit_check.verify().intact
