import base64
import json

import pytest

from deploy_records.scanners.report import Component, FindingState, ReportKind, Severity
from tests.deploy_records.scanners.image_reports import GRYPE, IMAGE_ID, INDEX, MANIFEST, VECTOR
from tests.deploy_records.scanners.reports import changed, without
from tests.deploy_records.scanners.understand import refusal, understood


def test_the_header_says_what_was_scanned_when_and_with_what() -> None:
    report = understood(GRYPE).report
    assert (report.format, report.tool, report.version, report.target) == ("grype", "Grype", "0.98.0", "ghcr.io/owner/app:1.2")
    assert report.kinds == (ReportKind.IMAGE,)
    assert report.created_at
    assert report.created_at.isoformat() == "2026-11-20T06:00:00+00:00"


def test_the_image_is_known_by_all_of_its_digests() -> None:
    digests = understood(GRYPE).report.digests
    assert digests.repo_digests == (f"ghcr.io/owner/app@{INDEX}",)
    assert (digests.manifest_digest, digests.image_id, digests.platform) == (MANIFEST, IMAGE_ID, "linux/amd64")


def test_the_platform_of_older_releases_stands_in_the_configuration() -> None:
    config = base64.b64encode(json.dumps({"os": "linux", "architecture": "arm", "variant": "v7"}).encode()).decode()
    report = changed(without(GRYPE, "source", "target", "architecture"), "source", "target", "config", to=config)
    assert understood(report).report.digests.platform == "linux/arm/v7"


@pytest.mark.parametrize("config", ["%%%", "eyJ", base64.b64encode(b"[1]").decode(), 7, None])
def test_a_configuration_that_cannot_be_read_leaves_the_platform_unknown(config: object) -> None:
    report = changed(without(GRYPE, "source", "target", "architecture"), "source", "target", "config", to=config)
    assert understood(report).report.digests.platform == ""


def test_a_match_is_taken_with_all_that_is_said_of_it() -> None:
    found = understood(GRYPE).findings[0]
    assert (found.id, found.aliases) == ("GHSA-2222-3333-4444", ("CVE-2026-1000",))
    assert (found.severity, found.tool_severity) == (Severity.CRITICAL, "Critical")
    assert (found.package, found.version, found.fixed_version) == ("curl", "7.88.1-10", "7.88.1-11, 8.0")
    assert found.purl == "pkg:deb/debian/curl@7.88.1-10?arch=arm64&distro=debian-12"
    assert found.location == "/var/lib/dpkg/status and 1 more"
    assert [(one.version, one.vector, one.score) for one in found.cvss] == [("3.1", VECTOR, 9.8)]
    assert (found.cwe, found.description) == (("CWE-125",), "Reads beyond the end")
    assert found.link == "https://github.com/advisories/GHSA-2222-3333-4444"
    assert found.state is FindingState.OPEN


@pytest.mark.parametrize(
    ("rule", "state", "note"),
    [
        ({"vex-status": "not_affected", "vex-justification": "not called"}, FindingState.NOT_AFFECTED, "not called"),
        ({"vex-status": "fixed"}, FindingState.RESOLVED, "fixed"),
        ({"vulnerability": "CVE-2026-1003", "reason": "later"}, FindingState.SUPPRESSED, "later"),
        ({"vulnerability": "CVE-2026-1003"}, FindingState.SUPPRESSED, "wont-fix"),
    ],
)
def test_what_was_ignored_is_told_with_the_reason(rule: dict[str, str], state: FindingState, note: str) -> None:
    found = understood(changed(GRYPE, "ignoredMatches", 0, "appliedIgnoreRules", to=[rule])).findings[1]
    assert (found.state, found.state_note, found.is_claimed_harmless) == (state, note, True)


def test_the_packages_with_findings_are_listed_once() -> None:
    found = understood(changed(GRYPE, "matches", to=GRYPE["matches"] * 2)).components
    assert found == [
        Component("curl", "7.88.1-10", "deb", "pkg:deb/debian/curl@7.88.1-10?arch=arm64&distro=debian-12", ("curl", "ISC"))
    ]


def test_a_folder_is_a_scan_of_dependencies_and_has_no_digest() -> None:
    report = understood(changed(GRYPE, "source", to={"type": "directory", "target": "/app"})).report
    assert (report.kinds, report.target, bool(report.digests)) == ((ReportKind.DEPENDENCIES,), "/app", False)


def test_a_clean_scan_says_so_if_it_says_of_what() -> None:
    assert understood({**GRYPE, "matches": [], "ignoredMatches": None}).findings == []


@pytest.mark.parametrize("source", [None, {"type": "sbom", "target": "unknown"}])
def test_no_findings_in_something_unknown_is_refused(source: object) -> None:
    assert "does not say what was scanned" in refusal({**GRYPE, "matches": [], "ignoredMatches": [], "source": source})


def test_a_first_release_without_source_and_descriptor_is_known_by_its_matches() -> None:
    assert understood({"matches": GRYPE["matches"]}).only.id == "GHSA-2222-3333-4444"


def test_a_match_without_an_id_is_refused_with_its_place() -> None:
    said = refusal(changed(GRYPE, "matches", 0, "vulnerability", "id", to=None))
    assert "at matches[0].vulnerability.id: expected a text, found nothing" in said
