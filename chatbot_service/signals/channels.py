"""Ways to tell people of signals. Secrets and addresses of webhooks are never read back; events tell of their presence only."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError

from chatbot_service.dispatch import Request
from chatbot_service.models import NAME, Channel, ChannelKind, Delivery
from chatbot_service.secrets import seal
from chatbot_service.signals import outbox, webhook
from chatbot_service.signals.rules import RULES
from deploy_records import audit
from deploy_records.audit import Event, about
from deploy_records.errors import Invalid, Refused
from deploy_records.people import require
from deploy_records.rules.digest import shown

MAY_CHANGE = "chatbot_service.change_channel"
TO_DO = "Changing who is told of signals"
MOST_ADDRESSES = 20
MOST_CHANNELS = 50
LEAST_SECRET, MOST_SECRET = 16, 500
NOTHING = "Nothing was changed."


@dataclass(frozen=True)
class Wanted:
    """What a channel is to be. Of a webhook an empty `target` or `secret` leaves what is there. No `kinds`: all."""

    target: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    kinds: Sequence[str] = ()
    urgent_only: bool = False
    tells_end: bool = True
    enabled: bool = True


def add(name: str, kind: str, wanted: Wanted, request: Request) -> Channel:
    require(request.person, MAY_CHANGE, TO_DO)
    if kind not in ChannelKind.values:
        raise Invalid(f"{shown(kind)} is neither email nor webhook. {NOTHING}")
    channel = Channel(name=_checked_name(name), kind=kind)
    _apply(channel, wanted)
    try:
        with audit.changing():
            if Channel.objects.count() >= MOST_CHANNELS:
                raise Refused(f"There are {MOST_CHANNELS} channels already. Forget one first. {NOTHING}")
            channel.save()
            audit.record(request.actor, Event("channel.added", **about(channel), changes=_changes({}, channel, wanted)))
    except IntegrityError as error:
        raise Invalid(f"There is a channel called {channel.name} already. {NOTHING}") from error
    return channel


def change(channel: Channel, wanted: Wanted, request: Request) -> bool:
    """Whether anything was different."""
    require(request.person, MAY_CHANGE, TO_DO)
    with audit.changing():
        kept = Channel.objects.select_for_update().get(pk=channel.pk)
        before = _told(kept)
        _apply(kept, wanted)
        changes = _changes(before, kept, wanted)
        if not changes:
            return False
        kept.save()
        audit.record(request.actor, Event("channel.changed", **about(kept), changes=changes))
    return True


def forget(channel: Channel, request: Request) -> None:
    require(request.person, MAY_CHANGE, TO_DO)
    with audit.changing():
        subject = about(channel)
        if not Channel.objects.filter(pk=channel.pk).exists():
            raise Refused(f"Somebody else has forgotten this channel in the same moment. {NOTHING}")
        channel.delete()
        audit.record(request.actor, Event("channel.forgotten", **subject))


def test(channel: Channel, request: Request) -> Delivery:
    """A message on its way, also through a channel that is switched off."""
    require(request.person, MAY_CHANGE, TO_DO)
    with audit.changing():
        audit.record(request.actor, Event("channel.tested", **about(channel)))
        return outbox.test_message(channel, request.person.get_username())


def _checked_name(text: str) -> str:
    try:
        NAME(text.strip())
    except ValidationError as error:
        raise Invalid(f"A channel's name has {error.messages[0][:1].lower()}{error.messages[0][1:]} {NOTHING}") from error
    return text.strip()


def _apply(channel: Channel, wanted: Wanted) -> None:
    unknown = [kind for kind in wanted.kinds if kind not in RULES]
    if unknown:
        raise Invalid(f"{shown(unknown[0])} is no signal. {NOTHING}")
    if channel.kind == ChannelKind.EMAIL:
        channel.target = ", ".join(_addresses(wanted.target))
    else:
        _apply_webhook(channel, wanted)
    channel.kinds = [kind for kind in RULES if kind in wanted.kinds] if len(set(wanted.kinds)) < len(RULES) else []
    channel.urgent_only, channel.tells_end, channel.enabled = wanted.urgent_only, wanted.tells_end, wanted.enabled


def _apply_webhook(channel: Channel, wanted: Wanted) -> None:
    if wanted.target:
        url = webhook.checked_url(wanted.target.strip(), frozenset(settings.NOTIFY_PRIVATE))
        channel.target, channel.sealed_url = webhook.origin(url), seal(wanted.target.strip())
    elif not channel.sealed_url:
        raise Invalid(f"Say where the webhook is, for example https://hooks.example.org/abc. {NOTHING}")
    if wanted.secret:
        channel.sealed_secret = seal(_checked_secret(wanted.secret))
    elif not channel.sealed_secret:
        raise Invalid(f"A webhook needs a secret, so that who receives it knows who wrote it. {NOTHING}")


def _checked_secret(text: str) -> str:
    if not LEAST_SECRET <= len(text) <= MOST_SECRET or re.search(r"[\x00-\x1f\x7f]", text):
        raise Invalid(f"A secret has from {LEAST_SECRET} to {MOST_SECRET} characters, all on one line. {NOTHING}")
    if len(webhook.key_of(text)) < LEAST_SECRET:
        raise Invalid(f"A secret has at least {LEAST_SECRET} bytes after whsec_, written in base64. {NOTHING}")
    return text


def _addresses(text: str) -> list[str]:
    found = list(dict.fromkeys(re.split(r"[\s,;]+", text.strip())))
    if found == [""]:
        raise Invalid(f"Name at least one e-mail address. {NOTHING}")
    if len(found) > MOST_ADDRESSES:
        raise Invalid(f"These are {len(found)} addresses; at most {MOST_ADDRESSES} are told by one channel. {NOTHING}")
    for one in found:
        try:
            validate_email(one)
        except ValidationError as error:
            raise Invalid(f"{shown(one)} is no e-mail address. {NOTHING}") from error
    return found


def _told(channel: Channel) -> dict[str, Any]:
    """What events may say of it."""
    names = ", ".join(channel.kinds) or "all"
    found = {
        "kind": channel.kind, "target": channel.target, "signals": names, "urgent only": channel.urgent_only,
        "tells the end": channel.tells_end, "enabled": channel.enabled,
    }  # fmt: skip
    return found | ({"secret": "there" if channel.sealed_secret else "none"} if channel.kind == ChannelKind.WEBHOOK else {})


def _changes(before: dict[str, Any], channel: Channel, wanted: Wanted) -> dict[str, list[Any]]:
    """`before` empty: it is new."""
    now = _told(channel)
    if wanted.secret and before.get("secret") == "there":
        now["secret"] = "replaced"  # noqa: S105 - a word about it
    if wanted.target and channel.kind == ChannelKind.WEBHOOK and before:
        now["address"] = "replaced"
    return {name: [before.get(name), value] for name, value in now.items() if before.get(name) != value}
