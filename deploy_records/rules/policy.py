"""What the gate asks for in one environment. Pure.

A policy is a value: versions of it are kept in `models.GatePolicy`, none is ever changed, and the one that holds where
nobody has set another is `DEFAULT`, version 0.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from deploy_records.errors import Invalid
from deploy_records.rules.exceptions import LONGEST, Limits
from deploy_records.rules.policy_fields import Fields
from deploy_records.scanners.report import ReportKind, Severity

ENVIRONMENTS = ("production", "staging", "development")
RANKED = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO)
"""Worst first. Unknown is not among them: it always blocks, and is excused as Critical."""
EXCUSABLE = RANKED[:-1]
KINDS = (ReportKind.IMAGE, ReportKind.DEPENDENCIES, ReportKind.SAST, ReportKind.SBOM)
KIND_WORDS = {
    ReportKind.IMAGE: "image scan",
    ReportKind.DEPENDENCIES: "dependency scan",
    ReportKind.SAST: "source code scan",
    ReportKind.SBOM: "SBOM",
}
MOST_DAYS = LONGEST.days
MOST_APPROVALS = 9
MOST_HOURS = 24 * 365


@dataclass(frozen=True)
class Policy:
    """`blocks`: severities a finding of which blocks; with one of them, all worse ones. `reports`: the kinds that are
    needed, and how many days old each may be. `exception_days`: how long an exception may last, by excused severity.
    """

    blocks: frozenset[Severity] = frozenset({Severity.CRITICAL, Severity.HIGH})
    unfixed_block: bool = True
    claims_count: bool = False
    """Whether what a report itself calls harmless (suppressed, not affected) does not block."""
    reports: Mapping[ReportKind, int] = field(default_factory=lambda: {ReportKind.IMAGE: 30})
    approvals: int = 1
    comment_required: bool = False
    minimum_age_hours: int = 0
    no_worse: bool = False
    exception_days: Mapping[Severity, int] = field(default_factory=lambda: {Severity.CRITICAL: 30, Severity.HIGH: 30})
    trusts_git: bool = False
    """Whether what is approved in a repository's poam.yaml counts as approved here."""

    @classmethod
    def from_data(cls, data: Any) -> "Policy":
        """From `as_data` or a form; what is left out is as in `DEFAULT`. `Invalid` names every field that is wrong."""
        fields = Fields(data)
        usual = cls()
        made = cls(
            blocks=fields.severities("blocks", RANKED, usual.blocks),
            unfixed_block=fields.yes_or_no("unfixed_block", usual.unfixed_block),
            claims_count=fields.yes_or_no("claims_count", usual.claims_count),
            reports=fields.numbers("reports", KINDS, MOST_DAYS, usual.reports),
            approvals=fields.whole("approvals", 1, MOST_APPROVALS, usual.approvals),
            comment_required=fields.yes_or_no("comment_required", usual.comment_required),
            minimum_age_hours=fields.whole("minimum_age_hours", 0, MOST_HOURS, usual.minimum_age_hours),
            no_worse=fields.yes_or_no("no_worse", usual.no_worse),
            exception_days=fields.numbers("exception_days", EXCUSABLE, MOST_DAYS, usual.exception_days),
            trusts_git=fields.yes_or_no("trusts_git", usual.trusts_git),
        )
        fields.close()
        return made

    def as_data(self) -> dict[str, Any]:
        """Plain JSON; `from_data` makes the same policy of it."""
        return {
            "blocks": [str(one) for one in RANKED if one in self.blocks],
            "unfixed_block": self.unfixed_block,
            "claims_count": self.claims_count,
            "reports": {str(one): self.reports[one] for one in KINDS if one in self.reports},
            "approvals": self.approvals,
            "comment_required": self.comment_required,
            "minimum_age_hours": self.minimum_age_hours,
            "no_worse": self.no_worse,
            "exception_days": {str(one): self.exception_days[one] for one in EXCUSABLE if one in self.exception_days},
            "trusts_git": self.trusts_git,
        }

    @property
    def limits(self) -> Limits:
        """For `exceptions.judge` and those who approve exceptions."""
        return {severity: timedelta(days=days) for severity, days in self.exception_days.items()}

    @property
    def minimum_age(self) -> timedelta:
        return timedelta(hours=self.minimum_age_hours)

    def sentences(self) -> list[str]:
        """The rules in plain words, one each, in the order in which the gate judges them."""
        return [sentence for sentence in self._sentences() if sentence]

    def _sentences(self) -> Iterable[str]:
        yield f"{_of_approvals(self.approvals)} by people who did not register the digest{self._comment_words}."
        yield from (f"{_article(kind)} at most {_days(days)} old." for kind, days in self._asked_reports())
        yield "" if self.reports else "No report is asked for."
        yield self._blocking_words
        yield "A finding of unknown severity always blocks."
        yield self._claims_words
        yield (
            f"The digest has been in the ledger for at least {_hours(self.minimum_age_hours)}." if self.minimum_age_hours else ""
        )
        yield "No finding that blocks is new against what runs, excused or not." if self.no_worse else ""
        yield self._exception_words
        in_git = "What is approved in a repository's poam.yaml"
        yield f"{in_git} counts as approved here." if self.trusts_git else f"{in_git} has still to be approved here."

    @property
    def _comment_words(self) -> str:
        return ", each with a comment" if self.comment_required else ""

    def _asked_reports(self) -> Iterable[tuple[ReportKind, int]]:
        return ((kind, self.reports[kind]) for kind in KINDS if kind in self.reports)

    @property
    def _blocking_words(self) -> str:
        named = in_words([str(one) for one in RANKED if one in self.blocks])
        if not named:
            return "No known severity blocks."
        fixed = "whether a fix exists or not" if self.unfixed_block else "vulnerabilities only once a fix exists"
        return f"{named} findings block, {fixed}, unless an exception excuses them."

    @property
    def _claims_words(self) -> str:
        what = "What a report itself calls harmless"
        return f"{what} does not block." if self.claims_count else f"{what} blocks all the same."

    @property
    def _exception_words(self) -> str:
        by_days: dict[int, list[str]] = {}
        for one in EXCUSABLE:
            by_days.setdefault(self.exception_days.get(one, MOST_DAYS), []).append(str(one))
        parts = [f"{_days(days)} for {in_words(names)}" for days, names in sorted(by_days.items())]
        return f"An exception lasts at most {in_words(parts)}."

    def changes_from(self, other: "Policy") -> dict[str, list[Any]]:
        """{field: [there, here]} of what differs."""
        there, here = other.as_data(), self.as_data()
        return {name: [there[name], here[name]] for name in here if here[name] != there[name]}

    def stricter_than(self, other: "Policy") -> tuple["Stricter", ...]:
        """In what this one refuses more than `other`; empty when in nothing."""
        found = (rule(self, other) for rule in _STRICTER)
        return tuple(one for one in found if one.sentence)


@dataclass(frozen=True, slots=True)
class Stricter:
    """One respect in which a policy asks for more. `blocks`: it is about which findings block."""

    field: str
    sentence: str
    blocks: bool = False


def _severities(new: Policy, old: Policy) -> Stricter:
    more = [str(one) for one in RANKED if one in new.blocks - old.blocks]
    return Stricter("blocks", f"{in_words(more)} findings block now." if more else "", blocks=True)


def _unfixed(new: Policy, old: Policy) -> Stricter:
    sentence = "Vulnerabilities without a fix block now." if new.unfixed_block and not old.unfixed_block else ""
    return Stricter("unfixed_block", sentence, blocks=True)


def _claims(new: Policy, old: Policy) -> Stricter:
    sentence = "What a report itself calls harmless blocks now." if old.claims_count and not new.claims_count else ""
    return Stricter("claims_count", sentence, blocks=True)


def _reports(new: Policy, old: Policy) -> Stricter:
    def is_more(kind: ReportKind, days: int) -> bool:
        return kind not in old.reports or days < old.reports[kind]

    more = [_article(kind, days) for kind, days in new._asked_reports() if is_more(kind, days)]  # noqa: SLF001 - its own
    return Stricter("reports", f"{in_words(more)} is needed now." if more else "")


def _approvals(new: Policy, old: Policy) -> Stricter:
    return Stricter("approvals", f"{_of_approvals(new.approvals)} now." if new.approvals > old.approvals else "")


def _comment(new: Policy, old: Policy) -> Stricter:
    required = new.comment_required and not old.comment_required
    return Stricter("comment_required", "An approval needs a comment now." if required else "")


def _age(new: Policy, old: Policy) -> Stricter:
    more = new.minimum_age_hours > old.minimum_age_hours
    return Stricter("minimum_age_hours", f"A digest waits {_hours(new.minimum_age_hours)} now." if more else "")


def _no_worse(new: Policy, old: Policy) -> Stricter:
    return Stricter("no_worse", "It must not be worse than what runs now." if new.no_worse and not old.no_worse else "")


def _exceptions(new: Policy, old: Policy) -> Stricter:
    def days(policy: Policy, severity: Severity) -> int:
        return policy.exception_days.get(severity, MOST_DAYS)

    less = [f"{_days(days(new, one))} for {one}" for one in EXCUSABLE if days(new, one) < days(old, one)]
    return Stricter("exception_days", f"Exceptions last at most {in_words(less)} now." if less else "")


def _git(new: Policy, old: Policy) -> Stricter:
    less = old.trusts_git and not new.trusts_git
    return Stricter("trusts_git", "Approvals in Git no longer count." if less else "")


_STRICTER = (_severities, _unfixed, _claims, _reports, _approvals, _comment, _age, _no_worse, _exceptions, _git)


def checked_for(policy: Policy, environment: str) -> Policy:
    """The policy, or `Invalid` if it must not hold there: where people rely on it, something has to be looked at."""
    if environment not in ENVIRONMENTS:
        raise Invalid(f"There is no environment of that name. There are {in_words(list(ENVIRONMENTS))}. Nothing was changed.")
    if environment == "production" and not {ReportKind.IMAGE, ReportKind.DEPENDENCIES} & set(policy.reports):
        raise Invalid(
            "reports: production needs an image scan or a dependency scan at least; without one nobody has looked. "
            "Nothing was changed."
        )
    return policy


def in_words(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _of_approvals(number: int) -> str:
    return "One approval is needed" if number == 1 else f"{number} approvals are needed"


def _article(kind: ReportKind, days: int = 0) -> str:
    name = KIND_WORDS[kind]
    found = f"{'An' if name[0] in 'aeiouS' else 'A'} {name}"
    return f"{found} at most {_days(days)} old" if days else found


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number} days"


def _hours(number: int) -> str:
    return "1 hour" if number == 1 else f"{number} hours"


DEFAULT = Policy()
