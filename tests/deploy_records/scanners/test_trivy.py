from datetime import UTC, datetime

import pytest

from deploy_records.scanners.report import Component, FindingKind, FindingState, ReportKind, Severity
from tests.deploy_records.scanners.image_reports import IMAGE_ID, INDEX, TRIVY, TRIVY_CLUSTER, TRIVY_LEGACY, VECTOR
from tests.deploy_records.scanners.reports import changed, without
from tests.deploy_records.scanners.understand import refusal, understood

RESULTS = TRIVY["Results"]
CURL = RESULTS[0]["Vulnerabilities"][0]


def test_the_header_says_what_was_scanned_when_and_with_what() -> None:
    report = understood(TRIVY).report
    assert (report.format, report.tool, report.version) == ("trivy", "Trivy", "0.65.0")
    assert report.target == "ghcr.io/owner/app:1.2"
    assert report.kinds == (ReportKind.IMAGE, ReportKind.CONFIG, ReportKind.SECRETS)
    assert report.created_at == datetime(2026, 11, 20, 6, 0, 0, 123456, tzinfo=UTC)
    assert report.remarks == ()


def test_the_image_is_known_by_its_repo_digest_its_id_and_its_platform() -> None:
    digests = understood(TRIVY).report.digests
    assert digests.repo_digests == (f"ghcr.io/owner/app@{INDEX}",)
    assert digests.bare_repo_digests == (INDEX,)
    assert digests.image_id == IMAGE_ID
    assert digests.platform == "linux/arm64"
    assert digests.manifest_digest == ""


def test_an_image_from_an_archive_says_nothing_of_its_digest() -> None:
    assert not understood(changed(TRIVY, "Metadata", to={"RepoDigests": [""], "ImageID": ""})).report.digests


def test_a_vulnerability_is_taken_with_all_that_is_said_of_it() -> None:
    found = understood(TRIVY).findings[0]
    assert (found.id, found.aliases) == ("CVE-2026-1000", ("GHSA-2222-3333-4444",))
    assert (found.kind, found.severity, found.tool_severity) == (FindingKind.VULNERABILITY, Severity.CRITICAL, "CRITICAL")
    assert found.purl == "pkg:deb/debian/curl@7.88.1-10?arch=arm64"
    assert (found.package, found.version, found.fixed_version) == ("curl", "7.88.1-10", "7.88.1-11")
    assert found.title == "curl: reads too far"
    assert found.description == "It reads\nbeyond the end."
    assert found.link == "https://avd.example.org/cve-2026-1000"
    assert found.cwe == ("CWE-125",)
    assert found.location == "ghcr.io/owner/app:1.2 (debian 12.5)"


def test_every_score_is_taken_with_who_gave_it() -> None:
    scores = {(score.version, score.source): score for score in understood(TRIVY).findings[0].cvss}
    assert scores.keys() == {("2.0", "nvd"), ("3.1", "nvd"), ("4.0", "redhat")}
    assert (scores["3.1", "nvd"].score, scores["3.1", "nvd"].vector) == (9.8, VECTOR)


def test_without_a_main_link_the_first_that_may_be_followed_is_taken() -> None:
    report = changed(TRIVY, "Results", to=[{**RESULTS[0], "Vulnerabilities": [without(CURL, "PrimaryURL")]}])
    assert understood(report).only.link == "https://example.org/one"


def test_what_trivy_does_not_know_the_severity_of_is_unknown() -> None:
    found = understood(TRIVY).findings[1]
    assert (found.severity, found.tool_severity) == (Severity.UNKNOWN, "UNKNOWN")


def test_a_package_without_a_url_gets_the_one_that_its_type_gives() -> None:
    _curl, zlib, thing, *_ = understood(TRIVY).findings
    assert zlib.purl == "pkg:deb/debian/zlib1g@1.2.13"
    assert thing.purl == "pkg:pypi/py-thing@1.0"
    assert thing.location == "app/site-packages"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("affected", FindingState.OPEN),
        ("will_not_fix", FindingState.OPEN),
        ("end_of_life", FindingState.OPEN),
        ("a word of next year", FindingState.OPEN),
        ("under_investigation", FindingState.IN_TRIAGE),
        ("not_affected", FindingState.NOT_AFFECTED),
    ],
)
def test_the_status_is_a_claim_and_only_one_of_them_says_harmless(status: str, state: FindingState) -> None:
    found = understood(changed(TRIVY, "Results", 0, "Vulnerabilities", 0, "Status", to=status)).findings[0]
    assert (found.state, found.state_note) == (state, status.replace("_", " "))


def test_a_secret_is_told_without_the_secret() -> None:
    found = next(finding for finding in understood(TRIVY).findings if finding.kind is FindingKind.SECRET)
    assert (found.id, found.severity, found.location) == ("private-key", Severity.HIGH, "app/key.pem:3-9")
    assert "BEGIN" not in repr(found)


def test_a_misconfiguration_is_taken_unless_its_check_passed() -> None:
    failed, excused = (one for one in understood(TRIVY).findings if one.kind is FindingKind.MISCONFIGURATION)
    assert (failed.id, failed.aliases, failed.location) == ("DS002", ("AVD-DS-0002",), "Dockerfile:1")
    assert failed.description == "Give it a user.\nIt runs as root.\nAdd USER."
    assert (failed.state, excused.state) == (FindingState.OPEN, FindingState.SUPPRESSED)


def test_a_licence_of_any_length_is_a_finding() -> None:
    licences = [
        {"Name": "GPL-3.0", "PkgName": "bash", "Severity": "HIGH", "Category": "restricted"},
        {"Name": "text://" + "x" * 900},
    ]
    found = understood(changed(TRIVY, "Results", 0, to={"Target": "licences", "Class": "license", "Licenses": licences})).findings
    assert [(one.kind, one.title[:15]) for one in found[:2]] == [
        (FindingKind.LICENCE, "Licence GPL-3.0"),
        (FindingKind.LICENCE, "Licence text://"),
    ]


def test_what_an_ignore_file_took_out_is_still_told_as_suppressed() -> None:
    entries = [
        {"Type": "vulnerability", "Status": "ignored", "Source": ".trivyignore.yaml", "Statement": "later", "Finding": CURL},
        {"Type": "vulnerability", "Status": "not_affected", "Source": "vex.json", "Finding": CURL},
        {"Type": "vulnerability", "Status": "fixed", "Finding": CURL},
    ]
    found = understood(
        changed(TRIVY, "Results", to=[{"Target": "x", "Type": "debian", "ExperimentalModifiedFindings": entries}])
    ).findings
    assert [one.state for one in found] == [FindingState.SUPPRESSED, FindingState.NOT_AFFECTED, FindingState.RESOLVED]
    assert [one.state_note for one in found] == [".trivyignore.yaml: later", "vex.json", "fixed"]


def test_packages_are_listed_with_their_whole_version() -> None:
    assert understood(TRIVY).components == [
        Component("curl", "1:7.88.1-10", "debian", "pkg:deb/debian/curl@7.88.1-10?arch=arm64", ("curl", "ISC")),
        Component("zlib1g", "1.2.13", "debian", "pkg:deb/debian/zlib1g@1.2.13", ()),
    ]


@pytest.mark.parametrize(
    ("artifact", "results", "kinds"),
    [
        ("container_image", RESULTS[:1], (ReportKind.IMAGE,)),
        ("container_image", RESULTS[2:3], (ReportKind.SECRETS,)),
        ("container_image", RESULTS[:3], (ReportKind.IMAGE, ReportKind.SECRETS)),
        ("container_image", [{"Target": "x (debian 12.5)", "Type": "debian", "Vulnerabilities": [CURL]}], (ReportKind.IMAGE,)),
        ("filesystem", RESULTS[1:2], (ReportKind.DEPENDENCIES,)),
        ("filesystem", RESULTS[2:], (ReportKind.CONFIG, ReportKind.SECRETS)),
        ("repository", RESULTS[1:], (ReportKind.DEPENDENCIES, ReportKind.CONFIG, ReportKind.SECRETS)),
        ("filesystem", [{"Target": "x"}], (ReportKind.CONFIG,)),
    ],
)
def test_a_report_counts_as_what_was_looked_for(artifact: str, results: list[object], kinds: tuple[ReportKind, ...]) -> None:
    assert understood({**TRIVY, "ArtifactType": artifact, "Results": results}).report.kinds == kinds


def test_a_clean_image_is_an_image_scan_without_findings() -> None:
    found = understood({**TRIVY, "Results": [{"Target": "x (debian 12.5)", "Class": "os-pkgs", "Type": "debian"}]})
    assert (found.findings, found.report.kinds, found.report.remarks) == ([], (ReportKind.IMAGE,), ())


def test_an_image_of_which_only_the_language_packages_were_looked_at_is_no_scan_of_it() -> None:
    report = understood({**TRIVY, "Results": RESULTS[1:2]}).report
    assert report.kinds == (ReportKind.DEPENDENCIES,)
    assert "not compared" in report.remarks[0]
    assert understood(without({**TRIVY, "Results": RESULTS[1:2]}, "Metadata", "OS")).report.kinds == (ReportKind.IMAGE,)


@pytest.mark.parametrize("nothing", [None, []])
def test_an_image_whose_known_packages_were_not_compared_is_no_scan_of_it(nothing: object) -> None:
    report = understood({**TRIVY, "Results": nothing}).report
    assert ReportKind.IMAGE not in report.kinds
    assert "not compared" in report.remarks[0]


def test_an_image_in_which_there_is_nothing_to_know_is_a_scan_with_a_remark() -> None:
    report = understood(without({**TRIVY, "Results": None}, "Metadata", "OS")).report
    assert report.kinds == (ReportKind.IMAGE,)
    assert "recognised nothing" in report.remarks[0]


def test_the_list_of_old_releases_is_read_and_names_its_image() -> None:
    found = understood(TRIVY_LEGACY)
    assert (found.report.target, found.report.kinds) == ("owner/app:1.2", (ReportKind.IMAGE,))
    assert (found.only.id, found.only.purl) == ("CVE-2019-14697", "pkg:apk/alpine/musl@1.1.22-r2")


def test_the_list_of_a_folder_is_about_dependencies() -> None:
    assert understood(TRIVY_LEGACY[1:]).report.kinds == (ReportKind.DEPENDENCIES,)


def test_a_cluster_is_read_resource_by_resource_and_belongs_to_no_single_image() -> None:
    found = understood(TRIVY_CLUSTER)
    assert (found.report.target, found.report.kinds) == ("kind-kind", (ReportKind.CLUSTER,))
    assert not found.report.digests
    assert found.findings[0].location == "default/Pod/web: ghcr.io/owner/app:1.2 (debian 12.5)"
    assert found.report.remarks == ("Pod job was not looked at: no such image.",)


@pytest.mark.parametrize("key", ["Findings", "Vulnerabilities", "Misconfigurations"])
def test_the_lists_of_other_releases_and_of_summaries_hold_resources_too(key: str) -> None:
    assert len(understood({"ClusterName": "kind-kind", key: TRIVY_CLUSTER["Resources"]}).findings) == 2


def test_a_schema_of_the_future_is_refused() -> None:
    assert "at SchemaVersion: expected 2, found the number 3" in refusal(changed(TRIVY, "SchemaVersion", to=3))


def test_a_vulnerability_without_an_id_is_refused_with_its_place() -> None:
    said = refusal(changed(TRIVY, "Results", 1, "Vulnerabilities", 0, "VulnerabilityID", to=""))
    assert "at Results[1].Vulnerabilities[0].VulnerabilityID: expected a text, found nothing" in said


def test_a_modified_finding_of_an_unknown_type_is_refused() -> None:
    results = [{"Target": "x", "ExperimentalModifiedFindings": [{"Type": "magic", "Finding": {}}]}]
    assert "expected the type vulnerability" in refusal({**TRIVY, "Results": results})
