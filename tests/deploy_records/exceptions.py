"""People and terms for trying the life of exceptions."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import poam
from deploy_records.models import AuditEvent, PoamItem
from deploy_records.rules.terms import Terms
from deploy_records.scanners.report import Severity
from tests.deploy_records.people import person

REQUESTER = ("request_poam",)
REVIEWER = ("request_poam", "approve_poam")


def soon(days: float = 10) -> datetime:
    return (timezone.now() + timedelta(days=days)).replace(microsecond=0)


def terms(**changes: Any) -> Terms:
    usual = Terms(
        ("CVE-2026-1000",), "pkg:pypi/starlette", Severity.HIGH, "olga", soon(), "Not reachable.", "Take 0.49.1."
    )  # fmt: skip
    return replace(usual, **changes)


def requester() -> User:
    return User.objects.filter(username="olga").first() or person("olga", *REQUESTER, email="olga@example.com")


def reviewer(name: str = "sara") -> User:
    return User.objects.filter(username=name).first() or person(name, *REVIEWER, email=f"{name}@example.com")


def drafted(**changes: Any) -> PoamItem:
    return poam.draft(terms(**changes), requester())


def requested(**changes: Any) -> PoamItem:
    return poam.request(drafted(**changes), requester())


def approved(**changes: Any) -> PoamItem:
    return poam.approve(requested(**changes), reviewer()).item


def now(item: PoamItem) -> PoamItem:
    return PoamItem.objects.get(pk=item.pk)


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))
