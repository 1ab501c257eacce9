"""Which of a digest's reports count, and which are history? Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

Order = tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """A report on a digest. `kinds`: what it looked at; `platform`: empty if that is not known."""

    number: int
    made_at: datetime
    format: str
    tool: str
    platform: str
    kinds: frozenset[str]

    @property
    def order(self) -> Order:
        return self.made_at, self.number


def superseded(reports: Iterable[Standing]) -> frozenset[int]:
    """The numbers of those whose place was taken by a newer one of the same tool, form and platform that looked at no
    less. By when it was made, not by when it came: an old report that is handed in late is history at once.
    """
    kept: list[Standing] = []
    gone = set[int]()
    for one in sorted(reports, key=lambda report: report.order, reverse=True):
        if any(_same_source(one, newer) and one.kinds <= newer.kinds for newer in kept):
            gone.add(one.number)
        else:
            kept.append(one)
    return frozenset(gone)


def _same_source(one: Standing, other: Standing) -> bool:
    return (one.format, one.tool, one.platform) == (other.format, other.tool, other.platform)
