"""Which findings are the same thing? Pure, and small in memory however many there are: a report may hold a million.

The same vulnerability in the same version of a package is one thing, whichever tools saw it and by whichever of its
names: one tool's CVE and another's GHSA are one if either lists the other as an alias. Two different CVEs are never
one, whatever a report says of aliases, nor are packages of two ecosystems that have the same name: an exception for the
one says nothing of the other. Everything else (secrets, code, configuration) is the same if its fingerprint is.
"""

from array import array
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from deploy_records.scanners.identity import main_name, package_key, package_type
from deploy_records.scanners.report import FindingKind, FindingState, Severity

_PLACES = 8 * 1024 * 1024


class Seen(NamedTuple):
    """What one report says. `number` tells it from all others."""

    number: int
    tool: str
    kind: FindingKind
    name: str
    severity: Severity
    fingerprint: str
    aliases: tuple[str, ...] = ()
    purl: str = ""
    package: str = ""
    version: str = ""
    fixed_version: str = ""
    state: FindingState = FindingState.OPEN


class Groups:
    """Which findings belong together: a forest of them, in which each thing has one root. All of it numbers."""

    def __init__(self) -> None:
        self._parents, self._cves, self._types = array("q"), array("q"), array("q")
        self._by_key: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._parents)

    def add(self, one: Seen) -> int:
        group, cve, kind = -1, _cve(one), _type(one)
        for key in _keys(one):
            known = self._by_key.get(key, -1)
            if known < 0:
                group = self._new(cve, kind) if group < 0 else group
                self._by_key[key] = group
            elif group < 0:
                group = self._fitting(known, cve, kind)
            else:
                self._join(known, group)
        return group

    def root(self, group: int) -> int:
        while (parent := self._parents[group]) != group:
            self._parents[group] = self._parents[parent]
            group = parent
        return group

    def _new(self, cve: int, kind: int) -> int:
        self._parents.append(len(self._parents))
        self._cves.append(cve)
        self._types.append(kind)
        return len(self._parents) - 1

    def _fitting(self, known: int, cve: int, kind: int) -> int:
        """The known group, unless the finding is another CVE than it, or in a package of another type."""
        root = self.root(known)
        if self._are_two(self._cves[root], cve) or self._are_two(self._types[root], kind):
            return self._new(cve, kind)
        self._cves[root], self._types[root] = self._cves[root] or cve, self._types[root] or kind
        return root

    def _join(self, left: int, right: int) -> None:
        left, right = self.root(left), self.root(right)
        two = self._are_two(self._cves[left], self._cves[right]) or self._are_two(self._types[left], self._types[right])
        if left == right or two:
            return
        self._parents[right] = left
        self._cves[left] = self._cves[left] or self._cves[right]
        self._types[left] = self._types[left] or self._types[right]

    @staticmethod
    def _are_two(one: int, other: int) -> bool:
        return bool(one and other) and one != other


def _cve(one: Seen) -> int:
    """A number for the CVE that it is; 0 if it has none."""
    if one.kind is not FindingKind.VULNERABILITY:
        return 0
    main = main_name(one.name, one.aliases) if one.aliases else one.name.upper()
    return hash(main) if main.startswith("CVE-") else 0


def _type(one: Seen) -> int:
    """A number for the ecosystem of the package; 0 where no package URL tells it."""
    kind = package_type(one.purl) if one.kind is FindingKind.VULNERABILITY else ""
    return hash(kind) if kind else 0


def _keys(one: Seen) -> list[int]:
    """Hashes of what says that it is the same thing: numbers, so that many take little memory. First those that name the
    ecosystem, where it is known, so that a finding comes to its like before it comes to what has its name only.
    """
    package = package_key(one.purl, one.package) if one.kind is FindingKind.VULNERABILITY else ""
    if not package:
        return [hash(one.fingerprint)]
    version = one.version.removeprefix("v")
    kind = package_type(one.purl)
    places = [(package, version, kind), (package, version)] if kind else [(package, version)]
    return [hash((name.casefold(), *place)) for place in places for name in (one.name, *one.aliases)]


def maybe_together(findings: Iterable[Seen]) -> bytearray:
    """For each whether it has a key in common with another. Sometimes one that has not is taken for one that has, which
    costs time and nothing else: so it takes 16 MB and a few bytes for each, however many there are.
    """
    once, again = bytearray(_PLACES), bytearray(_PLACES)
    keys, counts = array("q"), array("I")
    for one in findings:
        of_this = set(_keys(one))
        counts.append(len(of_this))
        for key in of_this:
            keys.append(key)
            place, bit = (key >> 3) % _PLACES, 1 << (key & 7)
            again[place] |= once[place] & bit
            once[place] |= bit
    told, at = bytearray(), 0
    for count in counts:
        told.append(any(again[(key >> 3) % _PLACES] & 1 << (key & 7) for key in keys[at : at + count]))
        at += count
    return told


def lasting_keys(
    kind: FindingKind, names: tuple[str, ...], fingerprint: str, purl: str, package: str
) -> Iterator[tuple[str, str]]:  # fmt: skip
    """By which a finding is known again in a later report or image, whatever version the package has there."""
    where = package_key(purl, package) if kind is FindingKind.VULNERABILITY else ""
    if not where:
        yield fingerprint, ""
        return
    for name in names:
        yield name.casefold(), where
