"""The gate at moments to come: when does a yes turn into a no, if nobody does anything? Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
    for at, events in _moments(case, until):
        if not allowed and not any(one.may_clear for one in events):
            continue
        decision = decide(case.then(at), rules)
        if allowed and not decision.allowed:
            found.append(Turn(at, listed([one.what for one in events]), decision))
        allowed = decision.allowed
    return tuple(found)


@dataclass(frozen=True, slots=True, order=True)
class _Event:
    """`may_clear`: a no may become a yes by it; by all others a yes may become a no."""

    at: datetime
    what: str
    may_clear: bool = False


def _moments(case: Case, until: datetime) -> Iterator[tuple[datetime, list[_Event]]]:
    """When the answer may change, and by what; nothing of the case depends on the clock in between."""
    known = sorted({one for one in _all(case) if case.at < one.at <= until})
    for at, together in groupby(known, key=lambda one: one.at):
        yield at, list(together)


def _all(case: Case) -> Iterator[_Event]:
    if case.policy is not None:
        yield from _of_reports(case, case.policy)
        yield from _of_exceptions(case)
        if case.registered_at:
            since = case.registered_at + case.policy.minimum_age
            yield _Event(since, "it has been in the ledger for long enough", may_clear=True)


def _of_reports(case: Case, policy: Policy) -> Iterator[_Event]:
    for kind, days in policy.reports.items():
        for report in case.reports:
            if kind in report.kinds:
                yield _Event(_after(ends(report, timedelta(days=days))), f"its {KIND_WORDS[kind]} is too old then")


def _of_exceptions(case: Case) -> Iterator[_Event]:
    for excuse in _that_count(case):
        for grant in excuse.grants:
            yield _Event(grant.since, f"{excuse.name} begins", may_clear=True)
            yield _Event(_after(grant.until), f"{excuse.name} ends")
        if excuse.ended_at:
            yield _Event(excuse.ended_at, f"{excuse.name} ends")


def _that_count(case: Case) -> Iterable[Excuse]:
    """Exceptions that name a finding which would block, or on which an approval relies."""
    relied = {name for yes in case.approvals if yes.relied for name in yes.relied.exceptions}
    naming = {id(one.excuse): one.excuse for each in case.blocking for one in each.named}
    return [*naming.values(), *(excuse for excuse in case.excuses.all() if excuse.name in relied)]


def _after(moment: datetime) -> datetime:
    return moment.replace(microsecond=0) + _SECOND
