"""The audit trail. `record` is the only writer and is called inside the transaction of the change it tells of."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from django.contrib.auth.models import User
from django.db import models, transaction
from django.utils import timezone

from deploy_records.errors import Broken
from deploy_records.models import AuditEvent, AuditHead
from deploy_records.people import roles_of

GENESIS = "0" * 64


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
    return {"object_type": thing._meta.model_name or "", "object_id": str(thing.pk), "object_name": str(thing)[:500]}


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
    there before they touch rows, so that two of them never wait for each other crosswise."""
    with transaction.atomic():
        _lock_head()
        yield


def _lock_head() -> AuditHead:
    head = AuditHead.objects.select_for_update().filter(pk=1).first()
    if head is None:
        AuditHead.objects.get_or_create(pk=1)
        head = AuditHead.objects.select_for_update().get(pk=1)
    return head


def record(actor: Actor, event: Event) -> AuditEvent:
    """Adds one link to the chain; must run inside the transaction of the change it tells of."""
    if not transaction.get_connection().in_atomic_block:
        raise Broken("audit.record was called outside a transaction.")
    event = _clean(event)
    head = _lock_head()
    sequence, at = head.sequence + 1, timezone.now()
    text = canonical(sequence, at, actor, event)
    digest = chained(head.digest, text)
    link = AuditEvent.objects.create(
        sequence=sequence, at=at, actor=actor.name, role=actor.role, address=actor.address,
        **asdict(event), text=text, previous=head.digest, digest=digest,
    )  # fmt: skip
    AuditHead.objects.filter(pk=1).update(sequence=sequence, digest=digest)
    return link


def record_refusal(actor: Actor, asked: str, why: str, code: str, correlation: str = "") -> None:
    """A refused action is an event as well, in a transaction of its own as nothing else was changed."""
    with transaction.atomic():
        changes = {"code": code, "correlation": correlation}
        record(actor, Event("refused", object_name=asked[:500], reason=why[:2000], changes=changes))


def first_bad_link() -> int | None:
    """Sequence of the first link that does not fit the one before it; nothing if the chain is whole."""
    previous, expected = GENESIS, 1
    for link in AuditEvent.objects.order_by("sequence").iterator(chunk_size=2000):
        if link.sequence != expected or link.previous != previous or chained(previous, link.text) != link.digest:
            return link.sequence
        previous, expected = link.digest, expected + 1
    return None


def _clean(event: Event) -> Event:
    """PostgreSQL takes no NUL in text: foreign text is stored without it."""
    strip = {k: v.replace("\x00", "") for k, v in asdict(event).items() if isinstance(v, str)}
    return Event(**{**asdict(event), **strip})
