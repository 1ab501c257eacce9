"""What the exception says that a rollback drafts for the findings it goes past: those that block and nobody excused. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from deploy_records.errors import Invalid
from deploy_records.rules.blocking import Fact
from deploy_records.rules.case import Decision
from deploy_records.rules.exceptions import Limits, key, last_moment
from deploy_records.rules.terms import MOST_VULNERABILITIES, SEVERITIES, Terms, checked_terms, checked_vulnerability
from deploy_records.scanners.report import Severity


@dataclass(frozen=True)
class Rollback:
    """One that was asked for although the gate warned. `job`: its number; `place`: `chatbot on prod-1`."""

    job: int
    place: str
    by: str
    reason: str


@dataclass(frozen=True)
class Passed:
    """What a rollback goes past. `named`: as many of the findings as one exception can name, worst first; `unnamed`: how
    many more block, be it that they are too many or that they have no id that an exception could name.
    """

    named: tuple[Fact, ...] = ()
    unnamed: int = 0

    def __bool__(self) -> bool:
        return bool(self.named) or self.unnamed > 0

    @property
    def worst(self) -> Severity:
        """Of what it names, as an exception has to say it to cover that."""
        weight = max((one.severity.weight for one in self.named), default=Severity.CRITICAL.weight)
        return next((one for one in reversed(SEVERITIES) if one.weight >= weight), Severity.CRITICAL)


def passed(decision: Decision) -> Passed:
    blocking = [one.fact for one in decision.findings if one.blocks]
    named, ids = [], set[str]()
    for fact in blocking:
        known = key(name_of(fact))
        if known and (known in ids or len(ids) < MOST_VULNERABILITIES):
            ids.add(known)
            named.append(fact)
    return Passed(tuple(named), len(blocking) - len(named) + decision.uncounted)


def name_of(fact: Fact) -> str:
    """The first of its names that an exception can have; empty where it has none."""
    return next((name for name in map(_checked, fact.names) if name), "")


def terms(facts: Passed, image: str, rollback: Rollback, now: datetime, limits: Limits) -> Terms:
    """`image`: repository@digest. It lasts as long as the policy lets it, counted from `now`."""
    repository, _, digest = image.partition("@")
    ids = {key(name): name for name in map(name_of, facts.named)}
    return checked_terms(
        Terms(
            vulnerabilities=tuple(ids.values()), component=image, severity=facts.worst, owner=rollback.by,
            expires_at=last_moment(now, facts.worst, limits), justification=_why(facts, digest, rollback),
            repository=repository, digest=digest,
        )
    )  # fmt: skip


def _why(facts: Passed, digest: str, rollback: Rollback) -> str:
    number = len(facts.named) + facts.unnamed
    block = "a finding blocks" if number == 1 else f"{number:,} findings block"
    goes = f"it takes {rollback.place} back to {digest}, in which {block} and nobody has excused that."
    said = (
        f"Drafted by rollback job {rollback.job}, not written by a person: {goes}",
        *_left_out(facts),
        f"{rollback.by} asked for it.",
        f"The reason given: {rollback.reason}" if rollback.reason else "No reason was given.",
    )
    return f"{' '.join(said)}\n\nWhy this can be borne until it is fixed is still to be said."


def _left_out(facts: Passed) -> Sequence[str]:
    if not facts.unnamed:
        return ()
    are = "1 is" if facts.unnamed == 1 else f"{facts.unnamed:,} are"
    return (f"{are} not named here: an exception names at most {MOST_VULNERABILITIES} ids, and only such as have one.",)


def _checked(name: str) -> str:
    try:
        return checked_vulnerability(name)
    except Invalid:
        return ""
