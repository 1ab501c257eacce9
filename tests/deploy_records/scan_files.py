"""Small scan reports that name whatever a test wants them to name."""

import io
import json
from typing import Any, BinaryIO

from tests.deploy_records.images import sha

IMPORTER = ("register_digest", "import_report")
MADE = "2026-11-20T08:00:00Z"


def vulnerability(
    name: str = "CVE-2026-1000", severity: str = "HIGH", *, package: str = "openssl", **more: Any
) -> dict[str, Any]:
    return {"VulnerabilityID": name, "PkgName": package, "InstalledVersion": "1.0", "Severity": severity, **more}


def trivy(
    *digests: str, findings: tuple[dict[str, Any], ...] = (vulnerability(),), image_id: str = "", platform: str = "linux/amd64",
    made: str = MADE, target: str = "app", packages: tuple[dict[str, Any], ...] = (),
) -> bytes:  # fmt: skip
    system, _slash, architecture = platform.partition("/")
    metadata: dict[str, Any] = {"RepoDigests": [f"registry.example.com/any/name@{one}" for one in digests], "ImageID": image_id}
    if platform:
        metadata["ImageConfig"] = {"os": system, "architecture": architecture}
    result = {
        "Target": target,
        "Class": "os-pkgs",
        "Type": "debian",
        "Vulnerabilities": list(findings),
        "Packages": list(packages),
    }
    whole = {
        "SchemaVersion": 2, "ArtifactType": "container_image", "ArtifactName": target, "CreatedAt": made, "Metadata": metadata,
        "Results": [result],
    }  # fmt: skip
    return json.dumps(whole).encode()


def grype(*, manifest: str = "", image_id: str = "", matches: tuple[tuple[str, str, str], ...] = ()) -> bytes:
    """`matches`: id, severity and what it is related to."""
    target = {"userInput": "app", "manifestDigest": manifest, "imageID": image_id, "repoDigests": []}
    found = [
        {
            "vulnerability": {"id": name, "severity": severity, "fix": {"versions": []}},
            "relatedVulnerabilities": [{"id": other}] if other else [],
            "artifact": {"name": "openssl", "version": "1.0", "type": "deb", "locations": [], "purl": ""},
        }
        for name, severity, other in matches
    ]
    descriptor = {"name": "grype", "version": "0.90.0", "timestamp": MADE}
    return json.dumps({"matches": found, "source": {"type": "image", "target": target}, "descriptor": descriptor}).encode()


def pip_audit(*names: str) -> bytes:
    """Names neither a digest nor when it was made."""
    flaws = [{"id": name, "fix_versions": ["2.0"], "aliases": [], "description": "Bad."} for name in names]
    return json.dumps({"dependencies": [{"name": "starlette", "version": "1.0", "vulns": flaws}], "fixes": []}).encode()


def spdx(digest: str, *names: str) -> bytes:
    packages = [{"SPDXID": f"SPDXRef-{name}", "name": name, "versionInfo": "1.0", "downloadLocation": "NONE"} for name in names]
    image = {
        "SPDXID": "SPDXRef-image", "name": "app", "downloadLocation": "NONE", "primaryPackagePurpose": "CONTAINER",
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
            "referenceLocator": f"pkg:oci/app@{digest.replace(':', '%3A')}?repository_url=registry.example.com/any/name",
        }],
    }  # fmt: skip
    whole = {
        "spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT", "name": "app", "dataLicense": "CC0-1.0",
        "documentNamespace": "https://example.org/app", "packages": [image, *packages],
        "creationInfo": {"created": MADE, "creators": ["Tool: syft-1.0"]}, "documentDescribes": ["SPDXRef-image"],
    }  # fmt: skip
    return json.dumps(whole).encode()


def file(data: bytes) -> BinaryIO:
    return io.BytesIO(data)


UNKNOWN = sha("never registered")
