from deploy_records.scanners.report import Component, FindingState, ReportKind, Severity
from tests.deploy_records.scanners.code_reports import PIP_AUDIT
from tests.deploy_records.scanners.reports import changed
from tests.deploy_records.scanners.understand import refusal, understood


def test_a_vulnerability_is_taken_with_its_other_names_and_all_fixes() -> None:
    found = understood(PIP_AUDIT).only
    assert (found.id, found.aliases) == ("PYSEC-2026-10", ("CVE-2026-1002", "GHSA-5555-6666-7777"))
    assert (found.package, found.version, found.fixed_version) == ("py_thing", "1.0", "1.1, 2.0")
    assert found.purl == "pkg:pypi/py-thing@1.0"
    assert found.link == "https://osv.dev/vulnerability/PYSEC-2026-10"
    assert (found.severity, found.state) == (Severity.UNKNOWN, FindingState.OPEN)


def test_the_header_counts_what_was_looked_at_and_names_what_was_not() -> None:
    report = understood(PIP_AUDIT).report
    assert (report.format, report.tool, report.target) == ("pip-audit", "pip-audit", "2 Python packages")
    assert report.kinds == (ReportKind.DEPENDENCIES,)
    assert report.remarks == ("own-thing was not audited: it is not on PyPI",)


def test_all_packages_are_listed() -> None:
    assert understood(PIP_AUDIT).components[1] == Component("fine", "2.0", "library", "pkg:pypi/fine@2.0")


def test_the_list_of_old_releases_says_the_same() -> None:
    old, new = understood(PIP_AUDIT["dependencies"]), understood(PIP_AUDIT)
    assert (old.findings, old.components, old.report.target) == (new.findings, new.components, new.report.target)


def test_a_clean_audit_says_so_if_anything_was_looked_at() -> None:
    assert understood({"dependencies": [{"name": "fine", "version": "2.0", "vulns": []}], "fixes": []}).findings == []


def test_an_audit_of_nothing_is_refused() -> None:
    assert "does not say what was scanned" in refusal({"dependencies": [], "fixes": []})
    assert "does not say what was scanned" in refusal({"dependencies": [{"name": "own", "skip_reason": "not on PyPI"}]})


def test_an_id_that_fits_no_address_makes_no_link() -> None:
    assert understood(changed(PIP_AUDIT, "dependencies", 0, "vulns", 0, "id", to="X/../<b>")).only.link == ""


def test_a_vulnerability_without_an_id_is_refused_with_its_place() -> None:
    assert "at dependencies[0].vulns[0].id: expected a text" in refusal(
        changed(PIP_AUDIT, "dependencies", 0, "vulns", 0, "id", to=None)
    )
