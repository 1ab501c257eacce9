"""The raw data of some services in a stretch of time, read with a fixed number of queries."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chatbot_service.health import rollup
from chatbot_service.health.blocks import MICRO, STRETCH, Event, Probe, moment, unpack_events, unpack_probes
from chatbot_service.health.rollup import Bucket, spells
from chatbot_service.health.runs import NOT_SERVING, SLACK, Change, Touch
from chatbot_service.health.standing import last_before
from chatbot_service.models import HealthEventBlock, HealthSampleBlock, HealthTransition
from chatbot_service.touching import touching_jobs


@dataclass
class Raw:
    """Of one service. `changes`: with the one before the stretch, oldest first."""

    changes: list[Change] = field(default_factory=list)
    touches: Sequence[Touch] = ()
    probes: list[Probe] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def buckets(self, start: int, end: int, until: datetime) -> list[Bucket]:
        return rollup.roll(start, end, spells(self.changes, until, self.touches), self.probes, self.events)


def read(services: Iterable[int], start: int, end: int) -> dict[int, Raw]:
    """From `start` to `end` in seconds, both at the edge of a block."""
    numbers = list(services)
    found: dict[int, Raw] = {number: Raw() for number in numbers}
    first, last = moment(start * MICRO), moment(end * MICRO)
    for number, before in last_before(numbers, first).items():
        found[number].changes.append(Change(before.at, before.state, before.digest))
    inside = HealthTransition.objects.filter(service__in=numbers, at__gte=first, at__lt=_a_while_after(last))
    for number, at, state, digest in inside.order_by("at", "id").values_list("service_id", "at", "state", "digest"):
        found[number].changes.append(Change(at, state, digest))
    _read_touches(found)
    within = {"service__in": numbers, "start__gte": start, "start__lt": end}
    for number, begin, data in HealthSampleBlock.objects.filter(**within).values_list("service_id", "start", "data"):
        found[number].probes += unpack_probes(begin, bytes(data))
    for number, begin, data in HealthEventBlock.objects.filter(**within).values_list("service_id", "start", "data"):
        found[number].events += unpack_events(begin, bytes(data))
    return found


def _a_while_after(last: datetime) -> datetime:
    """Whether the end of a stretch is a pause depends on when the next change came."""
    return last + 2 * SLACK


def _read_touches(found: dict[int, Raw]) -> None:
    """Only for those of which a job may have made a pause."""
    asked = {number: raw for number, raw in found.items() if any(change.state in NOT_SERVING for change in raw.changes)}
    if not asked:
        return
    since = min(raw.changes[0].at for raw in asked.values())
    touching = touching_jobs(asked, since)
    for number, raw in asked.items():
        raw.touches = [held.touch for held in touching[number]]


def forget(services: Iterable[int], before: int) -> None:
    """Probes and events of blocks that began before this second."""
    old = {"service__in": list(services), "start__lt": before - STRETCH}
    HealthSampleBlock.objects.filter(**old).delete()
    HealthEventBlock.objects.filter(**old).delete()
