"""Which backups does a plan still keep? Pure; days, weeks and months are those of UTC."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

RECENT = timedelta(hours=24)
"""Somebody who backs up by hand, twice on a day, wants both."""


@dataclass(frozen=True)
class Keep:
    """The newest good one of each of the last so many days, weeks and months that have one."""

    daily: int
    weekly: int
    monthly: int


@dataclass(frozen=True)
class Candidate:
    """A backup that is not forgotten yet. `held`: something may still need it, whatever the plan says."""

    id: int
    at: datetime
    snapshot: str
    good: bool = True
    held: bool = False


def kept(candidates: Iterable[Candidate], keep: Keep) -> frozenset[int]:
    """The newest good one always, and all good ones of the 24 hours before it. Incomplete and damaged ones are evidence: of
    each of the last days one stays as well.
    """
    newest_first = sorted(candidates, key=lambda one: (one.at, one.id), reverse=True)
    good = [one for one in newest_first if one.good]
    bad = [one for one in newest_first if not one.good]
    recent = {one.id for one in good if good[0].at - one.at < RECENT}
    found = {one.id for one in newest_first if one.held} | recent
    for of, bucket, most in (
        (good, _day, keep.daily), (good, _week, keep.weekly), (good, _month, keep.monthly), (bad, _day, keep.daily),
    ):  # fmt: skip
        found |= _newest_of_each(of, bucket, most)
    return frozenset(found)


@dataclass(frozen=True)
class Going:
    """`rows`: their snapshot is kept for another backup; `snapshots`: these rows go with their snapshots."""

    rows: frozenset[int]
    snapshots: frozenset[int]


def going(candidates: Iterable[Candidate], keep: Keep) -> Going:
    known = list(candidates)
    staying = kept(known, keep)
    needed = {one.snapshot for one in known if one.id in staying}
    gone = [one for one in known if one.id not in staying]
    return Going(
        rows=frozenset(one.id for one in gone if one.snapshot in needed),
        snapshots=frozenset(one.id for one in gone if one.snapshot not in needed),
    )


def _newest_of_each(newest_first: list[Candidate], bucket: Callable[[datetime], Hashable], most: int) -> set[int]:
    newest: dict[Hashable, int] = {}
    for one in newest_first:
        newest.setdefault(bucket(one.at.astimezone(UTC)), one.id)
    return set(list(newest.values())[:most])


def _day(at: datetime) -> Hashable:
    return at.date()


def _week(at: datetime) -> Hashable:
    return at.isocalendar()[:2]


def _month(at: datetime) -> Hashable:
    return at.year, at.month
