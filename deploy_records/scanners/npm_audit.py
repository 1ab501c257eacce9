"""npm audit's JSON of npm 7 and later, which calls itself report version 2."""

import re
from collections.abc import Iterator

from deploy_records.scanners import identity, purls, severity
from deploy_records.scanners.fields import MOST_ID, Node, Place
from deploy_records.scanners.report import Component, Cvss, Finding, FindingKind, Lazily, Report, ReportKind
from deploy_records.scanners.texts import is_plain, joined, line

NAME = "npm-audit"
TOOL = "npm audit"

_BELOW = re.compile(r"<\s*([0-9][^\s|<>=]*)\s*$")


def is_npm(root: Node) -> bool:
    return "auditReportVersion" in root.data


def refuse_relatives(root: Node) -> None:
    """Files of npm that hold no report of version 2, for which there is a better sentence than “unknown”."""
    if "advisories" in root.data and "metadata" in root.data:
        raise root.place.wrong(
            "this is a report of npm 6, whose form is no longer read. Expected one of npm 7 or later: npm audit --json."
        )
    if root.data.keys() <= {"error", "message", "statusCode"} and isinstance(root.data.get("error"), dict):
        said = root.node("error").text("summary") or root.node("error").text("code")
        raise root.place.wrong(f"npm says that its audit failed ({said or 'without a reason'}). Expected a report: run it again.")


def read(root: Node) -> Report:
    if root.number("auditReportVersion") != 2:  # noqa: PLR2004 - the version
        raise root.place.key("auditReportVersion").expected("2", root.data.get("auditReportVersion"))
    total = root.node("metadata").node("dependencies").whole("total") or 0
    return Report(
        format=NAME,
        tool=TOOL,
        version="",
        target=f"{total:,} npm packages" if total > 0 else "",
        kinds=(ReportKind.DEPENDENCIES,),
        findings=Lazily(lambda: _findings(root)),
        components=Lazily(lambda: _components(root)),
    )


def _findings(root: Node) -> Iterator[Finding]:
    """One for each advisory. A package that is listed because of another listed one only is no finding of its own."""
    names = {name for name, _entry in root.entries("vulnerabilities")}
    for name, entry in root.entries("vulnerabilities"):
        is_explained = False
        for number, via in enumerate(entry.values("via")):
            if isinstance(via, str):
                is_explained = is_explained or (via in names and via != name)
            else:
                is_explained = True
                yield _finding(name, entry, Node.of(via, entry.place.key("via").item(number)))
        if not is_explained:
            yield _finding(name, entry, Node({}, entry.place))


def _finding(name: str, entry: Node, cause: Node) -> Finding:
    package = entry.name("name") or _bounded(name, entry.place)
    url, source = cause.link("url"), cause.text("source", 100)
    named = identity.named_in(url) or identity.named_in(source)
    own = named[0] if named else f"npm advisory {source}" if source else line(f"npm audit: {package}", MOST_ID)
    word, cvss = cause.text("severity") or entry.text("severity"), tuple(_cvss(cause))
    purl = purls.made("npm", package, "")
    return Finding(
        tool=TOOL,
        kind=FindingKind.VULNERABILITY,
        id=own,
        aliases=identity.aliases(own, named),
        severity=severity.from_word(word, cvss),
        tool_severity=word,
        cvss=cvss,
        purl=purl,
        package=package,
        fixed_version=_fixed_version(package, entry, cause),
        location=joined(entry.texts("nodes", 300), 500),
        cwe=_cwes(cause),
        title=cause.text("title"),
        description=_description(entry, cause),
        link=url,
        fingerprint=identity.of_vulnerability(own, named, purl, package, ""),
    )


def _cvss(cause: Node) -> Iterator[Cvss]:
    """Npm writes a score of 0 where it has none."""
    told = cause.node("cvss")
    vector, score = told.text("vectorString"), told.number("score")
    if vector or score:
        yield Cvss(severity.version_of(vector, "3"), vector, score if severity.is_score(score) and score else None, TOOL)


def _fixed_version(package: str, entry: Node, cause: Node) -> str:
    """Npm names the update that brings the fix, often of another package; the range tells the fixed version itself."""
    offer = entry.data.get("fixAvailable")
    if offer is None or offer is False:
        return ""
    below = _BELOW.search(cause.text("range"))
    if below:
        return below.group(1)[:100]
    if offer is True:
        return "by npm audit fix"
    update = entry.node("fixAvailable")
    name, version = update.name("name"), update.name("version")
    return version if name in {"", package} else joined((f"{name} {version}",))


def _cwes(cause: Node) -> tuple[str, ...]:
    told = cause.data.get("cwe")
    return (cause.text("cwe"),) if isinstance(told, str) and told else cause.texts("cwe")


def _description(entry: Node, cause: Node) -> str:
    affected = cause.text("range") or entry.text("range")
    effects = entry.texts("effects")
    parts = [f"Affected: {affected}." if affected else "", f"Used by {', '.join(effects[:20])}." if effects else ""]
    return " ".join(part for part in parts if part)


def _components(root: Node) -> Iterator[Component]:
    """Those with findings; npm lists no others, and no installed versions."""
    for name, entry in root.entries("vulnerabilities"):
        package = entry.name("name") or _bounded(name, entry.place)
        yield Component(package, "", "library", purls.made("npm", package, ""))


def _bounded(name: str, place: Place) -> str:
    if len(name) > 300 or not is_plain(name):  # noqa: PLR2004 - as long as a name may be in the record
        raise place.wrong("expected the name of a package of at most 300 characters as key.")
    return name
