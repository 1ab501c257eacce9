"""Sends what the outbox holds, at least once: a try is noted before it is made, so a process that dies leaves it to the next."""

import logging
import smtplib
import time
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F
from django.utils import timezone

from chatbot_service.foreign_text import one_line
from chatbot_service.models import ChannelKind, Delivery, DeliveryState
from chatbot_service.secrets import unseal
from chatbot_service.signals import webhook
from chatbot_service.signals.outbox import TEST
from deploy_records.errors import Broken, Refused

log = logging.getLogger(__name__)

PAUSES = tuple(timedelta(seconds=one) for one in (30, 60, 300, 900, 3600, 3 * 3600, 6 * 3600))
"""Before the second try, the third, …; after the last it is given up."""
MOST_TRIES = len(PAUSES) + 1
A_TRY = timedelta(seconds=120)
"""For so long nobody else tries the same: longer than a try may take."""
LONGEST = 20.0
KEPT = timedelta(days=30)


def send_due(now: datetime | None = None) -> int:
    """How many were sent. A channel that fails once is left alone for the rest of the round."""
    ends, sent, failing = time.monotonic() + LONGEST, 0, set[int]()
    due = Delivery.objects.filter(state=DeliveryState.WAITING, next_at__lte=now or timezone.now()).order_by("next_at", "pk")
    for delivery in due.select_related("channel")[:500]:
        if time.monotonic() > ends:
            break
        if delivery.channel_id in failing:
            continue
        if not _claim(delivery, now or timezone.now()):
            continue
        if _try(delivery, now or timezone.now()):
            sent += 1
        else:
            failing.add(delivery.channel_id)
    return sent


def forget_old(now: datetime | None = None) -> None:
    Delivery.objects.filter(created_at__lt=(now or timezone.now()) - KEPT).exclude(state=DeliveryState.WAITING).delete()


def _claim(delivery: Delivery, now: datetime) -> bool:
    """By its count of tries: another process that read the same row comes too late."""
    waiting = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.WAITING, tries=delivery.tries)
    if not waiting.update(tries=F("tries") + 1, next_at=now + A_TRY):
        return False
    delivery.tries += 1
    return True


def _try(delivery: Delivery, now: datetime) -> bool:
    try:
        _send(delivery, now)
    except Refused as error:
        _note(delivery, now, str(error), over=True)
    except Broken as error:
        _note(delivery, now, str(error), over=delivery.tries >= MOST_TRIES)
    else:
        mine = Delivery.objects.filter(pk=delivery.pk, tries=delivery.tries)
        mine.update(state=DeliveryState.SENT, ended_at=timezone.now(), last_error="")
        return True
    return False


def _note(delivery: Delivery, now: datetime, why: str, *, over: bool) -> None:
    fields: dict[str, Any] = {"last_error": one_line(why, 300)}
    if over:
        fields |= {"state": DeliveryState.FAILED, "ended_at": now}
        log.warning("%s, told by %s: given up. %s", delivery.tells, delivery.channel, why)
    else:
        fields |= {"next_at": now + PAUSES[delivery.tries - 1]}
    Delivery.objects.filter(pk=delivery.pk, tries=delivery.tries).update(**fields)


def _send(delivery: Delivery, now: datetime) -> None:
    if not delivery.channel.enabled and delivery.tells != TEST:
        raise Refused("The channel was switched off.")
    if delivery.channel.kind == ChannelKind.WEBHOOK:
        channel = delivery.channel
        target = webhook.Target(unseal(channel.sealed_url), unseal(channel.sealed_secret), frozenset(settings.NOTIFY_PRIVATE))
        webhook.post(target, str(delivery.uid), delivery.body, now)
    else:
        _mail(delivery)


def _mail(delivery: Delivery) -> None:
    headers = {"Message-ID": f"<{delivery.uid}@known-good>", "Auto-Submitted": "auto-generated"}
    to = delivery.channel.target.split(", ")
    subject, text = _subject(delivery.body), _text(delivery.body)
    try:
        EmailMessage(subject=subject, body=text, to=to, headers=headers).send()
    except (OSError, ValueError, smtplib.SMTPException) as error:
        raise Broken(f"The mail could not be sent: {one_line(str(error), 200)}") from error


def _subject(body: dict[str, Any]) -> str:
    signal = body.get("signal")
    if not signal:
        return "Known Good: a test message"
    over = "Over: " if signal["closed_at"] else ""
    return one_line(f"{over}{signal['name']}: {signal['about']}", 200)


def _text(body: dict[str, Any]) -> str:
    signal = body.get("signal")
    if not signal:
        return str(body.get("says", ""))
    lines = [
        signal["says"], "", f"About: {signal['about']}", f"Since: {signal['opened_at']}",
        *([f"Over since: {signal['closed_at']}"] if signal["closed_at"] else []),
        *(f"{name}: {value}" for name, value in signal["facts"]), "", signal["means"],
        *([] if signal["closed_at"] else [signal["to_do"]]), *(["", body["url"]] if body.get("url") else []),
    ]  # fmt: skip
    return "\n".join(lines)
