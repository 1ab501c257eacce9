"""How a signal lives: opened by its rule, closed once the rule has not held for a while. Who acknowledges it: `acknowledging`."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from chatbot_service.models import Signal
from chatbot_service.signals import outbox, reading
from chatbot_service.signals.evidence import Evidence
from chatbot_service.signals.facts import Facts, NotKnown
from chatbot_service.signals.reading import Matter
from chatbot_service.signals.rules import RULES, Rule
from deploy_records import audit
from deploy_records.audit import Event, about

_OF_EXCEPTIONS = frozenset({"exceptions"})


def look(now: datetime | None = None) -> None:
    """Judges everything once. Safe to call as often as one likes, and from several processes at once."""
    moment = now or timezone.now()
    opened = _opened()
    seen: set[tuple[str, str]] = set()
    for matter, facts, rules in _everything(moment):
        for rule in rules:
            key = (str(rule.kind), matter.key)
            seen.add(key)
            judge(rule, matter, facts, opened.get(key))
    for key, signal in opened.items():
        if key not in seen:  # what it was about is there no more, or needs nobody any longer
            _settle(RULES[signal.kind], signal, None, moment)


def _opened() -> dict[tuple[str, str], Signal]:
    return {(one.kind, one.matter): one for one in Signal.objects.filter(closed_at=None)}


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
