"""What taking over a file would do to the ledger, entry by entry, or why it must not. Pure.

It never opens what was ended, never changes what was approved, and never approves, unless the file is trusted.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from deploy_records.poam_files.comparing import term_differences
from deploy_records.poam_files.entry import LAPSING, Entry, number_in, same_id
from deploy_records.poam_files.tree import Problem
from deploy_records.rules.exceptions import LONGEST, Limits, is_within_limit, last_moment, shown
from deploy_records.rules.terms import missing

_FROZEN = "It is approved in the ledger, where its text stays as it was decided on."
_NO_WAY_BACK = "and an ended exception is not opened again. Give it another id."
_ENDED = frozenset({"mitigated", "closed"})


class Deed(StrEnum):
    NOTHING = "nothing"
    ADD = "add"
    CHANGE = "change"
    REQUEST = "request"
    APPROVE = "approve"
    EXTEND = "extend"
    MITIGATE = "mitigate"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Known:
    """An item of the ledger. `extend_to`: the end that somebody asked for; `approved_in_git`: noted at an earlier import."""

    entry: Entry
    number: int
    extend_to: datetime | None = None
    approved_in_git: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one entry, with a sentence. `becomes` is the state of a new or changed item."""

    deed: Deed
    entry: Entry
    sentence: str
    becomes: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    steps: tuple[Step, ...]
    problems: tuple[Problem, ...]

    @property
    def changes(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.deed != Deed.NOTHING)

    @property
    def stamp(self) -> str:
        """The same for the same changes: what a person saw is what they take over."""
        told = [f"{one.deed} {one.entry.id} {one.becomes} {one.sentence}" for one in self.changes]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()


def plan(
    entries: Iterable[Entry], ledger: Iterable[Known], now: datetime, *, limits: Limits, trusted: bool = False
) -> Plan:  # fmt: skip
    """Every entry is judged, also after a problem."""
    known = tuple(ledger)
    planner = _Planner(known, now, limits, trusted=trusted)
    steps = tuple(planner.step(entry) for entry in entries)
    return Plan(steps, tuple(planner.problems))


class _Planner:
    def __init__(self, known: tuple[Known, ...], now: datetime, limits: Limits, *, trusted: bool) -> None:
        self._known: Mapping[str, Known] = {same_id(one.entry.id): one for one in known}
        self._numbers: Mapping[int, Known] = {one.number: one for one in known}
        self._now, self._limits, self._trusted = now, limits, trusted
        self.problems: list[Problem] = []

    def step(self, entry: Entry) -> Step:
        known = self._known.get(same_id(entry.id))
        if known is None:
            return self._add(entry)
        if known.entry.status in _ENDED:
            return self._stays_ended(entry, known)
        if entry.status in _ENDED:
            to_mitigate = entry.status == "mitigated" and known.entry.status != "draft"
            return Step(Deed.MITIGATE if to_mitigate else Deed.CLOSE, entry, f"It is {entry.status} in the file.")
        if known.entry.status == "approved":
            return self._approved(entry, known)
        return self._undecided(entry, known)

    def _add(self, entry: Entry) -> Step:
        number = number_in(entry.id)
        if number is not None and number in self._numbers:
            other = self._numbers[number].entry.id
            self._note(entry, f"The number {number} is that of {other} in the ledger, and none is used twice. Write {other}.")
        self._check_time(entry, entry.approved_at or entry.created_at)
        becomes = self._becomes(entry)
        return Step(Deed.ADD, entry, self._of_new(entry, becomes), becomes)

    def _becomes(self, entry: Entry) -> str:
        if entry.status == "approved":
            return "approved" if self._trusted and not missing(entry.terms) else "requested"
        return "closed" if entry.status == "expired" else entry.status

    def _of_new(self, entry: Entry, becomes: str) -> str:
        if entry.status == "approved" and becomes == "requested":
            return "It is new, and approved in the file only: requested here."
        if entry.status == "expired":
            return "It is new, and has expired already: closed here."
        return f"It is new: {becomes}."

    def _stays_ended(self, entry: Entry, known: Known) -> Step:
        if entry.status in LAPSING:
            self._note(entry, f"It is {known.entry.status} in the ledger, {_NO_WAY_BACK}")
        return Step(Deed.NOTHING, entry, f"It is {known.entry.status} in the ledger, and stays so.")

    def _approved(self, entry: Entry, known: Known) -> Step:
        """Milestones go on being marked on either side, so a file that is behind is no contradiction."""
        differing = term_differences(entry.terms, known.entry.terms)
        differing.pop("milestones", None)
        later = differing.pop("expires_at", None)
        ends, ends_here = entry.terms.expires_at, known.entry.terms.expires_at
        if differing:
            self._note(entry, f"{_FROZEN} Here it differs in {_listed(differing)}. Give it another id.")
        elif later and ends < ends_here:
            self._note(
                entry, f"It is approved until {shown(ends_here)} in the ledger. Write that, or end it: mitigated or closed."
            )
        elif later and ends != known.extend_to:
            if known.extend_to:
                self._note(entry, f"An extension until {shown(known.extend_to)} waits for a decision already.")
            self._check_time(entry, self._now)
            return Step(Deed.EXTEND, entry, f"It asks for a later end, {shown(ends)}: somebody has to approve that.")
        return Step(Deed.NOTHING, entry, "It is approved in the ledger already.")

    def _undecided(self, entry: Entry, known: Known) -> Step:
        """Draft, requested or rejected in the ledger."""
        becomes = self._becomes(entry) if entry.status in LAPSING else known.entry.status
        differing = term_differences(entry.terms, known.entry.terms)
        if differing:
            self._check_time(entry, entry.approved_at or entry.created_at)
            return Step(Deed.CHANGE, entry, f"It differs in {_listed(differing)}.", becomes)
        if known.entry.status == "rejected":
            return Step(Deed.NOTHING, entry, "It was rejected in the ledger, and nothing of it has changed since.")
        if becomes == "approved":
            self._check_time(entry, entry.approved_at or entry.created_at)
            return Step(Deed.APPROVE, entry, "It is approved in the file, which the policy trusts.", becomes)
        noted = entry.status != "approved" or known.approved_in_git
        if (known.entry.status == "draft" and becomes == "requested") or (becomes == "requested" and not noted):
            self._check_time(entry, entry.approved_at or entry.created_at)
            return Step(Deed.REQUEST, entry, "It is a request now.", becomes)
        return Step(Deed.NOTHING, entry, f"It is {known.entry.status} in the ledger already.")

    def _check_time(self, entry: Entry, since: datetime) -> None:
        """For what is to hold one day: an end to come, a beginning that has come, and not more than the policy allows."""
        if entry.status not in LAPSING:
            return
        ends, severity = entry.terms.expires_at, entry.terms.severity
        if ends <= self._now:
            self._note(entry, f"It ended on {shown(ends)}. Write the status expired, or give it a later end.")
        elif entry.created_at > self._now:
            self._note(entry, f"It was created on {shown(entry.created_at)}, which is to come.")
        elif not is_within_limit(since, ends, severity, self._limits):
            allowed = f"For {severity} the policy allows {self._limits.get(severity, LONGEST).days} days"
            latest = shown(last_moment(since, severity, self._limits))
            self._note(entry, f"{allowed}; from {shown(since)} on that is until {latest}, not {shown(ends)}.")

    def _note(self, entry: Entry, message: str) -> None:
        self.problems.append(Problem(entry.line, entry.id, message))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


def time_problems(entries: Iterable[Entry], now: datetime, limits: Limits) -> tuple[Problem, ...]:
    """What is wrong with a file today, without a ledger: the check of `poam validate`."""
    return plan(entries, (), now, limits=limits).problems
