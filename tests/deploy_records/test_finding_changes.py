"""What has changed from one report to the next: the same as comparing their findings one by one, for any number of them."""

import pytest
from django.contrib.auth.models import User

from deploy_records import digest_findings, finding_changes, ledger, scans
from deploy_records.models import DigestFinding, ImageDigest, ReportChange, ScanFinding, ScanReport
from deploy_records.scans import import_report
from tests import factories
from tests.deploy_records.images import single
from tests.deploy_records.scan_files import file, pip_audit, trivy, vulnerability

pytestmark = pytest.mark.django_db(transaction=True)

OLD = (vulnerability("CVE-2026-1"), vulnerability("CVE-2026-2", "LOW"), vulnerability("CVE-2026-3", package="zlib"))
NEW = (vulnerability("CVE-2026-2", "HIGH"), vulnerability("CVE-2026-3", package="zlib"), vulnerability("CVE-2026-4"))


@pytest.fixture
def importer() -> User:
    return factories.person("Operator", name="ida")


@pytest.fixture
def entry(importer: User) -> ImageDigest:
    return ledger.register(single("scanned"), importer)


def brought(data: bytes, by: User, name: str = "trivy.json", chosen: ImageDigest | None = None) -> ScanReport:
    return import_report(file(data), name, by, chosen=chosen).report


def names(numbers: object) -> list[str]:
    return [ScanFinding.objects.get(pk=number).name for number in numbers]  # type: ignore[attr-defined]


def test_new_gone_still_there_and_worse_are_told_apart(entry: ImageDigest, importer: User) -> None:
    before = brought(trivy(entry.digest, findings=OLD, made="2026-11-01T00:00:00Z"), importer)
    after = brought(trivy(entry.digest, findings=NEW, made="2026-11-02T00:00:00Z"), importer)
    changed = finding_changes.of_reports(before, after)
    assert names(changed.new) == ["CVE-2026-4"]
    assert names(changed.gone) == ["CVE-2026-1"]
    assert names(changed.still) == ["CVE-2026-2", "CVE-2026-3"]
    assert names(changed.worse) == ["CVE-2026-2"]
    one_by_one = digest_findings.compare_reports(before.pk, after.pk)
    assert [len(changed.new), len(changed.gone), len(changed.still)] == [
        len(one_by_one.new), len(one_by_one.gone), len(one_by_one.still),
    ]  # fmt: skip


def test_a_new_version_of_a_package_does_not_make_its_weakness_new(entry: ImageDigest, importer: User) -> None:
    before = brought(trivy(entry.digest, findings=(vulnerability(),), made="2026-11-01T00:00:00Z"), importer)
    after = brought(trivy(entry.digest, findings=(vulnerability(InstalledVersion="1.1"),), made="2026-11-02T00:00:00Z"), importer)
    changed = finding_changes.of_reports(before, after)
    assert (len(changed.new), len(changed.gone), len(changed.still)) == (0, 0, 1)


def test_counts_against_the_report_before_are_kept_for_lists(entry: ImageDigest, importer: User) -> None:
    brought(trivy(entry.digest, findings=OLD, made="2026-11-01T00:00:00Z"), importer)
    assert not ReportChange.objects.exists()
    after = brought(trivy(entry.digest, findings=NEW, made="2026-11-02T00:00:00Z"), importer)
    kept = ReportChange.objects.get()
    assert (kept.match.report, kept.new, kept.gone, kept.worse) == (after, 1, 1, 1)


def test_a_report_that_comes_late_takes_its_place_between_the_others(entry: ImageDigest, importer: User) -> None:
    first = brought(trivy(entry.digest, findings=OLD, made="2026-11-01T00:00:00Z"), importer)
    third = brought(trivy(entry.digest, findings=NEW, made="2026-11-03T00:00:00Z"), importer)
    second = brought(trivy(entry.digest, findings=NEW[:2], made="2026-11-02T00:00:00Z"), importer)
    assert {one.match.report: one.before for one in ReportChange.objects.all()} == {second: first, third: second}
    assert ReportChange.objects.get(match__report=third).new == 1


def test_reports_of_other_tools_are_not_held_against_each_other(entry: ImageDigest, importer: User) -> None:
    brought(trivy(entry.digest, findings=OLD), importer)
    report = brought(pip_audit("CVE-2026-9"), importer, "pip.json", chosen=entry)
    assert not ReportChange.objects.exists()
    assert finding_changes.before(report.matches.get()) is None


def test_digests_are_compared_by_the_reports_that_count(entry: ImageDigest, importer: User) -> None:
    runs = ledger.register(single("runs"), importer)
    brought(trivy(runs.digest, findings=OLD), importer)
    brought(trivy(entry.digest, findings=NEW), importer)
    changed = finding_changes.of_digests(runs, entry)
    assert [DigestFinding.objects.get(pk=number).name for number in changed.new] == ["CVE-2026-4"]
    assert [DigestFinding.objects.get(pk=number).name for number in changed.gone] == ["CVE-2026-1"]
    assert scans.findings_of(entry)


def test_an_import_stands_when_its_changes_cannot_be_counted(
    entry: ImageDigest, importer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_entry: ImageDigest) -> None:
        raise OSError("disk I/O error")

    monkeypatch.setattr(finding_changes, "note", fails)
    report = brought(trivy(entry.digest), importer)
    assert report.matches.exists()
