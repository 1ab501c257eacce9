"""Trivy's JSON: schema 2 of images, file systems and repositories, clusters, and the list that came before schemas."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

from deploy_records.scanners import image_names, purls
from deploy_records.scanners import trivy_findings as entries
from deploy_records.scanners.fields import Node, Place, nodes
from deploy_records.scanners.report import Component, Finding, Lazily, Report, ReportDigests, ReportKind
from deploy_records.scanners.trivy_findings import Where

NAME = "trivy"

_IMAGE = "container_image"
_MOST_REMARKS = 100
_NOT_LOOKED_AT = (
    "It knows the operating system and yet lists no result for its packages, so they were not compared with known "
    "vulnerabilities: it counts as no scan of them."
)
_NOTHING_KNOWN = "It lists no results: Trivy recognised nothing in it that it knows how to look at."
_CLUSTER_LISTS = ("Resources", "Findings", "Vulnerabilities", "Misconfigurations")
_OF_SYSTEM = "os-pkgs"
_ORDER = (ReportKind.DEPENDENCIES, ReportKind.CONFIG, ReportKind.SECRETS)
_BY_CLASS = {
    _OF_SYSTEM: ReportKind.DEPENDENCIES,
    "lang-pkgs": ReportKind.DEPENDENCIES,
    "config": ReportKind.CONFIG,
    "secret": ReportKind.SECRETS,
}
_BY_LIST = {
    "Vulnerabilities": ReportKind.DEPENDENCIES,
    "Misconfigurations": ReportKind.CONFIG,
    "Secrets": ReportKind.SECRETS,
}

Results = Callable[[], Iterator[tuple[Node, str]]]
"""Each result, and the resource of a cluster that it belongs to."""


def is_whole(root: Node) -> bool:
    return ("SchemaVersion" in root.data and ("ArtifactType" in root.data or "ArtifactName" in root.data)) or is_cluster(root)


def is_cluster(root: Node) -> bool:
    return "ClusterName" in root.data and any(key in root.data for key in _CLUSTER_LISTS)


def is_legacy(first: Node) -> bool:
    return "Target" in first.data and ("Vulnerabilities" in first.data or "Type" in first.data or "Class" in first.data)


def read(root: Node) -> Report:
    return _cluster(root) if is_cluster(root) else _whole(root)


def read_legacy(value: Any, place: Place) -> Report:
    results: Results = lambda: ((result, "") for result in nodes(value, place))  # noqa: E731 - made anew each time
    first = next(results())[0]
    is_image = first.text("Type").lower() in purls.SYSTEMS
    kinds = (ReportKind.IMAGE,) if is_image else (ReportKind.DEPENDENCIES,)
    return _report(results, target=_image_of(first.text("Target", 500)), kinds=kinds)


def _whole(root: Node) -> Report:
    version = root.number("SchemaVersion")
    if version != 2:  # noqa: PLR2004 - the only schema there is
        raise root.place.key("SchemaVersion").expected("2", root.data.get("SchemaVersion"))
    results: Results = lambda: ((result, "") for result in root.nodes("Results"))  # noqa: E731 - made anew each time
    metadata, first = root.node("Metadata"), next(root.nodes("Results"), None)
    kinds, remarks = _kinds(root) if first else _without_results(root)
    return _report(
        results,
        target=root.text("ArtifactName", 500) or (_image_of(first.text("Target", 500)) if first else ""),
        kinds=kinds,
        version=root.node("Trivy").text("Version", 100),
        digests=_digests(metadata),
        created_at=root.moment("CreatedAt"),
        remarks=remarks,
    )


def _cluster(root: Node) -> Report:
    """The digests of its images are left out: a report on many images is none on one of them."""

    def results() -> Iterator[tuple[Node, str]]:
        for key in _CLUSTER_LISTS:
            for resource in root.nodes(key):
                name = "/".join(part for part in map(resource.text, ("Namespace", "Kind", "Name")) if part)
                for result in resource.nodes("Results"):
                    yield result, name

    errors = (
        f"{resource.text('Kind')} {resource.text('Name')} was not looked at: {resource.text('Error')}."
        for key in _CLUSTER_LISTS
        for resource in root.nodes(key)
        if resource.text("Error")
    )
    target = root.text("ClusterName", 500) or "a cluster without a name"
    return _report(results, target=target, kinds=(ReportKind.CLUSTER,), remarks=tuple(islice(errors, _MOST_REMARKS)))


def _report(results: Results, **header: Any) -> Report:
    return Report(
        format=NAME,
        tool=entries.TOOL,
        **{"version": "", **header},
        findings=Lazily(partial(_findings, results)),
        components=Lazily(partial(_components, results)),
    )


def _without_results(root: Node) -> tuple[tuple[ReportKind, ...], tuple[str, ...]]:
    """Trivy lists the packages of an operating system that it knows even if nothing is wrong with them."""
    if _knows_the_system(root):
        return (ReportKind.CONFIG,), (_NOT_LOOKED_AT,)
    kind = ReportKind.IMAGE if root.text("ArtifactType") == _IMAGE else ReportKind.DEPENDENCIES
    return (kind,), (_NOTHING_KNOWN,)


def _kinds(root: Node) -> tuple[tuple[ReportKind, ...], tuple[str, ...]]:
    """By what was looked for: an image that was searched for secrets only, or whose system was left out, is no
    vulnerability scan of it. What was found beside is told, so that a scan that looks for less takes no place of it.
    """
    found = dict.fromkeys(kind for result in root.nodes("Results") for kind in _looked_for(result))
    kinds = tuple(kind for kind in _ORDER if kind in found)
    if root.text("ArtifactType") != _IMAGE or ReportKind.DEPENDENCIES not in found:
        return kinds or (ReportKind.CONFIG,), ()
    if _knows_the_system(root) and not any(map(_is_of_system, root.nodes("Results"))):
        return kinds, (_NOT_LOOKED_AT,)
    return (ReportKind.IMAGE, *kinds[1:]), ()


def _knows_the_system(root: Node) -> bool:
    return bool(root.node("Metadata").node("OS").text("Family"))


def _is_of_system(result: Node) -> bool:
    """Releases before 0.20 write no class."""
    return result.text("Class") == _OF_SYSTEM or result.text("Type").lower() in purls.SYSTEMS


def _looked_for(result: Node) -> Iterator[ReportKind]:
    kind = _BY_CLASS.get(result.text("Class"))
    if kind:
        yield kind
    yield from (kind for key, kind in _BY_LIST.items() if result.data.get(key))


def _digests(metadata: Node) -> ReportDigests:
    config = metadata.node("ImageConfig")
    return ReportDigests(
        repo_digests=image_names.repo_digests(metadata.texts("RepoDigests", 500)),
        image_id=image_names.digest(metadata.text("ImageID")),
        platform=image_names.platform(config.text("os"), config.text("architecture"), config.text("variant")),
    )


def _findings(results: Results) -> Iterator[Finding]:
    for result, prefix in results():
        where = Where(result.text("Target", 500), result.text("Type").lower(), prefix)
        for entry in result.nodes("Vulnerabilities"):
            yield entries.vulnerability(entry, where)
        for entry in result.nodes("Misconfigurations"):
            yield from entries.misconfiguration(entry, where)
        for entry in result.nodes("Secrets"):
            yield entries.secret(entry, where)
        for entry in result.nodes("Licenses"):
            yield entries.licence(entry, where)
        for entry in result.nodes("ExperimentalModifiedFindings"):
            yield from entries.modified(entry, where)


def _components(results: Results) -> Iterator[Component]:
    for result, _prefix in results():
        where = Where(type=result.text("Type").lower())
        for entry in result.nodes("Packages"):
            yield entries.component(entry, where)


def _image_of(target: str) -> str:
    """`alpine:3.10 (alpine 3.10.2)` without what stands in brackets."""
    return target.partition(" (")[0]
