"""The only writer of probes and events: what one host's watcher heard, in one transaction for all its services.

Everything is read, merged and written again under a lock of the host's row, so that it is kept once however often it is told:
by a watcher that begins anew, or by two of them. What is remembered here between two batches only saves queries.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import transaction

from chatbot_service import observe
from chatbot_service.facts import EngineEvent
from chatbot_service.health import blocks, definitions, due
from chatbot_service.health.blocks import MOST_EVENTS, MOST_PROBES, STRETCH, Event, Probe, by_block, micros, moment
from chatbot_service.health.follow import Followed, Turn, follow, news
from chatbot_service.health.log import Inspected
from chatbot_service.health.rollup import touched
from chatbot_service.health.standing import last_before
from chatbot_service.jobs.ports import Healthcheck
from chatbot_service.models import (
    ACTIVE,
    HealthEventBlock,
    HealthSampleBlock,
    HealthTransition,
    HealthWatch,
    Host,
    Job,
)

SAME_START = 2 * blocks.MICRO
"""Docker tells the start of a container a moment apart in an event and in an inspect."""
LOOKED = "seen by a look"
MOST_OUTPUT = 2000
_AT_ONCE = 200


@dataclass
class Batch:
    """What came in since the last one, each with the number of its service."""

    events: list[tuple[int, EngineEvent]] = field(default_factory=list)
    looks: list[tuple[int, Inspected]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.events or self.looks)


@dataclass
class _Written:
    """What is true once the transaction is."""

    followed: dict[int, Followed] = field(default_factory=dict)
    told: dict[tuple[str, str], int] = field(default_factory=dict)
    definitions: dict[int, Healthcheck] = field(default_factory=dict)
    stretches: dict[int, list[due.Stretch]] = field(default_factory=lambda: defaultdict(list))
    turned: set[int] = field(default_factory=set)


class HealthWriter:
    """`since`: up to when a watcher had been there before. `not_before`: the clock was set back from there, and as long as it
    has not come so far again, changes of state are written as of then: what was true earlier stays as it was.
    """

    def __init__(self, host: Host, since: datetime | None = None) -> None:
        self._host = host
        self.since = since
        self.not_before: datetime | None = None
        self._followed: dict[int, Followed] = {}
        self._told: dict[tuple[str, str], int] = {}
        self._definitions: dict[int, Healthcheck] = {}

    def knows(self, service: int, container: str, digest: str) -> None:
        """Of a look at all containers: which is the service's own, and what runs in it."""
        known = self._followed.get(service)
        if known is None or known.container != container or known.digest != digest:
            is_probed = known.is_probed if known else True
            self._followed[service] = Followed(container, is_probed, digest)

    def forget_all_but(self, containers: frozenset[str]) -> None:
        self._told = {key: at for key, at in self._told.items() if key[0] in containers}

    def write(self, batch: Batch, now: datetime, *, alive: bool = True) -> set[int]:
        """The services whose state changed by what was told. `alive`: nothing is missing up to now."""
        written = _Written()
        with transaction.atomic():
            self._lock(now)
            fresh = self._keep_events(batch, written)
            probes = self._keep_probes(batch, written)
            self._keep_definitions(batch, written, now)
            self._keep_turns(fresh, probes, written)
            due.mark(written.stretches, now)
            self._note_alive(batch, now if alive else None)
        self._followed |= written.followed
        self._told |= written.told
        self._definitions |= written.definitions
        return written.turned

    def note_gap(self, services: Iterable[int], since: datetime, now: datetime) -> None:
        """From `since` on nobody looked at these: unknown, whatever was seen last."""
        numbers = list(services)
        with transaction.atomic():
            last = last_before(numbers, now + timedelta(days=3650))
            rows = [
                HealthTransition(service_id=number, at=max(since, last[number].at), state="unknown", note="nobody looked")
                for number in numbers
                if number in last and last[number].state != "unknown"
            ]
            HealthTransition.objects.bulk_create(rows)
            due.mark({row.service_id: [touched(micros(row.at), micros(max(now, row.at)))] for row in rows}, now)

    def alive(self, at: datetime) -> None:
        """Nothing was told, and nothing is waiting."""
        if not HealthWatch.objects.filter(host=self._host).update(alive_at=at):
            HealthWatch.objects.get_or_create(host=self._host, defaults={"alive_at": at})

    def _lock(self, now: datetime) -> None:
        """On SQLite the transaction itself keeps other writers out."""
        if HealthWatch.objects.select_for_update().filter(host=self._host).first() is None:
            HealthWatch.objects.get_or_create(host=self._host, defaults={"alive_at": now})

    def _note_alive(self, batch: Batch, at: datetime | None) -> None:
        fields: dict[str, object] = {"alive_at": at} if at else {}
        if batch.events:
            fields["events_until"] = max(event.at_nano for _service, event in batch.events)
        if fields:
            HealthWatch.objects.filter(host=self._host).update(**fields)

    # Events

    def _keep_events(self, batch: Batch, written: _Written) -> dict[int, list[tuple[Event, str]]]:
        """What was not known yet, by service, each with the digest that names its image."""
        heard = [(service, _event(event)) for service, event in batch.events]
        digests = {event.container_id: _digest(event) for _service, event in batch.events}
        for _service, event in heard:
            written.told[event.container, event.action] = event.at
        found = heard + [one for look in batch.looks for one in self._unheard(look, written)]
        fresh: dict[int, list[tuple[Event, str]]] = defaultdict(list)
        rows = []
        groups = by_block(found, lambda one: one.at)
        known = _read(HealthEventBlock, groups, margin=1)
        for (service, start), events in groups.items():
            kept = _events(known, service, start)
            beside = kept + _events(known, service, start - STRETCH) + _events(known, service, start + STRETCH)
            wanted = [event for event in events if event.detail != LOOKED or not _is_told(event, [*beside, *events])]
            whole, new = blocks.merged(kept, wanted, MOST_EVENTS)
            if new:
                rows.append(_row(HealthEventBlock, service, start, len(whole), blocks.pack_events(start, whole)))
                fresh[service] += [(event, digests.get(event.container, "")) for event in new]
                written.stretches[service].append(touched(start * blocks.MICRO))
        _upsert(HealthEventBlock, rows)
        return fresh

    def _unheard(self, look: tuple[int, Inspected], written: _Written) -> list[tuple[int, Event]]:
        """Starts and ends that an inspect shows and no event told of, as the watcher or the engine was away."""
        service, seen = look
        shown = [("start", seen.started_at, 0), ("die", seen.finished_at, seen.exit_code)]
        found = []
        for action, at, exit_code in shown:
            if at is None or self.since is None or at < self.since:
                continue
            key, event = (seen.container, action), Event(seen.container, micros(at), action, exit_code, LOOKED)
            told = written.told.get(key, self._told.get(key))
            if told is None or abs(told - event.at) > SAME_START:
                written.told[key] = event.at
                found.append((service, event))
        return found

    # Probes

    def _keep_probes(self, batch: Batch, written: _Written) -> dict[str, list[Probe]]:
        """All of the blocks that were touched, by container, oldest first."""
        found = [(service, probe) for service, seen in batch.looks for probe in seen.probes]
        groups = by_block(found, lambda one: one.start)
        known = _read(HealthSampleBlock, groups)
        rows, by_container = [], defaultdict[str, list[Probe]](list)
        for (service, start), probes in groups.items():
            data = known.get((service, start))
            kept = blocks.unpack_probes(start, data) if data else []
            whole, new = blocks.merged(kept, probes, MOST_PROBES)
            for probe in whole:
                by_container[probe.container].append(probe)
            if new:
                rows.append(_row(HealthSampleBlock, service, start, len(whole), blocks.pack_probes(start, whole)))
                written.stretches[service].append(touched(start * blocks.MICRO))
        _upsert(HealthSampleBlock, rows)
        return by_container

    # What follows

    def _keep_turns(
        self, fresh: Mapping[int, list[tuple[Event, str]]], probes: Mapping[str, Sequence[Probe]], written: _Written
    ) -> None:
        turns: dict[int, list[Turn]] = {}
        for service, events in fresh.items():
            known = written.followed.get(service) or self._followed.get(service, Followed())
            ordered = sorted(events, key=lambda one: one[0].at)
            written.followed[service], found = follow(known, ordered)
            if found:
                turns[service] = [turn._replace(at=max(turn.at, self._floor)) for turn in found]
        if not turns:
            return
        states = _states(turns)
        busy = set(Job.objects.filter(service__in=turns, state__in=ACTIVE).values_list("service_id", flat=True))
        rows = []
        for service, found in turns.items():
            for turn in news(found, states[service]):
                note = turn.note or ("by a job" if service in busy else "")
                rows.append(_transition(service, turn, note, probes.get(turn.container, ())))
                following = next((at for at, _state, _digest in states[service] if at > turn.at), None)
                end = turn.at + 10**15 if following is None else following
                written.stretches[service].append(touched(turn.at, end))
                written.turned.add(service)
        _tell_stopped(rows)
        HealthTransition.objects.bulk_create(rows, batch_size=_AT_ONCE)

    @property
    def _floor(self) -> int:
        return micros(self.not_before) if self.not_before else 0

    def _keep_definitions(self, batch: Batch, written: _Written, now: datetime) -> None:
        running = {service: look for service, look in batch.looks if look.state == "running"}
        changed = {service: look for service, look in running.items() if self._definitions.get(service) != look.healthcheck}
        if not changed:
            return
        for service, look in changed.items():
            written.definitions[service] = look.healthcheck
            known = self._followed.get(service, Followed(look.container))
            written.followed[service] = replace(known, is_probed=look.healthcheck.exists)
        definitions.keep({service: (look, written.followed[service].digest) for service, look in changed.items()}, now)


def _event(told: EngineEvent) -> Event:
    action, _colon, health = told.action.partition(": ")
    detail = health or told.attributes.get("signal", "")
    exit_code = told.attributes.get("exitCode", "0")
    code = int(exit_code) if exit_code.lstrip("-").isdigit() else 0
    return Event(told.container_id, told.at_nano // 1000, action[:40], code, detail[:40])


def _digest(told: EngineEvent) -> str:
    digest = told.attributes.get("image", "").rpartition("@")[2]
    return digest if digest.startswith("sha256:") else ""


def _is_told(event: Event, others: Iterable[Event]) -> bool:
    return any(
        other.container == event.container and other.action == event.action and other is not event
        and other.detail != LOOKED and abs(other.at - event.at) <= SAME_START
        for other in others
    )  # fmt: skip


Kind = type[HealthSampleBlock] | type[HealthEventBlock]
Known = dict[tuple[int, int], bytes]


def _read(kind: Kind, groups: Iterable[tuple[int, int]], margin: int = 0) -> Known:
    """The blocks there are; `margin`: and so many beside each."""
    pairs = set(groups)
    starts = {start + beside * STRETCH for _service, start in pairs for beside in range(-margin, margin + 1)}
    if not pairs:
        return {}
    services = {service for service, _start in pairs}
    rows = kind.objects.filter(service__in=services, start__in=starts).values_list("service_id", "start", "data")
    return {(service, start): bytes(data) for service, start, data in rows}


def _events(known: Known, service: int, start: int) -> list[Event]:
    data = known.get((service, start))
    return blocks.unpack_events(start, data) if data else []


def _row(kind: Kind, service: int, start: int, count: int, data: bytes) -> HealthSampleBlock | HealthEventBlock:
    return kind(service_id=service, start=start, count=count, data=data)


def _upsert(kind: Kind, rows: Sequence[HealthSampleBlock | HealthEventBlock]) -> None:
    kind.objects.bulk_create(
        rows,  # type: ignore[arg-type]  # of that kind
        update_conflicts=True, unique_fields=("service", "start"), update_fields=("count", "data"), batch_size=_AT_ONCE,
    )  # fmt: skip


def _states(turns: Mapping[int, Sequence[Turn]]) -> dict[int, list[tuple[int, str, str]]]:
    """What is known of these services from the first turn on, and the state before it."""
    first = moment(min(turn.at for found in turns.values() for turn in found))
    before = last_before(turns, first)
    states: dict[int, list[tuple[int, str, str]]] = {
        service: [(micros(last.at), last.state, last.digest)] if (last := before.get(service)) else [] for service in turns
    }
    later = HealthTransition.objects.filter(service__in=turns, at__gte=first).order_by("at", "id")
    for service, at, state, digest in later.values_list("service_id", "at", "state", "digest").iterator():
        states[service].append((micros(at), state, digest))
    return states


def _transition(service: int, turn: Turn, note: str, probes: Sequence[Probe]) -> HealthTransition:
    output = ""
    if turn.state in {"healthy", "unhealthy"}:
        output = next((probe.output for probe in reversed(probes) if probe.start <= turn.at), "")
    return HealthTransition(
        service_id=service, at=moment(turn.at), state=turn.state, digest=turn.digest, note=note[:300], output=output[:MOST_OUTPUT]
    )


def _tell_stopped(rows: Iterable[HealthTransition]) -> None:
    """Down by a stop job is stopped, not down."""
    down = [row for row in rows if row.state == "down"]
    stopped = {service for service in {row.service_id for row in down} if observe.stopped_by_job(service)}
    for row in down:
        if row.service_id in stopped:
            row.state = "stopped"
