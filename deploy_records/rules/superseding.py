"""Which of a digest's reports count, and which are history? Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

Order = tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """A report on a digest. `kinds`: what it looked at; `platform`: empty if that is not known; `target`: what was scanned,
    in the report's words; `names_it`: whether it names the digest itself, so that nobody had to choose it.
    """

    number: int
    made_at: datetime
    format: str
    tool: str
    platform: str
    kinds: frozenset[str]
    target: str = ""
    names_it: bool = True

    @property
    def order(self) -> Order:
        return self.made_at, self.number


def superseded(reports: Iterable[Standing]) -> frozenset[int]:
    """The numbers of those whose place was taken. By when a report was made, not by when it came: an old report that is
    handed in late is history at once.
    """
    kept: list[Standing] = []
    gone = set[int]()
    for one in sorted(reports, key=lambda report: report.order, reverse=True):
        if any(takes_place(newer, one) for newer in kept):
            gone.add(one.number)
        else:
            kept.append(one)
    return frozenset(gone)


def takes_place(newer: Standing, one: Standing) -> bool:
    """Whether a newer report takes the place of one: it is of the same tool, form and platform, looked at no less, and is
    no weaker evidence. Of what a person chose a digest for, nobody knows but by its target that it is about the same.
    """
    about_the_same = newer.names_it or (not one.names_it and newer.target == one.target)
    return _same_source(one, newer) and one.kinds <= newer.kinds and about_the_same


def _same_source(one: Standing, other: Standing) -> bool:
    return (one.format, one.tool, one.platform) == (other.format, other.tool, other.platform)
