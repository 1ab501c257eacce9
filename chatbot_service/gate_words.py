"""The gate's answer in a few words, for where there is no room for its sentences. Pure."""

from collections import Counter
from datetime import datetime

from deploy_records.rules.blocking import Judged
from deploy_records.rules.case import Decision, RuleResult, listed
from deploy_records.scanners.report import Severity

_FOLLOWS = frozenset({"state", "approvals"})
"""Rules that mostly say no because another one does: an approval counts no more once its evidence has changed."""
_TAKEN_OUT = frozenset({"deprecated", "revoked"})


def cause(decision: Decision, state: str = "") -> RuleResult | None:
    """What stands behind a no; None where there is none. `state`: the digest's own, in the ledger."""
    refusals = decision.refusals
    if state in _TAKEN_OUT:
        return next((one for one in refusals if one.key == "state"), None)
    evidence = [one for one in refusals if one.key not in _FOLLOWS]
    approvals = [one for one in refusals if one.key != "state"]
    return next(iter([*evidence, *approvals, *refusals]), None)


def why_not(decision: Decision, state: str = "") -> str:
    """`2 High, not excused`; `No approval is in force`. Without a full stop."""
    rule = cause(decision, state)
    if rule is None:
        return ""
    if rule.key == "findings":
        return f"{severities(decision)}, not excused" if _blocking(decision) else rule.why
    return (rule.why if rule.key == "state" else first_sentence(rule.why).partition(":")[0]).removesuffix(".")


def why(decision: Decision, now: datetime) -> str:
    """On what exceptions a yes rests, and for how long: `POAM-7, 4 d left`. Empty where it rests on none."""
    held = sorted(decision.exceptions, key=lambda one: one.until)
    if not held:
        return ""
    days = (held[0].until - now).days
    left = f"{days}\N{NO-BREAK SPACE}d left" if days else "ends today"
    more = f" and {len(held) - 1} more" if len(held) > 1 else ""
    return f"{held[0].name}{more}, {left}"


def severities(decision: Decision) -> str:
    """`1 Critical and 2 High` of what blocks; empty where findings are too many to be judged one by one."""
    counts = Counter(one.fact.severity for one in _blocking(decision))
    return listed([f"{counts[severity]} {severity}" for severity in Severity if severity in counts]) if counts else ""


def first_sentence(words: str) -> str:
    head, dot, _rest = words.partition(". ")
    return f"{head}." if dot else head


def _blocking(decision: Decision) -> list[Judged]:
    return [one for one in decision.findings if one.blocks]
