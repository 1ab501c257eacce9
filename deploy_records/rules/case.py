"""What the gate judges and what it answers. The rules are in `gate` and `evidence`."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from deploy_records.errors import Broken
from deploy_records.rules.blocking import Blocking, Fact, Judged, blocking, judged
from deploy_records.rules.component import Place
from deploy_records.rules.exceptions import Excuses, Moment
from deploy_records.rules.policy import DEFAULT, Policy
from deploy_records.rules.review import Now, Relied, why_again
from deploy_records.scanners.report import ReportKind


@dataclass(frozen=True, slots=True)
class ReportFact:
    """One report that counts for the digest now. `made_at`: by its own word, else when it came."""

    sha256: str
    kinds: tuple[ReportKind, ...]
    tool: str
    made_at: datetime
    platform: str = ""
    is_demo: bool = False

    def as_data(self) -> dict[str, Any]:
        kinds = [str(kind) for kind in self.kinds]
        return {"sha256": self.sha256, "kinds": kinds, "tool": self.tool, "made_at": exact(self.made_at), "demo": self.is_demo}


@dataclass(frozen=True)
class Yes:
    """One approval that has not ended, and why it does not count, if so. Without `relied` it rested on nothing."""

    by: str
    at: datetime
    flaw: str = ""
    relied: Relied | None = None


@dataclass(frozen=True)
class Running:
    """What runs where the digest would be deployed. `findings`: None when no report tells."""

    digest: str
    findings: tuple[Fact, ...] | None


@dataclass(frozen=True)
class Case:
    """What the gate judges: one digest, at one place, at one moment.

    `policy` None: the one in force cannot be read. `uncounted`: findings that may block and are too many to judge one by
    one. `running`: None where nothing runs, or where no place is asked about (`place.service` is empty then).
    """

    state: str
    at: datetime
    approvals: tuple[Yes, ...] = ()
    policy: Policy | None = DEFAULT
    policy_version: int = 0
    environment: str = "production"
    registered_at: datetime | None = None
    known_good_at: datetime | None = None
    note: str = ""
    failed_at: datetime | None = None
    digest: str = ""
    reports: tuple[ReportFact, ...] = ()
    findings: tuple[Fact, ...] = ()
    uncounted: int = 0
    excuses: Excuses = field(default_factory=Excuses)
    place: Place = field(default_factory=Place)
    platform: str = ""
    running: Running | None = None
    ran_here: bool = False
    """Whether it has run healthy at the place that is asked about; read for a rollback only."""

    @property
    def asked(self) -> Policy:
        if self.policy is None:
            raise Broken(f"Version {self.policy_version} of the policy of {self.environment} cannot be read.")
        return self.policy

    @property
    def needed(self) -> int:
        return self.asked.approvals

    @cached_property
    def blocking(self) -> tuple[Blocking, ...]:
        """All findings that would block, and the exceptions that name them, whatever the moment."""
        return blocking(self.findings, self.asked, self.excuses, self.place)

    @cached_property
    def judged(self) -> tuple[Judged, ...]:
        """All findings that would block, and what excuses them at this moment."""
        return judged(self.blocking, Moment(self.at, self.asked.limits))

    def then(self, at: datetime) -> "Case":
        """The same at another moment. What does not depend on the clock is not worked out again."""
        moved = replace(self, at=at)
        if "blocking" in self.__dict__:
            moved.__dict__["blocking"] = self.blocking
        return moved

    @property
    def now(self) -> Now:
        """What an approval is held against."""
        return Now(self.at, self.environment, self.asked, self.excuses, self.judged)

    @cached_property
    def given(self) -> tuple[Yes, ...]:
        """The approvals, with why they do not count at this moment, as far as they do not."""
        if self.policy is None:
            return self.approvals
        return tuple(yes if yes.flaw else replace(yes, flaw=why_again(yes.relied, self.now)) for yes in self.approvals)

    def counted(self) -> tuple[Yes, ...]:
        return tuple(yes for yes in self.given if not yes.flaw and yes.at <= self.at)


@dataclass(frozen=True)
class RuleResult:
    """A rule as a sentence, whether it passes, why, and what would clear it. `warns`: passes, but look at it.

    `key` names the rule for pages and tests; `found`: what it found, one by one, bounded.
    """

    rule: str
    passes: bool
    why: str
    to_clear: str = ""
    warns: bool = False
    key: str = ""
    found: tuple[Judged | Fact, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """What was found, in words: written when they are asked for, as the gate is asked far more often than read."""
        return tuple(map(str, self.found))

    def as_data(self) -> dict[str, Any]:
        return {
            "rule": self.rule, "passes": self.passes, "why": self.why, "to_clear": self.to_clear, "warns": self.warns,
            "key": self.key, "lines": list(self.lines),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Holding:
    """An exception that is relied on, and the last second in which it holds."""

    name: str
    until: datetime

    def as_data(self) -> dict[str, str]:
        return {"name": self.name, "until": exact(self.until)}


@dataclass(frozen=True)
class Decision:
    """The gate's answer. `sentence` stands alone; `rules` holds every reason; `findings` all that would block, worst
    first, those that do block before those that are excused. `uncounted`: as in the case, too many to be listed.
    """

    allowed: bool
    sentence: str
    rules: tuple[RuleResult, ...]
    at: datetime
    environment: str = "production"
    policy_version: int = 0
    reports: tuple[ReportFact, ...] = ()
    exceptions: tuple[Holding, ...] = ()
    findings: tuple[Judged, ...] = ()
    uncounted: int = 0

    @property
    def warnings(self) -> tuple[RuleResult, ...]:
        return tuple(result for result in self.rules if result.passes and result.warns)

    @property
    def refusals(self) -> tuple[RuleResult, ...]:
        return tuple(result for result in self.rules if not result.passes)

    def as_data(self) -> dict[str, Any]:
        """For the record: plain JSON."""
        blocking = sum(one.blocks for one in self.findings)
        return {
            "allowed": self.allowed,
            "sentence": self.sentence,
            "at": exact(self.at),
            "environment": self.environment,
            "policy": self.policy_version,
            "reports": [one.as_data() for one in self.reports],
            "exceptions": [one.as_data() for one in self.exceptions],
            "findings": {"blocking": blocking, "excused": len(self.findings) - blocking},
            "rules": [result.as_data() for result in self.rules],
        }


Rule = Callable[[Case], RuleResult | None]
"""None: the policy does not ask for it."""


def shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def exact(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
