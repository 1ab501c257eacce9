import pytest

from deploy_records.scanners import identity
from tests.deploy_records.scanners.code_reports import NPM_AUDIT, PIP_AUDIT
from tests.deploy_records.scanners.image_reports import GRYPE, TRIVY
from tests.deploy_records.scanners.reports import changed
from tests.deploy_records.scanners.sbom_reports import CYCLONEDX
from tests.deploy_records.scanners.understand import understood


def test_a_vulnerability_of_a_package_is_the_same_whichever_tool_found_it() -> None:
    by_trivy, by_grype, by_bom = (understood(report).findings[0] for report in (TRIVY, GRYPE, CYCLONEDX))
    assert (by_trivy.id, by_grype.id) == ("CVE-2026-1000", "GHSA-2222-3333-4444")
    assert by_trivy.fingerprint == by_grype.fingerprint == by_bom.fingerprint


def test_a_python_package_is_the_same_however_its_name_is_written() -> None:
    by_trivy, by_pip_audit = understood(TRIVY).findings[2], understood(PIP_AUDIT).only
    assert (by_trivy.package, by_pip_audit.package) == ("Py_Thing", "py_thing")
    assert by_trivy.fingerprint == by_pip_audit.fingerprint


def test_another_version_is_another_finding() -> None:
    other = changed(GRYPE, "matches", 0, "artifact", "version", to="7.88.1-9")
    assert understood(other).findings[0].fingerprint != understood(GRYPE).findings[0].fingerprint


def test_npm_tells_no_versions_so_its_findings_are_its_own() -> None:
    assert understood(NPM_AUDIT).only.version == ""


@pytest.mark.parametrize(
    ("purl", "package", "key"),
    [
        ("pkg:deb/debian/curl@7.88.1-10?arch=arm64", "curl", "curl"),
        ("pkg:npm/lodash@4.17.20", "lodash", "lodash"),
        ("pkg:npm/%40angular/core@16.0.0", "@angular/core", "@angular/core"),
        ("pkg:npm/@angular/core", "@angular/core", "@angular/core"),
        ("pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", "log4j-core", "org.apache.logging.log4j:log4j-core"),
        ("pkg:golang/github.com/gin-gonic/gin@v1.9.0#sub", "gin", "github.com/gin-gonic/gin"),
        ("pkg:pypi/Django_Thing@1.0", "Django_Thing", "django-thing"),
        ("", " Curl ", "curl"),
        ("nonsense", "Curl", "curl"),
        ("pkg:", "curl", "curl"),
        ("pkg:deb", "curl", "curl"),
    ],
)
def test_a_package_has_one_name(purl: str, package: str, key: str) -> None:
    assert identity.package_key(purl, package) == key


@pytest.mark.parametrize(
    ("own", "others", "name"),
    [
        ("GHSA-2222-3333-4444", ["CVE-2026-1000"], "CVE-2026-1000"),
        ("cve-2026-1000", [], "CVE-2026-1000"),
        ("PYSEC-2026-10", ["GHSA-2222-3333-4444"], "GHSA-2222-3333-4444"),
        ("SNYK-JS-LODASH-1", [], "SNYK-JS-LODASH-1"),
    ],
)
def test_a_vulnerability_is_compared_by_its_best_known_name(own: str, others: list[str], name: str) -> None:
    assert identity.main_name(own, others).upper() == name.upper()


def test_an_advisory_on_several_cves_is_none_of_them() -> None:
    assert identity.aliases("GHSA-2222-3333-4444", ["CVE-2026-1", "CVE-2026-1000", "CVE-2026-1001"]) == ("CVE-2026-1",)
    assert identity.aliases("RHSA-2026:1", ["DSA-5000-1", "", "RHSA-2026:1"]) == ()
    assert identity.aliases("GHSA-2222-3333-4444", ["CWE-79"]) == ()


def test_no_more_names_are_held_of_a_vulnerability_than_one_may_have() -> None:
    assert len(identity.aliases("GHSA-2222-3333-4444", (f"GO-2026-{number}" for number in range(1000)))) == 50


@pytest.mark.parametrize(("one", "other"), [("v1.2.3", "1.2.3"), ("1.22.1", "v1.22.1")])
def test_a_v_before_a_version_makes_no_difference(one: str, other: str) -> None:
    assert identity.of_vulnerability("CVE-2026-1000", [], "", "gin", one) == identity.of_vulnerability(
        "CVE-2026-1000", [], "", "gin", other
    )


def test_gos_own_library_is_the_same_in_the_words_of_both_tools() -> None:
    by_trivy = identity.of_vulnerability("CVE-2026-1000", [], "pkg:golang/stdlib@v1.22.1", "stdlib", "v1.22.1")
    by_grype = identity.of_vulnerability("CVE-2026-1000", [], "pkg:golang/stdlib@1.22.1", "stdlib", "go1.22.1")
    assert by_trivy == by_grype


def test_parts_cannot_be_shifted_into_one_another() -> None:
    assert identity.of_vulnerability("CVE-2026-1000", [], "", "a", "b1") != identity.of_vulnerability(
        "CVE-2026-1000", [], "", "ab", "1"
    )


def test_names_are_found_in_text_and_written_in_one_way() -> None:
    text = "see cve-2026-1000, ghsa-2222-3333-4444 and CVE-2026-1000; not CVE-26-1 or GHSA-abcd"
    assert identity.named_in(text) == ("CVE-2026-1000", "GHSA-2222-3333-4444")
