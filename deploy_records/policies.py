"""The gate's policies by environment: their versions, a new version, and what it would change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError
from django.utils import timezone

from deploy_records import audit, gate_facts, reviews
from deploy_records.audit import Actor, Event, about
from deploy_records.errors import Refused
from deploy_records.gate_facts import Question
from deploy_records.models import Deployment, GatePolicy, ImageDigest, LedgerState
from deploy_records.people import Person, require
from deploy_records.policies_in_force import InForce as InForce
from deploy_records.policies_in_force import all_in_force as all_in_force
from deploy_records.policies_in_force import in_force as in_force
from deploy_records.policies_in_force import limits as limits
from deploy_records.policies_in_force import of_row
from deploy_records.policies_in_force import trusts_git as trusts_git
from deploy_records.rules import gate
from deploy_records.rules.case import Decision
from deploy_records.rules.policy import DEFAULT, Policy, checked_for
from deploy_records.rules.words import checked_words

MAY_SET = "deploy_records.set_policy"
MOST_PREVIEWED = 500


@dataclass(frozen=True)
class Version:
    """One version of an environment's policy. `changes`: {field: [before, after]} against the one before it."""

    held: InForce
    changes: dict[str, list[object]]


def versions(environment: str) -> list[Version]:
    """Newest first; the last is the default, version 0."""
    rows = GatePolicy.objects.filter(environment=environment).order_by("-version").select_related("made_by")
    held = [*map(of_row, rows), InForce(environment)]
    pairs = zip(held, [*held[1:], held[-1]], strict=True)
    return [Version(one, (one.policy or DEFAULT).changes_from(before.policy or DEFAULT)) for one, before in pairs]


def save(
    policy: Policy, environment: str, by: Person, reason: str, *, seen: int, address: str = ""
) -> GatePolicy:  # fmt: skip
    """A new version, in force from now on. `seen`: the version that the person changed; refused if it is no longer in
    force. Approvals for which the rules have become stricter have to be looked at again.
    """
    person = require(by, MAY_SET, "Setting the gate policy")
    reason = checked_words("The reason", reason, required=True)
    checked_for(policy, environment)
    with audit.changing():
        before = in_force(environment)
        if before.version != seen:
            raise Refused(_overtaken(before), code="changed")
        changes = policy.changes_from(before.policy) if before.policy else {"version": [before.version, before.version + 1]}
        if not changes:
            raise Refused(f"The policy of {environment} is like this already. Nothing was changed.", code="no-change")
        try:
            made = GatePolicy.objects.create(
                environment=environment, version=before.version + 1, rules=policy.as_data(), made_by=person, reason=reason
            )
        except IntegrityError as error:
            raise Refused(_overtaken(before), code="changed") from error
        audit.record(Actor.of(person, address), Event("policy.set", **about(made), reason=reason, changes=changes))
        reviews.look_soon()
    return made


def _overtaken(held: InForce) -> str:
    who = f"{held.by} saved version {held.version}" if held.by else "Somebody saved another version"
    return f"{who} of the policy of {held.environment} since you opened it. Look at it, then decide. Nothing was changed."


@dataclass(frozen=True)
class Effect:
    """What another policy would change for one digest, where it runs or could run. `service` and `host`: empty for a
    digest that is approved and does not run.
    """

    entry: ImageDigest
    service: str
    host: str
    before: Decision
    after: Decision

    @property
    def turns_to_no(self) -> bool:
        return self.before.allowed and not self.after.allowed

    @property
    def turns_to_yes(self) -> bool:
        return self.after.allowed and not self.before.allowed


@dataclass(frozen=True)
class Preview:
    """`effects`: one for each place where a digest runs, and for each digest that may run; those that would change come
    first. `left_out`: how many digests that may run were not looked at, the oldest ones.
    """

    effects: Sequence[Effect]
    left_out: int = 0

    @property
    def falling_out(self) -> list[Effect]:
        return [one for one in self.effects if one.turns_to_no]

    @property
    def coming_in(self) -> list[Effect]:
        return [one for one in self.effects if one.turns_to_yes]


def preview(
    policy: Policy, environment: str, *, places: Iterable[tuple[str, str]] | None = None, at: datetime | None = None
) -> Preview:  # fmt: skip
    """What would change now if this policy were in force. `places`: (host, service) of that environment; all if None."""
    now = at or timezone.now()
    questions, left_out = _questions(environment, places)
    held = all_in_force()
    tried = held | {environment: InForce(environment, held[environment].version + 1, policy)}
    before = [gate.decide(case) for case in gate_facts.cases(questions, now, held)]
    after = [gate.decide(case) for case in gate_facts.cases(questions, now, tried)]
    effects = [
        Effect(asked.entry, asked.service, asked.host, one, other)
        for asked, one, other in zip(questions, before, after, strict=True)
    ]
    return Preview(sorted(effects, key=lambda one: (one.before.allowed == one.after.allowed, not one.service)), left_out)


def _questions(environment: str, places: Iterable[tuple[str, str]] | None) -> tuple[list[Question], int]:
    wanted = None if places is None else set(places)
    running = Deployment.objects.filter(ended_at__isnull=True).select_related("entry").order_by("service", "host")
    there = [one for one in running if wanted is None or (one.host, one.service) in wanted]
    runs = {one.entry_id for one in there}
    may_run = ImageDigest.objects.filter(state__in=(LedgerState.APPROVED, LedgerState.KNOWN_GOOD)).exclude(pk__in=runs)
    others = list(may_run.order_by("-registered_at", "-pk")[:MOST_PREVIEWED])
    left_out = may_run.count() - len(others) if len(others) == MOST_PREVIEWED else 0
    asked = [Question(one.entry, environment, one.service, one.host) for one in there]
    return [*asked, *(Question(entry, environment) for entry in others)], left_out
