"""May this digest be deployed now? Pure: all facts are in the `Case`, all reasons in the `Decision`.

Fails closed: an unknown state, a rule that cannot be judged, or no rule at all mean no.
A rule is one small function from the case to its result; a mode of the gate is a tuple of them.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

DEFAULT_NEEDED = 1
"""Approvals that a digest needs where no policy says otherwise."""


@dataclass(frozen=True)
class Yes:
    """One approval that has not ended, and why it does not count, if so."""

    by: str
    at: datetime
    flaw: str = ""


@dataclass(frozen=True)
class Case:
    """What the gate judges: one digest at one moment."""

    state: str
    at: datetime
    approvals: tuple[Yes, ...] = ()
    needed: int = DEFAULT_NEEDED
    known_good_at: datetime | None = None
    note: str = ""
    failed_at: datetime | None = None

    def counted(self) -> tuple[Yes, ...]:
        return tuple(yes for yes in self.approvals if not yes.flaw and yes.at <= self.at)


@dataclass(frozen=True)
class RuleResult:
    """A rule as a sentence, whether it passes, why, and what would clear it. `warns`: passes, but look at it."""

    rule: str
    passes: bool
    why: str
    to_clear: str = ""
    warns: bool = False


@dataclass(frozen=True)
class Decision:
    """The gate's answer. `sentence` stands alone; `rules` holds every reason."""

    allowed: bool
    sentence: str
    rules: tuple[RuleResult, ...]
    at: datetime

    @property
    def warnings(self) -> tuple[RuleResult, ...]:
        return tuple(result for result in self.rules if result.passes and result.warns)

    @property
    def refusals(self) -> tuple[RuleResult, ...]:
        return tuple(result for result in self.rules if not result.passes)

    def as_data(self) -> dict[str, Any]:
        """For the record: plain JSON."""
        rules = [asdict(result) for result in self.rules]
        return {"allowed": self.allowed, "sentence": self.sentence, "at": _exact(self.at), "rules": rules}


Rule = Callable[[Case], RuleResult]


def state_allows_it(case: Case) -> RuleResult:
    rule = "The ledger says that it may run"
    if case.state in {"approved", "known-good"}:
        return RuleResult(rule, True, "It is known good." if case.state == "known-good" else "It is approved.")
    why, to_clear = {
        "candidate": ("It is a candidate: nobody's approval is in force.", "A release manager approves it."),
        "deprecated": (f"It is deprecated{_because(case.note)}", "Offer it again and have it approved, or choose another."),
        "revoked": (f"It is revoked{_because(case.note)}", "Nothing. Choose another digest."),
    }.get(case.state, (f"Its state “{case.state}” is not one that is known.", "Choose another digest."))
    return RuleResult(rule, False, why, to_clear)


def enough_approvals(case: Case) -> RuleResult:
    rule = f"At least {_approvals(case.needed)} by somebody who did not register it"
    counted = case.counted()
    flaws = [f"That of {yes.by} does not count: {yes.flaw}." for yes in case.approvals if yes.flaw]
    if case.needed < 1:
        return RuleResult(rule, False, "The number of approvals it takes is not set.", "Set at least one approval.")
    if len(counted) >= case.needed:
        return RuleResult(rule, True, f"Approved by {_listed([yes.by for yes in counted])}.")
    why = f"It has {len(counted) or 'no'} valid of {case.needed}." if case.needed > 1 else "No approval is in force."
    if case.state in {"deprecated", "revoked"}:
        return RuleResult(rule, False, " ".join([why, *flaws]), "First its state has to allow it; see above.")
    missing = case.needed - len(counted)
    who = "A release manager who did not register it approves" if missing == 1 else f"{missing} release managers approve"
    return RuleResult(rule, False, " ".join([why, *flaws]), f"{who} it.")


def no_failure_since_it_was_good(case: Case) -> RuleResult:
    """Never a no: a port taken on one host says little about the image."""
    rule = "No job with it was undone" + (" since it was known good" if case.known_good_at else "")
    failed = case.failed_at
    if failed is None or failed > case.at or (case.known_good_at and failed <= case.known_good_at):
        return RuleResult(rule, True, "None was.")
    note = "" if case.state in {"deprecated", "revoked"} else case.note
    return RuleResult(rule, True, f"A job with it was undone at {_shown(failed)}{_because(note)}", warns=True)


def was_known_good(case: Case) -> RuleResult:
    rule = "It has run healthy before"
    if case.known_good_at and case.known_good_at <= case.at:
        return RuleResult(rule, True, "It has been known good.")
    return RuleResult(rule, False, "It has never been known good.", "Upgrade to it instead, once it is approved.")


def is_not_revoked(case: Case) -> RuleResult:
    rule = "It is not revoked"
    known = {"candidate", "approved", "known-good", "deprecated"}
    if case.state in known:
        return RuleResult(rule, True, "It is not.")
    why = f"It is revoked{_because(case.note)}" if case.state == "revoked" else f"Its state “{case.state}” is not known."
    return RuleResult(rule, False, why, "Nothing. Choose another digest.")


def warned_of(rule: Rule) -> Rule:
    """The same rule, but its no is a warning only."""

    def lenient(case: Case) -> RuleResult:
        result = rule(case)
        return result if result.passes else RuleResult(result.rule, True, result.why, result.to_clear, warns=True)

    lenient.__name__ = rule.__name__
    return lenient


TO_DEPLOY: tuple[Rule, ...] = (state_allows_it, enough_approvals, no_failure_since_it_was_good)
TO_ROLL_BACK: tuple[Rule, ...] = (is_not_revoked, was_known_good, *(warned_of(rule) for rule in TO_DEPLOY))


def decide(case: Case, rules: tuple[Rule, ...] = TO_DEPLOY) -> Decision:
    """Every rule is judged, also after a no, so that all that has to be cleared is known at once."""
    results = tuple(_judged(rule, case) for rule in rules)
    allowed = bool(results) and all(result.passes for result in results)
    return Decision(allowed, _sentence(results), results, case.at)


def _judged(rule: Rule, case: Case) -> RuleResult:
    try:
        return rule(case)
    except Exception as error:  # noqa: BLE001 - whatever it is: what cannot be judged is a no
        name = getattr(rule, "__name__", "rule").replace("_", " ")
        return RuleResult(f"“{name}” can be judged", False, f"It cannot: {type(error).__name__}.", "Tell an administrator.")


def _sentence(results: tuple[RuleResult, ...]) -> str:
    if not results:
        return "Must not be deployed: there is no rule to judge it by."
    refusals = [result.why for result in results if not result.passes]
    if refusals:
        return "Must not be deployed. " + " ".join(refusals)
    warnings = [result.why for result in results if result.warns]
    return "May be deployed, but: " + " ".join(warnings) if warnings else "May be deployed."


def _approvals(number: int) -> str:
    return "one approval" if number == 1 else f"{number} approvals"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _because(note: str) -> str:
    return f": {note if note.endswith(('.', '…')) else note + '.'}" if note else "."


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _exact(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
