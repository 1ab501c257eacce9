"""May this digest run, here and now, and until when? Gathers what the record knows and asks the gate's rules."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.utils import timezone

from deploy_records import gate_facts, gate_past
from deploy_records.gate_facts import MAY_APPROVE as MAY_APPROVE
from deploy_records.gate_facts import Question as Question
from deploy_records.models import ImageDigest
from deploy_records.rules import gate, replay
from deploy_records.rules.case import Case, Decision, RuleResult, shown
from deploy_records.rules.policy import ENVIRONMENTS
from deploy_records.rules.replay import Turn as Turn

AHEAD = timedelta(days=90)
"""How far the clock is run ahead where nobody says otherwise."""


def ask(
    entry: ImageDigest, *, rolling_back: bool = False, at: datetime | None = None, environment: str = "production",
    service: str = "", host: str = "", platform: str = "",
) -> Decision:  # fmt: skip
    """The gate's answer for one digest. Rolling back to what was known good is warned of, never stopped.

    `at` to come replays the clock: exceptions end, and reports grow too old; for a moment that is past see `ask_then`.
    `service` and `host`: where it would run, by their names; `platform`: os/architecture of that host.
    """
    question = Question(entry, environment, service, host, platform)
    return ask_each([question], rolling_back=rolling_back, at=at)[0]


def ask_all(
    entries: Iterable[ImageDigest], *, rolling_back: bool = False, at: datetime | None = None,
    environment: str = "production", service: str = "", host: str = "", platform: str = "",
) -> dict[int, Decision]:  # fmt: skip
    """The same for many digests at one place, by primary key."""
    questions = [Question(entry, environment, service, host, platform) for entry in entries]
    answers = ask_each(questions, rolling_back=rolling_back, at=at)
    return {question.entry.pk: answer for question, answer in zip(questions, answers, strict=True)}


def ask_each(
    questions: Sequence[Question], *, rolling_back: bool = False, at: datetime | None = None
) -> list[Decision]:  # fmt: skip
    """One answer for each question, in their order, in a number of queries that does not grow with them."""
    cases = gate_facts.cases(questions, at or timezone.now())
    if not rolling_back:
        return [gate.decide(case) for case in cases]
    ran = gate_facts.ran_here(questions)
    return [gate.decide(replace(case, ran_here=here), gate.TO_ROLL_BACK) for case, here in zip(cases, ran, strict=True)]


def ask_then(question: Question, at: datetime) -> Decision:
    """What the answer would have been at a moment that is past, by what the record says of then: see `gate_past`."""
    known_since = question.entry.registered_at
    if known_since > at:
        why = f"It was not in the ledger at {shown(at)}: it was registered at {shown(known_since)}."
        result = RuleResult("The ledger knows it", False, why, "Ask for a later moment.", key="ledger")
        return Decision(False, f"Must not be deployed. {why}", (result,), at, question.environment)
    return gate.decide(gate_past.case(question, at))


def ask_everywhere(entry: ImageDigest, at: datetime | None = None) -> dict[str, Decision]:
    """Whether what an approval rests on is there, by environment: reports and findings only."""
    return {case.environment: gate.decide(case, gate.TO_APPROVE) for case in cases_everywhere(entry, at)}


def case_of(entry: ImageDigest, at: datetime | None = None, *, environment: str = "production") -> Case:
    """What the gate judges, as it is in the database now."""
    return gate_facts.cases([Question(entry, environment)], at or timezone.now())[0]


def cases_everywhere(entry: ImageDigest, at: datetime | None = None) -> list[Case]:
    return gate_facts.cases([Question(entry, name) for name in ENVIRONMENTS], at or timezone.now())


def next_changes(
    entry: ImageDigest, *, until: datetime | None = None, at: datetime | None = None, environment: str = "production",
    service: str = "", host: str = "", platform: str = "",
) -> tuple[Turn, ...]:  # fmt: skip
    """When the answer turns to no within the next 90 days if nobody does anything, and why. Nothing if it is no now."""
    return next_changes_each([Question(entry, environment, service, host, platform)], until=until, at=at)[0]


def next_changes_each(
    questions: Sequence[Question], *, until: datetime | None = None, at: datetime | None = None
) -> list[tuple[Turn, ...]]:  # fmt: skip
    """The same for each question, in their order."""
    now = at or timezone.now()
    return [replay.turns(case, until or now + AHEAD) for case in gate_facts.cases(questions, now)]
