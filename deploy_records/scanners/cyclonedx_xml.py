"""CycloneDX in XML, as the values that the same file would have in JSON, for `cyclonedx.py`.

Also reads the vulnerability extension with which files of versions 1.2 and 1.3 say what versions from 1.4 on say with
elements of their own.
"""

from collections.abc import Iterator
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


@dataclass(frozen=True, slots=True)
class XmlBom:
    source: Source
    head: Node
    names_vulnerabilities: bool

    @classmethod
    def of(cls, source: Source) -> "XmlBom | None":
        """None where the root is no CycloneDX document."""
        found, head = False, None
        for element in elements(source, Wanted(emit=_is_part, skip=_is_unread)):
            found = found or element.name == "vulnerability"
            head = element
        if head is None or head.name != "bom" or not head.namespace.startswith(CORE):
            return None
        version = head.namespace.removeprefix(CORE)
        data = {"bomFormat": "CycloneDX", "specVersion": version, **_members(head)}
        return cls(source, Node(data, Place(source.name)), found)

    def components(self) -> Iterator[Node]:
        return self._parts("component")

    def vulnerabilities(self) -> Iterator[Node]:
        return self._parts("vulnerability")

    def _parts(self, name: str) -> Iterator[Node]:
        place, number = Place(self.source.name).key(name), 0
        for element in elements(self.source, Wanted(emit=_is_part, skip=_is_unread)):
            if element.name == name and element.parent is not None:
                value = _vulnerability(element) if name == "vulnerability" else _members(element)
                yield Node.of(value, place.item(number))
                number += 1


def _is_part(element: Element) -> bool:
    """A component or a vulnerability of the document, at whatever depth, but not in its metadata."""
    if element.parent is None or element.name not in {"component", "vulnerability"}:
        return False
    return element.parent.name in {"components", "vulnerabilities"} and not _is_in(element, "metadata")


def _is_unread(element: Element) -> bool:
    return element.name in _UNREAD and element.parent is not None


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
        return [_value(child) for child in element.children]
    if element.children or element.attributes:
        return _members(element)
    return element.text.strip()


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
    holder = element.parent.parent if element.parent else None
    if holder is not None and holder.name == "component":
        members["component"] = _members(holder)
    else:
        members["affects"] = [{"ref": ref}]
    return members


def _old_rating(rating: dict[str, Any]) -> dict[str, Any]:
    score = rating.get("score")
    return {**rating, "score": score.get("base") if isinstance(score, dict) else score}
