"""SARIF 2.1.0 of any tool."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice

from deploy_records.scanners import image_names
from deploy_records.scanners.fields import Node, at_most
from deploy_records.scanners.report import Finding, Lazily, Report, ReportDigests, ReportKind
from deploy_records.scanners.sarif_results import Repeats, Run, finding
from deploy_records.scanners.sarif_rules import Rules
from deploy_records.scanners.texts import joined

NAME = "sarif"

_MOST_RUNS = 1000
_MOST_FILES = 100_000
_BY_TOOL = {
    ReportKind.SECRETS: ("gitleaks", "trufflehog", "detect-secrets", "ggshield", "gitguardian"),
    ReportKind.CONFIG: ("checkov", "tfsec", "kics", "hadolint", "dockle", "terrascan", "kube-linter", "kubescape", "kubesec"),
    ReportKind.IMAGE: ("docker scout", "snyk container", "clair"),
    ReportKind.DEPENDENCIES: (
        "osv-scanner",
        "dependency-check",
        "snyk open source",
        "grype",
        "anchore",
        "pip-audit",
        "npm audit",
    ),
}
_BY_RULE_NAME = {
    "OsPackageVulnerability": ReportKind.DEPENDENCIES,
    "LanguageSpecificPackageVulnerability": ReportKind.DEPENDENCIES,
    "OtherVulnerability": ReportKind.DEPENDENCIES,
    "Misconfiguration": ReportKind.CONFIG,
    "License": ReportKind.CONFIG,
    "Secret": ReportKind.SECRETS,
}
_SYSTEM_PACKAGES = frozenset({"deb", "rpm", "apk"})


@dataclass(frozen=True, slots=True)
class _About:
    """What the head of one run says. The run itself is read anew for its results, as a file may hold many."""

    tool: str
    version: str
    target: str
    kinds: tuple[ReportKind, ...]
    digests: ReportDigests
    ended_at: datetime | None
    has_failed: bool


def is_sarif(root: Node) -> bool:
    return "runs" in root.data and ("version" in root.data or "sarif" in root.text("$schema"))


def read(root: Node) -> Report:
    version = root.text("version")
    if version != "2.1.0":
        raise root.place.key("version").expected("2.1.0", root.data.get("version"))
    runs, last = list[_About](), None
    for last in _runs(root):
        runs.append(_about(*last))
    if last is None:
        raise root.place.key("runs").wrong("expected at least one run with a list of results, found none: nothing was scanned.")
    digests, remarks = _one_image(runs)
    tools = tuple(dict.fromkeys(about.tool for about in runs))
    return Report(
        format=NAME,
        tool=joined(tools, 100),
        version=runs[0].version if len(tools) == 1 else "",
        target=joined(dict.fromkeys(about.target for about in runs if about.target), 500),
        kinds=tuple(dict.fromkeys(kind for about in runs for kind in about.kinds)),
        findings=Lazily(partial(_findings, root, last if len(runs) == 1 else None)),
        components=(),
        digests=digests,
        created_at=min((about.ended_at for about in runs if about.ended_at), default=None),
        remarks=(*remarks, *dict.fromkeys(_failed(about.tool) for about in runs if about.has_failed)),
    )


def _runs(root: Node) -> Iterator[tuple[Node, Run]]:
    """Without the runs that have no list of results: that says that the tool did not get that far."""
    for node in at_most(_MOST_RUNS, root.nodes("runs"), root.place.key("runs")):
        _refuse_results_elsewhere(node)
        if node.has("results"):
            yield node, _run(node)


def _run(node: Node) -> Run:
    driver = node.node("tool").node("driver")
    tool, rules = driver.needed("name", 300)[:100], Rules.of(node.node("tool"))
    kinds = _kinds(tool, rules, is_image=bool(_digests(node)) or node.node("properties").has("imageName"))
    return Run(tool, rules, tuple(_files(node)), kinds)


def _about(node: Node, run: Run) -> _About:
    moments = (call.moment("endTimeUtc") or call.moment("startTimeUtc") for call in node.nodes("invocations"))
    return _About(
        tool=run.tool,
        version=_version(node),
        target=_target(node, run),
        kinds=run.kinds,
        digests=_digests(node),
        ended_at=max(filter(None, moments), default=None),
        has_failed=_has_failed(node, run),
    )


def _refuse_results_elsewhere(node: Node) -> None:
    elsewhere = node.node("externalPropertyFileReferences")
    if next(elsewhere.nodes("results"), None) is not None:
        raise elsewhere.place.key("results").wrong("the results lie in other files. Expected them in this one.")


def _files(node: Node) -> Iterator[str]:
    return (artifact.node("location").text("uri", 460) for artifact in islice(node.nodes("artifacts"), _MOST_FILES))


def _digests(node: Node) -> ReportDigests:
    properties = node.node("properties")
    told = properties.texts("repoDigests", 500) if isinstance(properties.data.get("repoDigests"), list) else ()
    image_id = properties.data.get("imageID")
    return ReportDigests(
        repo_digests=image_names.repo_digests(told),
        image_id=image_names.digest(image_id) if isinstance(image_id, str) else "",
    )


def _one_image(runs: list[_About]) -> tuple[ReportDigests, tuple[str, ...]]:
    said = list(dict.fromkeys(about.digests for about in runs if about.digests))
    if len(said) > 1:
        return ReportDigests(), ("Its runs are about several images, so it is matched to none of them by itself.",)
    return (said[0] if said else ReportDigests()), ()


def _version(node: Node) -> str:
    driver = node.node("tool").node("driver")
    return driver.text("version", 100) or driver.text("semanticVersion", 100)


def _kinds(tool: str, rules: Rules, *, is_image: bool) -> tuple[ReportKind, ...]:
    """By what the tool is known for; for Trivy, which is many tools, by its rules. Others look at code, unless they say
    that it was an image.
    """
    name = tool.lower()
    if name.startswith("trivy"):
        return _by_rules(rules, is_image=is_image)
    known = next((kind for kind, names in _BY_TOOL.items() if any(part in name for part in names)), ReportKind.SAST)
    if known in {ReportKind.SECRETS, ReportKind.CONFIG}:
        return (known,)
    return (ReportKind.IMAGE if is_image or _names_system_packages(rules) else known,)


def _by_rules(rules: Rules, *, is_image: bool) -> tuple[ReportKind, ...]:
    """A rule stands there for each thing found, so without any it is taken to have looked for vulnerabilities."""
    found = {_BY_RULE_NAME[rule.name] for rule in rules.by_id.values() if rule.name in _BY_RULE_NAME}
    kinds = tuple(kind for kind in dict.fromkeys(_BY_RULE_NAME.values()) if kind in found) or (ReportKind.DEPENDENCIES,)
    if kinds[0] is ReportKind.DEPENDENCIES and (is_image or _names_system_packages(rules)):
        return (ReportKind.IMAGE, *kinds[1:])
    return kinds


def _names_system_packages(rules: Rules) -> bool:
    return any(rule.labels.get("type") in _SYSTEM_PACKAGES for rule in rules.by_id.values())


def _target(node: Node, run: Run) -> str:
    image = node.node("properties").data.get("imageName")
    if isinstance(image, str) and image:
        return node.node("properties").text("imageName", 500)
    for origin in node.nodes("versionControlProvenance"):
        revision = origin.text("revisionId") or origin.text("branch")
        return origin.text("repositoryUri", 500) + (f" at {revision}" if revision else "")
    names = [name for name in run.files if name]
    if names:
        return names[0] if len(names) == 1 else f"{len(names):,} files"
    return _from_call(node) or node.node("automationDetails").text("id", 500) or _from_bases(node)


def _from_call(node: Node) -> str:
    for call in node.nodes("invocations"):
        found = call.node("workingDirectory").text("uri", 500) or call.text("commandLine", 500)
        if found:
            return found
    return ""


def _from_bases(node: Node) -> str:
    return next((found for found in (base.text("uri", 500) for _name, base in node.entries("originalUriBaseIds")) if found), "")


def _has_failed(node: Node, run: Run) -> bool:
    failed = any(call.flag("executionSuccessful") is False for call in node.nodes("invocations"))
    if failed and next(node.nodes("results"), None) is None:
        raise node.place.wrong(f"{run.tool} says that its run failed, and lists no results. Expected a run that succeeded.")
    return failed


def _failed(tool: str) -> str:
    return f"{tool} says that its run failed, so results may be missing."


def _findings(root: Node, only: tuple[Node, Run] | None) -> Iterator[Finding]:
    for node, run in [only] if only else _runs(root):
        repeats = Repeats()
        for result in node.nodes("results"):
            yield from map(repeats.told_apart, finding(result, run))
