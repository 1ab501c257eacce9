"""How a signal lives: opened by its rule, acknowledged by a person, closed once the rule has not held for a while."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from chatbot_service.dispatch import Request
from chatbot_service.models import Signal
from chatbot_service.signals import outbox, reading
from chatbot_service.signals.evidence import Evidence
from chatbot_service.signals.facts import Facts, NotKnown
from chatbot_service.signals.reading import Matter
from chatbot_service.signals.rules import RULES, Rule
from deploy_records import audit
from deploy_records.audit import Event, about
from deploy_records.errors import Refused
from deploy_records.people import require
from deploy_records.rules.words import checked_words

MAY_ACKNOWLEDGE = "chatbot_service.acknowledge_signal"
TO_DO = "Acknowledging a signal"
MOST_NOTE = 1000
_OF_EXCEPTIONS = frozenset({"exceptions"})


def look(now: datetime | None = None) -> None:
    """Judges everything once. Safe to call as often as one likes, and from several processes at once."""
    moment = now or timezone.now()
    opened = {(one.kind, one.matter): one for one in Signal.objects.filter(closed_at=None)}
    seen: set[tuple[str, str]] = set()
    for matter, facts, rules in _everything(moment):
        for rule in rules:
            key = (str(rule.kind), matter.key)
            seen.add(key)
            judge(rule, matter, facts, opened.get(key))
    for key, signal in opened.items():
        if key not in seen:  # what it was about is there no more, or needs nobody any longer
            _settle(RULES[signal.kind], signal, None, moment)


def _everything(now: datetime) -> Iterator[tuple[Matter, Facts, Iterable[Rule]]]:
    for_services = [rule for kind, rule in RULES.items() if kind not in _OF_EXCEPTIONS]
    for matter, facts in reading.services(now):
        yield matter, facts, for_services
    for matter, facts in reading.exceptions(now):
        yield matter, facts, [RULES[kind] for kind in _OF_EXCEPTIONS]


def judge(rule: Rule, matter: Matter, facts: Facts, signal: Signal | None) -> None:
    try:
        found = rule.judge(facts, signal is not None)
    except NotKnown:
        if signal is not None and signal.quiet_since is not None:
            Signal.objects.filter(pk=signal.pk, closed_at=None).update(quiet_since=None)
        return
    if signal is not None:
        _settle(rule, signal, found, facts.now)
    elif found is not None:
        _open(rule, matter, found, facts.now)


def _open(rule: Rule, matter: Matter, found: Evidence, now: datetime) -> None:
    data = found.as_data()
    fields: dict[str, Any] = {
        "about": matter.about[:200], "service": matter.service, "exception": matter.exception, "urgent": rule.urgent,
        "opened_at": now, "held_at": now, "evidence": data, "latest": data,
    }  # fmt: skip
    try:
        with audit.changing():
            signal = Signal.objects.create(kind=rule.kind, matter=matter.key, **fields)
            audit.record(audit.WATCHER, Event("signal.opened", **about(signal), reason=found.says))
            outbox.opened(signal)
    except IntegrityError:  # another process was quicker: one signal for one matter
        return


def _settle(rule: Rule, signal: Signal, found: Evidence | None, now: datetime) -> None:
    rows = Signal.objects.filter(pk=signal.pk, closed_at=None)
    if found is not None:
        data = found.as_data()
        if data != signal.latest or signal.quiet_since is not None:
            rows.update(latest=data, held_at=now, quiet_since=None)
        return
    since = signal.quiet_since or now
    if now - since >= rule.calm:
        _close(signal, now)
    elif signal.quiet_since is None:
        rows.filter(quiet_since=None).update(quiet_since=now)


def _close(signal: Signal, now: datetime) -> None:
    with audit.changing():
        if not Signal.objects.filter(pk=signal.pk, closed_at=None).update(closed_at=now, quiet_since=signal.quiet_since or now):
            return
        signal.closed_at = now
        audit.record(audit.WATCHER, Event("signal.closed", **about(signal)))
        outbox.closed(signal)


def acknowledge(signal: Signal, request: Request) -> None:
    """Somebody has seen it and says what they make of it. It stays open until its rule no longer holds."""
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
