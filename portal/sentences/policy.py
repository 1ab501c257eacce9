"""What does a policy ask for, and how does it differ from another one?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from deploy_records.policies import InForce, Version
from deploy_records.rules.policy import DEFAULT, EXCUSABLE, KIND_WORDS, KINDS, MOST_DAYS, RANKED, Policy
from deploy_records.scanners.report import ReportKind, Severity
from portal.sentences.parts import Answer, claim, listed, said, some, strong
from portal.templatetags.moments import ago

_RULES = "#rules"

WHAT = {
    "blocks": "Findings that block",
    "unfixed_block": "Vulnerabilities without a fix",
    "claims_count": "What a report calls harmless",
    "reports": "Reports that are needed",
    "approvals": "Approvals",
    "comment_required": "Comment of an approval",
    "minimum_age_hours": "Time in the ledger before it may run",
    "no_worse": "Against what runs",
    "exception_days": "Longest exception",
    "trusts_git": "Approved in a poam.yaml",
}
"""The rules by the names of their fields."""


def answer(held: InForce) -> Answer:
    """What a digest needs in this environment."""
    policy = held.policy
    if policy is None:
        refuses = strong(claim("the gate refuses everything there", _RULES))
        words = said("The policy of ", held.environment, " cannot be read, so ", refuses, ".")
        return Answer("stop", words, said("Save it anew, or tell an administrator."))
    return Answer("info", said("In ", held.environment, " a digest may run with ", listed(_needs(policy)), "."), _since(held))


def _needs(policy: Policy) -> list[SafeString]:
    comment = " with a comment" if policy.comment_required and policy.approvals == 1 else ""
    comment = ", each with a comment" if policy.comment_required and policy.approvals > 1 else comment
    asked = [claim(f"{some(policy.approvals, 'approval', 'approvals')}{comment}", _RULES)]
    asked += [claim(f"{_a(kind)} at most {days(policy.reports[kind])} old", _RULES) for kind in KINDS if kind in policy.reports]
    named = [str(one) for one in RANKED if one in policy.blocks] or ["Unknown"]
    asked.append(claim(f"no {' or '.join([', '.join(named[:-1]), named[-1]] if named[1:] else named)} finding that "
                       "nothing excuses", _RULES))  # fmt: skip
    return asked


def _since(held: InForce) -> SafeString:
    if not held.version:
        return said("This is the default, version 0: nobody has set another. ", _ASKED)
    return said(f"Version {held.version}, set ", ago(held.since), f" by {held.by}: “{held.reason}” ", _ASKED)


_ASKED = "The gate is asked at approval and again at deployment."


@dataclass(frozen=True)
class Change:
    """One rule, before and after. `direction`: stricter, looser, or both, where it is now the one and now the other."""

    what: str
    before: str
    after: str
    direction: str


def changes(new: Policy, old: Policy) -> list[Change]:
    """The rules in which they differ, in the order of the sentences."""
    differ = new.changes_from(old)
    stricter = {one.field for one in new.stricter_than(old)}
    looser = {one.field for one in old.stricter_than(new)}
    return [
        Change(WHAT[name], _SAID[name](differ[name][0]), _SAID[name](differ[name][1]), _direction(name, stricter, looser))
        for name in WHAT
        if name in differ
    ]


def _direction(name: str, stricter: set[str], looser: set[str]) -> str:
    if name in stricter and name in looser:
        return "partly stricter, partly looser"
    return "stricter" if name in stricter else "looser"


@dataclass(frozen=True)
class ShownVersion:
    version: Version
    changes: Sequence[Change]


def versions(known: Sequence[Version]) -> list[ShownVersion]:
    """Newest first, each with how it differs from the one before."""
    pairs = zip(known, [*known[1:], None], strict=True)
    return [ShownVersion(one, _against(one, before)) for one, before in pairs]


def _against(one: Version, before: Version | None) -> list[Change]:
    return changes(one.held.policy or DEFAULT, before.held.policy or DEFAULT) if before else []


@dataclass(frozen=True)
class Effects:
    """What other rules would do, in numbers: to services that run, to digests that may run and do not, to approvals.
    `runs` and `others`: how many of these were looked at; `left_out`: how many were not.
    """

    services_blocked: int
    services_freed: int
    others_blocked: int
    others_freed: int
    reviews: int
    runs: int
    others: int
    left_out: int


def effects_answer(seen: Effects, number: int) -> Answer:
    """`number`: of the version that would be saved."""
    clauses = [*_blocked(seen), *_freed(seen), *_reviewed(seen)]
    if not clauses:
        words = said(f"Version {number} would change the answer for nothing that runs or may run.")
        return Answer("info", words, _looked_at(seen))
    tone = "warn" if seen.services_blocked or seen.others_blocked or seen.reviews else "info"
    return Answer(tone, said(f"Version {number} would ", listed(clauses, ", and " if len(clauses) > 1 else " and "), "."),
                  _looked_at(seen))  # fmt: skip


def _blocked(seen: Effects) -> list[SafeString]:
    parts = _services_and_others(seen.services_blocked, seen.others_blocked)
    return [said("block ", strong(claim(parts, "#blocked")))] if parts else []


def _freed(seen: Effects) -> list[SafeString]:
    parts = _services_and_others(seen.services_freed, seen.others_freed)
    return [said("let in ", strong(claim(parts, "#freed")))] if parts else []


def _services_and_others(services: int, others: int) -> SafeString:
    parts = [f"{some(services, 'service that runs', 'services that run')}"] if services else []
    parts += [some(others, "digest that is approved", "digests that are approved")] if others else []
    return listed(parts)


def _reviewed(seen: Effects) -> list[SafeString]:
    if not seen.reviews:
        return []
    given = some(seen.reviews, "approval", "approvals")
    return [said("have ", strong(claim(given, "#reviews")), " looked at again")]


def _looked_at(seen: Effects) -> SafeString:
    asked = f"{some(seen.runs, 'service that runs', 'services that run')} and "
    asked += some(seen.others, "other digest that may run", "other digests that may run")
    left_out = f"; the {seen.left_out:,} oldest were left out" if seen.left_out else ""
    return said(f"Nothing is saved yet. The gate was asked by both policies about {asked}{left_out}.")


def days(number: int) -> str:
    return some_plain(number, "day")


def some_plain(number: int, unit: str) -> str:
    return f"1 {unit}" if number == 1 else f"{number:,} {unit}s"


def _a(kind: ReportKind) -> str:
    name = KIND_WORDS[kind]
    return f"{'an' if name[0] in 'aeiouS' else 'a'} {name}"


def _blocks(names: Sequence[str]) -> str:
    return f"{listed(names)}" if names else "none of a known severity"


def _reports(asked: Mapping[str, int]) -> str:
    return ", ".join(f"{KIND_WORDS[ReportKind(kind)]} of at most {days(most)}" for kind, most in asked.items()) or "none"


def _longest(most: Mapping[str, int]) -> str:
    by_days: dict[int, list[str]] = {}
    for one in EXCUSABLE:
        by_days.setdefault(most.get(str(one), MOST_DAYS), []).append(str(one))
    return ", ".join(f"{days(number)} for {listed(names)}" for number, names in sorted(by_days.items()))


_SAID: Mapping[str, Any] = {
    "blocks": _blocks,
    "unfixed_block": lambda yes: "block as well" if yes else "do not block until a fix exists",
    "claims_count": lambda yes: "does not block" if yes else "blocks all the same",
    "reports": _reports,
    "approvals": str,
    "comment_required": lambda yes: "required" if yes else "may be empty",
    "minimum_age_hours": lambda hours: some_plain(hours, "hour") if hours else "none",
    "no_worse": lambda yes: "no finding that blocks may be new" if yes else "not compared",
    "exception_days": _longest,
    "trusts_git": lambda yes: "counts as approved" if yes else "has still to be approved here",
}


def severities_down_to(weakest: Severity) -> str:
    """`Critical and High`."""
    names = [str(one) for one in RANKED[: RANKED.index(weakest) + 1]]
    return f"{listed(names)}"
