"""Which findings block under a policy, and which of these an exception excuses. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from deploy_records.rules.component import Place
from deploy_records.rules.exceptions import Excuses, Here, Moment, Named, judge_named, key
from deploy_records.rules.merging import Merged
from deploy_records.rules.policy import Policy
from deploy_records.scanners.identity import package_key
from deploy_records.scanners.report import FindingKind, Severity


@dataclass(frozen=True)
class Fact:
    """One finding of one report, as far as the gate judges it. `claimed`: what the report says to call it harmless.

    The same one may stand for what is in many images, so what follows from it is worked out once.
    """

    names: tuple[str, ...]
    severity: Severity
    purl: str = ""
    package: str = ""
    version: str = ""
    fixed: str = ""
    kind: FindingKind = FindingKind.VULNERABILITY
    fingerprint: str = ""
    claimed: str = ""
    tool: str = ""

    @classmethod
    def of(cls, found: Merged) -> "Fact":
        return cls(
            found.names, found.severity, found.purl, found.package, found.version, found.fixed_version, found.kind,
            found.fingerprint, str(found.state) if found.is_claimed_harmless else "", ", ".join(found.tools),
        )  # fmt: skip

    @property
    def name(self) -> str:
        return self.names[0] if self.names else "a finding without a name"

    @property
    def same(self) -> str:
        """By which two tools' words for one thing are told to be the same."""
        return self.fingerprint or "\x1f".join((*self.names, self.purl, self.package, self.version))

    @cached_property
    def order(self) -> tuple[int, str, str]:
        """Sorts worst first."""
        return -self.severity.weight, self.name, self.package

    @cached_property
    def marks(self) -> tuple[str, ...]:
        """By which it is known again in another report: what has one of these is the same."""
        return self._marks(self.version)

    @property
    def marks_in_any_version(self) -> tuple[str, ...]:
        """The same in another image."""
        return self._marks("")

    def _marks(self, version: str) -> tuple[str, ...]:
        if self.kind is not FindingKind.VULNERABILITY:
            return (self.same,)
        where = f"{package_key(self.purl, self.package)} {version}".rstrip()
        return tuple(f"{key(name)} in {where}" for name in self.names)

    def __str__(self) -> str:
        where = f" in {self.package} {self.version}".rstrip() if self.package else ""
        return f"{self.name}{where} ({self.severity})"


@dataclass(frozen=True, slots=True)
class Judged:
    """A finding that would block. `excused_by` and `until`: by which exception; else `why_not`, a sentence each."""

    fact: Fact
    excused_by: str = ""
    until: datetime | None = None
    why_not: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        return not self.excused_by

    def __str__(self) -> str:
        if self.excused_by:
            return f"{self.fact}: excused by {self.excused_by}"
        return f"{self.fact}: {self.why_not[0]}" if self.why_not else f"{self.fact}: no exception names it."


def would_block(fact: Fact, policy: Policy) -> bool:
    """Whether it blocks where no exception excuses it. An unknown severity does, whatever else the policy says."""
    if fact.severity is Severity.UNKNOWN:
        return True
    if fact.severity not in policy.blocks or (fact.claimed and policy.claims_count):
        return False
    # Only of vulnerabilities it is known whether a fix exists; a secret or a fault in the code is for its owner to fix.
    return policy.unfixed_block or fact.kind is not FindingKind.VULNERABILITY or bool(fact.fixed)


@dataclass(frozen=True, slots=True)
class Blocking:
    """A finding that blocks where nothing excuses it, and the exceptions that name it. Nothing of it depends on the clock."""

    fact: Fact
    named: tuple[Named, ...] = ()


def blocking(facts: Iterable[Fact], policy: Policy, excuses: Excuses, place: Place) -> tuple[Blocking, ...]:
    here = Here(excuses, place)
    return tuple([Blocking(fact, here.named(fact)) for fact in facts if would_block(fact, policy)])


def judged(ones: Iterable[Blocking], moment: Moment) -> tuple[Judged, ...]:
    """First what does block, then what is excused; worst first. What several tools found is there once, and blocks if it
    does by the words of any of them.
    """
    found: dict[str, Judged] = {}
    for each in ones:
        one, same = _judged(each, moment), each.fact.same
        found[same] = _worse(found[same], one) if same in found else one
    return tuple(sorted(found.values(), key=_worst_first))


def _judged(one: Blocking, moment: Moment) -> Judged:
    verdict = judge_named(one.named, moment)
    return Judged(one.fact, verdict.excused_by, verdict.until, verdict.why_not)


def _worse(one: Judged, other: Judged) -> Judged:
    """Of two tools' words on the same thing; the tools of both are named."""
    worst = min(one, other, key=_worst_first)
    tools = ", ".join(dict.fromkeys(name for name in (*one.fact.tool.split(", "), other.fact.tool) if name))
    return replace(worst, fact=replace(worst.fact, tool=tools))


def _worst_first(one: Judged) -> tuple[bool, tuple[int, str, str]]:
    return not one.blocks, one.fact.order
