"""The gate at moments to come: when does a yes turn into a no, if nobody does anything? Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from deploy_records.rules.case import Case, Decision, Rule, listed
from deploy_records.rules.evidence import ends
from deploy_records.rules.exceptions import Excuse, shown
from deploy_records.rules.gate import TO_DEPLOY, decide
from deploy_records.rules.policy import KIND_WORDS, Policy

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Turn:
    """`at`: the first second of the no. `because`: what happens then, as a clause; `decision`: the answer at `at`."""

    at: datetime
    because: str
    decision: Decision

    @property
    def last_good(self) -> datetime:
        """The last second of the yes."""
        return self.at - _SECOND

    @property
    def sentence(self) -> str:
        return f"Falls out of compliance after {shown(self.last_good)}, because {self.because}."


def turns(case: Case, until: datetime, rules: tuple[Rule, ...] = TO_DEPLOY) -> tuple[Turn, ...]:
    """Every turn from yes to no from the moment of the case on, oldest first."""
    found: list[Turn] = []
    allowed = decide(case, rules).allowed
    for at, because in _moments(case, until):
        decision = decide(replace(case, at=at), rules)
        if allowed and not decision.allowed:
            found.append(Turn(at, because, decision))
        allowed = decision.allowed
    return tuple(found)


def _moments(case: Case, until: datetime) -> Iterator[tuple[datetime, str]]:
    """When the answer may change, and by what; nothing of the case depends on the clock in between."""
    known = sorted({one for one in _all(case) if case.at < one[0] <= until})
    for at, together in groupby(known, key=lambda one: one[0]):
        yield at, listed([because for _at, because in together])


def _all(case: Case) -> Iterator[tuple[datetime, str]]:
    if case.policy is not None:
        yield from _of_reports(case, case.policy)
        yield from _of_exceptions(case)
        if case.registered_at:
            yield case.registered_at + case.policy.minimum_age, "it has been in the ledger for long enough"


def _of_reports(case: Case, policy: Policy) -> Iterator[tuple[datetime, str]]:
    for kind, days in policy.reports.items():
        for report in case.reports:
            if kind in report.kinds:
                yield _after(ends(report, timedelta(days=days))), f"its {KIND_WORDS[kind]} is too old then"


def _of_exceptions(case: Case) -> Iterator[tuple[datetime, str]]:
    for excuse in _that_count(case):
        for grant in excuse.grants:
            yield grant.since, f"{excuse.name} begins"
            yield _after(grant.until), f"{excuse.name} ends"
        if excuse.ended_at:
            yield excuse.ended_at, f"{excuse.name} ends"


def _that_count(case: Case) -> Iterable[Excuse]:
    """Exceptions that name a finding, or on which an approval relies."""
    relied = {name for yes in case.approvals if yes.relied for name in yes.relied.exceptions}
    naming = {excuse for fact in case.findings for excuse in case.excuses.naming(fact)}
    return naming | {excuse for excuse in case.excuses.all() if excuse.name in relied}


def _after(moment: datetime) -> datetime:
    return moment.replace(microsecond=0) + _SECOND
