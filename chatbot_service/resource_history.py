"""What services used over time: samples of `resource_measuring`, kept for two weeks, as pages read them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction

from chatbot_service.jobs.look_ports import Usage
from chatbot_service.models import Host, ResourceBlock, Service
from chatbot_service.resource_blocks import packed, start_of, unpacked

KEPT = timedelta(days=14)
SHOWN = timedelta(days=1)
_GAP = timedelta(minutes=20)
"""Between samples farther apart nothing is known."""


def keep(service: Service, sample: Usage) -> None:
    """Two in one moment are one."""
    with transaction.atomic():
        start = start_of(sample.at)
        block, _made = ResourceBlock.objects.select_for_update().get_or_create(service=service, start=start)
        samples = unpacked(bytes(block.data or b""))
        if any(int(one.at.timestamp()) == int(sample.at.timestamp()) for one in samples):
            return
        samples = sorted([*samples, sample], key=lambda one: one.at)
        block.data, block.count = packed(samples), len(samples)
        block.save(update_fields=["data", "count"])


def forget(host: Host) -> None:
    oldest = start_of(datetime.now(UTC) - KEPT)
    ResourceBlock.objects.filter(service__host=host, start__lt=oldest).delete()


@dataclass(frozen=True)
class Point:
    """Between two samples. `cpu`: 1.0 is one whole CPU; `network`, `disk`: bytes a second, both ways together. None where it
    was made anew in between, or not measured.
    """

    at: datetime
    cpu: float | None
    memory: int
    memory_limit: int
    network: float | None = None
    disk: float | None = None


def of(service: Service, since: datetime) -> Sequence[Point]:
    """In one query, oldest first."""
    blocks = ResourceBlock.objects.filter(service=service, start__gte=start_of(since)).order_by("start")
    samples = [one for block in blocks for one in unpacked(bytes(block.data)) if one.at >= since]
    return list(_points(samples))


def _points(samples: Sequence[Usage]) -> Iterator[Point]:
    before: Usage | None = None
    for one in samples:
        cpu = _rate(before, one, lambda usage: usage.cpu_seconds)
        network = _rate(before, one, lambda usage: usage.received + usage.sent)
        disk = _rate(before, one, lambda usage: usage.read + usage.written)
        yield Point(one.at, cpu, one.memory, one.memory_limit, network, disk)
        before = one


def _rate(before: Usage | None, now: Usage, counter: Callable[[Usage], float]) -> float | None:
    """A second. A counter that is smaller than before belongs to another container."""
    if before is None or now.at - before.at > _GAP or counter(now) < counter(before):
        return None
    return (counter(now) - counter(before)) / max(1.0, (now.at - before.at).total_seconds())
