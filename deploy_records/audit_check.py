"""Is the audit trail intact? Every link is held against the one before it, and every column against the hashed text."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from deploy_records.audit import GENESIS, chained
from deploy_records.models import AuditEvent, AuditHead

_COMPARED = (
    "sequence", "at", "actor", "role", "address", "action", "object_type", "object_id", "object_name",
    "reason", "job", "changes",
)  # fmt: skip
_COLUMNS = (*_COMPARED, "text", "previous", "digest")
_CHUNK = 2000

Link = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """The first event that does not fit, and why, in words."""

    sequence: int
    why: str


@dataclass(frozen=True)
class Report:
    """What was checked: events `since` to `until`, both included; `digest` is the hash of the last event that fits."""

    since: int
    until: int
    checked: int
    digest: str
    problem: Problem | None = None

    @property
    def intact(self) -> bool:
        return self.problem is None

    @property
    def sentence(self) -> str:
        if self.problem:
            return f"The audit trail is broken at event {self.problem.sequence:,}: {self.problem.why}"
        if not self.checked:
            return "The audit trail has no event to check."
        part = f"from event {self.since:,} to {self.until:,}" if self.since > 1 else f"up to event {self.until:,}"
        return f"The audit trail is intact {part}."


def verify(since: int = 1, *, trusted: str = "") -> Report:
    """Checks all events from `since` on, in bounded memory, while others may go on writing.

    `trusted`: the hash of the event before `since`, as an earlier report gave it; without it, what the database
    says of that event is believed.
    """
    end, end_digest = _end()
    links = AuditEvent.objects.filter(sequence__gte=since).order_by("sequence").values(*_COLUMNS)
    before = trusted or _digest_of(since - 1)
    expected, why = since, ""
    for link in _readable(links.iterator(chunk_size=_CHUNK)):
        why = what_is_wrong(link, expected, before) if link else "it cannot be read."
        if not why and expected == end and link["digest"] != end_digest:
            why = "it is not the one that was written last."
        if why:
            break
        before, expected = link["digest"], expected + 1
    if not why and expected <= end:
        why = "it is missing." if expected == end else f"it and all after it, up to {end:,}, are missing."
    noted, _digest = _end()  # anew: others may have written meanwhile
    if not why and noted + 1 < expected and since < expected:
        expected, why = max(noted + 1, since), "it is there, but the end of the trail is noted before it."
    return Report(since, expected - 1, expected - since, before, Problem(expected, why) if why else None)


def _end() -> tuple[int, str]:
    """Sequence and hash of the last event, as the writers noted them."""
    return AuditHead.objects.filter(pk=1).values_list("sequence", "digest").first() or (0, GENESIS)


def _readable(links: Iterator[Link]) -> Iterator[Link]:
    """The links; an empty one where a column holds what its type cannot be."""
    try:
        yield from links
    except (ValueError, TypeError):
        yield {}


def what_is_wrong(link: Link, expected: int, before: str) -> str:
    """Why a link does not fit after the hash `before`; empty if it does."""
    if link["sequence"] != expected:
        return f"it is missing; the next one there is {link['sequence']}."
    if link["previous"] != before:
        return "it does not follow from the event before it."
    if chained(before, link["text"]) != link["digest"]:
        return "its text is not what was written."
    other = next(_columns_unlike_the_text(link), "")
    return f"its column “{other}” is not what its text says." if other else ""


def _columns_unlike_the_text(link: Link) -> Iterator[str]:
    try:
        said = json.loads(link["text"])
        told = said["event"] | {"sequence": said["sequence"], "at": said["at"]}
        told |= {"actor": said["actor"]["name"], "role": said["actor"]["role"], "address": said["actor"]["address"]}
    except (ValueError, TypeError, KeyError):
        yield "text"
        return
    at = link["at"]
    shown = {**link, "at": at and at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
    yield from (name for name in _COMPARED if name not in told or _exact(shown[name]) != _exact(told[name]))


def _exact(value: Any) -> str:
    """Told apart to the type: true is not 1."""
    return json.dumps(value, sort_keys=True, default=repr)


def _digest_of(sequence: int) -> str:
    if sequence < 1:
        return GENESIS
    return AuditEvent.objects.filter(sequence=sequence).values_list("digest", flat=True).first() or ""
