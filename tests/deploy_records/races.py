"""What a child process of `test_together` does: `python -m tests.deploy_records.races DEED [ARGUMENT…]`.

It gets ready, waits for a line on its standard input so that all start together, acts, and prints how it ended.
"""

import sys
from collections.abc import Callable

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402 - after set-up
from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from deploy_records import audit, deployments, ledger, policies, reviews  # noqa: E402
from deploy_records.audit_check import verify  # noqa: E402
from deploy_records.errors import Refused  # noqa: E402
from deploy_records.models import Approval, AuditEvent, Deployment, GatePolicy, ImageDigest  # noqa: E402
from deploy_records.rules.policy import DEFAULT, Policy  # noqa: E402
from deploy_records.scanners.report import Severity  # noqa: E402
from tests.deploy_records.images import single  # noqa: E402
from tests.deploy_records.people import RELEASE_MANAGER, person  # noqa: E402
from tests.factories import scanned  # noqa: E402


def set_up() -> str:
    call_command("migrate", verbosity=0)
    for name in ("otto", "mira", "nils"):
        person(name, *RELEASE_MANAGER)
    for name in ("petra", "paul"):
        person(name, "set_policy")
    return str(scanned(ledger.register(single("build 1"), who("otto"))).pk)


def write_events(writer: str, number: str) -> str:
    for one in range(int(number)):
        with audit.changing() if one % 2 else transaction.atomic():
            audit.record(audit.WORKER, audit.Event("step", "job", writer, f"{writer}.{one}"))
    return "done"


def approve(name: str) -> str:
    return ledger.approve(entry(), who(name)).entry.state


def revoke(name: str) -> str:
    return ledger.revoke(entry(), who(name), "Backdoor.").sentence


def register(name: str) -> str:
    return str(ledger.register(single("build 2", tag="2.0"), who(name)).pk)


def deploy(job: str) -> str:
    return deployments.begin("prod-1", "chatbot", entry(), "upgrade", job=int(job)).kind


def set_policy(name: str, approvals: str) -> str:
    return str(policies.save(Policy(approvals=int(approvals)), "production", who(name), "Tried.", seen=0).version)


def renew(name: str) -> str:
    """Of an approval that has to be looked at again."""
    return ledger.approve(entry(), who(name)).entry.state


def mark() -> str:
    return str(len(reviews.look(now=timezone.now())))


def stricter() -> str:
    """Somebody has approved it; then the rules change, and nobody has looked at that yet."""
    ledger.approve(entry(), who("mira"))
    rules = Policy(blocks=DEFAULT.blocks | {Severity.MEDIUM}).as_data()
    made = GatePolicy.objects.create(environment="production", version=1, rules=rules, made_by=who("petra"), reason="Tried.")
    return str(made.version)


def policy_now() -> str:
    held = policies.in_force()
    assert held.policy is not None
    return f"version {held.version} by {held.by}, {held.policy.approvals} approvals; {verify().sentence}"


def look() -> str:
    """What holds after a race, on one line."""
    steps = AuditEvent.objects.filter(action="step").values_list("object_name", flat=True)
    return "; ".join([
        verify().sentence,
        f"{len(steps)} steps, {len(set(steps))} different",
        f"{entry().state}, {Approval.objects.filter(ended_at__isnull=True).count()} valid approvals",
        f"{ImageDigest.objects.count()} entries",
        f"{Deployment.objects.count()} deployments, {Deployment.objects.filter(ended_at__isnull=True).count()} open",
    ])  # fmt: skip


def entry() -> ImageDigest:
    return ImageDigest.objects.get(digest=single("build 1").digest)


def who(name: str) -> User:
    return User.objects.get(username=name)


DEEDS: dict[str, Callable[..., str]] = {
    deed.__name__: deed
    for deed in (set_up, write_events, approve, revoke, register, deploy, look, set_policy, policy_now, renew, mark, stricter)
}

if __name__ == "__main__":
    deed = DEEDS[sys.argv[1]]
    sys.stdin.readline()
    try:
        print(deed(*sys.argv[2:]))  # noqa: T201 - read by the test
    except Refused as refusal:
        print(f"refused: {refusal}")  # noqa: T201 - likewise
