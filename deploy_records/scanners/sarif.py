"""SARIF 2.1.0 of any tool."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from deploy_records.scanners import image_names
from deploy_records.scanners.fields import Node
from deploy_records.scanners.report import Finding, Lazily, Report, ReportDigests, ReportKind
from deploy_records.scanners.sarif_results import Run, finding
from deploy_records.scanners.sarif_rules import Rules

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
    "Misconfiguration": ReportKind.CONFIG,
    "Secret": ReportKind.SECRETS,
}
_SYSTEM_PACKAGES = frozenset({"deb", "rpm", "apk"})


@dataclass(frozen=True, slots=True)
class _About:
    """What the head of one run says."""

    run: Run
    node: Node
    kind: ReportKind
    digests: ReportDigests


def is_sarif(root: Node) -> bool:
    return "runs" in root.data and ("version" in root.data or "sarif" in root.text("$schema"))


def read(root: Node) -> Report:
    version = root.text("version")
    if version != "2.1.0":
        raise root.place.key("version").expected("2.1.0", root.data.get("version"))
    runs = list(_runs(root))
    if not runs:
        raise root.place.key("runs").wrong("expected at least one run with a list of results, found none: nothing was scanned.")
    digests, remarks = _one_image(runs)
    first = runs[0].node
    return Report(
        format=NAME,
        tool=", ".join(dict.fromkeys(about.run.tool for about in runs))[:300],
        version=_version(first) if len({about.run.tool for about in runs}) == 1 else "",
        target=", ".join(dict.fromkeys(filter(None, (_target(about) for about in runs))))[:1000],
        kinds=tuple(dict.fromkeys(about.kind for about in runs)),
        findings=Lazily(partial(_findings, runs)),
        components=(),
        digests=digests,
        created_at=next((moment for moment in (one.moment("endTimeUtc") for one in first.nodes("invocations")) if moment), None),
        remarks=(*remarks, *_failures(runs)),
    )


def _runs(root: Node) -> Iterator[_About]:
    """Without the runs that have no list of results: that says that the tool did not get that far."""
    for number, node in enumerate(root.nodes("runs")):
        if number >= _MOST_RUNS:
            raise node.place.wrong(f"expected at most {_MOST_RUNS:,} runs.")
        _refuse_results_elsewhere(node)
        if node.has("results"):
            yield _about(node)


def _about(node: Node) -> _About:
    rules, tool = Rules.of(node.node("tool")), node.node("tool").node("driver").needed("name", 300)
    said = _digests(node)
    files = tuple(_files(node))
    kind = _kind(tool, rules, is_image=bool(said) or node.node("properties").has("imageName"))
    return _About(Run(tool, rules, files, kind), node, kind, said)


def _refuse_results_elsewhere(node: Node) -> None:
    elsewhere = node.node("externalPropertyFileReferences")
    if next(elsewhere.nodes("results"), None) is not None:
        raise elsewhere.place.key("results").wrong("the results lie in other files. Expected them in this one.")


def _files(node: Node) -> Iterator[str]:
    for number, artifact in enumerate(node.nodes("artifacts")):
        if number >= _MOST_FILES:
            return
        yield artifact.node("location").text("uri", 1000)


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


def _kind(tool: str, rules: Rules, *, is_image: bool) -> ReportKind:
    """By what the tool is known for; for Trivy, which is many tools, by its rules. Others look at code."""
    if is_image:
        return ReportKind.IMAGE
    name = tool.lower()
    if any(rule.labels.get("type") in _SYSTEM_PACKAGES for rule in rules.by_id.values()):
        return ReportKind.IMAGE
    if name.startswith("trivy"):
        found = [_BY_RULE_NAME[rule.name] for rule in rules.by_id.values() if rule.name in _BY_RULE_NAME]
        return next((kind for kind in _BY_RULE_NAME.values() if kind in found), ReportKind.DEPENDENCIES)
    return next((kind for kind, names in _BY_TOOL.items() if any(known in name for known in names)), ReportKind.SAST)


def _target(about: _About) -> str:
    node = about.node
    image = node.node("properties").data.get("imageName")
    if isinstance(image, str) and image:
        return node.node("properties").text("imageName", 1000)
    for origin in node.nodes("versionControlProvenance"):
        revision = origin.text("revisionId") or origin.text("branch")
        return origin.text("repositoryUri", 500) + (f" at {revision}" if revision else "")
    names = [name for name in about.run.files if name]
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


def _failures(runs: list[_About]) -> Iterator[str]:
    for about in runs:
        failed = any(call.flag("executionSuccessful") is False for call in about.node.nodes("invocations"))
        if failed and next(about.node.nodes("results"), None) is None:
            raise about.node.place.wrong(
                f"{about.run.tool} says that its run failed, and lists no results. Expected a run that succeeded."
            )
        if failed:
            yield f"{about.run.tool} says that its run failed, so results may be missing."


def _findings(runs: list[_About]) -> Iterator[Finding]:
    for about in runs:
        for result in about.node.nodes("results"):
            yield from finding(result, about.run)
