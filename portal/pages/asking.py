"""Who asks for a job through a page, and how a refusal is said beside what was asked."""

from django.contrib.auth.models import User
from django.http import HttpRequest

from chatbot_service.dispatch import Request
from deploy_records.errors import NotAllowed, Refused
from portal.access import actor_of, record_refusal


def person_of(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise NotAllowed("Sign in first. Nothing was changed.")
    return request.user


def asks(request: HttpRequest, reason: str = "") -> Request:
    return Request(person_of(request), reason=reason, address=actor_of(request).address)


def told(request: HttpRequest, error: Refused) -> str:
    """The refusal in words for the page that was asked from, put on record. Lack of a permission is not for that page."""
    if isinstance(error, NotAllowed):
        raise error
    return f"{error} It is recorded as {record_refusal(request, error)}."
