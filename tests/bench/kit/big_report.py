"""Trivy reports of any size, as that tool writes them for an image with too many packages."""

import hashlib
import json
from pathlib import Path
from typing import Any

DESCRIPTION = "A flaw was found in the way that the library reads what it is given, so that somebody who sends it data can "
_SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN")
_SOME_DIGEST = f"sha256:{'0' * 64}"
_VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


def write(path: Path, findings: int, *, description: int = 400) -> None:
    """`findings` vulnerabilities in a fifth as many packages, each with a description of so many characters."""
    with path.open("w") as file:
        file.write(f"{json.dumps(_header(_SOME_DIGEST))[:-1]}, ")
        file.write('"Results": [{"Target": "app (debian 12.5)", "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": [')
        for number in range(findings):
            file.write(f"{',' if number else ''}\n{json.dumps(_vulnerability(number, description), indent=1)}")
        file.write("]}]}\n")


def name_digest(path: Path, word: str) -> str:
    """Lets the report name another digest, made from `word`, so that it is another report on another image."""
    digest = f"sha256:{hashlib.sha256(word.encode()).hexdigest()}"
    with path.open("r+b") as file:
        file.seek(file.read(1000).index(b"sha256:"))
        file.write(digest.encode())
    return digest


def _header(digest: str) -> dict[str, Any]:
    return {
        "SchemaVersion": 2,
        "CreatedAt": "2026-11-01T08:00:00Z",
        "ArtifactName": "registry.example.com/team/app",
        "ArtifactType": "container_image",
        "Metadata": {
            "RepoDigests": [f"registry.example.com/team/app@{digest}"],
            "ImageConfig": {"architecture": "amd64", "os": "linux"},
        },
    }


def _vulnerability(number: int, description: int) -> dict[str, Any]:
    package, version = f"library-{number // 5}", f"{number % 9}.{number % 7}.1-2"
    name = f"CVE-{2000 + number % 26}-{10000 + number}"
    words = f"{number} {DESCRIPTION * (description // len(DESCRIPTION) + 1)}"
    return {
        "VulnerabilityID": name,
        "PkgID": f"{package}@{version}",
        "PkgName": package,
        "PkgIdentifier": {"PURL": f"pkg:deb/debian/{package}@{version}?arch=amd64&distro=debian-12.5", "UID": f"{number:016x}"},
        "InstalledVersion": version,
        "FixedVersion": f"{version}+deb12u1" if number % 3 else "",
        "Status": "fixed" if number % 3 else "affected",
        "Layer": {"DiffID": f"sha256:{number:064x}"},
        "SeveritySource": "debian",
        "PrimaryURL": f"https://avd.example.org/nvd/{name.lower()}",
        "DataSource": {"ID": "debian", "Name": "Debian Security Tracker", "URL": "https://tracker.example.org"},
        "Title": f"{package}: reads too far in case {number}",
        "Description": words[:description],
        "Severity": _SEVERITIES[number % len(_SEVERITIES)],
        "CweIDs": ["CWE-125", f"CWE-{number % 900}"],
        "VendorSeverity": {"debian": 1, "nvd": 3, "redhat": 2},
        "CVSS": {"nvd": {"V3Vector": _VECTOR, "V3Score": 9.8}, "redhat": {"V3Vector": _VECTOR, "V3Score": 7.5}},
        "References": [f"https://example.org/{place}/{name}" for place in ("advisories", "patches", "security")],
        "PublishedDate": "2026-01-01T10:15:00Z",
        "LastModifiedDate": "2026-02-01T10:15:00Z",
    }
