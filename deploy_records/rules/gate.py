"""May this digest be deployed now? Pure: all facts are in the `Case`, all reasons in the `Decision`.

Fails closed: an unknown state, a rule that cannot be judged, or no rule at all mean no.
A rule is one small function from the case to its result; a mode of the gate is a tuple of them.
"""

from dataclasses import replace

from deploy_records.errors import Broken
from deploy_records.rules.blocking import Judged
from deploy_records.rules.case import Case as Case
from deploy_records.rules.case import Decision as Decision
from deploy_records.rules.case import Holding, Rule, listed, shown
from deploy_records.rules.case import ReportFact as ReportFact
from deploy_records.rules.case import RuleResult as RuleResult
from deploy_records.rules.case import Running as Running
from deploy_records.rules.case import Yes as Yes
from deploy_records.rules.evidence import EVIDENCE, is_no_worse, is_old_enough


def state_allows_it(case: Case) -> RuleResult:
    rule = "The ledger says that it may run"
    if case.state in {"approved", "known-good"}:
        good = "It is known good." if case.state == "known-good" else "It is approved."
        return RuleResult(rule, True, good, key="state")
    why, to_clear = {
        "candidate": ("It is a candidate: nobody's approval is in force.", "A release manager approves it."),
        "deprecated": (f"It is deprecated{_because(case.note)}", "Offer it again and have it approved, or choose another."),
        "revoked": (f"It is revoked{_because(case.note)}", "Nothing. Choose another digest."),
    }.get(case.state, (f"Its state “{case.state}” is not one that is known.", "Choose another digest."))
    return RuleResult(rule, False, why, to_clear, key="state")


def enough_approvals(case: Case) -> RuleResult:
    needed, counted = case.needed, case.counted()
    rule = f"At least {_approvals(needed)} by somebody who did not register it"
    flaws = [f"That of {yes.by} does not count: {yes.flaw}." for yes in case.given if yes.flaw]
    if needed < 1:
        why = "The number of approvals it takes is not set."
        return RuleResult(rule, False, why, "Set at least one approval.", key="approvals")
    if len(counted) >= needed:
        return RuleResult(rule, True, f"Approved by {listed([yes.by for yes in counted])}.", key="approvals")
    why = f"It has {len(counted) or 'no'} valid of {needed}." if needed > 1 else "No approval is in force."
    why = " ".join([why, *flaws])
    if case.state in {"deprecated", "revoked"}:
        return RuleResult(rule, False, why, "First its state has to allow it; see above.", key="approvals")
    missing = needed - len(counted)
    who = "A release manager who did not register it approves" if missing == 1 else f"{missing} release managers approve"
    return RuleResult(rule, False, why, f"{who} it{' again' if flaws and missing == 1 else ''}.", key="approvals")


def no_failure_since_it_was_good(case: Case) -> RuleResult:
    """Never a no: a port taken on one host says little about the image."""
    rule = "No job with it was undone" + (" since it was known good" if case.known_good_at else "")
    failed = case.failed_at
    if failed is None or failed > case.at or (case.known_good_at and failed <= case.known_good_at):
        return RuleResult(rule, True, "None was.", key="failure")
    note = "" if case.state in {"deprecated", "revoked"} else case.note
    return RuleResult(rule, True, f"A job with it was undone at {shown(failed)}{_because(note)}", warns=True, key="failure")


def was_known_good(case: Case) -> RuleResult:
    """Where it is asked for a service, as that: what is known good elsewhere came past the rules of another environment."""
    service = case.place.service
    rule = f"It has run healthy before{f' as {service}' if service else ''}"
    is_good = case.known_good_at is not None and case.known_good_at <= case.at
    if is_good and (case.ran_here or not service):
        return RuleResult(rule, True, f"It has been known good{' here' if service else ''}.", key="was-good")
    why = f"It has never run healthy as {service} there." if is_good else "It has never been known good."
    return RuleResult(rule, False, why, "Upgrade to it instead, once it is approved.", key="was-good")


def is_not_revoked(case: Case) -> RuleResult:
    rule = "It is not revoked"
    known = {"candidate", "approved", "known-good", "deprecated"}
    if case.state in known:
        return RuleResult(rule, True, "It is not.", key="revoked")
    why = f"It is revoked{_because(case.note)}" if case.state == "revoked" else f"Its state “{case.state}” is not known."
    return RuleResult(rule, False, why, "Nothing. Choose another digest.", key="revoked")


def warned_of(rule: Rule) -> Rule:
    """The same rule, but its no is a warning only, also where it cannot be judged."""

    def lenient(case: Case) -> RuleResult | None:
        result = _judged(rule, case)
        return result if result is None or result.passes else replace(result, passes=True, warns=True)

    lenient.__name__ = rule.__name__
    return lenient


TO_DEPLOY: tuple[Rule, ...] = (
    state_allows_it, enough_approvals, *EVIDENCE, is_old_enough, is_no_worse, no_failure_since_it_was_good,
)  # fmt: skip
TO_ROLL_BACK: tuple[Rule, ...] = (is_not_revoked, was_known_good, *(warned_of(rule) for rule in TO_DEPLOY))
TO_APPROVE: tuple[Rule, ...] = EVIDENCE
"""What an approval rests on: nothing of the ledger's states, and nothing of the place where it will run."""


def decide(case: Case, rules: tuple[Rule, ...] = TO_DEPLOY) -> Decision:
    """Every rule is judged, also after a no, so that all that has to be cleared is known at once."""
    results = tuple(result for rule in rules if (result := _judged(rule, case)) is not None)
    allowed = bool(results) and all(result.passes for result in results)
    findings = _findings(case)
    return Decision(
        allowed, _sentence(results, "approved" if rules is TO_APPROVE else "deployed"), results, case.at, case.environment,
        case.policy_version, case.reports, _relied_on(findings), findings, case.uncounted,
    )  # fmt: skip


def _judged(rule: Rule, case: Case) -> RuleResult | None:
    try:
        return rule(case)
    except Exception as error:  # noqa: BLE001 - whatever it is: what cannot be judged is a no
        name = getattr(rule, "__name__", "rule").replace("_", " ")
        why = str(error) if isinstance(error, Broken) else f"It cannot: {type(error).__name__}."
        return RuleResult(f"“{name}” can be judged", False, why, "Tell an administrator.", key="broken")


def _findings(case: Case) -> tuple[Judged, ...]:
    try:
        return case.judged
    except Exception:  # noqa: BLE001 - the rule on findings has said no for the same reason
        return ()


def _relied_on(findings: tuple[Judged, ...]) -> tuple[Holding, ...]:
    ends = {one.excused_by: one.until for one in findings if one.until is not None and one.excused_by}
    return tuple(Holding(name, until) for name, until in sorted(ends.items()))


def _sentence(results: tuple[RuleResult, ...], deed: str) -> str:
    if not results:
        return f"Must not be {deed}: there is no rule to judge it by."
    refusals = [result.why for result in results if not result.passes]
    if refusals:
        return f"Must not be {deed}. " + " ".join(refusals)
    warnings = [result.why for result in results if result.warns]
    return f"May be {deed}, but: " + " ".join(warnings) if warnings else f"May be {deed}."


def _approvals(number: int) -> str:
    return "one approval" if number == 1 else f"{number} approvals"


def _because(note: str) -> str:
    return f": {note if note.endswith(('.', '…')) else note + '.'}" if note else "."
