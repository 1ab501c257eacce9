"""When two findings are the same thing, and what has changed between two sets of them. Pure.

The same vulnerability in the same version of a package is one finding, whichever tools saw it and by whichever of its
names: one tool's CVE and another's GHSA are one if either lists the other as an alias. Two different CVEs are never
one, whatever a report says of aliases. Of what tools say differently the worst counts; that something is harmless only
counts if all of them say so. Everything else (secrets, code, configuration) is the same if its fingerprint is.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from deploy_records.scanners.identity import main_name, package_key
from deploy_records.scanners.report import Finding, FindingKind, FindingState, Severity

CLAIMED_HARMLESS = frozenset(
    state for state in FindingState if Finding("", FindingKind.CODE, "", Severity.INFO, "", state=state).is_claimed_harmless
)
_SORTED_AS_WORST = 6


def weight(severity: Severity) -> int:
    """For sorting, worst first: Unknown 6, Critical 5, … Info 1."""
    return _SORTED_AS_WORST if severity is Severity.UNKNOWN else severity.weight


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


@dataclass(frozen=True, slots=True)
class Merged:
    """What all reports together say of one thing. `sources`: the numbers of what it was made of, the worst first."""

    kind: FindingKind
    name: str
    severity: Severity
    sources: tuple[int, ...]
    tools: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    fingerprint: str = ""
    purl: str = ""
    package: str = ""
    version: str = ""
    fixed_version: str = ""
    state: FindingState = FindingState.OPEN

    @property
    def names(self) -> tuple[str, ...]:
        """All that it is called by."""
        return (self.name, *self.aliases)

    @property
    def is_claimed_harmless(self) -> bool:
        """Whether all reports say that it need not be looked at. Whether that counts is for a policy to say."""
        return self.state in CLAIMED_HARMLESS

    @property
    def is_fixed_somewhere(self) -> bool:
        return bool(self.fixed_version)


def not_alone(findings: Iterable[Seen]) -> list[int]:
    """The numbers of those that belong together with others, or are shown under another of their names. All others are
    what `merged` makes of them as they are, and what it makes of these does not depend on the others.
    """
    groups, numbers, renamed = _Groups(), list[int](), set[int]()
    of_each = []
    for one in findings:
        of_each.append(groups.add(one))
        numbers.append(one.number)
        if one.aliases and _shown(one.kind, (one.name, *one.aliases)) != one.name:
            renamed.add(one.number)
    roots = [groups.root(group) for group in of_each]
    sizes = Counter(roots)
    return [number for number, root in zip(numbers, roots, strict=True) if sizes[root] > 1 or number in renamed]


def merged(findings: Callable[[], Iterable[Seen]]) -> Iterator[Merged]:
    """Each thing once. `findings` is called twice and must give the same in the same order: the first time to see which
    belong together, the second to put them together, so that no more of them is held than has to wait for another.
    """
    groups = _Groups()
    of_each = [groups.add(one) for one in findings()]
    roots = [groups.root(group) for group in of_each]
    missing = Counter(roots)
    waiting: dict[int, list[Seen]] = defaultdict(list)
    for root, one in zip(roots, findings(), strict=True):
        missing[root] -= 1
        if missing[root]:
            waiting[root].append(one)
        else:
            yield _put_together([*waiting.pop(root), one]) if root in waiting else _alone(one)


def _alone(one: Seen) -> Merged:
    names = (one.name, *one.aliases)
    shown = _shown(one.kind, names)
    aliases = tuple(name for name in names if name != shown) if one.aliases else ()
    return Merged(
        one.kind, shown, one.severity, (one.number,), (one.tool,), aliases, one.fingerprint, one.purl, one.package, one.version,
        one.fixed_version, one.state,
    )  # fmt: skip


def _put_together(same: list[Seen]) -> Merged:
    same.sort(key=lambda one: (-weight(one.severity), not one.purl, one.number))
    worst = same[0]
    names = tuple(dict.fromkeys(name for one in same for name in (one.name, *one.aliases)))
    shown = _shown(worst.kind, names)
    return Merged(
        kind=worst.kind,
        name=shown,
        severity=worst.severity,
        sources=tuple(one.number for one in same),
        tools=tuple(sorted({one.tool for one in same})),
        aliases=tuple(name for name in names if name != shown),
        fingerprint=worst.fingerprint,
        purl=_first(one.purl for one in same),
        package=_first(one.package for one in same),
        version=_first(one.version for one in same),
        fixed_version=_first(one.fixed_version for one in same),
        state=next((one.state for one in same if one.state not in CLAIMED_HARMLESS), worst.state),
    )


def _shown(kind: FindingKind, names: tuple[str, ...]) -> str:
    """The CVE if there is one, however the worst of the tools calls it."""
    if kind is not FindingKind.VULNERABILITY or len(names) == 1:
        return names[0]
    main = main_name(names[0], names[1:]).upper()
    return next((name for name in names if name.upper() == main), names[0])


def _first(texts: Iterable[str]) -> str:
    return next(filter(None, texts), "")


class _Groups:
    """Which findings belong together: a forest of them, in which each thing has one root."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._cves: dict[int, str] = {}
        self._by_key: dict[int, int] = {}

    def add(self, one: Seen) -> int:
        group, cve = -1, _cve(one)
        for key in _keys(one):
            known = self._by_key.get(key, -1)
            if known < 0:
                group = self._new(cve) if group < 0 else group
                self._by_key[key] = group
            elif group < 0:
                group = self._fitting(known, cve)
            else:
                self._join(known, group)
        return group

    def root(self, group: int) -> int:
        while (parent := self._parents[group]) != group:
            self._parents[group] = self._parents[parent]
            group = parent
        return group

    def _new(self, cve: str) -> int:
        group = len(self._parents)
        self._parents.append(group)
        if cve:
            self._cves[group] = cve
        return group

    def _fitting(self, known: int, cve: str) -> int:
        """The known group, unless the finding is another CVE than it."""
        root = self.root(known)
        return self._new(cve) if cve and self._cves.setdefault(root, cve) != cve else root

    def _join(self, left: int, right: int) -> None:
        left, right = self.root(left), self.root(right)
        cves = {cve for cve in (self._cves.get(left), self._cves.get(right)) if cve}
        if left == right or len(cves) > 1:
            return
        self._parents[right] = left
        if cves:
            self._cves[left] = cves.pop()


def _cve(one: Seen) -> str:
    if one.kind is not FindingKind.VULNERABILITY:
        return ""
    main = main_name(one.name, one.aliases) if one.aliases else one.name.upper()
    return main if main.startswith("CVE-") else ""


def _keys(one: Seen) -> list[int]:
    """Hashes of what says that it is the same thing: numbers, so that many take little memory."""
    package = package_key(one.purl, one.package) if one.kind is FindingKind.VULNERABILITY else ""
    if not package:
        return [hash(one.fingerprint)]
    version = one.version.removeprefix("v")
    return [hash(one.fingerprint), *(hash((name.casefold(), package, version)) for name in (one.name, *one.aliases))]


@dataclass(frozen=True, slots=True)
class Difference:
    """What is new, what has gone, and what is still there, which is given as it is after."""

    new: tuple[Merged, ...] = ()
    gone: tuple[Merged, ...] = ()
    still: tuple[Merged, ...] = ()
    worse: tuple[Merged, ...] = field(default=())
    """Those of `still` whose severity has risen."""


def compare(before: Iterable[Merged], after: Iterable[Merged]) -> Difference:
    """A vulnerability is still there if the package has it in any version: the update did not get rid of it."""
    old, now = tuple(before), tuple(after)
    was, present = _by_lasting_keys(old), _by_lasting_keys(now)
    still = tuple(one for one in now if _weight_in(was, one))
    return Difference(
        new=tuple(one for one in now if not _weight_in(was, one)),
        gone=tuple(one for one in old if not _weight_in(present, one)),
        still=still,
        worse=tuple(one for one in still if weight(one.severity) > _weight_in(was, one)),
    )


def _by_lasting_keys(findings: Iterable[Merged]) -> dict[tuple[str, str], int]:
    found = dict[tuple[str, str], int]()
    for one in findings:
        for key in _keys_of(one):
            found[key] = max(found.get(key, 0), weight(one.severity))
    return found


def _weight_in(known: dict[tuple[str, str], int], one: Merged) -> int:
    """The worst that is known of it; 0 if it is not known."""
    return max(known.get(key, 0) for key in _keys_of(one))


def _keys_of(one: Merged) -> Iterator[tuple[str, str]]:
    return lasting_keys(one.kind, one.names, one.fingerprint, one.purl, one.package)


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
