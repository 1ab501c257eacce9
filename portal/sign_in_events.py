"""Signing in, failing to, and signing out are events of the audit trail."""

from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest

from deploy_records import audit

MOST_OF_A_NAME = 150


def _address(request: HttpRequest | None) -> str:
    return str(request.META.get("REMOTE_ADDR", "")) if request else ""


def _record(actor: audit.Actor, event: audit.Event) -> None:
    with transaction.atomic():
        audit.record(actor, event)


@receiver(user_logged_in)
def signed_in(user: User, request: HttpRequest | None = None, **_: Any) -> None:
    _record(audit.Actor.of(user, _address(request)), audit.Event("person.signed_in", **audit.about(user)))


@receiver(user_logged_out)
def signed_out(user: User | None, request: HttpRequest | None = None, **_: Any) -> None:
    if user is not None:
        _record(audit.Actor.of(user, _address(request)), audit.Event("person.signed_out", **audit.about(user)))


@receiver(user_login_failed)
def refused(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """The name as typed, bounded; never the password."""
    typed = "".join(c for c in str(credentials.get("username", ""))[:MOST_OF_A_NAME] if c.isprintable())
    event = audit.Event("person.sign_in_refused", object_type="user", object_name=typed)
    _record(audit.Actor("anonymous", "", _address(request)), event)
