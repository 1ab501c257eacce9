"""Exceptions in every state, made by people who hold the portal's roles."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import poam
from deploy_records.models import PoamItem
from deploy_records.rules.exceptions import end_of_day
from deploy_records.rules.terms import Terms
from deploy_records.scanners.report import Severity
from tests.factories import person


def day(days: int) -> datetime:
    """The end of the day so many days from now, in UTC."""
    return end_of_day((timezone.now() + timedelta(days=days)).date())


def terms(**changes: Any) -> Terms:
    usual = Terms(
        ("CVE-2026-1000",), "pkg:pypi/starlette@0.46.2", Severity.HIGH, "olga", day(10),
        "The function is not called.", "Take 0.49.1.",
    )  # fmt: skip
    return replace(usual, **changes)


def somebody(role: str, name: str) -> User:
    return User.objects.filter(username=name).first() or person(role, name=name)


def olga() -> User:
    """Who writes and asks."""
    return somebody("Operator", "olga")


def sara() -> User:
    """Who decides."""
    return somebody("Security reviewer", "sara")


def drafted(**changes: Any) -> PoamItem:
    return poam.draft(terms(**changes), olga())


def requested(**changes: Any) -> PoamItem:
    return poam.request(drafted(**changes), olga())


def approved(**changes: Any) -> PoamItem:
    return poam.approve(requested(**changes), sara()).item


def expired(days: int = 3, **changes: Any) -> PoamItem:
    """Approved, and its end has passed so many days ago."""
    item, ended = approved(**changes), day(-days)
    PoamItem.objects.filter(pk=item.pk).update(expires_at=ended, created_at=ended - timedelta(days=9))
    item.grants.update(at=ended - timedelta(days=8), until=ended)
    return now(item)


def rejected(**changes: Any) -> PoamItem:
    return poam.reject(requested(**changes), sara(), "A fix is out.")


def mitigated(**changes: Any) -> PoamItem:
    return poam.mitigate(approved(**changes), olga(), "Upgraded everywhere.")


def closed(**changes: Any) -> PoamItem:
    return poam.close(approved(**changes), olga(), "Nothing runs with it.")


def now(item: PoamItem) -> PoamItem:
    return PoamItem.objects.get(pk=item.pk)
