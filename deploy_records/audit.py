"""The audit trail. `record` is the only writer and is called inside the transaction of the change it tells of."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Self, cast

from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone

from deploy_records.errors import Broken
from deploy_records.models import AuditEvent, AuditHead
from deploy_records.people import roles_of

GENESIS = "0" * 64
_MOST_TEXT = 4000
_MOST_DEPTH = 8


@dataclass(frozen=True)
class Actor:
    """Who acted: a person, or a part of the portal such as `worker` or `watcher`."""

    name: str
    role: str = ""
    address: str = ""

    @classmethod
    def of(cls, person: Any, address: str = "") -> Self:
        if isinstance(person, User):
            return cls(person.get_username(), ", ".join(roles_of(person)), address)
        return cls("anonymous", "", address)


WORKER = Actor("worker")
WATCHER = Actor("watcher")
SCHEDULER = Actor("scheduler")


@dataclass(frozen=True)
class Event:
    """What happened. `changes` is {field: [before, after]}; of secrets only their presence."""

    action: str
    object_type: str = ""
    object_id: str = ""
    object_name: str = ""
    reason: str = ""
    job: int | None = None
    changes: dict[str, Any] = field(default_factory=dict)


def about(thing: models.Model) -> dict[str, Any]:
    """The object of an event: `Event("job.started", **about(job))`."""
    return {"object_type": thing._meta.model_name or "", "object_id": str(thing.pk), "object_name": str(thing)}


def canonical(sequence: int, at: datetime, actor: Actor, event: Event) -> str:
    """The text that is hashed: JSON, keys sorted, no spaces, UTC with microseconds."""
    moment = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    whole = {"sequence": sequence, "at": moment, "actor": asdict(actor), "event": asdict(event)}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def chained(previous: str, text: str) -> str:
    """SHA-256 in hex over the previous link's hash and this link's text."""
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


@contextmanager
def changing() -> Iterator[None]:
    """A transaction for a change and its events. It holds the end of the chain from its beginning: writers queue
    there before they touch rows, so that two of them never wait for each other crosswise.
    """
    with transaction.atomic():
        _lock_head()
        yield


def record(actor: Actor, event: Event) -> AuditEvent:
    """Adds one link to the chain; must run inside the transaction of the change it tells of."""
    if not transaction.get_connection().in_atomic_block:
        raise Broken("audit.record was called outside a transaction.")
    actor, event = _storable_actor(actor), _storable_event(event)
    head = _lock_head()
    sequence, at = head.sequence + 1, timezone.now()
    text = canonical(sequence, at, actor, event)
    digest = chained(head.digest, text)
    link = AuditEvent.objects.create(
        sequence=sequence, at=at, actor=actor.name, role=actor.role, address=actor.address,
        **asdict(event), text=text, previous=head.digest, digest=digest,
    )  # fmt: skip
    # SQLite has no row locks; there IMMEDIATE transactions keep others out, and this count proves it.
    moved = AuditHead.objects.filter(pk=head.pk, sequence=head.sequence, digest=head.digest)
    if moved.update(sequence=sequence, digest=digest) != 1:
        raise Broken("Another writer moved the end of the audit trail in the same moment.")
    return link


def record_refusal(actor: Actor, asked: str, why: str, code: str, correlation: str = "") -> None:
    """A refused action is an event as well, in a transaction of its own as nothing else was changed."""
    with transaction.atomic():
        changes = {"code": code, "correlation": correlation}
        record(actor, Event("refused", object_name=asked, reason=why, changes=changes))


def _lock_head() -> AuditHead:
    head = AuditHead.objects.select_for_update().filter(pk=1).first()
    if head is None:
        AuditHead.objects.get_or_create(pk=1)
        head = AuditHead.objects.select_for_update().get(pk=1)
    return head


def _storable_actor(actor: Actor) -> Actor:
    return Actor(_fit(actor.name, "actor"), _fit(actor.role, "role"), _fit(actor.address, "address"))


def _storable_event(event: Event) -> Event:
    """What both databases keep as it is, so that the columns can be held against the hashed text for ever."""
    return Event(
        action=_fit(event.action, "action"),
        object_type=_fit(event.object_type, "object_type"),
        object_id=_fit(event.object_id, "object_id"),
        object_name=_fit(event.object_name, "object_name"),
        reason=_clean(event.reason),
        job=event.job,
        changes={_clean(str(name)): _plain(value) for name, value in event.changes.items()},
    )


def _fit(text: str, column: str) -> str:
    most = cast("int", AuditEvent._meta.get_field(column).max_length)  # type: ignore[union-attr]  # a CharField
    return _clean(text)[:most]


def _clean(text: str) -> str:
    """PostgreSQL keeps neither NUL nor lone surrogates; SQLite cuts text at NUL in some of its functions."""
    return text[:_MOST_TEXT].replace("\x00", "").encode("utf-8", "replace").decode()


def _plain(value: Any, depth: int = 0) -> Any:
    """As JSON that comes back the same: PostgreSQL rewrites fractions, so these are kept as text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if depth < _MOST_DEPTH and isinstance(value, dict):
        return {_clean(str(key)): _plain(one, depth + 1) for key, one in value.items()}
    if depth < _MOST_DEPTH and isinstance(value, list | tuple | set | frozenset):
        ordered = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [_plain(one, depth + 1) for one in ordered]
    return _clean(str(value))
