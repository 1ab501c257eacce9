import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoAssertNumQueries

from deploy_records import findings_listing as listing
from deploy_records import ledger, scans
from deploy_records.errors import Invalid
from deploy_records.findings_listing import Wish
from deploy_records.models import DigestFinding, ImageDigest, ScanReport
from deploy_records.scanners.report import Severity
from tests.deploy_records.images import sha, single
from tests.deploy_records.scan_files import file, grype, spdx, trivy, vulnerability
from tests.deploy_records.scanned import entry as entry
from tests.deploy_records.scanned import importer as importer

pytestmark = pytest.mark.django_db

WORDS = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "ODD")


def brought(data: bytes, by: User) -> ScanReport:
    return scans.import_report(file(data), "report.json", by).report


def many(number: int) -> tuple[dict[str, object], ...]:
    def one(place: int) -> dict[str, object]:
        fixed = "2" if place % 2 else ""
        word = WORDS[place % len(WORDS)]
        return vulnerability(f"CVE-2026-{1000 + place}", word, package=f"p{place}", FixedVersion=fixed, Title=f"T {place}")

    return tuple(one(place) for place in range(number))


def names(rows: object) -> list[str]:
    return [row.name for row in rows]  # type: ignore[attr-defined]  # rows of any kind


@pytest.mark.parametrize("number", [1, 7])
def test_counts_of_many_digests_take_two_queries(
    importer: User, number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    entries = [ledger.register(single(f"build {one}"), importer) for one in range(number)]
    for one in entries:
        brought(trivy(one.digest, findings=many(5)), importer)
    with django_assert_num_queries(2):
        found = listing.severity_counts(entries)
    assert {counts.total for counts in found.values()} == {5}


def test_counts_tell_no_findings_from_no_report(importer: User, entry: ImageDigest) -> None:
    assert not listing.severity_counts([entry])[entry.pk].is_scanned
    brought(trivy(entry.digest, findings=()), importer)
    counts = listing.severity_counts([entry])[entry.pk]
    assert counts.is_scanned
    assert counts.by_severity == dict.fromkeys(Severity, 0)
    assert list(counts.by_severity)[:2] == [Severity.UNKNOWN, Severity.CRITICAL]


def test_what_two_tools_found_is_counted_once_at_its_worst(importer: User, entry: ImageDigest) -> None:
    brought(trivy(entry.digest, findings=(vulnerability("CVE-2026-1000", "LOW"),)), importer)
    brought(grype(manifest=entry.digest, matches=(("CVE-2026-1000", "Critical", ""),)), importer)
    counts = listing.severity_counts([entry])[entry.pk]
    assert (counts.total, counts.by_severity[Severity.CRITICAL]) == (1, 1)


@pytest.mark.parametrize("size", [1, 3, 7, 50])
def test_pages_forward_and_back_show_every_finding_once_worst_first(importer: User, entry: ImageDigest, size: int) -> None:
    brought(trivy(entry.digest, findings=many(20)), importer)
    seen, page = [], listing.page_of_findings(listing.findings(entry), size=size)
    pages = [page]
    while page.next:
        page = listing.page_of_findings(listing.findings(entry), page.next, size=size)
        pages.append(page)
    seen = [row for page in pages for row in page.rows]
    assert len(seen) == len({row.pk for row in seen}) == 20
    assert [row.weight for row in seen] == sorted((row.weight for row in seen), reverse=True)
    assert seen[0].severity == "Unknown"
    for earlier, later in zip(pages[-2::-1], pages[:0:-1], strict=True):
        assert listing.page_of_findings(listing.findings(entry), later.previous, size=size).rows == earlier.rows
    assert pages[0].previous == ""


def test_a_page_is_one_query_with_all_that_it_shows(
    importer: User, entry: ImageDigest, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    brought(trivy(entry.digest, findings=many(60)), importer)
    first = listing.page_of_findings(listing.findings(entry))
    with django_assert_num_queries(1):
        page = listing.page_of_findings(listing.findings(entry), first.next)
        shown = [(row.finding.title, row.finding.detail.get("tool_severity"), row.tool_names) for row in page.rows]
    assert len(shown) == 10


@pytest.mark.parametrize(
    "cursor", ["after", "after-1", "after-1-2-3", "after-٣-1", "before--1-1", "older-1-1", "after-1-" + "9" * 30]
)
def test_a_place_that_is_none_is_refused(entry: ImageDigest, cursor: str) -> None:
    with pytest.raises(Invalid, match="not known"):
        listing.page_of_findings(listing.findings(entry), cursor)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Wish(severities=("Critical", "High")), [0, 1, 5, 6]),
        (Wish(search="p3"), [3]),
        (Wish(search="cve-2026-1004"), [4]),
        (Wish(search=" t 7 "), [7]),
        (Wish(search="%"), []),
        (Wish(search="nothing\x00like this"), []),
        (Wish(fixable=True), [1, 3, 5, 7, 9]),
        (Wish(fixable=False, severities=("Unknown",)), [4]),
        (Wish(tool="Trivy", search="p3"), [3]),
        (Wish(tool="Triv"), []),
        (Wish(harmless=True), []),
        (Wish(harmless=False, search="p3"), [3]),
    ],
)
def test_findings_are_filtered(importer: User, entry: ImageDigest, wish: Wish, expected: list[int]) -> None:
    report = brought(trivy(entry.digest, findings=many(10)), importer)
    wanted = sorted(f"CVE-2026-{1000 + one}" for one in expected)
    assert sorted(names(listing.findings(entry, wish))) == wanted
    assert sorted(names(listing.findings_of_report(report, wish))) == wanted


def test_a_severity_that_is_none_is_refused(entry: ImageDigest) -> None:
    with pytest.raises(Invalid, match="is not a severity"):
        listing.findings(entry, Wish(severities=("Worst",)))


def test_a_finding_leads_to_what_each_report_says(importer: User, entry: ImageDigest) -> None:
    brought(trivy(entry.digest, findings=(vulnerability("CVE-2026-1000", "LOW"),)), importer)
    brought(grype(manifest=entry.digest, matches=(("GHSA-2222-3333-4444", "Critical", "CVE-2026-1000"),)), importer)
    row = DigestFinding.objects.get()
    assert [(one.tool, one.name, one.severity) for one in listing.sources_of(row)] == [
        ("Grype", "GHSA-2222-3333-4444", "Critical"), ("Trivy", "CVE-2026-1000", "Low"),
    ]  # fmt: skip
    assert listing.tools_of(entry) == ["Grype", "Trivy"]
    assert names(listing.findings(entry, Wish(search="GHSA-2222"))) == ["CVE-2026-1000"]


def test_components_are_listed_by_name_in_pages(importer: User, entry: ImageDigest) -> None:
    report = brought(spdx(entry.digest, *(f"lib{one:02}" for one in reversed(range(9)))), importer)
    page = listing.page_of_components(listing.components(report, "lib"), size=4)
    following = listing.page_of_components(listing.components(report, "lib"), page.next, size=4)
    assert names(page.rows) + names(following.rows) == [f"lib{one:02}" for one in range(8)]
    assert listing.page_of_components(listing.components(report, "lib"), following.previous, size=4).rows == page.rows
    with pytest.raises(Invalid):
        listing.page_of_components(listing.components(report), f"after-{2**60}")


def test_the_sbom_of_a_digest_is_its_newest(importer: User, entry: ImageDigest) -> None:
    assert listing.sbom_of(entry) is None
    scan = brought(trivy(entry.digest, packages=({"Name": "openssl", "Version": "1.0"},), made="2026-11-22T00:00:00Z"), importer)
    assert listing.sbom_of(entry) == scan
    bom = brought(spdx(entry.digest, "openssl"), importer)
    assert listing.sbom_of(entry) == bom
    assert listing.sbom_of(ledger.register(single("build 2"), importer)) is None


def test_where_a_vulnerability_is_can_be_asked(importer: User, entry: ImageDigest) -> None:
    other = ledger.register(single("build 2"), importer)
    brought(trivy(entry.digest), importer)
    brought(trivy(other.digest), importer)
    assert {row.entry for row in DigestFinding.objects.filter(name="CVE-2026-1000")} == {entry, other}
    assert sha("build 2") == other.digest
