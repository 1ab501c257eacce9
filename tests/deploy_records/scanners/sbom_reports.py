"""CycloneDX in JSON and XML, and SPDX."""

from typing import Any

from tests.deploy_records.scanners.image_reports import HEX, IMAGE_ID, INDEX, MANIFEST, VECTOR

CYCLONEDX: dict[str, Any] = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
    "version": 1,
    "metadata": {
        "timestamp": "2026-11-20T06:00:00Z",
        "tools": {"components": [{"type": "application", "name": "trivy", "version": "0.65.0"}]},
        "component": {
            "bom-ref": "pkg:oci/app",
            "type": "container",
            "name": "ghcr.io/owner/app:1.2",
            "purl": f"pkg:oci/app@sha256%3A{HEX}?arch=arm64&repository_url=ghcr.io%2Fowner%2Fapp",
            "properties": [
                {"name": "aquasecurity:trivy:ImageID", "value": IMAGE_ID},
                {"name": "aquasecurity:trivy:RepoDigest", "value": f"ghcr.io/owner/app@{INDEX}"},
            ],
        },
    },
    "components": [
        {
            "bom-ref": "curl-1",
            "type": "library",
            "name": "curl",
            "version": "7.88.1-10",
            "purl": "pkg:deb/debian/curl@7.88.1-10",
            "licenses": [{"license": {"id": "curl"}}, {"expression": "MIT OR ISC"}],
            "components": [{"bom-ref": "inner-1", "type": "library", "group": "org.inner", "name": "inner", "version": "2"}],
        }
    ],
    "vulnerabilities": [
        {
            "id": "CVE-2026-1000",
            "source": {"name": "NVD", "url": "https://nvd.example.org/CVE-2026-1000"},
            "references": [{"id": "GHSA-2222-3333-4444", "source": {"name": "GitHub"}}],
            "ratings": [
                {"source": {"name": "nvd"}, "score": 9.8, "severity": "critical", "method": "CVSSv31", "vector": VECTOR},
                {"source": {"name": "vendor"}, "severity": "low"},
            ],
            "cwes": [125],
            "description": "Reads beyond the end. And more.",
            "recommendation": "Upgrade curl to version 7.88.1-11",
            "affects": [{"ref": "curl-1", "versions": [{"version": "7.88.1-10", "status": "affected"}]}],
            "analysis": {"state": "not_affected", "justification": "code_not_reachable", "detail": "It is never called."},
        },
        {"id": "CVE-2026-1004", "affects": [{"ref": "inner-1"}], "analysis": {"state": "in_triage"}},
    ],
}
CYCLONEDX_XML = """<?xml version="1.0" encoding="UTF-8"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.5" version="1">
  <metadata>
    <timestamp>2026-11-20T06:00:00Z</timestamp>
    <tools><tool><vendor>anchore</vendor><name>grype</name><version>0.98.0</version></tool></tools>
    <component type="container" bom-ref="app"><name>owner/app</name><version>1.2</version></component>
  </metadata>
  <components>
    <component type="library" bom-ref="curl-1">
      <name>curl</name><version>7.88.1-10</version>
      <licenses><license><id>curl</id></license><expression>MIT OR ISC</expression></licenses>
      <purl>pkg:deb/debian/curl@7.88.1-10</purl>
      <components>
        <component type="library" bom-ref="inner-1"><group>org.inner</group><name>inner</name><version>2</version></component>
      </components>
    </component>
  </components>
  <vulnerabilities>
    <vulnerability bom-ref="v1">
      <id>CVE-2026-1000</id>
      <source><name>NVD</name><url>https://nvd.example.org/CVE-2026-1000</url></source>
      <references><reference><id>GHSA-2222-3333-4444</id><source><name>GitHub</name></source></reference></references>
      <ratings><rating><score>9.8</score><severity>critical</severity><method>CVSSv31</method>
        <vector>CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H</vector></rating></ratings>
      <cwes><cwe>125</cwe></cwes>
      <description>Reads beyond the end. And more.</description>
      <recommendation>Upgrade curl to version 7.88.1-11</recommendation>
      <affects><target><ref>curl-1</ref></target></affects>
      <analysis><state>not_affected</state><justification>code_not_reachable</justification></analysis>
    </vulnerability>
  </vulnerabilities>
</bom>
"""
SPDX: dict[str, Any] = {
    "spdxVersion": "SPDX-2.3",
    "SPDXID": "SPDXRef-DOCUMENT",
    "name": "ghcr.io/owner/app",
    "creationInfo": {"created": "2026-11-20T06:00:00Z", "creators": ["Organization: Example", "Tool: syft-1.18.0"]},
    "packages": [
        {
            "SPDXID": "SPDXRef-image",
            "name": "ghcr.io/owner/app",
            "versionInfo": MANIFEST,
            "primaryPackagePurpose": "CONTAINER",
            "externalRefs": [
                {
                    "referenceCategory": "PACKAGE-MANAGER",
                    "referenceType": "purl",
                    "referenceLocator": f"pkg:oci/app@sha256%3A{HEX}?repository_url=ghcr.io/owner/app",
                }
            ],
            "attributionTexts": [f"ImageID: {IMAGE_ID}"],
        },
        {
            "SPDXID": "SPDXRef-curl",
            "name": "curl",
            "versionInfo": "7.88.1-10",
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "curl",
            "externalRefs": [{"referenceType": "purl", "referenceLocator": "pkg:deb/debian/curl@7.88.1-10"}],
        },
    ],
}
