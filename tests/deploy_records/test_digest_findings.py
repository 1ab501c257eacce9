import json

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import digest_findings, ledger, scans
from deploy_records.models import DigestFinding, ImageDigest
from deploy_records.scanners.report import Severity
from tests.deploy_records.images import index, sha, single
from tests.deploy_records.scan_files import grype, pip_audit, trivy, vulnerability
from tests.deploy_records.scanned import actions, imported
from tests.deploy_records.scanned import entry as entry
from tests.deploy_records.scanned import importer as importer

pytestmark = pytest.mark.django_db


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


def test_a_clean_report_that_somebody_chose_for_a_digest_hides_nothing_of_one_that_names_it(
    importer: User, entry: ImageDigest
) -> None:
    imported(trivy(entry.digest, made="2026-11-01T00:00:00Z"), importer)
    imported(trivy(made="2026-11-02T00:00:00Z", findings=()), importer, chosen=entry)
    assert [one.name for one in scans.findings_of(entry)] == ["CVE-2026-1000"]


def test_a_scan_without_secrets_hides_no_secret_that_was_found(importer: User, entry: ImageDigest) -> None:
    secret = {"RuleID": "aws-access-key-id", "Severity": "CRITICAL", "Title": "AWS", "StartLine": 1, "EndLine": 1}
    whole = json.loads(trivy(entry.digest, made="2026-11-01T00:00:00Z", findings=()))
    whole["Results"].append({"Target": "/app/.env", "Class": "secret", "Secrets": [secret]})
    imported(json.dumps(whole).encode(), importer)
    imported(trivy(entry.digest, made="2026-11-02T00:00:00Z", findings=()), importer)
    assert [one.name for one in scans.findings_of(entry)] == ["aws-access-key-id"]


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
    assert [one.name for one in scans.findings_of(entry, severities=[Severity.UNKNOWN])] == ["CVE-2026-2"]


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
