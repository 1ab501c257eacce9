from typing import Any

import pytest

from deploy_records.scanners import sarif_rules
from deploy_records.scanners.report import FindingKind, FindingState, ReportKind, Severity
from tests.deploy_records.scanners.code_reports import SARIF
from tests.deploy_records.scanners.image_reports import IMAGE_ID, INDEX
from tests.deploy_records.scanners.reports import changed, without
from tests.deploy_records.scanners.understand import Understood, refusal, understood

RUN = SARIF["runs"][0]
INJECTION = RUN["results"][0]


def of_run(**parts: Any) -> dict[str, Any]:
    return {**SARIF, "runs": [{**RUN, **parts}]}


def of_result(rule: dict[str, Any] | None = None, tool: str = "CodeQL", **result: Any) -> Understood:
    """A run of one rule and one result."""
    driver = {"name": tool, "rules": [{"id": "r", **(rule or {})}]}
    return understood(of_run(tool={"driver": driver}, results=[{"ruleId": "r", "message": {"text": "m"}, **result}]))


def test_the_header_says_what_was_scanned_when_and_with_what() -> None:
    report = understood(SARIF).report
    assert (report.format, report.tool, report.version) == ("sarif", "CodeQL", "2.19.0")
    assert report.target == "https://example.org/app.git at abc"
    assert report.kinds == (ReportKind.SAST,)
    assert report.created_at
    assert report.created_at.isoformat() == "2026-11-20T06:00:00+00:00"


def test_a_result_is_taken_with_what_its_rule_says() -> None:
    found = understood(SARIF).findings[0]
    assert (found.kind, found.id, found.title) == (FindingKind.CODE, "py/sql-injection", "SQL from a user")
    assert (found.severity, found.tool_severity) == (Severity.HIGH, "error, 8.8")
    assert (found.location, found.cwe, found.link) == ("app/models.py:12:5", ("CWE-89",), "https://example.org/help")
    assert found.description == "This query depends on a user."


def test_a_message_by_name_is_filled_in_and_a_file_by_index_is_named() -> None:
    found = understood(SARIF).findings[1]
    assert (found.description, found.location) == ("os is not used.", "app/views.py:1")


def test_the_rule_of_an_extension_is_found() -> None:
    found = understood(SARIF).findings[2]
    assert (found.id, found.severity, found.cwe) == ("more/note", Severity.LOW, ("CWE-79",))


def test_an_index_that_leads_to_another_rule_yields_to_the_id() -> None:
    assert understood(of_run(results=[{**INJECTION, "ruleIndex": 1}])).only.title == "SQL from a user"


def test_a_rule_below_another_is_described_by_it() -> None:
    assert understood(of_run(results=[{**INJECTION, "ruleId": "py/sql-injection/raw"}])).only.title == "SQL from a user"


@pytest.mark.parametrize(
    ("level", "severity"),
    [
        ("error", Severity.HIGH),
        ("warning", Severity.MEDIUM),
        ("note", Severity.LOW),
        ("none", Severity.INFO),
        ("dreadful", Severity.UNKNOWN),
    ],
)
def test_the_level_is_the_severity_where_there_is_no_score(level: str, severity: Severity) -> None:
    assert of_result(level=level).only.severity is severity


def test_the_level_of_the_result_comes_before_the_level_of_its_rule() -> None:
    rule = {"defaultConfiguration": {"level": "error"}}
    assert of_result(rule).only.severity is Severity.HIGH
    assert of_result(rule, level="note").only.severity is Severity.LOW


def test_without_any_level_a_result_is_a_warning_as_the_standard_says() -> None:
    assert of_result().only.severity is Severity.MEDIUM


@pytest.mark.parametrize(
    ("score", "severity"),
    [
        ("9.8", Severity.CRITICAL),
        (7.0, Severity.HIGH),
        ("4.0", Severity.MEDIUM),
        ("0.1", Severity.LOW),
        ("0.0", Severity.INFO),
        ("High", Severity.HIGH),
        ("-1.0", Severity.UNKNOWN),
        ("11", Severity.UNKNOWN),
        ("NaN", Severity.UNKNOWN),
        ("", Severity.LOW),
    ],
)
def test_the_security_severity_comes_before_the_level(score: object, severity: Severity) -> None:
    properties = {"properties": {"security-severity": score}}
    assert of_result(properties, level="note").only.severity is severity
    assert of_result(level="note", properties=properties["properties"]).only.severity is severity


@pytest.mark.parametrize("result", [{"kind": "pass"}, {"kind": "notApplicable"}, {"baselineState": "absent"}])
def test_results_that_say_that_all_is_well_are_no_findings(result: dict[str, Any]) -> None:
    assert of_result(**result).findings == []


def test_a_result_for_information_is_one() -> None:
    assert of_result(kind="informational").only.severity is Severity.INFO


@pytest.mark.parametrize(
    ("suppressions", "state", "note"),
    [
        ([{"kind": "inSource", "justification": "kept"}], FindingState.SUPPRESSED, "kept"),
        ([{"kind": "external", "status": "accepted"}], FindingState.SUPPRESSED, "external"),
        ([{"kind": "external", "status": "underReview"}], FindingState.OPEN, "suppression underReview"),
        ([{"kind": "external", "status": "rejected"}, {"kind": "inSource"}], FindingState.OPEN, "suppression rejected"),
        ([], FindingState.OPEN, ""),
        (None, FindingState.OPEN, ""),
    ],
)
def test_a_suppression_counts_once_all_accepted_it(suppressions: object, state: FindingState, note: str) -> None:
    found = of_result(suppressions=suppressions).only
    assert (found.state, found.state_note) == (state, note)


def test_partial_fingerprints_keep_a_result_the_same_when_its_lines_move() -> None:
    moved = changed(INJECTION, "locations", 0, "physicalLocation", "region", "startLine", to=99)
    first, second = understood(of_run(results=[INJECTION])).only, understood(of_run(results=[moved])).only
    assert first.location != second.location
    assert first.fingerprint == second.fingerprint
    other = changed(INJECTION, "partialFingerprints", to={"primaryLocationLineHash": "another"})
    assert understood(of_run(results=[other])).only.fingerprint != first.fingerprint


def test_equal_lines_are_told_apart_by_their_file_and_their_order_in_it() -> None:
    moved = changed(INJECTION, "locations", 0, "physicalLocation", "region", "startLine", to=99)
    elsewhere = changed(INJECTION, "locations", 0, "physicalLocation", "artifactLocation", "uri", to="app/copy.py")
    found = understood(of_run(results=[INJECTION, moved, elsewhere, INJECTION])).findings
    assert len({one.fingerprint for one in found}) == 3
    assert found[0].fingerprint == found[3].fingerprint


def test_without_fingerprints_place_and_message_tell_results_apart() -> None:
    plain = without(INJECTION, "partialFingerprints")
    other = changed(plain, "message", "text", to="Another.")
    first, second, third = understood(of_run(results=[plain, other, plain])).findings
    assert first.fingerprint == third.fingerprint != second.fingerprint


def test_a_logical_place_is_told_where_there_is_no_file() -> None:
    locations = [{"logicalLocations": [{"fullyQualifiedName": "app.views.index"}]}]
    assert of_result(locations=locations).only.location == "app.views.index"


def test_trivys_own_form_says_which_image_and_package_it_is_about() -> None:
    rule = {"name": "OsPackageVulnerability", "properties": {"security-severity": "9.8"}}
    text = "Package: curl\nInstalled Version: 7.88.1-10\nVulnerability CVE-2026-1000\nSeverity: HIGH\nFixed Version: 7.88.1-11"
    driver = {"name": "Trivy", "version": "0.65.0", "rules": [{"id": "CVE-2026-1000", **rule}]}
    properties = {"imageName": "owner/app:1", "imageID": IMAGE_ID, "repoDigests": [f"owner/app@{INDEX}"]}
    result = {"ruleId": "CVE-2026-1000", "ruleIndex": 0, "message": {"text": text}}
    found = understood(of_run(tool={"driver": driver}, results=[result], properties=properties))
    assert found.report.kinds == (ReportKind.IMAGE,)
    assert (found.report.digests.image_id, found.report.digests.bare_repo_digests) == (IMAGE_ID, (INDEX,))
    assert found.only.kind is FindingKind.VULNERABILITY
    assert (found.only.package, found.only.version, found.only.fixed_version) == ("curl", "7.88.1-10", "7.88.1-11")
    assert found.only.severity is Severity.HIGH


def of_image(tool: str, *rule_names: str) -> Understood:
    """A run on an image that found one thing for each of these rules."""
    driver = {"name": tool, "rules": [{"id": f"r{number}", "name": name} for number, name in enumerate(rule_names)]}
    results = [{"ruleId": f"r{number}", "message": {"text": "m"}} for number in range(len(rule_names))]
    properties = {"imageName": "owner/app:1", "imageID": IMAGE_ID, "repoDigests": [f"owner/app@{INDEX}"]}
    return understood(of_run(tool={"driver": driver}, results=results, properties=properties))


@pytest.mark.parametrize(
    ("tool", "rules", "kinds"),
    [
        ("Trivy", (), (ReportKind.IMAGE,)),
        ("Trivy", ("LanguageSpecificPackageVulnerability", "Secret"), (ReportKind.IMAGE, ReportKind.SECRETS)),
        ("Trivy", ("Secret",), (ReportKind.SECRETS,)),
        ("Trivy", ("Misconfiguration", "License"), (ReportKind.CONFIG,)),
        ("grype", (), (ReportKind.IMAGE,)),
        ("Dockle", (), (ReportKind.CONFIG,)),
        ("gitleaks", (), (ReportKind.SECRETS,)),
    ],
)
def test_what_is_about_an_image_is_a_scan_of_it_only_if_it_looked_for_vulnerabilities(
    tool: str, rules: tuple[str, ...], kinds: tuple[ReportKind, ...]
) -> None:
    assert of_image(tool, *rules).report.kinds == kinds


def test_a_vulnerability_in_the_words_of_grype_has_its_package() -> None:
    message = {"text": "A high vulnerability in deb package: curl, version 7.88.1-10 was found at: /var/lib/dpkg/status"}
    found = of_result({"id": "CVE-2026-1000-curl"}, tool="grype", ruleId="CVE-2026-1000-curl", message=message).only
    assert (found.id, found.package, found.version) == ("CVE-2026-1000", "curl", "7.88.1-10")


@pytest.mark.parametrize(
    ("tool", "kind"),
    [
        ("gitleaks", ReportKind.SECRETS),
        ("Checkov", ReportKind.CONFIG),
        ("osv-scanner", ReportKind.DEPENDENCIES),
        ("Semgrep OSS", ReportKind.SAST),
        ("a tool of next year", ReportKind.SAST),
    ],
)
def test_a_report_counts_as_what_its_tool_is_known_for(tool: str, kind: ReportKind) -> None:
    assert of_result(tool=tool).report.kinds == (kind,)


def test_what_a_tool_for_dependencies_finds_is_a_vulnerability_whatever_its_name() -> None:
    assert of_result(tool="dependency-check", ruleId="Prototype pollution").only.kind is FindingKind.VULNERABILITY


def test_rules_that_say_more_than_any_tool_writes_are_refused_or_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif_rules, "_MOST_MESSAGES", 3)
    rules = [{"id": f"r{number}", "messageStrings": {"a": {"text": "m"}, "b": {"text": "m"}}} for number in range(2)]
    assert "at most 3 texts of messages" in refusal(of_run(tool={"driver": {"name": "x", "rules": rules}}))
    tags = [f"external/cwe/cwe-{number:03}" for number in range(1, 900)]
    assert len(of_result({"properties": {"tags": tags}}).only.cwe) == 20


def test_a_result_whose_rule_says_nothing_is_titled_by_its_message() -> None:
    assert of_result(message={"text": "First.\nSecond."}).only.title == "First."


def test_the_id_of_a_rule_may_be_a_long_path() -> None:
    rule = "folder." * 60 + "rule"
    found = of_result({"id": rule, "shortDescription": {"text": "Found"}}, ruleId=rule).only
    assert (len(found.id), found.title) == (200, "Found")


def test_the_message_on_a_secret_is_not_kept() -> None:
    found = of_result(tool="gitleaks", message={"text": "hunter2 was committed"}).only
    assert found.kind is FindingKind.SECRET
    assert "hunter2" not in repr(found)


def test_several_runs_are_one_report_as_old_as_the_oldest() -> None:
    older = {**RUN, "tool": {"driver": {"name": "Bandit"}}, "invocations": [{"endTimeUtc": "2026-01-01T00:00:00Z"}]}
    found = understood({**SARIF, "runs": [RUN, older]})
    assert (found.report.tool, found.report.version, len(found.findings)) == ("CodeQL, Bandit", "", 6)
    assert found.report.created_at
    assert found.report.created_at.month == 1


def test_runs_about_two_images_are_matched_to_neither() -> None:
    runs = [{**RUN, "properties": {"imageID": image}} for image in (IMAGE_ID, INDEX)]
    report = understood({**SARIF, "runs": runs}).report
    assert not report.digests
    assert "several images" in report.remarks[0]


def test_a_run_without_a_list_of_results_did_not_get_that_far() -> None:
    assert "nothing was scanned" in refusal({**SARIF, "runs": [without(RUN, "results")]})


def test_a_failed_run_is_refused_unless_it_found_something() -> None:
    failed = {"invocations": [{"executionSuccessful": False}]}
    assert "its run failed" in refusal(of_run(results=[], **failed))
    assert understood(of_run(**failed)).report.remarks == ("CodeQL says that its run failed, so results may be missing.",)


def test_results_in_other_files_are_refused() -> None:
    elsewhere = of_run(externalPropertyFileReferences={"results": [{"location": {"uri": "more.sarif"}}]})
    assert "the results lie in other files" in refusal(elsewhere)


def test_another_version_is_refused() -> None:
    assert "at version: expected 2.1.0, found the text “2.0.0”" in refusal({**SARIF, "version": "2.0.0"})


def test_a_tool_without_a_name_is_refused_with_its_place() -> None:
    assert "at runs[0].tool.driver.name: expected a text" in refusal(changed(SARIF, "runs", 0, "tool", "driver", "name", to=None))
