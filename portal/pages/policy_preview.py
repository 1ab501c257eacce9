"""What would change if another policy were in force: for what runs, for what may run, and for approvals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from chatbot_service.models import Service
from deploy_records import gate_facts, policies
from deploy_records.gate_facts import Question
from deploy_records.models import ImageDigest
from deploy_records.policies import Effect, InForce
from deploy_records.rules.case import RuleResult, Yes
from deploy_records.rules.policy import DEFAULT, Policy
from portal.sentences import policy as sentences
from portal.sentences.parts import Answer
from portal.sentences.policy import Change, Effects


@dataclass(frozen=True)
class Turned:
    """A digest for which the answer would change. `service`: the number of the service as which it runs, if it does.
    `rules`: those that would refuse it, or that refuse it now and would not.
    """

    effect: Effect
    service: int | None
    rules: Sequence[RuleResult]

    @property
    def runs(self) -> bool:
        return bool(self.effect.service)


@dataclass(frozen=True)
class Review:
    """An approval that counts now and would have to be looked at again."""

    entry: ImageDigest
    by: str
    given_at: datetime
    because: str


@dataclass(frozen=True)
class Seen:
    changes: Sequence[Change]
    rules: Sequence[str]
    blocked: Sequence[Turned]
    freed: Sequence[Turned]
    reviews: Sequence[Review]
    answer: Answer


def read(policy: Policy, held: InForce) -> Seen:
    environment, now = held.environment, timezone.now()
    services = Service.objects.filter(environment=environment).select_related("host")
    numbers = {(one.host.name, one.name): one.pk for one in services}
    found = policies.preview(policy, environment, places=numbers, at=now)
    blocked = [_turned(one, numbers, one.after.refusals, one.before.refusals) for one in found.falling_out]
    freed = [_turned(one, numbers, one.before.refusals, one.after.refusals) for one in found.coming_in]
    reviews = _reviews(policy, held, found.effects, now)
    runs = sum(bool(one.service) for one in found.effects)
    effects = Effects(
        services_blocked=sum(one.runs for one in blocked),
        services_freed=sum(one.runs for one in freed),
        others_blocked=sum(not one.runs for one in blocked),
        others_freed=sum(not one.runs for one in freed),
        reviews=len(reviews), runs=runs, others=len(found.effects) - runs, left_out=found.left_out,
    )  # fmt: skip
    return Seen(
        changes=sentences.changes(policy, held.policy or DEFAULT),
        rules=policy.sentences(),
        blocked=blocked, freed=freed, reviews=reviews,
        answer=sentences.effects_answer(effects, held.version + 1),
    )  # fmt: skip


def _turned(
    effect: Effect, numbers: Mapping[tuple[str, str], int], refusing: Iterable[RuleResult], otherwise: Iterable[RuleResult]
) -> Turned:  # fmt: skip
    others = {one.key for one in otherwise}
    return Turned(effect, numbers.get((effect.host, effect.service)), [one for one in refusing if one.key not in others])


def _reviews(policy: Policy, held: InForce, effects: Iterable[Effect], now: datetime) -> list[Review]:
    """Only a policy that asks for more can make anybody look again."""
    if held.policy is None or not policy.stricter_than(held.policy):
        return []
    entries = {one.entry.pk: one.entry for one in effects}
    questions = [Question(entry, held.environment) for entry in entries.values()]
    tried = policies.all_in_force() | {held.environment: InForce(held.environment, held.version + 1, policy)}
    before, after = gate_facts.cases(questions, now), gate_facts.cases(questions, now, tried)
    return [
        Review(asked.entry, yes.by, yes.at, yes.flaw)
        for asked, one, other in zip(questions, before, after, strict=True)
        for yes in _newly_void(one.given, other.given)
    ]


def _newly_void(before: Iterable[Yes], after: Iterable[Yes]) -> list[Yes]:
    return [then for now, then in zip(before, after, strict=True) if then.flaw and not now.flaw]
