import pytest

from deploy_records.scanners.report import Component, ReportKind, Severity
from tests.deploy_records.scanners.code_reports import NPM_AUDIT
from tests.deploy_records.scanners.reports import changed
from tests.deploy_records.scanners.understand import refusal, understood


def test_an_advisory_is_taken_once_with_all_that_is_said_of_it() -> None:
    found = understood(NPM_AUDIT).only
    assert (found.id, found.package, found.purl) == ("GHSA-xvch-5gv4-984h", "minimist", "pkg:npm/minimist")
    assert (found.severity, found.tool_severity, found.cvss[0].score) == (Severity.CRITICAL, "critical", 9.8)
    assert (found.fixed_version, found.location, found.cwe) == ("0.2.4", "node_modules/minimist", ("CWE-1321",))
    assert found.title == "Prototype pollution in minimist"
    assert found.description == "Affected: <0.2.4. Used by mkdirp."
    assert found.link == "https://github.com/advisories/GHSA-xvch-5gv4-984h"


def test_the_header_counts_what_was_looked_at() -> None:
    report = understood(NPM_AUDIT).report
    assert (report.format, report.tool, report.target) == ("npm-audit", "npm audit", "12 npm packages")
    assert report.kinds == (ReportKind.DEPENDENCIES,)


def test_packages_with_findings_are_listed() -> None:
    assert understood(NPM_AUDIT).components[1] == Component("mkdirp", "", "library", "pkg:npm/mkdirp")


def test_a_package_whose_cause_is_not_listed_is_a_finding_of_its_own() -> None:
    found = understood(changed(NPM_AUDIT, "vulnerabilities", "mkdirp", "via", to=["gone"])).findings
    assert [(one.id, one.severity) for one in found][1] == ("npm audit: mkdirp", Severity.CRITICAL)


@pytest.mark.parametrize(
    ("offer", "affected", "fixed"),
    [
        (True, "<0.2.4", "0.2.4"),
        (True, "<=0.2.3", "by npm audit fix"),
        ({"name": "mkdirp", "version": "0.5.6"}, "<=0.2.3", "mkdirp 0.5.6"),
        ({"name": "minimist", "version": "0.2.4"}, "<=0.2.3", "0.2.4"),
        (False, "<0.2.4", ""),
        (None, "<0.2.4", ""),
    ],
)
def test_the_fix_is_told_as_npm_offers_it(offer: object, affected: str, fixed: str) -> None:
    report = changed(NPM_AUDIT, "vulnerabilities", "minimist", "fixAvailable", to=offer)
    report = changed(report, "vulnerabilities", "minimist", "via", 0, "range", to=affected)
    assert understood(report).only.fixed_version == fixed


def test_an_advisory_without_an_address_is_named_by_its_number() -> None:
    assert (
        understood(changed(NPM_AUDIT, "vulnerabilities", "minimist", "via", 0, "url", to=None)).only.id == "npm advisory 1097678"
    )


def test_a_clean_audit_says_so_if_anything_was_looked_at() -> None:
    assert understood({**NPM_AUDIT, "vulnerabilities": {}}).findings == []
    assert "does not say what was scanned" in refusal({"auditReportVersion": 2, "vulnerabilities": {}})


def test_a_report_of_npm_6_is_refused_with_what_to_do() -> None:
    said = refusal({"actions": [], "advisories": {}, "metadata": {}})
    assert "npm 6" in said
    assert "npm audit --json" in said


def test_an_audit_that_failed_is_refused_with_npms_reason() -> None:
    assert "ENOLOCK" in refusal({"error": {"code": "ENOLOCK", "summary": "", "detail": ""}})


def test_another_version_is_refused() -> None:
    assert "at auditReportVersion: expected 2, found the number 3" in refusal({**NPM_AUDIT, "auditReportVersion": 3})


@pytest.mark.parametrize("name", ["x" * 301, "a\u202eb", "a\u3164b", "\ud800"])
def test_a_package_whose_name_cannot_be_one_is_refused(name: str) -> None:
    entry = {"severity": "low", "via": []}
    assert "expected the name of a package" in refusal({**NPM_AUDIT, "vulnerabilities": {name: entry}})
