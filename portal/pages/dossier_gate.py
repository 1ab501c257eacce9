"""What the gate says of one digest: in each environment, and in each place where it runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from chatbot_service.asking import question
from chatbot_service.models import Service
from deploy_records import gate_facts
from deploy_records.gate_facts import Question
from deploy_records.models import ImageDigest
from deploy_records.rules import gate
from deploy_records.rules.case import Case, Decision, RuleResult
from deploy_records.rules.policy import ENVIRONMENTS
from portal.pages.places import Place

MOST_PLACES = 20


@dataclass(frozen=True)
class Gate:
    """`current`: this environment is the one looked at."""

    environment: str
    case: Case
    decision: Decision
    current: bool

    @property
    def tone(self) -> str:
        if not self.decision.allowed:
            return "stop"
        if self.decision.warnings:
            return "warn"
        return "excused" if self.decision.exceptions else "ok"

    @property
    def word(self) -> str:
        return "passes" if self.decision.allowed else "refuses"

    @property
    def words(self) -> str:
        refused, asked = len(self.decision.refusals), len(self.decision.rules)
        return f"Refuses: {refused} of {asked} rules" if refused else f"Passes {asked} of {asked} rules"

    @property
    def rules(self) -> Sequence["Shown"]:
        """What refuses comes first, then what warns."""
        found = sorted(self.decision.rules, key=lambda one: (one.passes, not one.warns))
        return [Shown(one, self._tone_of(one)) for one in found]

    def _tone_of(self, rule: RuleResult) -> str:
        if not rule.passes:
            return "stop"
        if rule.warns:
            return "warn"
        return "excused" if rule.key == "findings" and self.decision.exceptions else "ok"

    @property
    def anything_to_clear(self) -> bool:
        return any(rule.to_clear for rule in self.decision.rules)


@dataclass(frozen=True)
class Shown:
    """A rule in the table."""

    rule: RuleResult
    tone: str

    @property
    def word(self) -> str:
        return {"stop": "Refuses", "warn": "Warns"}.get(self.tone, "Passes")


@dataclass(frozen=True)
class There:
    """Where it runs, if the gate answers otherwise there than in the environment at large."""

    place: str
    service: int
    environment: str
    decision: Decision


@dataclass(frozen=True)
class Gates:
    all: Sequence[Gate]
    there: Sequence[There]

    @property
    def current(self) -> Gate:
        return next(one for one in self.all if one.current)

    @property
    def others(self) -> Sequence[Gate]:
        """Environments in which the answer is another one than in the one looked at."""
        return [one for one in self.all if one.decision.allowed != self.current.decision.allowed]

    @property
    def cases(self) -> list[Case]:
        return [one.case for one in self.all]


def read(entry: ImageDigest, runs: Sequence[Place], environment: str = ENVIRONMENTS[0]) -> Gates:
    """Everything is asked in one go."""
    numbers = [place.service for place in runs[:MOST_PLACES] if place.service]
    services = list(Service.objects.filter(pk__in=numbers).select_related("host")) if numbers else []
    questions = [*(Question(entry, name) for name in ENVIRONMENTS), *(question(one, entry) for one in services)]
    cases = gate_facts.cases(questions, timezone.now())
    gates = [
        Gate(case.environment, case, gate.decide(case), case.environment == environment) for case in cases[: len(ENVIRONMENTS)]
    ]
    at_large = {one.environment: one.decision.allowed for one in gates}
    there = [
        There(str(service), service.pk, service.environment, decision)
        for service, case in zip(services, cases[len(ENVIRONMENTS) :], strict=True)
        if (decision := gate.decide(case)).allowed != at_large.get(service.environment)
    ]
    return Gates(gates, there)
