"""CycloneDX, from JSON or XML: the components as an SBOM, the vulnerabilities as findings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from deploy_records.scanners import identity, image_names, severity
from deploy_records.scanners.fields import MOST_ID, MOST_PURL, Node
from deploy_records.scanners.report import (
    Component,
    Cvss,
    Finding,
    FindingKind,
    FindingState,
    Lazily,
    Report,
    ReportDigests,
    ReportKind,
)
from deploy_records.scanners.texts import line

NAME = "cyclonedx"

_VERSION = re.compile(r"1\.[0-7]")
_STATES = {
    "resolved": FindingState.RESOLVED,
    "resolved_with_pedigree": FindingState.RESOLVED,
    "exploitable": FindingState.EXPLOITABLE,
    "in_triage": FindingState.IN_TRIAGE,
    "false_positive": FindingState.FALSE_POSITIVE,
    "not_affected": FindingState.NOT_AFFECTED,
}
_TO_VERSION = re.compile(r"\bto versions? ([0-9A-Za-z.+:~_-]+(?:, [0-9A-Za-z.+:~_-]+)*)", re.IGNORECASE)
_MOST_REFS = 500_000
_EMPTY_LIST = (
    "Its list of vulnerabilities is empty, which tools that do not look for any write as well: it counts as an SBOM only."
)
_NO_PARTS = (
    "It lists vulnerabilities and no components, as documents of a vendor do (VEX): what was looked at is not known, so it "
    "counts as no scan."
)


class Bom(Protocol):
    """A document, whichever way it is written."""

    @property
    def head(self) -> Node: ...
    @property
    def names_vulnerabilities(self) -> bool: ...
    def components(self) -> Iterator[Node]: ...
    def vulnerabilities(self) -> Iterator[Node]: ...


@dataclass(frozen=True, slots=True)
class JsonBom:
    head: Node

    @property
    def names_vulnerabilities(self) -> bool:
        return next(self.vulnerabilities(), None) is not None

    def components(self) -> Iterator[Node]:
        return _nested(self.head)

    def vulnerabilities(self) -> Iterator[Node]:
        return self.head.nodes("vulnerabilities")


@dataclass(frozen=True, slots=True)
class _Part:
    """A component as far as findings need it."""

    name: str = ""
    version: str = ""
    purl: str = ""


def is_cyclonedx(root: Node) -> bool:
    return root.data.get("bomFormat") == "CycloneDX"


def read(bom: Bom) -> Report:
    head = bom.head
    if not _VERSION.fullmatch(head.text("specVersion")):
        raise head.place.key("specVersion").expected("a version of CycloneDX from 1.0 to 1.7", head.data.get("specVersion"))
    metadata = head.node("metadata")
    subject, (tool, version) = metadata.node("component"), _tool(metadata)
    kinds, remarks = _kinds(bom, subject)
    return Report(
        format=NAME,
        tool=tool,
        version=version,
        target=_named(subject),
        kinds=kinds,
        findings=Lazily(lambda: _findings(bom, tool)),
        components=Lazily(lambda: map(_component, _all_components(bom))),
        digests=_digests(subject),
        created_at=metadata.moment("timestamp"),
        remarks=remarks,
    )


def _kinds(bom: Bom, subject: Node) -> tuple[tuple[ReportKind, ...], tuple[str, ...]]:
    """What it counts as, and what has to be said of that."""
    if not bom.names_vulnerabilities:
        return (ReportKind.SBOM,), (_EMPTY_LIST,) if bom.head.has("vulnerabilities") else ()
    if next(_all_components(bom), None) is None:
        return (ReportKind.CONFIG,), (_NO_PARTS,)
    main = ReportKind.IMAGE if subject.text("type") == "container" else ReportKind.DEPENDENCIES
    return (main, ReportKind.SBOM), ()


def _tool(metadata: Node) -> tuple[str, str]:
    """A list up to version 1.4, an object with components from 1.5 on."""
    tools = metadata.data.get("tools")
    found = metadata.node("tools").nodes("components") if isinstance(tools, dict) else metadata.nodes("tools")
    first = next(found, None)
    return (first.text("name", 100), first.text("version", 100)) if first else ("", "")


def _named(subject: Node) -> str:
    return line(f"{subject.text('name', 500)} {subject.text('version')}", 500)


def _digests(subject: Node) -> ReportDigests:
    said = [(node.text("name"), node.text("value", 500)) for node in subject.few("properties")]
    found = [value for name, value in said if name == "aquasecurity:trivy:RepoDigest"]
    return ReportDigests(
        repo_digests=image_names.repo_digests([*found, image_names.from_oci_purl(subject.name("purl", MOST_PURL))]),
        manifest_digest=image_names.digest(subject.text("version")) if subject.text("type") == "container" else "",
        image_id=next((image_names.digest(value) for name, value in said if name == "aquasecurity:trivy:ImageID"), ""),
    )


def _all_components(bom: Bom) -> Iterator[Node]:
    yield from _nested(bom.head.node("metadata").node("component"))
    yield from bom.components()


def _nested(holder: Node) -> Iterator[Node]:
    for node in holder.nodes("components"):
        yield node
        yield from _nested(node)


def _component(node: Node) -> Component:
    part = _part(node)
    return Component(part.name, part.version, node.text("type"), part.purl, tuple(_licences(node)))


def _licences(node: Node) -> Iterator[str]:
    for one in node.few("licenses"):
        licence = one.node("license")
        said = one.text("expression") or licence.text("id") or licence.text("name")
        if said:
            yield said


def _part(node: Node) -> _Part:
    group, name = node.name("group"), node.name("name")
    return _Part(f"{group}/{name}" if group else name, node.name("version"), node.name("purl", MOST_PURL))


def _findings(bom: Bom, tool: str) -> Iterator[Finding]:
    parts: dict[str, _Part] | None = None
    for flaw in bom.vulnerabilities():
        if flaw.has("component"):
            yield _finding(flaw, _part(flaw.node("component")), _state(flaw), tool)
            continue
        parts = _by_ref(bom) if parts is None else parts
        is_told = False
        for one in flaw.nodes("affects"):
            part, state = _affected(one, parts, _state(flaw))
            yield _finding(flaw, part, state, tool)
            is_told = True
        if not is_told:
            yield _finding(flaw, _Part(), _state(flaw), tool)


def _by_ref(bom: Bom) -> dict[str, _Part]:
    subject = bom.head.node("metadata").node("component")
    parts = {subject.name("bom-ref", MOST_PURL): _part(subject)}
    for node in _all_components(bom):
        parts[node.name("bom-ref", MOST_PURL)] = _part(node)
        if len(parts) > _MOST_REFS:
            raise node.place.wrong(f"expected at most {_MOST_REFS:,} components.")
    parts.pop("", None)
    return parts


def _affected(one: Node, parts: dict[str, _Part], state: FindingState) -> tuple[_Part, FindingState]:
    """A reference may lead into another document, and may itself be a package URL."""
    ref = one.name("ref", 2 * MOST_PURL)
    part = parts.get(ref) or parts.get(unquote(ref.rpartition("#")[2])) or _from_ref(ref)
    versions = [(node.text("version"), node.text("status") or "affected") for node in one.few("versions")]
    exact = [version for version, status in versions if version and status == "affected"]
    if not part.version and len(exact) == 1:
        part = _Part(part.name, exact[0], part.purl)
    if versions and state is FindingState.OPEN and all(status == "unaffected" for _version, status in versions):
        state = FindingState.NOT_AFFECTED
    return part, state


def _from_ref(ref: str) -> _Part:
    if not ref.startswith("pkg:"):
        return _Part(name=ref[:300])
    last = re.split(r"[?#]", ref, maxsplit=1)[0].rpartition("/")[2]
    version = unquote(last.rpartition("@")[2]) if "@" in last else ""
    return _Part(identity.package_key(ref, ""), version, ref[:MOST_PURL])


def _state(flaw: Node) -> FindingState:
    return _STATES.get(flaw.node("analysis").text("state"), FindingState.OPEN)


def _finding(flaw: Node, part: _Part, state: FindingState, tool: str) -> Finding:
    references = [node.name("id", MOST_ID) for node in flaw.few("references")]
    own = flaw.name("id", MOST_ID) or next(filter(None, references), "") or flaw.needed("bom-ref")
    others = identity.aliases(own, references)
    words, cvss = [rating.text("severity") for rating in flaw.few("ratings")], tuple(_cvss(flaw))
    advice, description = flaw.block("recommendation"), flaw.block("description")
    fixed = _TO_VERSION.search(advice)
    return Finding(
        tool=tool or "CycloneDX file",
        kind=FindingKind.VULNERABILITY,
        id=own,
        aliases=others,
        severity=severity.from_words(words, cvss),
        tool_severity=", ".join(dict.fromkeys(filter(None, words)))[:200],
        cvss=cvss,
        purl=part.purl,
        package=part.name,
        version=part.version,
        fixed_version=fixed.group(1).rstrip(".,")[:300] if fixed else "",
        cwe=_cwes(flaw),
        title=description.split("\n", 1)[0].split(". ", 1)[0][:300],
        description=description or flaw.block("detail"),
        link=flaw.node("source").link("url") or _first_advisory(flaw),
        fingerprint=identity.of_vulnerability(own, others, part.purl, part.name, part.version),
        state=state,
        state_note=_note(flaw),
    )


def _cvss(flaw: Node) -> Iterator[Cvss]:
    """Other methods, such as OWASP's, have other scales."""
    for rating in flaw.few("ratings"):
        method, vector, score = rating.text("method"), rating.text("vector", 400), rating.number("score")
        if (method.upper().startswith("CVSS") or vector.startswith("CVSS:")) and (vector or score is not None):
            version = severity.version_of(vector, method)
            yield Cvss(version, vector, score if severity.is_score(score) else None, rating.node("source").text("name", 60))


def _cwes(flaw: Node) -> tuple[str, ...]:
    return tuple(text if text.startswith("CWE-") else f"CWE-{text}" for text in flaw.texts("cwes"))


def _first_advisory(flaw: Node) -> str:
    return next((found for found in (node.link("url") for node in flaw.nodes("advisories")) if found), "")


def _note(flaw: Node) -> str:
    analysis = flaw.node("analysis")
    return ": ".join(part for part in (analysis.text("justification"), analysis.text("detail", 1000)) if part).replace("_", " ")
