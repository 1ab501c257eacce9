"""A file beside the ledger: what one has and the other has not, and where they differ. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from deploy_records.poam_files.entry import Entry, same_id
from deploy_records.poam_files.moments import moment_text
from deploy_records.rules.exceptions import key
from deploy_records.rules.terms import Milestone, Terms

SETTLED = frozenset({"expired", "rejected", "mitigated", "closed"})
"""What excuses nothing any more. A repository's file may drop it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not the same on both sides, as text."""

    field: str
    in_file: str
    in_ledger: str


@dataclass(frozen=True, slots=True)
class Differing:
    file: Entry
    ledger: Entry
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """`only_in_ledger` leaves out what has expired, was rejected, or was ended."""

    only_in_file: tuple[Entry, ...] = ()
    only_in_ledger: tuple[Entry, ...] = ()
    differing: tuple[Differing, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.only_in_file or self.only_in_ledger or self.differing)


def drift(in_file: Iterable[Entry], in_ledger: Iterable[Entry], now: datetime) -> Drift:
    """Both directions at once, in the order of each side. Entries are the same when their ids are."""
    theirs = {same_id(one.id): one for one in in_file}
    ours = {same_id(one.id): one for one in in_ledger}
    both = [(one, ours[name]) for name, one in theirs.items() if name in ours]
    found = (Differing(file, ledger, differences(file, ledger, now)) for file, ledger in both)
    return Drift(
        only_in_file=tuple(one for name, one in theirs.items() if name not in ours),
        only_in_ledger=tuple(one for name, one in ours.items() if name not in theirs and one.status_at(now) not in SETTLED),
        differing=tuple(one for one in found if one.differences),
    )


def differences(file: Entry, ledger: Entry, now: datetime) -> tuple[Difference, ...]:
    """In everything but comments, which both sides gather on their own."""
    found = [Difference(name, *shown) for name, shown in term_differences(file.terms, ledger.terms).items()]
    if _second(file.created_at) != _second(ledger.created_at):
        found.append(Difference("created_at", moment_text(file.created_at), moment_text(ledger.created_at)))
    if file.status_at(now) != ledger.status_at(now):
        found.append(Difference("status", file.status_at(now), ledger.status_at(now)))
    return tuple(found)


def term_differences(one: Terms, other: Terms) -> dict[str, tuple[str, str]]:
    """The fields in which two differ, with both values as text."""
    pairs = {field.name: (getattr(one, field.name), getattr(other, field.name)) for field in fields(Terms)}
    return {name: (_shown(a), _shown(b)) for name, (a, b) in pairs.items() if _comparable(a) != _comparable(b)}


def _comparable(value: Any) -> Any:
    if isinstance(value, datetime):
        return _second(value)
    if isinstance(value, tuple) and all(isinstance(one, Milestone) for one in value):
        return sorted((one.title, one.due, moment_text(one.done_at) if one.done_at else "") for one in value)
    if isinstance(value, tuple):
        return {key(one) for one in value}
    return value


def _second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _shown(value: Any) -> str:
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, tuple):
        return ", ".join(_milestone(one) if isinstance(one, Milestone) else str(one) for one in value)
    return str(value)


def _milestone(one: Milestone) -> str:
    return f"{one.title} by {one.due.isoformat()}{' (done)' if one.done_at else ''}"
