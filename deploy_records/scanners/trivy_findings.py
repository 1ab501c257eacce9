"""One entry of a Trivy report as a finding or a component."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from deploy_records.scanners import identity, purls, severity
from deploy_records.scanners.fields import MOST_ID, MOST_IN_LIST, MOST_PURL, Node, at_most
from deploy_records.scanners.report import Component, Cvss, Finding, FindingKind, FindingState
from deploy_records.scanners.texts import line, link

TOOL = "Trivy"

_STATES = {
    "ignored": FindingState.SUPPRESSED,
    "not_affected": FindingState.NOT_AFFECTED,
    "under_investigation": FindingState.IN_TRIAGE,
}
_VEX_FIXED = {"fixed": FindingState.RESOLVED}
_SCORES = (("V2Vector", "V2Score", "2.0"), ("V3Vector", "V3Score", "3.0"), ("V40Vector", "V40Score", "4.0"))


@dataclass(frozen=True, slots=True)
class Where:
    """What a Trivy result says about all its entries. `prefix` names the resource of a cluster."""

    target: str = ""
    type: str = ""
    prefix: str = ""

    def at(self, path: str = "", lines: str = "") -> str:
        return line(": ".join(part for part in (self.prefix, (path or self.target) + lines) if part), 500)


def vulnerability(entry: Node, where: Where) -> Finding:
    own = entry.needed("VulnerabilityID")
    package, version = entry.name("PkgName"), entry.name("InstalledVersion")
    purl = entry.node("PkgIdentifier").name("PURL", MOST_PURL) or purls.made(where.type, package, version)
    others = identity.aliases(own, entry.texts("VendorIDs"))
    word, cvss, status = entry.text("Severity"), tuple(_cvss(entry)), entry.text("Status")
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
        fixed_version=entry.text("FixedVersion"),
        location=where.at(entry.text("PkgPath", 500)),
        cwe=entry.texts("CweIDs"),
        title=entry.text("Title"),
        description=entry.block("Description"),
        link=entry.link("PrimaryURL") or _first_link(entry),
        fingerprint=identity.of_vulnerability(own, others, purl, package, version),
        state=_STATES.get(status, FindingState.OPEN),
        state_note=status.replace("_", " "),
    )


def misconfiguration(entry: Node, where: Where) -> Iterator[Finding]:
    """Trivy also lists the checks that passed."""
    status, cause = entry.text("Status").upper(), entry.node("CauseMetadata")
    if status == "PASS":
        return
    own, resource = entry.name("ID", MOST_ID) or entry.needed("AVDID"), cause.text("Resource")
    message, location = entry.block("Message"), where.at(lines=_lines(cause))
    word = entry.text("Severity")
    yield Finding(
        tool=TOOL,
        kind=FindingKind.MISCONFIGURATION,
        id=own,
        aliases=tuple(name for name in (entry.name("AVDID"),) if name and name != own),
        severity=severity.from_word(word),
        tool_severity=word,
        location=location,
        title=entry.text("Title"),
        description="\n".join(part for part in (message, entry.block("Description"), entry.block("Resolution")) if part)[:4000],
        link=entry.link("PrimaryURL"),
        fingerprint=identity.fingerprint(FindingKind.MISCONFIGURATION, TOOL, own, location, resource, message),
        state=FindingState.SUPPRESSED if status == "EXCEPTION" else FindingState.OPEN,
        state_note=status.lower() if status == "EXCEPTION" else "",
    )


def secret(entry: Node, where: Where) -> Finding:
    """Without the matched text: Trivy masks it, other tools that write this format need not."""
    own, location, word = entry.needed("RuleID"), where.at(lines=_lines(entry)), entry.text("Severity")
    return Finding(
        tool=TOOL,
        kind=FindingKind.SECRET,
        id=own,
        severity=severity.from_word(word),
        tool_severity=word,
        location=location,
        title=entry.text("Title"),
        description=entry.text("Category"),
        fingerprint=identity.fingerprint(FindingKind.SECRET, TOOL, own, location),
    )


def licence(entry: Node, where: Where) -> Finding:
    own, package, word = entry.text("Name", 200) or entry.needed("Name"), entry.name("PkgName"), entry.text("Severity")
    location = where.at(entry.text("FilePath", 500))
    return Finding(
        tool=TOOL,
        kind=FindingKind.LICENCE,
        id=own,
        severity=severity.from_word(word),
        tool_severity=word,
        package=package,
        location=location,
        title=f"Licence {own}",
        description=entry.text("Category"),
        link=entry.link("Link"),
        fingerprint=identity.fingerprint(FindingKind.LICENCE, TOOL, own, package, location),
    )


def modified(entry: Node, where: Where) -> Iterator[Finding]:
    """What a .trivyignore or a VEX file took out of the list of findings."""
    status = entry.text("Status")
    state = (_STATES | _VEX_FIXED).get(status, FindingState.OPEN)
    note = ": ".join(part for part in (entry.text("Source"), entry.text("Statement", 1000)) if part) or status
    for found in one(entry.text("Type"), entry.node("Finding"), where):
        yield replace(found, state=state, state_note=note)


def one(kind: str, entry: Node, where: Where) -> Iterator[Finding]:
    if kind == "vulnerability":
        yield vulnerability(entry, where)
    elif kind == "misconfiguration":
        yield from misconfiguration(entry, where)
    elif kind == "secret":
        yield secret(entry, where)
    elif kind == "license":
        yield licence(entry, where)
    else:
        raise entry.place.wrong("expected the type vulnerability, misconfiguration, secret or license.")


def component(entry: Node, where: Where) -> Component:
    name, version, release, epoch = (entry.name(key) for key in ("Name", "Version", "Release", "Epoch"))
    whole = "-".join(part for part in (version, release) if part)
    whole = f"{epoch}:{whole}" if epoch not in {"", "0"} else whole
    return Component(
        name=name,
        version=whole,
        type=where.type,
        purl=entry.node("Identifier").name("PURL", MOST_PURL) or purls.made(where.type, name, whole),
        licences=entry.texts("Licenses"),
    )


def _cvss(entry: Node) -> Iterator[Cvss]:
    for source, scores in at_most(MOST_IN_LIST, entry.entries("CVSS"), entry.place.key("CVSS")):
        for vector_key, score_key, version in _SCORES:
            if not (scores.has(vector_key) or scores.has(score_key)):
                continue
            vector, score = scores.text(vector_key), scores.number(score_key)
            if vector or score:
                kept = score if severity.is_score(score) else None
                yield Cvss(severity.version_of(vector, version), vector, kept, line(source, 60))


def _first_link(entry: Node) -> str:
    return next((found for found in map(link, entry.texts("References", 2000)) if found), "")


def _lines(node: Node) -> str:
    first, last = node.whole("StartLine"), node.whole("EndLine")
    if not first:
        return ""
    return f":{first}-{last}" if last and last != first else f":{first}"
