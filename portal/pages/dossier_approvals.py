"""The approvals of one digest: those given with what each rests on, the places still open, and those that ended."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils.dateparse import parse_datetime

from deploy_records import ledger, reviews, verdict
from deploy_records.approving import RENEWED
from deploy_records.models import Approval, ImageDigest, LedgerState, ScanReport
from deploy_records.people import holders
from deploy_records.rules.approval import Answer
from deploy_records.rules.case import Case
from portal.sentences.parts import some

_MOST_NAMES = 3
_TAKEN_OUT = frozenset(f"The digest was {state.label.lower()}." for state in (LedgerState.DEPRECATED, LedgerState.REVOKED))


@dataclass(frozen=True)
class Report:
    """A report that an approval relied on. `pk`: 0 if it is no longer there."""

    sha256: str
    tool: str
    kinds: str
    made_at: datetime | None
    pk: int


@dataclass(frozen=True)
class Version:
    """Of the policy of an environment, whose rules allowed the digest when it was approved or not."""

    environment: str
    number: int
    allowed: bool
    sentence: str


@dataclass(frozen=True)
class Rested:
    """What an approval relied on, as it was kept with it."""

    reports: Sequence[Report]
    versions: Sequence[Version]
    exceptions: Sequence[str]

    @property
    def words(self) -> str:
        """`2 reports, policy 3 and POAM-7`."""
        numbers = {one.number for one in self.versions if one.allowed}
        policies = [f"policy {number}" for number in sorted(numbers)]
        parts = [some(len(self.reports), "report", "reports"), *(policies if len(policies) == 1 else ["the policies below"]),
                 *self.exceptions]  # fmt: skip
        return f"{', '.join(parts[:-1])} and {parts[-1]}"


@dataclass(frozen=True)
class Given:
    """An approval as it was given. `flaw`: why it does not count although it has not ended; `review`: that somebody has
    to look again, and why, as a clause.
    """

    approval: Approval
    rested: Rested | None
    mine: bool
    flaw: str = ""
    review: str = ""

    @property
    def counts(self) -> bool:
        return not self.flaw and self.approval.ended_at is None

    @property
    def tone(self) -> str:
        if self.counts:
            return "ok"
        return "warn" if self.flaw else "off"

    @property
    def ended_as(self) -> str:
        because = self.approval.ended_because
        if because == RENEWED:
            return "Renewed"
        return "Void" if because in _TAKEN_OUT else "Withdrawn"


@dataclass(frozen=True)
class Approvals:
    """All places there are: those given, those still open, and those that ended."""

    given: Sequence[Given]
    ended: Sequence[Given]
    needed: int
    who_could: str
    answer: Answer

    @property
    def counted(self) -> int:
        return sum(one.counts for one in self.given)

    @property
    def open_places(self) -> range:
        return range(max(0, self.needed - self.counted))

    @property
    def words(self) -> str:
        return f"{self.counted} of {self.needed} valid"

    @property
    def mine(self) -> Given | None:
        """The viewer's own approval, if it has not ended."""
        return next((one for one in self.given if one.mine and one.approval.ended_at is None), None)

    @property
    def may_renew(self) -> bool:
        """The viewer's own approval no longer rests on what it rested on, or would count in more environments now."""
        return self.mine is not None and self.answer.code != "already-approved"


def read(entry: ImageDigest, viewer: User, cases: Sequence[Case], case: Case) -> Approvals:
    """`case`: in the environment that is looked at; `cases`: in all of them."""
    flaws = {(yes.by, yes.at): yes.flaw for yes in case.given} if case.policy else {}
    everything = list(entry.approvals.select_related("by"))
    numbers = _reports(everything)

    def given(one: Approval) -> Given:
        rested, mine = _rested(one.evidence, numbers), one.by_id == viewer.pk
        if one.ended_at is not None:
            return Given(one, rested, mine)
        flaw = flaws.get((one.by.get_username(), one.at), "")
        return Given(one, rested, mine, flaw, reviews.why_review(one, cases) if flaw else "")

    shown = [given(one) for one in everything]
    in_force = [one for one in shown if one.approval.ended_at is None]
    return Approvals(
        given=in_force,
        ended=[one for one in reversed(shown) if one.approval.ended_at is not None],
        needed=case.policy.approvals if case.policy else 1,
        who_could=_who_could(entry, in_force),
        answer=ledger.may_approve(entry, viewer, cases),
    )


def _who_could(entry: ImageDigest, in_force: Sequence[Given]) -> str:
    """Names of those who may fill an open place, a few of them; empty if there is nobody."""
    given = {one.approval.by_id for one in in_force if not one.review}
    barred = {entry.registered_by_id, entry.reinstated_by_id, *given} - {None}
    could = holders(verdict.MAY_APPROVE).filter(~Q(pk__in=barred)).order_by("username")
    names = [person.get_username() for person in could[: _MOST_NAMES + 1]]
    if len(names) > _MOST_NAMES:
        return f"{', '.join(names[:_MOST_NAMES])} or others"
    return " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _reports(approvals: Iterable[Approval]) -> Mapping[str, int]:
    """Numbers of the reports that are named, by their SHA-256."""
    named = {str(report.get("sha256", "")) for one in approvals for report in _dicts(_part(one.evidence, "reports"))}
    return dict(ScanReport.objects.filter(file__sha256__in=named).values_list("file__sha256", "pk")) if named else {}


def _rested(evidence: Any, numbers: Mapping[str, int]) -> Rested | None:
    """What was kept; None where it is not as `approving` writes it, as before approvals rested on anything."""
    environments = _part(evidence, "environments")
    if not isinstance(environments, dict) or not environments:
        return None
    return Rested(
        [_report(one, numbers) for one in _dicts(_part(evidence, "reports"))],
        [_version(str(name), part) for name, part in environments.items() if isinstance(part, dict)],
        [str(one.get("name", "")) for one in _dicts(_part(evidence, "exceptions"))],
    )


def _report(kept: Mapping[str, Any], numbers: Mapping[str, int]) -> Report:
    sha256 = str(kept.get("sha256", ""))
    kinds = kept.get("kinds")
    made = parse_datetime(str(kept.get("made_at", "")))
    return Report(
        sha256, str(kept.get("tool", "")), ", ".join(map(str, kinds)) if isinstance(kinds, list) else "", made,
        numbers.get(sha256, 0),
    )  # fmt: skip


def _version(environment: str, part: Mapping[str, Any]) -> Version:
    number, decision = part.get("policy"), part.get("decision")
    sentence = decision.get("sentence", "") if isinstance(decision, dict) else ""
    return Version(environment, number if isinstance(number, int) else 0, part.get("allowed") is True, str(sentence))


def _part(evidence: Any, name: str) -> Any:
    return evidence.get(name) if isinstance(evidence, dict) else None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
