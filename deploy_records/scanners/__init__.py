"""Scan reports of the tools that we know, told apart by what stands in them, never by the name of the file.

    with opened_report(file, "trivy.json") as report:
        ...

Everything that is wrong with a file is an `Invalid` or `Refused` that names the file, the place and what was expected.
The report is readable within the `with` only.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO, TypeVar

from deploy_records.scanners import bandit, cyclonedx, grype, npm_audit, pip_audit, sarif, spdx, trivy
from deploy_records.scanners.cyclonedx_xml import XmlBom
from deploy_records.scanners.fields import Node, Place, nodes
from deploy_records.scanners.json_walk import Big, root
from deploy_records.scanners.reading import Source, opened
from deploy_records.scanners.report import Lazily, Report, ReportKind

T = TypeVar("T")

MOST_FINDINGS, MOST_COMPONENTS = 250_000, 1_000_000
"""Of one report. Rows of findings are put together and written in one go, for which everybody else has to wait."""

FORMATS = {
    trivy.NAME: "Trivy JSON",
    grype.NAME: "Grype JSON",
    sarif.NAME: "SARIF 2.1.0",
    cyclonedx.NAME: "CycloneDX 1.0 to 1.7, JSON or XML",
    spdx.NAME: "SPDX 2.3 JSON",
    pip_audit.NAME: "pip-audit JSON",
    bandit.NAME: "Bandit JSON",
    npm_audit.NAME: "npm audit JSON of npm 7 or later",
}

_OBJECTS: tuple[tuple[Callable[[Node], bool], Callable[[Node], Report]], ...] = (
    (cyclonedx.is_cyclonedx, lambda found: cyclonedx.read(cyclonedx.JsonBom(found))),
    (spdx.is_spdx, spdx.read),
    (sarif.is_sarif, sarif.read),
    (trivy.is_whole, trivy.read),
    (npm_audit.is_npm, npm_audit.read),
    (grype.is_grype, grype.read),
    (bandit.is_bandit, bandit.read),
    (pip_audit.is_object, pip_audit.read),
)
_LISTS: tuple[tuple[Callable[[Node], bool], Callable[[Any, Place], Report]], ...] = (
    (trivy.is_legacy, trivy.read_legacy),
    (pip_audit.is_list, pip_audit.read_list),
)


@contextmanager
def opened_report(file: BinaryIO, name: str) -> Iterator[Report]:
    """What `file`, which must be seekable, says. `name` is for messages. Raises `Invalid` or `Refused`."""
    with opened(file, name) as source:
        report = _bounded(_from_xml(source) if _begins_like_xml(source) else _from_json(source), Place(name))
        _refuse_empty(report, Place(name))
        yield report


def _bounded(report: Report, place: Place) -> Report:
    return replace(
        report,
        findings=Lazily(lambda: _all_of(report.findings, MOST_FINDINGS, "findings", place)),
        components=Lazily(lambda: _all_of(report.components, MOST_COMPONENTS, "components", place)),
    )


def _all_of(entries: Iterable[T], most: int, what: str, place: Place) -> Iterator[T]:
    for number, entry in enumerate(entries):
        if number >= most:
            raise place.wrong(f"it has more than {most:,} {what}. Expected at most that: scan in parts.")
        yield entry


def _begins_like_xml(source: Source) -> bool:
    return source.read_at(source.begin, 1024).lstrip()[:1] == b"<"


def _from_xml(source: Source) -> Report:
    bom = XmlBom.of(source)
    if bom is None:
        raise _unknown(Place(source.name))
    return cyclonedx.read(bom)


def _from_json(source: Source) -> Report:
    value, place = root(source), Place(source.name)
    if isinstance(value, list) or (isinstance(value, Big) and value.opening == "["):
        return _from_list(value, place)
    found = spdx.unwrapped(Node.of(value, place))
    for recognises, read in _OBJECTS:
        if recognises(found):
            return read(found)
    npm_audit.refuse_relatives(found)
    raise _unknown(place)


def _from_list(value: Any, place: Place) -> Report:
    first = next(nodes(value, place), None)
    for recognises, read in _LISTS:
        if first is not None and recognises(first):
            return read(value, place)
    raise _unknown(place)


def _unknown(place: Place) -> Exception:
    known = "; ".join(FORMATS.values())
    return place.wrong(f"this is no report of a known form. Expected one of: {known}.")


def _refuse_empty(report: Report, place: Place) -> None:
    """No findings say something only if it is known what was looked at, and with what."""
    if report.kind is ReportKind.SBOM:
        if next(iter(report.components), None) is None:
            raise place.wrong("it lists no components. Expected at least one.")
    elif (not report.tool or not report.target) and next(iter(report.findings), None) is None:
        missing = "which tool made it" if not report.tool else "what was scanned"
        raise place.wrong(f"it has no findings and does not say {missing}. Expected both, or findings.")
