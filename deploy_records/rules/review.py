"""Does an approval still rest on what it rested on when it was given? Pure.

An approval keeps what it relied on, for each environment. When a later report is worse, an exception that it relied on
no longer holds, or the policy has become stricter in what it blocks, somebody has to look again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deploy_records.errors import Refused
from deploy_records.rules.blocking import Fact, Judged
from deploy_records.rules.exceptions import Excuses
from deploy_records.rules.policy import Policy
from deploy_records.scanners.report import Severity

MOST_NAMED = 3
_SEVERITIES = {one.value: one for one in Severity}


@dataclass(frozen=True)
class Relied:
    """What an approval rested on in one environment. `blocking`: what would have blocked but was excused, by all its
    marks. `policy` None: it cannot be read.
    """

    allowed: bool
    policy: Policy | None
    exceptions: tuple[str, ...] = ()
    blocking: Mapping[str, Severity] = field(default_factory=dict)


@dataclass(frozen=True)
class Now:
    """What holds in that environment at the moment of the question."""

    at: datetime
    environment: str
    policy: Policy
    excuses: Excuses
    judged: tuple[Judged, ...]


def why_again(relied: Relied | None, now: Now) -> str:
    """Why it has to be looked at again, as a clause; empty if it has not."""
    if relied is None:
        return "it does not say what it rests on"
    if not relied.allowed:
        return f"the rules of {now.environment} did not allow it when it was given"
    if relied.policy is None:
        return "the policy that it rests on cannot be read"
    return _policy(relied.policy, now) or _exceptions(relied.exceptions, now) or _reports(relied.blocking, now)


def _policy(then: Policy, now: Now) -> str:
    if then == now.policy:
        return ""
    stricter = [one.sentence for one in now.policy.stricter_than(then) if one.blocks]
    return f"the policy of {now.environment} has become stricter: {' '.join(stricter)}".rstrip(".") if stricter else ""


def _exceptions(names: Iterable[str], now: Now) -> str:
    ended = [name for name in names if not now.excuses.hold(name, now.at, now.policy.limits)]
    if not ended:
        return ""
    return f"{_first(ended)}, on which it relies, no longer hold{'s' if len(ended) == 1 else ''}"


def _reports(then: Mapping[str, Severity], now: Now) -> str:
    unknown = [one for one in now.judged if _known_weight(one.fact, then) < one.fact.severity.weight]
    if not unknown:
        return ""
    what = "a finding" if len(unknown) == 1 else f"{len(unknown)} findings"
    return f"a later report has {what} that it did not know: {_first([str(one.fact) for one in unknown])}"


def _known_weight(fact: Fact, then: Mapping[str, Severity]) -> int:
    return max([then[mark].weight for mark in fact.marks if mark in then], default=0)


def _first(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def kept(*, allowed: bool, version: int, policy: Policy, judged: Iterable[Judged], decision: Mapping[str, Any]) -> dict[str, Any]:
    """One environment's part of an approval's evidence, as plain JSON. `relied` reads it."""
    known = list(judged) if allowed else []
    return {
        "allowed": allowed,
        "policy": version,
        "rules": policy.as_data(),
        "exceptions": sorted({one.excused_by for one in known if one.excused_by}),
        "blocking": {mark: str(one.fact.severity) for one in known for mark in one.fact.marks},
        "decision": dict(decision),
    }


def relied(evidence: Any, environment: str) -> Relied | None:
    """What an approval's evidence says of an environment. Whatever is not as `kept` wrote it counts as nothing."""
    try:
        part = evidence["environments"][environment]
        return Relied(
            part["allowed"] is True, _policy_in(part["rules"]), tuple(str(one) for one in part["exceptions"]),
            {str(one): _SEVERITIES[severity] for one, severity in part["blocking"].items()},
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _policy_in(data: Any) -> Policy | None:
    try:
        return Policy.from_data(data)
    except Refused:
        return None
