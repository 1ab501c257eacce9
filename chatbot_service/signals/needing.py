"""Open signals that nobody has acknowledged, for the dashboard; but those that stand there already by what they are about."""

from collections.abc import Iterator

from django.db.models import Q

from chatbot_service.models import Signal, SignalKind
from chatbot_service.need import Matter, Need
from chatbot_service.signals.acknowledging import MAY_ACKNOWLEDGE
from chatbot_service.signals.evidence import Evidence

MOST = 50
_STAND_THERE = (SignalKind.BACKUPS, SignalKind.EXCEPTION_ENDS)


def read() -> Iterator[Need]:
    """In one query."""
    drifted = Q(kind=SignalKind.DRIFT) & ~Q(service__drift="")
    waiting = Signal.objects.filter(closed_at=None, acknowledged_at=None).exclude(kind__in=_STAND_THERE).exclude(drifted)
    for one in waiting.order_by("-urgent", "-opened_at", "-id")[:MOST]:
        matter = Matter.URGENT_SIGNAL if one.urgent else Matter.SIGNAL
        yield Need(matter, str(one), Evidence.of(one.latest).says, (MAY_ACKNOWLEDGE,), one.opened_at, signal=one.pk)
