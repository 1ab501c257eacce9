import pytest

from deploy_records.scanners.report import Component, FindingState, ReportKind, Severity
from tests.deploy_records.scanners.sbom_reports import CYCLONEDX, CYCLONEDX_XML
from tests.deploy_records.scanners.understand import refusal, understood

OF_VERSION_1_2 = """<bom xmlns="http://cyclonedx.org/schema/bom/1.2" xmlns:v="http://cyclonedx.org/schema/ext/vulnerability/1.0">
  <components>
    <component type="library" bom-ref="curl-1">
      <name>curl</name><version>7.88.1-10</version><purl>pkg:deb/debian/curl@7.88.1-10</purl>
      <v:vulnerabilities>
        <v:vulnerability ref="curl-1">
          <v:id>CVE-2026-1000</v:id>
          <v:source name="NVD"><v:url>https://nvd.example.org/CVE-2026-1000</v:url></v:source>
          <v:ratings><v:rating><v:score><v:base>9.8</v:base></v:score><v:severity>Critical</v:severity>
            <v:method>CVSSv3</v:method><v:vector>AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H</v:vector></v:rating></v:ratings>
          <v:cwes><v:cwe>125</v:cwe></v:cwes>
          <v:description>Reads beyond the end.</v:description>
          <v:recommendations><v:recommendation>Upgrade to version 8.0</v:recommendation></v:recommendations>
          <v:advisories><v:advisory>https://example.org/a</v:advisory></v:advisories>
        </v:vulnerability>
      </v:vulnerabilities>
    </component>
  </components>
</bom>"""


def test_the_same_document_says_the_same_in_xml_as_in_json() -> None:
    found, from_json = understood(CYCLONEDX_XML), understood(CYCLONEDX)
    assert sorted(found.components, key=str) == sorted(from_json.components, key=str)
    assert found.only.fingerprint == from_json.findings[0].fingerprint
    assert (found.only.severity, found.only.state) == (Severity.CRITICAL, FindingState.NOT_AFFECTED)
    assert (found.only.aliases, found.only.fixed_version, found.only.cwe) == (("GHSA-2222-3333-4444",), "7.88.1-11", ("CWE-125",))


def test_the_header_says_what_was_scanned_when_and_with_what() -> None:
    report = understood(CYCLONEDX_XML).report
    assert (report.format, report.tool, report.version, report.target) == ("cyclonedx", "grype", "0.98.0", "owner/app 1.2")
    assert report.kinds == (ReportKind.IMAGE, ReportKind.SBOM)
    assert report.created_at


def test_the_vulnerability_extension_of_old_versions_is_read() -> None:
    found = understood(OF_VERSION_1_2)
    assert found.components == [Component("curl", "7.88.1-10", "library", "pkg:deb/debian/curl@7.88.1-10")]
    assert (found.only.id, found.only.package, found.only.severity) == ("CVE-2026-1000", "curl", Severity.CRITICAL)
    assert [(score.version, score.score) for score in found.only.cvss] == [("3.0", 9.8)]
    assert (found.only.fixed_version, found.only.link) == ("8.0", "https://nvd.example.org/CVE-2026-1000")


def test_the_fingerprint_does_not_depend_on_the_version_of_the_form() -> None:
    assert understood(OF_VERSION_1_2).only.fingerprint == understood(CYCLONEDX_XML).only.fingerprint


@pytest.mark.parametrize("text", ["<html><body>Sign in</body></html>", '<bom xmlns="http://example.org/bom/1.5"/>', "<bom/>"])
def test_other_xml_is_no_report(text: str) -> None:
    assert "no report of a known form" in refusal(text)


def test_a_fault_is_told_with_its_place() -> None:
    nameless = (
        CYCLONEDX_XML.replace("<id>CVE-2026-1000</id>", "")
        .replace("<id>GHSA-2222-3333-4444</id>", "")
        .replace(' bom-ref="v1"', "")
    )
    assert "at vulnerability[0][“bom-ref”]: expected a text" in refusal(nameless)
    assert "at vulnerability[0].cwes: expected at most 1,000 entries" in refusal(
        CYCLONEDX_XML.replace("<cwe>125</cwe>", "<cwe>1</cwe>" * 1001)
    )


def test_an_empty_element_is_nothing() -> None:
    text = CYCLONEDX_XML.replace("<license><id>curl</id></license>", "<license/>").replace("<cwe>125</cwe>", "<cwe/>")
    text = text.replace("<source><name>GitHub</name></source>", "<source/>").replace("<tools>", "<tools><tool/>")
    found = understood(text)
    assert (found.components[1].licences, found.only.cwe, found.report.tool) == (("MIT OR ISC",), (), "grype")
