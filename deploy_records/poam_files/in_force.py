"""Which entries a scanner's ignore file may hold: those in force, where it cannot excuse more than they do. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from deploy_records.poam_files.entry import Entry
from deploy_records.rules.component import Place, covers, is_purl
from deploy_records.rules.exceptions import DEFAULT_LIMITS, Grant, Limits, grant_at, in_scope, scope_in_words, shown


@dataclass(frozen=True, slots=True)
class InForce:
    entry: Entry
    grant: Grant

    @property
    def reason(self) -> str:
        """One line for the scanner's output."""
        said = " ".join(self.entry.terms.justification.split())
        return f"{self.entry.id}, until {shown(self.grant.until)}: {said}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """`left_out`: sentences on what is in force and yet not in the file."""

    entries: tuple[InForce, ...]
    left_out: tuple[str, ...]

    def comments(self, what: str, at: datetime) -> tuple[str, ...]:
        head = f"{what}, written by Known Good at {shown(at)}."
        bounds = "It knows neither the severity that was excused nor the gate: what counts is the ledger."
        return (head, bounds, *(f"Left out: {sentence}" for sentence in self.left_out))


def choose(
    entries: Iterable[Entry], at: datetime, place: Place, limits: Limits = DEFAULT_LIMITS, *, qualifiers: bool = True
) -> Chosen:  # fmt: skip
    """For scans of `place`. `qualifiers`: whether the file can say them, and subpaths, of a package URL."""
    kept, left_out = [], []
    for entry in entries:
        grant = grant_at(entry.excuse(), at, limits)
        if grant is None:
            continue
        reason = _why_not(entry, place, qualifiers=qualifiers)
        if reason:
            left_out.append(f"{entry.id}, {reason}")
        else:
            kept.append(InForce(entry, grant))
    return Chosen(tuple(kept), tuple(left_out))


def _why_not(entry: Entry, place: Place, *, qualifiers: bool) -> str:
    excuse = entry.excuse()
    if not in_scope(excuse, place):
        return f"which is for {scope_in_words(excuse)} only."
    if not is_purl(entry.terms.component):
        return "" if covers(entry.terms.component, "", place) else f"which is for images that fit {entry.terms.component} only."
    if not qualifiers and any(mark in entry.terms.component for mark in "?#"):
        return f"as {entry.terms.component} is narrower than this file can say."
    return ""
