from typing import Any

import pytest

from deploy_records.scanners.report import Component, FindingState, ReportKind, Severity
from tests.deploy_records.scanners.image_reports import IMAGE_ID, INDEX
from tests.deploy_records.scanners.reports import changed, without
from tests.deploy_records.scanners.sbom_reports import CYCLONEDX, CYCLONEDX_XML
from tests.deploy_records.scanners.understand import refusal, understood


def test_the_header_says_what_was_scanned_when_and_with_what() -> None:
    report = understood(CYCLONEDX).report
    assert (report.format, report.tool, report.version) == ("cyclonedx", "trivy", "0.65.0")
    assert report.target == "ghcr.io/owner/app:1.2"
    assert report.kinds == (ReportKind.IMAGE, ReportKind.SBOM)
    assert report.created_at
    assert report.created_at.isoformat() == "2026-11-20T06:00:00+00:00"


def test_the_image_is_known_by_trivys_properties_and_by_its_package_url() -> None:
    digests = understood(CYCLONEDX).report.digests
    assert digests.repo_digests == (f"ghcr.io/owner/app@{INDEX}",)
    assert digests.image_id == IMAGE_ID


def test_the_version_of_an_image_may_be_its_manifest_digest() -> None:
    report = changed(CYCLONEDX, "metadata", "component", to={"type": "container", "name": "owner/app", "version": INDEX})
    assert understood(report).report.digests.manifest_digest == INDEX


def test_the_tools_of_versions_up_to_four_are_a_list() -> None:
    report = changed(CYCLONEDX, "metadata", "tools", to=[{"vendor": "anchore", "name": "syft", "version": "1.0"}])
    assert (understood(report).report.tool, understood(report).report.version) == ("syft", "1.0")


def test_components_are_listed_with_those_inside_of_them() -> None:
    assert understood(CYCLONEDX).components == [
        Component("curl", "7.88.1-10", "library", "pkg:deb/debian/curl@7.88.1-10", ("curl", "MIT OR ISC")),
        Component("org.inner/inner", "2", "library", "", ()),
    ]


def test_a_vulnerability_is_taken_with_all_that_is_said_of_it() -> None:
    found = understood(CYCLONEDX).findings[0]
    assert (found.tool, found.id, found.aliases) == ("trivy", "CVE-2026-1000", ("GHSA-2222-3333-4444",))
    assert (found.package, found.version, found.purl) == ("curl", "7.88.1-10", "pkg:deb/debian/curl@7.88.1-10")
    assert (found.severity, found.tool_severity) == (Severity.CRITICAL, "critical, low")
    assert [(score.version, score.score, score.source) for score in found.cvss] == [("3.1", 9.8, "nvd")]
    assert (found.fixed_version, found.cwe) == ("7.88.1-11", ("CWE-125",))
    assert found.title == "Reads beyond the end"
    assert found.link == "https://nvd.example.org/CVE-2026-1000"


def test_a_vulnerability_of_a_nested_component_finds_it() -> None:
    found = understood(CYCLONEDX).findings[1]
    assert (found.package, found.version, found.severity) == ("org.inner/inner", "2", Severity.UNKNOWN)


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("resolved", FindingState.RESOLVED),
        ("resolved_with_pedigree", FindingState.RESOLVED),
        ("exploitable", FindingState.EXPLOITABLE),
        ("in_triage", FindingState.IN_TRIAGE),
        ("false_positive", FindingState.FALSE_POSITIVE),
        ("not_affected", FindingState.NOT_AFFECTED),
        ("a word of next year", FindingState.OPEN),
        (None, FindingState.OPEN),
    ],
)
def test_what_the_analysis_says_is_kept_as_a_claim(said: str | None, state: FindingState) -> None:
    found = understood(changed(CYCLONEDX, "vulnerabilities", 0, "analysis", "state", to=said)).findings[0]
    assert (found.state, found.state_note) == (state, "code not reachable: It is never called.")


def affecting(*affects: dict[str, Any]) -> dict[str, Any]:
    report: dict[str, Any] = changed(CYCLONEDX, "vulnerabilities", to=[{"id": "CVE-2026-1000", "affects": list(affects)}])
    return report


def test_what_affects_several_parts_is_one_finding_in_each() -> None:
    found = understood(affecting({"ref": "curl-1"}, {"ref": "inner-1"})).findings
    assert [one.package for one in found] == ["curl", "org.inner/inner"]
    assert found[0].fingerprint != found[1].fingerprint


def test_what_affects_nothing_named_is_still_a_finding() -> None:
    assert understood(affecting()).only.id == "CVE-2026-1000"


@pytest.mark.parametrize(
    "ref", ["urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#curl-1", "pkg:deb/debian/curl@7.88.1-10?arch=amd64"]
)
def test_a_reference_may_lead_elsewhere_or_be_the_package_itself(ref: str) -> None:
    found = understood(affecting({"ref": ref})).only
    assert (found.package, found.version) == ("curl", "7.88.1-10")


def test_a_reference_that_leads_nowhere_is_told_as_it_stands() -> None:
    assert understood(affecting({"ref": "somewhere-else"})).only.package == "somewhere-else"


def test_versions_that_are_all_unaffected_say_so() -> None:
    part = {"ref": "curl-1", "versions": [{"version": "7.88.1-10", "status": "unaffected"}]}
    assert understood(affecting(part)).only.state is FindingState.NOT_AFFECTED


def test_a_file_without_vulnerabilities_is_an_sbom_only() -> None:
    found = understood(without(CYCLONEDX, "vulnerabilities"))
    assert (found.report.kinds, found.report.remarks, found.findings) == ((ReportKind.SBOM,), (), [])


def test_an_empty_list_of_vulnerabilities_is_no_scan() -> None:
    report = understood({**CYCLONEDX, "vulnerabilities": []}).report
    assert report.kinds == (ReportKind.SBOM,)
    assert "counts as an SBOM only" in report.remarks[0]


def test_what_a_vendor_says_of_vulnerabilities_without_any_component_is_neither_a_scan_nor_an_sbom() -> None:
    found = understood(without(CYCLONEDX, "components"))
    assert found.report.kinds == (ReportKind.CONFIG,)
    assert "counts as no scan" in found.report.remarks[0]
    assert len(found.findings) == 2


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7"])
def test_every_version_in_use_is_read(version: str) -> None:
    assert len(understood({**CYCLONEDX, "specVersion": version}).findings) == 2
    assert len(understood(CYCLONEDX_XML.replace("bom/1.5", f"bom/{version}")).findings) == 1


@pytest.mark.parametrize("version", ["1.8", "2.0", "", None, 16])
def test_another_version_is_refused(version: object) -> None:
    assert "at specVersion: expected a version of CycloneDX from 1.0 to 1.7" in refusal({**CYCLONEDX, "specVersion": version})


def test_an_sbom_of_nothing_is_refused() -> None:
    empty = {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}
    assert "lists no components" in refusal(empty)


def test_a_component_may_be_listed_without_a_version() -> None:
    found = understood({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "file", "name": "a"}]})
    assert found.components == [Component("a", "", "file")]
