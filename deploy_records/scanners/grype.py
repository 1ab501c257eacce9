"""Grype's JSON, from its first releases on."""

import base64
import binascii
import json
from collections.abc import Iterator

from deploy_records.scanners import identity, image_names, severity
from deploy_records.scanners.fields import MOST_IN_LIST, MOST_PURL, Node, at_most
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
from deploy_records.scanners.texts import joined, line, link

NAME = "grype"
TOOL = "Grype"

_UNKNOWN_TARGET = "unknown"


def is_grype(root: Node) -> bool:
    if "matches" not in root.data:
        return False
    if {"source", "descriptor"} & root.data.keys():
        return True
    first = next(root.nodes("matches"), None)
    return first is not None and {"vulnerability", "artifact"} <= first.data.keys()


def read(root: Node) -> Report:
    descriptor, source = root.node("descriptor"), root.node("source")
    is_image = source.text("type") == "image"
    return Report(
        format=NAME,
        tool=TOOL,
        version=descriptor.text("version", 100),
        target=_target(source),
        kinds=(ReportKind.IMAGE if is_image else ReportKind.DEPENDENCIES,),
        findings=Lazily(lambda: _findings(root)),
        components=Lazily(lambda: _components(root)),
        digests=_digests(source.node("target")) if is_image else ReportDigests(),
        created_at=descriptor.moment("timestamp"),
    )


def _target(source: Node) -> str:
    if isinstance(source.data.get("target"), dict):
        return source.node("target").text("userInput", 500)
    said = source.text("target", 500)
    return "" if said == _UNKNOWN_TARGET else said


def _digests(target: Node) -> ReportDigests:
    config = target if target.has("architecture") else _config(target)
    return ReportDigests(
        repo_digests=image_names.repo_digests(target.texts("repoDigests", 500)),
        manifest_digest=image_names.digest(target.text("manifestDigest")),
        image_id=image_names.digest(target.text("imageID")),
        platform=image_names.platform(config.text("os"), config.text("architecture"), config.text("variant")),
    )


def _config(target: Node) -> Node:
    """The image's configuration, which older releases give in base64 only. Nothing where it cannot be read."""
    try:
        found = json.loads(base64.b64decode(str(target.data.get("config") or ""), validate=True))
    except (binascii.Error, ValueError, RecursionError):
        found = {}
    parts = found if isinstance(found, dict) else {}
    texts = {key: parts[key] for key in ("os", "architecture", "variant") if isinstance(parts.get(key), str)}
    return Node(texts, target.place.key("config"))


def _findings(root: Node) -> Iterator[Finding]:
    for match in root.nodes("matches"):
        yield _finding(match, FindingState.OPEN, "")
    for match in root.nodes("ignoredMatches"):
        yield _finding(match, *_ignored_because(match))


def _ignored_because(match: Node) -> tuple[FindingState, str]:
    for rule in match.nodes("appliedIgnoreRules"):
        status = rule.text("vex-status") or rule.text("vexStatus")
        reason = rule.text("vex-justification") or rule.text("vexJustification") or rule.text("reason")
        state = {"not_affected": FindingState.NOT_AFFECTED, "fixed": FindingState.RESOLVED}.get(status, FindingState.SUPPRESSED)
        return state, reason or status
    return FindingState.SUPPRESSED, ""


def _finding(match: Node, state: FindingState, note: str) -> Finding:
    flaw, artifact = match.node("vulnerability"), match.node("artifact")
    related = match.few("relatedVulnerabilities")
    own = flaw.needed("id")
    others = identity.aliases(own, [other.name("id") for other in related])
    package, version, purl = artifact.name("name"), artifact.name("version"), artifact.name("purl", MOST_PURL)
    cvss = tuple(score for told in (flaw, *related) for score in _cvss(told))
    word, fix = flaw.text("severity"), flaw.node("fix")
    return Finding(
        tool=TOOL,
        kind=FindingKind.VULNERABILITY,
        id=own,
        aliases=others,
        severity=severity.from_word(word, cvss),
        tool_severity=word,
        cvss=cvss,
        purl=purl,
        package=package,
        version=version,
        fixed_version=joined(fix.texts("versions")) or flaw.text("fixedInVersion"),
        location=_location(artifact),
        cwe=tuple(dict.fromkeys(found.text("cwe") for told in (flaw, *related) for found in told.few("cwes"))),
        description=_description(flaw, related),
        link=_link(flaw),
        fingerprint=identity.of_vulnerability(own, others, purl, package, version),
        state=state,
        state_note=note or fix.text("state"),
    )


def _cvss(told: Node) -> Iterator[Cvss]:
    for score in told.few("cvss"):
        vector, number = score.text("vector"), score.node("metrics").number("baseScore")
        if vector or number:
            version = severity.version_of(vector, score.text("version"))
            yield Cvss(version, vector, number if severity.is_score(number) else None, score.text("source", 60))


def _location(artifact: Node) -> str:
    first, count = "", 0
    for place in artifact.nodes("locations"):
        first, count = first or place.text("path", 460), count + 1
    return first + (f" and {count - 1:,} more" if count > 1 else "")


def _description(flaw: Node, related: list[Node]) -> str:
    return next((text for text in (told.block("description") for told in (flaw, *related)) if text), "")


def _link(flaw: Node) -> str:
    return flaw.link("dataSource") or next((found for found in map(link, flaw.texts("urls", 2000)) if found), "")


def _components(root: Node) -> Iterator[Component]:
    """Those with findings; Grype lists no others. Each once."""
    seen = set[tuple[str, str, str]]()
    for match in root.nodes("matches"):
        artifact = match.node("artifact")
        name, version, purl = artifact.name("name"), artifact.name("version"), artifact.name("purl", MOST_PURL)
        if (name, version, purl) not in seen:
            seen.add((name, version, purl))
            yield Component(name, version, artifact.text("type"), purl, _licences(artifact))


def _licences(artifact: Node) -> tuple[str, ...]:
    """Texts, and in newer releases objects."""
    place = artifact.place.key("licenses")
    told = at_most(MOST_IN_LIST, artifact.values("licenses"), place)
    found = [line(one if isinstance(one, str) else Node.of(one, place).text("value"), 200) for one in told]
    return tuple(text for text in dict.fromkeys(found) if text)
