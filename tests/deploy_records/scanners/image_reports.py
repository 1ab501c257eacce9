"""Reports on images, as Trivy and Grype write them."""

from copy import deepcopy
from typing import Any

HEX = "0123456789abcdef" * 4
INDEX = f"sha256:{HEX}"
MANIFEST = f"sha256:{HEX[::-1]}"
IMAGE_ID = f"sha256:{'ab' * 32}"
VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"

TRIVY: dict[str, Any] = {
    "SchemaVersion": 2,
    "Trivy": {"Version": "0.65.0"},
    "CreatedAt": "2026-11-20T08:00:00.123456789+02:00",
    "ArtifactName": "ghcr.io/owner/app:1.2",
    "ArtifactType": "container_image",
    "Metadata": {
        "OS": {"Family": "debian", "Name": "12.5"},
        "ImageID": IMAGE_ID,
        "RepoTags": ["ghcr.io/owner/app:1.2"],
        "RepoDigests": [f"ghcr.io/owner/app@{INDEX}"],
        "ImageConfig": {"architecture": "arm64", "os": "linux", "variant": "v8"},
    },
    "Results": [
        {
            "Target": "ghcr.io/owner/app:1.2 (debian 12.5)",
            "Class": "os-pkgs",
            "Type": "debian",
            "Packages": [
                {
                    "Name": "curl",
                    "Identifier": {"PURL": "pkg:deb/debian/curl@7.88.1-10?arch=arm64"},
                    "Version": "7.88.1",
                    "Release": "10",
                    "Epoch": 1,
                    "Licenses": ["curl", "ISC"],
                },
                {"Name": "zlib1g", "Version": "1.2.13"},
            ],
            "Vulnerabilities": [
                {
                    "VulnerabilityID": "CVE-2026-1000",
                    "VendorIDs": ["DSA-5000-1", "GHSA-2222-3333-4444"],
                    "PkgName": "curl",
                    "PkgIdentifier": {"PURL": "pkg:deb/debian/curl@7.88.1-10?arch=arm64"},
                    "InstalledVersion": "7.88.1-10",
                    "FixedVersion": "7.88.1-11",
                    "Status": "fixed",
                    "PrimaryURL": "https://avd.example.org/cve-2026-1000",
                    "Title": "curl: reads too far",
                    "Description": "It reads\nbeyond the end.",
                    "Severity": "CRITICAL",
                    "CweIDs": ["CWE-125"],
                    "CVSS": {
                        "nvd": {"V2Vector": "AV:N/AC:L/Au:N/C:P/I:P/A:P", "V2Score": 7.5, "V3Vector": VECTOR, "V3Score": 9.8},
                        "redhat": {
                            "V40Vector": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
                            "V40Score": 9.3,
                        },
                    },
                    "References": ["ftp://example.org", "https://example.org/one"],
                },
                {"VulnerabilityID": "CVE-2026-1001", "PkgName": "zlib1g", "InstalledVersion": "1.2.13", "Severity": "UNKNOWN"},
            ],
        },
        {
            "Target": "app/requirements.txt",
            "Class": "lang-pkgs",
            "Type": "pip",
            "Vulnerabilities": [
                {
                    "VulnerabilityID": "CVE-2026-1002",
                    "PkgName": "Py_Thing",
                    "PkgPath": "app/site-packages",
                    "InstalledVersion": "1.0",
                    "Status": "affected",
                    "Severity": "LOW",
                }
            ],
        },
        {
            "Target": "app/key.pem",
            "Class": "secret",
            "Secrets": [
                {
                    "RuleID": "private-key",
                    "Category": "AsymmetricPrivateKey",
                    "Severity": "HIGH",
                    "Title": "Private key",
                    "StartLine": 3,
                    "EndLine": 9,
                    "Match": "-----BEGIN hidden-----",
                }
            ],
        },
        {
            "Target": "Dockerfile",
            "Class": "config",
            "Type": "dockerfile",
            "Misconfigurations": [
                {
                    "Type": "Dockerfile Security Check",
                    "ID": "DS002",
                    "AVDID": "AVD-DS-0002",
                    "Title": "Image user is root",
                    "Description": "It runs as root.",
                    "Message": "Give it a user.",
                    "Resolution": "Add USER.",
                    "Severity": "HIGH",
                    "PrimaryURL": "https://avd.example.org/ds002",
                    "Status": "FAIL",
                    "CauseMetadata": {"Provider": "Dockerfile", "StartLine": 1, "EndLine": 1},
                },
                {"ID": "DS005", "Title": "ADD", "Severity": "LOW", "Status": "PASS"},
                {"ID": "DS006", "Title": "COPY", "Severity": "LOW", "Status": "EXCEPTION"},
            ],
        },
    ],
}
TRIVY_LEGACY: list[Any] = [
    {
        "Target": "owner/app:1.2 (alpine 3.10.2)",
        "Type": "alpine",
        "Vulnerabilities": [
            {"VulnerabilityID": "CVE-2019-14697", "PkgName": "musl", "InstalledVersion": "1.1.22-r2", "Severity": "HIGH"}
        ],
    },
    {"Target": "app/package-lock.json", "Type": "npm", "Vulnerabilities": None},
]
TRIVY_CLUSTER: dict[str, Any] = {
    "ClusterName": "kind-kind",
    "Resources": [
        {"Namespace": "default", "Kind": "Pod", "Name": "web", "Results": deepcopy(TRIVY["Results"][:1])},
        {"Namespace": "default", "Kind": "Pod", "Name": "job", "Error": "no such image"},
    ],
}
GRYPE: dict[str, Any] = {
    "matches": [
        {
            "vulnerability": {
                "id": "GHSA-2222-3333-4444",
                "dataSource": "https://github.com/advisories/GHSA-2222-3333-4444",
                "severity": "Critical",
                "urls": ["https://example.org/two"],
                "description": "Reads beyond the end",
                "cvss": [{"version": "3.1", "vector": VECTOR, "metrics": {"baseScore": 9.8}, "source": "nvd@nist.gov"}],
                "cwes": [{"cve": "CVE-2026-1000", "cwe": "CWE-125"}],
                "fix": {"versions": ["7.88.1-11", "8.0"], "state": "fixed"},
            },
            "relatedVulnerabilities": [
                {"id": "CVE-2026-1000", "severity": "Critical", "cvss": [], "description": "From the NVD"}
            ],
            "matchDetails": [{"type": "exact-direct-match"}],
            "artifact": {
                "name": "curl",
                "version": "7.88.1-10",
                "type": "deb",
                "locations": [{"path": "/var/lib/dpkg/status"}, {"path": "/usr/share/doc/curl"}],
                "licenses": ["curl", {"value": "ISC"}],
                "purl": "pkg:deb/debian/curl@7.88.1-10?arch=arm64&distro=debian-12",
            },
        }
    ],
    "ignoredMatches": [
        {
            "vulnerability": {"id": "CVE-2026-1003", "severity": "Low", "fix": {"versions": [], "state": "wont-fix"}},
            "artifact": {"name": "zlib1g", "version": "1.2.13", "type": "deb"},
            "appliedIgnoreRules": [{"vex-status": "not_affected", "vex-justification": "vulnerable_code_not_present"}],
        }
    ],
    "source": {
        "type": "image",
        "target": {
            "userInput": "ghcr.io/owner/app:1.2",
            "imageID": IMAGE_ID,
            "manifestDigest": MANIFEST,
            "tags": ["ghcr.io/owner/app:1.2"],
            "repoDigests": [f"ghcr.io/owner/app@{INDEX}"],
            "architecture": "amd64",
            "os": "linux",
        },
    },
    "distro": {"name": "debian", "version": "12"},
    "descriptor": {"name": "grype", "version": "0.98.0", "timestamp": "2026-11-20T06:00:00Z"},
}
