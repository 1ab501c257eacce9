"""Somebody has seen a signal and says what they make of it."""

from django.utils import timezone

from chatbot_service.dispatch import Request
from chatbot_service.models import Signal
from deploy_records import audit
from deploy_records.audit import Event, about
from deploy_records.errors import Refused
from deploy_records.people import require
from deploy_records.rules.words import checked_words

MAY_ACKNOWLEDGE = "chatbot_service.acknowledge_signal"
TO_DO = "Acknowledging a signal"
MOST_NOTE = 1000


def acknowledge(signal: Signal, request: Request) -> None:
    """It stays open until its rule no longer holds."""
    person = require(request.person, MAY_ACKNOWLEDGE, TO_DO)
    note = checked_words("The note", request.reason, required=True, most=MOST_NOTE)
    with audit.changing():
        rows = Signal.objects.filter(pk=signal.pk, closed_at=None, acknowledged_at=None)
        if not rows.update(acknowledged_at=timezone.now(), acknowledged_by=person, note=note):
            raise Refused(_why_not(signal), code="not-open")
        audit.record(request.actor, Event("signal.acknowledged", **about(signal), reason=note))


def _why_not(signal: Signal) -> str:
    now = Signal.objects.select_related("acknowledged_by").get(pk=signal.pk)
    if now.acknowledged_by is not None:
        return f"{now.acknowledged_by.get_username()} has acknowledged this signal already. Nothing was changed."
    return "This signal has closed by itself. Nothing was changed."
