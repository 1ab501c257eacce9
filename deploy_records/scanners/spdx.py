"""SPDX 2.2 and 2.3 in JSON, as an SBOM. It has no findings."""

import re
from collections.abc import Iterator

from deploy_records.scanners import image_names
from deploy_records.scanners.fields import MOST_PURL, Node
from deploy_records.scanners.report import Component, Lazily, Report, ReportDigests, ReportKind

NAME = "spdx"

_VERSION = re.compile(r"SPDX-2\.[23]")
_TOOL = re.compile(r"Tool:\s*(.+?)(?:-v?([0-9][0-9A-Za-z.+_-]*))?\s*")
_SAID_NOTHING = frozenset({"", "NOASSERTION", "NONE"})


def is_spdx(root: Node) -> bool:
    return "spdxVersion" in root.data


def unwrapped(root: Node) -> Node:
    """GitHub hands out its SBOMs inside of an object."""
    return root.node("sbom") if root.data.keys() == {"sbom"} and isinstance(root.data["sbom"], dict) else root


def read(root: Node) -> Report:
    if not _VERSION.fullmatch(root.text("spdxVersion")):
        raise root.place.key("spdxVersion").expected("SPDX-2.2 or SPDX-2.3", root.data.get("spdxVersion"))
    creation = root.node("creationInfo")
    tool, version = _tool(creation)
    return Report(
        format=NAME,
        tool=tool,
        version=version,
        target=root.text("name", 500),
        kinds=(ReportKind.SBOM,),
        findings=(),
        components=Lazily(lambda: _components(root)),
        digests=_digests(root),
        created_at=creation.moment("created"),
    )


def _tool(creation: Node) -> tuple[str, str]:
    for creator in creation.texts("creators", 300):
        match = _TOOL.fullmatch(creator)
        if match:
            return match.group(1)[:100], (match.group(2) or "")[:100]
    return "", ""


def _components(root: Node) -> Iterator[Component]:
    for package in root.nodes("packages"):
        yield Component(
            name=package.needed("name", 300),
            version=_said(package.name("versionInfo")),
            type=package.text("primaryPackagePurpose").lower().replace("_", "-"),
            purl=_purl(package),
            licences=tuple(_licences(package)),
        )


def _purl(package: Node) -> str:
    for reference in package.nodes("externalRefs"):
        if reference.text("referenceType") == "purl":
            return reference.name("referenceLocator", MOST_PURL)
    return ""


def _licences(package: Node) -> Iterator[str]:
    declared, concluded = _said(package.text("licenseDeclared")), _said(package.text("licenseConcluded"))
    if declared or concluded:
        yield declared or concluded


def _said(text: str) -> str:
    return "" if text in _SAID_NOTHING else text


def _digests(root: Node) -> ReportDigests:
    """Of the container that the document describes; of the first, should there be several."""
    for package in root.nodes("packages"):
        purl = _purl(package)
        if package.text("primaryPackagePurpose").upper() == "CONTAINER" or purl.startswith("pkg:oci/"):
            notes = list(_notes(package))
            found = [value for name, value in notes if name == "RepoDigest"]
            return ReportDigests(
                repo_digests=image_names.repo_digests([*found, image_names.from_oci_purl(purl)]),
                manifest_digest=image_names.digest(package.text("versionInfo")),
                image_id=next((image_names.digest(value) for name, value in notes if name == "ImageID"), ""),
            )
    return ReportDigests()


def _notes(package: Node) -> Iterator[tuple[str, str]]:
    """Trivy writes what it knows of an image as `ImageID: sha256:…`, once as attributions, now as annotations."""
    texts = [*package.texts("attributionTexts", 500), *(note.text("comment", 500) for note in package.few("annotations"))]
    for text in texts:
        name, _colon, value = text.partition(":")
        yield name.strip(), value.strip()
