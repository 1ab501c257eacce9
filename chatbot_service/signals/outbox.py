"""What is to be told, written in the transaction of what it tells of. Sent by `sending`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from django.conf import settings

from chatbot_service.models import Channel, Delivery, Signal
from chatbot_service.signals.rules import RULES

OPENED, CLOSED, TEST = "signal.opened", "signal.closed", "test"


def opened(signal: Signal) -> None:
    Delivery.objects.bulk_create(_of(signal, channel, OPENED) for channel in _channels(signal))


def closed(signal: Signal) -> None:
    """Only to those who were told that it opened: a channel made since knows nothing of it."""
    told = set(Delivery.objects.filter(signal=signal, tells=OPENED).values_list("channel", flat=True))
    ends = (channel for channel in _channels(signal) if channel.tells_end and channel.pk in told)
    Delivery.objects.bulk_create(_of(signal, channel, CLOSED) for channel in ends)


def test_message(channel: Channel, asked_by: str) -> Delivery:
    uid = uuid4()
    says = f"A test message. {asked_by} asked for it."
    body = {"id": str(uid), "type": TEST, "at": _moment(datetime.now(UTC)), "says": says}
    return Delivery.objects.create(uid=uid, channel=channel, tells=TEST, body=body)


def _channels(signal: Signal) -> Iterator[Channel]:
    for channel in Channel.objects.filter(enabled=True):
        if (signal.urgent or not channel.urgent_only) and (not channel.kinds or signal.kind in channel.kinds):
            yield channel


def _of(signal: Signal, channel: Channel, tells: str) -> Delivery:
    """The body is made now and stays, so that a second try says the same. Lines of logs stay in the portal."""
    uid, rule = uuid4(), RULES[signal.kind]
    evidence = signal.evidence if tells == OPENED else signal.latest
    body: dict[str, Any] = {
        "id": str(uid), "type": tells, "at": _moment(signal.closed_at or signal.opened_at),
        "signal": {
            "number": signal.pk, "kind": signal.kind, "name": signal.get_kind_display(), "urgent": signal.urgent,
            "about": signal.about, "service": signal.service.name if signal.service else None,
            "host": signal.service.host.name if signal.service else None,
            "opened_at": _moment(signal.opened_at), "closed_at": _moment(signal.closed_at) if signal.closed_at else None,
            "says": evidence.get("says", ""), "facts": evidence.get("facts", []), "means": rule.means, "to_do": rule.to_do,
        },
        "url": f"{settings.PUBLIC_URL}{path_of(signal)}" if settings.PUBLIC_URL else "",
    }  # fmt: skip
    return Delivery(uid=uid, channel=channel, signal=signal, tells=tells, body=body)


def path_of(signal: Signal) -> str:
    """As `portal.urls` has it, without loading its pages into a worker."""
    return f"/signals/{signal.pk}/"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
