"""What a child process of `test_poam_together` does: `python -m tests.deploy_records.poam_races DEED [ARGUMENT…]`."""

import sys
from collections.abc import Callable
from datetime import timedelta

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402 - after set-up

from deploy_records import poam  # noqa: E402
from deploy_records.audit_check import verify  # noqa: E402
from deploy_records.errors import Refused  # noqa: E402
from deploy_records.models import PoamGrant, PoamItem  # noqa: E402
from tests.deploy_records.exceptions import requested, requester, reviewer, terms  # noqa: E402


def prepare() -> str:
    reviewer("sara")
    reviewer("ben")
    return requested().name


def draft(number: str) -> str:
    return ",".join(str(poam.draft(terms(), requester()).number) for _ in range(int(number)))


def approve(name: str) -> str:
    return str(poam.approve(first(), who(name)).item.state)


def revise() -> str:
    return str(poam.revise(first(), terms(component="pkg:pypi/other"), requester()).state)


def close() -> str:
    return str(poam.close(first(), requester(), "Gone.").state)


def warn() -> str:
    ends = first().expires_at
    return str(len(poam.warn(ends - timedelta(hours=3))))


def look() -> str:
    item = first()
    return f"{item.state} {item.component}, {PoamGrant.objects.count()} grants; {verify().sentence}"


def first() -> PoamItem:
    return PoamItem.objects.get(number=1)


def who(name: str) -> User:
    return User.objects.get(username=name)


DEEDS: dict[str, Callable[..., str]] = {one.__name__: one for one in (prepare, draft, approve, revise, close, warn, look)}

if __name__ == "__main__":
    deed = DEEDS[sys.argv[1]]
    sys.stdin.readline()
    try:
        print(deed(*sys.argv[2:]))  # noqa: T201 - read by the test
    except Refused as refusal:
        print(f"refused: {refusal}")  # noqa: T201 - likewise
