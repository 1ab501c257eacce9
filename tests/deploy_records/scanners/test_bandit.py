import pytest

from deploy_records.scanners.report import FindingKind, ReportKind, Severity
from tests.deploy_records.scanners.code_reports import BANDIT
from tests.deploy_records.scanners.reports import changed, without
from tests.deploy_records.scanners.understand import refusal, understood


def test_a_result_is_taken_with_its_place_and_its_cwe() -> None:
    found = understood(BANDIT).only
    assert (found.kind, found.id, found.severity, found.tool_severity) == (FindingKind.CODE, "B602", Severity.HIGH, "HIGH")
    assert (found.location, found.cwe) == ("app/a.py:7:4", ("CWE-78",))
    assert found.title == "subprocess popen with shell equals true"
    assert found.description == "subprocess call with shell=True identified, security issue.\nConfidence: high."
    assert found.link.startswith("https://bandit.readthedocs.io/")


def test_the_header_counts_what_was_looked_at_and_names_what_was_not() -> None:
    report = understood(BANDIT).report
    assert (report.format, report.tool, report.target, report.kinds) == ("bandit", "Bandit", "2 Python files", (ReportKind.SAST,))
    assert report.remarks == ("app/broken.py was not looked at: syntax error while parsing AST from file.",)
    assert report.created_at
    assert report.created_at.day == 20


def test_one_file_is_named() -> None:
    assert understood(without(BANDIT, "metrics", "app/b.py")).report.target == "app/a.py"


@pytest.mark.parametrize(
    ("word", "severity"), [("LOW", Severity.LOW), ("UNDEFINED", Severity.UNKNOWN), ("UGLY", Severity.UNKNOWN)]
)
def test_the_severity_is_bandits_word(word: str, severity: Severity) -> None:
    assert understood(changed(BANDIT, "results", 0, "issue_severity", to=word)).only.severity is severity


def test_results_of_old_releases_have_no_cwe_and_no_column() -> None:
    old = without(without(BANDIT, "results", 0, "issue_cwe"), "results", 0, "col_offset")
    assert (understood(old).only.cwe, understood(old).only.location) == ((), "app/a.py:7")


def test_a_clean_run_says_so_if_files_were_looked_at() -> None:
    assert understood({**BANDIT, "results": []}).findings == []
    assert "does not say what was scanned" in refusal({**BANDIT, "results": [], "metrics": {"_totals": {"loc": 0}}})


def test_a_result_without_its_test_is_refused_with_its_place() -> None:
    assert "at results[0].test_id: expected a text" in refusal(changed(BANDIT, "results", 0, "test_id", to=None))
