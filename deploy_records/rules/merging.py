"""What several reports say together, each thing once, and what has changed between two images. Pure.

Which belong together is said in `grouping`. Of what tools say differently the worst counts; that something is harmless
only counts if all of them say so.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from deploy_records.rules.grouping import Groups, maybe_together
from deploy_records.rules.grouping import Seen as Seen
from deploy_records.rules.grouping import lasting_keys as lasting_keys
from deploy_records.scanners.identity import main_name
from deploy_records.scanners.report import Finding, FindingKind, FindingState, Severity

CLAIMED_HARMLESS = frozenset(
    state for state in FindingState if Finding("", FindingKind.CODE, "", Severity.INFO, "", state=state).is_claimed_harmless
)
MOST_SOURCES = 200
"""Of one thing so many findings are named, the worst: a report may repeat it a million times."""
_MOST_NAMES, _MOST_TOOLS, _MOST_HELD = 200, 50, 10
_SORTED_AS_WORST = 6

_Order = tuple[bool | int, ...]


def weight(severity: Severity) -> int:
    """For sorting, worst first: Unknown 6, Critical 5, … Info 1."""
    return _SORTED_AS_WORST if severity is Severity.UNKNOWN else severity.weight


@dataclass(frozen=True, slots=True)
class Merged:
    """What all reports together say of one thing. `sources`: the numbers of what it was made of, the worst first; no more
    than `MOST_SOURCES` of them.
    """

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


def not_alone(findings: Iterable[Seen]) -> "array[int]":
    """The numbers of those that may belong together with others, or are shown under another of their names. All others are
    what `merged` makes of them as they are, and what it makes of these does not depend on the others.
    """
    numbers, renamed = array("q"), bytearray()

    def noted() -> Iterator[Seen]:
        for one in findings:
            numbers.append(one.number)
            renamed.append(bool(one.aliases) and _shown(one.kind, (one.name, *one.aliases)) != one.name)
            yield one

    together = maybe_together(noted())
    return array("q", (number for number, *apart in zip(numbers, together, renamed, strict=True) if any(apart)))


def merged(findings: Callable[[], Iterable[Seen]]) -> Iterator[Merged]:
    """Each thing once. `findings` is called three times and must give the same in the same order: to see which may belong
    together, which do, and to put them together. So no more than numbers is held of what a report repeats a million times.
    """
    together = maybe_together(findings())
    groups = Groups()
    of_each = array("q", (groups.add(one) for apart, one in zip(together, findings(), strict=True) if apart))
    roots = array("q", map(groups.root, of_each))
    missing, held, following = array("q", bytes(8 * len(groups))), dict[int, list[Seen] | _Sum](), iter(roots)
    for root in roots:
        missing[root] += 1
    for apart, one in zip(together, findings(), strict=True):
        if not apart:
            yield _alone(one)
            continue
        root = next(following)
        held[root] = _with(held.get(root), one)
        missing[root] -= 1
        if not missing[root]:
            yield _sum(held.pop(root)).merged()


def _with(held: "list[Seen] | _Sum | None", one: Seen) -> "list[Seen] | _Sum":
    """Few are held as they are, which takes less than their sum; of many only the sum is."""
    if isinstance(held, list) and len(held) < _MOST_HELD:
        held.append(one)
        return held
    return [one] if held is None else _sum(held).add(one)


def _sum(held: "list[Seen] | _Sum") -> "_Sum":
    return held if isinstance(held, _Sum) else _Sum(held)


def _alone(one: Seen) -> Merged:
    names = (one.name, *one.aliases)
    shown = _shown(one.kind, names)
    aliases = tuple(name for name in names if name != shown) if one.aliases else ()
    return Merged(
        one.kind, shown, one.severity, (one.number,), (one.tool,), aliases, one.fingerprint, one.purl, one.package, one.version,
        one.fixed_version, one.state,
    )  # fmt: skip


class _Sum:
    """What several findings say of one thing. Of each text the one counts that the worst of them says."""

    def __init__(self, findings: Iterable[Seen]) -> None:
        self._sources = list[_Order]()
        self._names, self._tools = set[str](), set[str]()
        self._said = dict[str, tuple[_Order, Any]]()
        for one in findings:
            self.add(one)

    def add(self, one: Seen) -> Self:
        order = (-weight(one.severity), not one.purl, one.number)
        self._sources.append(order)
        if len(self._sources) > 2 * MOST_SOURCES:
            self._sources = sorted(self._sources)[:MOST_SOURCES]
        if len(self._names) < _MOST_NAMES:
            self._names.update((one.name, *one.aliases))
        if len(self._tools) < _MOST_TOOLS:
            self._tools.add(one.tool)
        for name in ("purl", "package", "version", "fixed_version"):
            if value := getattr(one, name):
                self._say(name, order, value)
        self._say("worst", order, one)
        # One that says that it is open comes before all that say that it is harmless.
        self._say("state", (one.state in CLAIMED_HARMLESS, *order), one.state)
        return self

    def _say(self, name: str, order: "_Order", value: object) -> None:
        if name not in self._said or order < self._said[name][0]:
            self._said[name] = order, value

    def merged(self) -> Merged:
        said = {name: value for name, (_order, value) in self._said.items()}
        worst: Seen = said.pop("worst")
        names = tuple(dict.fromkeys((worst.name, *sorted(self._names))))
        shown = _shown(worst.kind, names)
        return Merged(
            kind=worst.kind,
            name=shown,
            severity=worst.severity,
            sources=tuple(number for *_, number in sorted(self._sources)[:MOST_SOURCES]),
            tools=tuple(sorted(self._tools)),
            aliases=tuple(name for name in names if name != shown),
            fingerprint=worst.fingerprint,
            **said,
        )


def _shown(kind: FindingKind, names: tuple[str, ...]) -> str:
    """The CVE if there is one, however the worst of the tools calls it."""
    if kind is not FindingKind.VULNERABILITY or len(names) == 1:
        return names[0]
    main = main_name(names[0], names[1:]).upper()
    return next((name for name in names if name.upper() == main), names[0])


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
