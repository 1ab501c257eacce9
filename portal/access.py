"""The roles and what each may do: one table, brought into force after every migration.

Default deny: a view says its permission with `needs`; a view that says nothing is
refused by `RefusalMiddleware`, and sign-in is required everywhere but where a view is public.
"""

import functools
import logging
import uuid
from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from deploy_records import audit
from deploy_records.errors import Broken, NotAllowed, Refused
from deploy_records.people import holds

log = logging.getLogger(__name__)

_WRONG_METHOD, _BROKEN, _NOT_NOW = 405, 500, 503
_BUSY = "The database is busy with something else, or cannot be reached. What you asked for was not done. Try again in a minute."

LOOK = (
    "chatbot_service.view_service",
    "chatbot_service.view_job",
    "chatbot_service.view_host",
    "chatbot_service.view_backup",
    "chatbot_service.view_signal",
    "deploy_records.view_imagedigest",
    "deploy_records.view_deployment",
    "deploy_records.view_poamitem",
    "deploy_records.view_gatepolicy",
    "deploy_records.view_scanreport",
)
OPERATE = (
    "chatbot_service.operate_service",
    "chatbot_service.upgrade_service",
    "chatbot_service.rollback_service",
    "chatbot_service.cancel_job",
    "chatbot_service.back_up_service",
    "chatbot_service.restore_backup",
    "chatbot_service.agree_to_restore",
    "chatbot_service.download_backup",
    "chatbot_service.acknowledge_signal",
    "chatbot_service.look_into_service",
    "chatbot_service.check_hardening",
    "chatbot_service.configure_service",
)
ROLES: dict[str, tuple[str, ...]] = {
    "Viewer": LOOK,
    "Operator": (
        *LOOK,
        *OPERATE,
        "chatbot_service.add_service",
        "deploy_records.register_digest",
        "deploy_records.request_poam",
        "deploy_records.import_report",
    ),
    "Release manager": (
        *LOOK,
        "deploy_records.register_digest",
        "deploy_records.approve_digest",
        "deploy_records.deprecate_digest",
        "deploy_records.revoke_digest",
        "deploy_records.request_poam",
        "deploy_records.import_report",
        "chatbot_service.cancel_job",
        "chatbot_service.agree_to_restore",
        "chatbot_service.look_into_service",
        "chatbot_service.acknowledge_signal",
    ),
    "Security reviewer": (
        *LOOK,
        "chatbot_service.look_into_service",
        "chatbot_service.check_hardening",
        "chatbot_service.except_capability",
        "deploy_records.revoke_digest",
        "deploy_records.request_poam",
        "deploy_records.approve_poam",
        "deploy_records.set_policy",
        "deploy_records.import_report",
        "chatbot_service.acknowledge_signal",
        "deploy_records.view_auditevent",
    ),
    "Auditor": (*LOOK, "deploy_records.view_auditevent"),
    "Administrator": (
        *LOOK,
        "chatbot_service.look_into_service",
        "chatbot_service.add_service",
        "chatbot_service.change_service",
        "chatbot_service.add_host",
        "chatbot_service.change_host",
        "chatbot_service.change_registrylogin",
        "chatbot_service.back_up_service",
        "chatbot_service.change_backuprepository",
        "chatbot_service.change_channel",
        "chatbot_service.acknowledge_signal",
        "chatbot_service.show_recovery_key",
        "chatbot_service.agree_to_restore",
        "auth.view_user",
        "auth.change_user",
        "deploy_records.view_auditevent",
    ),
}

View = Callable[..., HttpResponse]


def roles_that_may(permission: str) -> list[str]:
    """For the words "who could": the roles that grant a permission."""
    return [role for role, granted in ROLES.items() if permission in granted]


def needs(permission: str, to_do: str) -> Callable[[View], View]:
    """Marks a view with the permission it takes; `to_do` begins the refusal: "Approving a digest"."""

    def mark(view: View) -> View:
        @functools.wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not holds(request.user, permission):
                who = " or ".join(roles_that_may(permission)).lower()
                raise NotAllowed(f"{to_do} takes the role {who}. Nothing was changed.")
            return view(request, *args, **kwargs)

        checked.permission = permission  # type: ignore[attr-defined]  # read by the middleware and the access test
        return checked

    return mark


def public(view: View) -> View:
    """Marks a view that may be seen without signing in."""
    view.permission = ""  # type: ignore[attr-defined]  # read by the middleware and the access test
    return login_not_required(view)


def signed_in(view: View) -> View:
    """Marks a view that any signed-in person may use."""
    view.permission = ""  # type: ignore[attr-defined]  # read by the middleware and the access test
    return view


class RefusalMiddleware:
    """Turns `Refused` and `Broken` into pages with a correlation id, and refuses views that name no permission."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code == _WRONG_METHOD and not response.content:
            response.content = render(request, "405.html").content
        return response

    def process_view(self, request: HttpRequest, view: View, *_: Any) -> HttpResponse | None:
        if not hasattr(view, "permission") and not view.__module__.startswith(("django.contrib.auth", "django.views")):
            return self._refuse(request, NotAllowed("This address is not open to anybody."))
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, Refused):
            return self._refuse(request, error)
        if isinstance(error, Http404 | PermissionDenied | SuspiciousOperation):
            return None
        return self._break(request, error)

    def _refuse(self, request: HttpRequest, error: Refused) -> HttpResponse:
        correlation = record_refusal(request, error)
        return render(request, "refused.html", {"message": str(error), "correlation": correlation}, status=error.status)

    def _break(self, request: HttpRequest, error: Exception) -> HttpResponse:
        correlation = _correlation()
        log.error("Broken %s: %s %s", correlation, request.method, request.path, exc_info=error)
        is_busy = isinstance(error, OperationalError)
        words = _BUSY if is_busy else str(error) if isinstance(error, Broken) else ""
        context = {"message": words, "correlation": correlation}
        return render(request, "500.html", context, status=_NOT_NOW if is_busy else _BROKEN)


def form_not_ours(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's words are for developers
    """What answers a form without the portal's token, or from another site. A stranger's is no deed to record."""
    error = NotAllowed(
        "This form was opened before you signed in, or it came from another site. "
        "Nothing was changed; go back, load the page again and repeat it.",
        code="not-our-form",
    )
    correlation = record_refusal(request, error) if request.user.is_authenticated else ""
    return render(request, "403_csrf.html", {"message": str(error), "correlation": correlation}, status=error.status)


def actor_of(request: HttpRequest) -> audit.Actor:
    """Who acts in this request, for the audit trail."""
    return audit.Actor.of(request.user, str(request.META.get("REMOTE_ADDR", "")))


def record_refusal(request: HttpRequest, error: Refused) -> str:
    """The audit event of a refusal, and the id under which it is found. For views that say it beside the form."""
    correlation = _correlation()
    asked = f"{request.method} {request.path}"[:300]
    audit.record_refusal(actor_of(request), asked, str(error), error.code, correlation)
    return correlation


def _correlation() -> str:
    hexes = uuid.uuid4().hex
    return f"{hexes[:4]}-{hexes[4:8]}"


def bring_roles_into_force() -> None:
    """After every migration: exactly the roles and grants of the table above."""
    from django.contrib.auth.models import Group, Permission  # noqa: PLC0415 - models are not loaded at import

    for role, granted in ROLES.items():
        group, _made = Group.objects.get_or_create(name=role)
        wanted = Permission.objects.none()
        for permission in granted:
            app, _dot, codename = permission.partition(".")
            wanted |= Permission.objects.filter(content_type__app_label=app, codename=codename)
        group.permissions.set(wanted)
