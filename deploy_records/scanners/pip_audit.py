"""pip-audit's JSON: an object since release 2, a list before."""

from collections.abc import Callable, Iterator
from typing import Any

from deploy_records.scanners import identity, purls
from deploy_records.scanners.fields import Node, Place, nodes
from deploy_records.scanners.report import Component, Finding, FindingKind, Lazily, Report, ReportKind, Severity
from deploy_records.scanners.texts import joined

NAME = "pip-audit"
TOOL = "pip-audit"

_MOST_REMARKS = 100


def is_object(root: Node) -> bool:
    """What it needs beside dependencies would fit other files too, so the first dependency is asked."""
    if "dependencies" not in root.data or isinstance(root.data["dependencies"], dict):
        return False
    first = next(root.nodes("dependencies"), None)
    return is_list(first) if first else root.data.keys() <= {"dependencies", "fixes"}


def is_list(first: Node) -> bool:
    return "name" in first.data and ("vulns" in first.data or "skip_reason" in first.data)


def read(root: Node) -> Report:
    return _report(lambda: root.nodes("dependencies"))


def read_list(value: Any, place: Place) -> Report:
    return _report(lambda: nodes(value, place))


def _report(dependencies: Callable[[], Iterator[Node]]) -> Report:
    looked_at, skipped = 0, list[str]()
    for dependency in dependencies():
        if not dependency.has("skip_reason"):
            looked_at += 1
        elif len(skipped) < _MOST_REMARKS:
            skipped.append(f"{dependency.needed('name')} was not audited: {dependency.text('skip_reason')}")
    return Report(
        format=NAME,
        tool=TOOL,
        version="",
        target=f"{looked_at:,} Python package{'' if looked_at == 1 else 's'}" if looked_at else "",
        kinds=(ReportKind.DEPENDENCIES,),
        findings=Lazily(lambda: _findings(dependencies())),
        components=Lazily(lambda: map(_component, dependencies())),
        remarks=tuple(skipped),
    )


def _findings(dependencies: Iterator[Node]) -> Iterator[Finding]:
    for dependency in dependencies:
        for flaw in dependency.nodes("vulns"):
            yield _finding(dependency, flaw)


def _finding(dependency: Node, flaw: Node) -> Finding:
    """pip-audit knows no severities."""
    package, version, own = dependency.needed("name"), dependency.name("version"), flaw.needed("id")
    others, purl = identity.aliases(own, flaw.texts("aliases")), purls.made("pypi", package, version)
    return Finding(
        tool=TOOL,
        kind=FindingKind.VULNERABILITY,
        id=own,
        aliases=others,
        severity=Severity.UNKNOWN,
        purl=purl,
        package=package,
        version=version,
        fixed_version=joined(flaw.texts("fix_versions")),
        description=flaw.block("description"),
        link=f"https://osv.dev/vulnerability/{own}" if own.isascii() and own.replace("-", "").isalnum() else "",
        fingerprint=identity.of_vulnerability(own, others, purl, package, version),
    )


def _component(dependency: Node) -> Component:
    name, version = dependency.needed("name"), dependency.name("version")
    return Component(name, version, "library", purls.made("pypi", name, version))
