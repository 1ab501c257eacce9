"""CycloneDX in XML, as the values that the same file would have in JSON, for `cyclonedx.py`.

Also reads the vulnerability extension with which files of versions 1.2 and 1.3 say what versions from 1.4 on say with
elements of their own.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from deploy_records.scanners.fields import Node, Place
from deploy_records.scanners.reading import Source
from deploy_records.scanners.xml_walk import Element, Wanted, elements

CORE = "http://cyclonedx.org/schema/bom/"

_LISTS = frozenset(
    {
        *("components", "properties", "references", "ratings", "cwes", "advisories", "affects", "versions", "licenses"),
        *("responses", "recommendations"),
    }
)
_UNREAD = frozenset(
    {
        *("dependencies", "compositions", "hashes", "externalReferences", "evidence", "formulation", "declarations"),
        *("pedigree", "annotations", "services", "signature", "releaseNotes", "modelCard", "data", "citations"),
        *("proofOfConcept", "credits", "cryptoProperties", "authors", "supplier", "manufacture", "manufacturer"),
    }
)


_PARTS = frozenset({"component", "vulnerability"})


@dataclass(frozen=True, slots=True)
class XmlBom:
    """Read once for its head, and once more for each list that is asked for: each time, what is not needed is not kept."""

    source: Source
    head: Node
    names_vulnerabilities: bool
    has_them_in_components: bool
    """As the extension of old versions does."""

    @classmethod
    def of(cls, source: Source) -> "XmlBom | None":
        """None where the root is no CycloneDX document."""
        found, within, head = False, False, None
        for element in elements(source, Wanted(emit=_is_part, skip=_is_beside_the_head)):
            found = found or element.name == "vulnerability"
            within = within or (element.name == "vulnerability" and _holder(element) is not None)
            head = element
        if head is None or head.name != "bom" or not head.namespace.startswith(CORE):
            return None
        version = head.namespace.removeprefix(CORE)
        data = {"bomFormat": "CycloneDX", "specVersion": version, **_members(head)}
        return cls(source, Node(data, Place(source.name)), found, within)

    def components(self) -> Iterator[Node]:
        return self._parts("component", skip=lambda element: element.name == "vulnerabilities" or _is_unread(element))

    def vulnerabilities(self) -> Iterator[Node]:
        beside = "metadata" if self.has_them_in_components else "components"
        return self._parts("vulnerability", skip=lambda element: element.name == beside or _is_unread(element))

    def _parts(self, name: str, skip: Callable[[Element], bool]) -> Iterator[Node]:
        place, number = Place(self.source.name).key(name), 0
        for element in elements(self.source, Wanted(emit=_is_part, skip=skip)):
            if element.name == name and element.parent is not None:
                value = _vulnerability(element) if name == "vulnerability" else _members(element)
                yield Node.of(value, place.item(number))
                number += 1


def _is_part(element: Element) -> bool:
    """A component or a vulnerability of the document, at whatever depth, but not in its metadata."""
    if element.name not in _PARTS or element.parent is None:
        return False
    return element.parent.name in {"components", "vulnerabilities"} and not _is_in(element, "metadata")


def _is_unread(element: Element) -> bool:
    return element.name in _UNREAD and element.parent is not None


def _is_beside_the_head(element: Element) -> bool:
    """What components and vulnerabilities say, except for other components and vulnerabilities."""
    if _is_unread(element):
        return True
    within = element.parent is not None and element.parent.name in _PARTS
    return within and element.name not in {"components", "vulnerabilities"} and not _is_in(element, "metadata")


def _holder(vulnerability: Element) -> Element | None:
    """The component that it stands in."""
    above = vulnerability.parent.parent if vulnerability.parent else None
    return above if above is not None and above.name == "component" else None


def _is_in(element: Element, name: str) -> bool:
    above = element.parent
    while above is not None:
        if above.name == name:
            return True
        above = above.parent
    return False


def _value(element: Element) -> Any:
    if element.name == "licenses":
        return [_licence(child) for child in element.children]
    if element.name in _LISTS or (element.name == "tools" and not element.child("components")):
        return [value for value in map(_value, element.children) if value is not None]
    if element.children or element.attributes:
        return _members(element)
    return element.text.strip() or None


def _members(element: Element) -> dict[str, Any]:
    members: dict[str, Any] = dict(element.attributes)
    members.update((child.name, _value(child)) for child in element.children)
    if element.text.strip() and not element.children:
        members["value"] = element.text.strip()
    return members


def _licence(element: Element) -> dict[str, Any]:
    return {element.name: _value(element)}


def _vulnerability(element: Element) -> dict[str, Any]:
    members = _members(element)
    if element.namespace.startswith(CORE):
        return members
    ref = members.pop("ref", "")
    source = members.get("source")
    members["ratings"] = [_old_rating(rating) for rating in members.get("ratings") or [] if isinstance(rating, dict)]
    members["recommendation"] = " ".join(text for text in members.get("recommendations") or [] if isinstance(text, str))
    members["advisories"] = [{"url": text} for text in members.get("advisories") or [] if isinstance(text, str)]
    members["source"] = source if isinstance(source, dict) else {}
    holder = _holder(element)
    if holder is not None:
        members["component"] = _members(holder)
    else:
        members["affects"] = [{"ref": ref}]
    return members


def _old_rating(rating: dict[str, Any]) -> dict[str, Any]:
    score = rating.get("score")
    return {**rating, "score": score.get("base") if isinstance(score, dict) else score}
