"""Which policy holds in which environment now: the newest version, or the default where nobody has set one."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery

from deploy_records.errors import Refused
from deploy_records.models import GatePolicy
from deploy_records.rules.exceptions import Limits
from deploy_records.rules.policy import DEFAULT, ENVIRONMENTS, Policy


@dataclass(frozen=True)
class InForce:
    """`version` 0 is the default. `policy` None: the row cannot be read, and the gate says no."""

    environment: str
    version: int = 0
    policy: Policy | None = DEFAULT
    since: datetime | None = None
    by: str = ""
    reason: str = ""


def all_in_force(at: datetime | None = None) -> dict[str, InForce]:
    """By environment, in one query. With `at` those that were in force then."""
    made = GatePolicy.objects.filter(made_at__lte=at) if at else GatePolicy.objects.all()
    newest = made.filter(environment=OuterRef("environment")).order_by("-version").values("pk")[:1]
    rows = GatePolicy.objects.filter(environment__in=ENVIRONMENTS, pk=Subquery(newest)).select_related("made_by")
    return {name: InForce(name) for name in ENVIRONMENTS} | {row.environment: of_row(row) for row in rows}


def in_force(environment: str = "production") -> InForce:
    return all_in_force()[environment]


def of_row(row: GatePolicy) -> InForce:
    try:
        policy = Policy.from_data(row.rules)
    except Refused:
        policy = None
    return InForce(row.environment, row.version, policy, row.made_at, row.made_by.get_username(), row.reason)


def limits(environment: str = "production") -> Limits:
    """How long an exception may last there, by excused severity; for those who request and approve exceptions."""
    policy = in_force(environment).policy
    return policy.limits if policy else DEFAULT.limits


def trusts_git() -> bool:
    """Whether some environment's policy counts what is approved in a repository's poam.yaml. Where it does, only the
    environments whose policy says so count such an approval.
    """
    return any(held.policy is not None and held.policy.trusts_git for held in all_in_force().values())
