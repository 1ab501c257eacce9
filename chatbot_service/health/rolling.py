"""Keeps the roll-ups of a host's services up to date: buckets that have closed, and closed ones of which more became known.

What is computed is what `rollup.roll` says of the raw data, whenever and however often it is done. Buckets older than the
probes are kept are final, as what they were made of has gone.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Min

from chatbot_service.health import due, raw, rollup
from chatbot_service.health.blocks import MICRO, micros
from chatbot_service.health.rollup import BLOCKS, DAY, FIVE_MINUTES, HOUR, Bucket
from chatbot_service.health.standing import last_before
from chatbot_service.models import HealthDue, HealthMark, HealthRollupBlock, HealthTransition, HealthWatch, Host, Service

AT_ONCE = 600
"""So many buckets are computed in one transaction: a bucket of some hundred services, or two days of one."""
MOST_DUE = 500
MOST_BUCKETS = 10_000
"""In one go, so that catching up after a long time does not keep the watcher from looking."""


def roll(host: Host, now: datetime) -> int:
    """How many buckets were computed; call it again while there are any, and once a minute otherwise."""
    until = due.closed(now)
    _begin(host, until)
    done = 0
    behind = HealthMark.objects.filter(service__host=host, rolled_until__lt=until).order_by("rolled_until", "service_id")
    groups: dict[int, list[int]] = {}
    for service, mark in behind.values_list("service_id", "rolled_until"):
        groups.setdefault(mark, []).append(service)
    for mark, services in groups.items():
        for start, end in _days(mark, until):
            for some in _some(services, AT_ONCE * FIVE_MINUTES // (end - start)):
                done += _compute(_Task(host, tuple(some), start, end, end), now)
                if done >= MOST_BUCKETS:
                    return done
    return done + _roll_due(host, now)


@dataclass(frozen=True)
class _Task:
    """`until`: how far these services are rolled up once it is done. `settled`: rows of what is due that are done with it."""

    host: Host
    services: tuple[int, ...]
    start: int
    end: int
    until: int
    settled: tuple[int, ...] = ()


def _begin(host: Host, until: int) -> None:
    """A service is rolled up from its first transition on."""
    new = Service.objects.filter(host=host, health_mark=None).annotate(first=Min("transitions__at"))
    rows = [
        HealthMark(service_id=service, rolled_until=min(micros(first) // MICRO // FIVE_MINUTES * FIVE_MINUTES, until))
        for service, first in new.order_by().values_list("pk", "first")
        if first is not None
    ]
    HealthMark.objects.bulk_create(rows, ignore_conflicts=True)


def _roll_due(host: Host, now: datetime) -> int:
    rows = list(HealthDue.objects.filter(service__host=host).order_by("service_id", "start")[:MOST_DUE])
    if not rows:
        return 0
    final = micros(now - timedelta(days=settings.HEALTH_SAMPLE_DAYS)) // MICRO // FIVE_MINUTES * FIVE_MINUTES + FIVE_MINUTES
    marks = dict(
        HealthMark.objects.filter(service__in={row.service_id for row in rows}).values_list("service_id", "rolled_until")
    )
    done = 0
    for row in _joined(rows):
        mark = marks.get(row.service, 0)
        steps = list(_days(max(row.start, final), min(row.end, mark))) or [(0, 0)]
        for number, (start, end) in enumerate(steps, start=1):
            settled = row.numbers if number == len(steps) else ()
            done += _compute(_Task(host, (row.service,), start, end, mark, settled), now)
    return done


@dataclass
class _Due:
    service: int
    start: int
    end: int
    numbers: tuple[int, ...]


def _joined(rows: Iterable[HealthDue]) -> list[_Due]:
    joined: list[_Due] = []
    for row in rows:
        last = joined[-1] if joined else None
        if last is not None and last.service == row.service_id and row.start <= last.end:
            last.end, last.numbers = max(last.end, row.end), (*last.numbers, row.pk)
        else:
            joined.append(_Due(row.service_id, row.start, row.end, (row.pk,)))
    return joined


def _days(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut at midnights, so that each piece lies in one row."""
    while start < end:
        edge = min(end, rollup.block_start(FIVE_MINUTES, start) + DAY)
        yield start, edge
        start = edge


def _some(services: Sequence[int], most: int) -> Iterator[Sequence[int]]:
    step = max(1, most)
    for place in range(0, len(services), step):
        yield services[place : place + step]


def _compute(task: _Task, now: datetime) -> int:
    with transaction.atomic():
        HealthWatch.objects.select_for_update().filter(host=task.host).first()  # as the writer: not two at once
        if task.start < task.end:
            found = raw.read(task.services, task.start, task.end)
            new = {service: one.buckets(task.start, task.end, now) for service, one in found.items()}
            fine = _write(FIVE_MINUTES, new, task.start, task.end)
            _write_coarser(HOUR, fine, task)
            _write_coarser(DAY, fine, task)
            HealthMark.objects.filter(service__in=task.services, rolled_until__lt=task.until).update(rolled_until=task.until)
        if task.settled:
            HealthDue.objects.filter(pk__in=task.settled).delete()
    return len(task.services) * (task.end - task.start) // FIVE_MINUTES


Found = dict[int, list[Bucket]]


def _write_coarser(width: int, fine: Found, task: _Task) -> None:
    """Hours and days of this day that have closed and are touched; each is the sum of what it holds."""
    start = task.start // width * width
    end = min(-(-task.end // width) * width, task.until // width * width)
    if start >= end:
        return
    inside = {service: [one for one in buckets if start <= one.start < end] for service, buckets in fine.items()}
    _write(width, {service: rollup.coarser(buckets, width) for service, buckets in inside.items()}, start, end)


def _write(width: int, new: Found, start: int, end: int) -> Found:
    """Puts them in the place of what lay between `start` and `end`; all buckets of the rows in which they lie."""
    begin = rollup.block_start(width, start)
    rows = HealthRollupBlock.objects.filter(service__in=new, width=width, start=begin)
    kept = {service: rollup.unpack(begin, width, bytes(data)) for service, data in rows.values_list("service_id", "data")}
    whole = {service: rollup.replaced(kept.get(service, ()), buckets, start, end) for service, buckets in new.items()}
    HealthRollupBlock.objects.bulk_create(
        (
            HealthRollupBlock(
                service_id=service, width=width, start=begin, count=len(buckets), data=rollup.pack(begin, width, buckets)
            )
            for service, buckets in whole.items()
            if buckets or service in kept
        ),
        update_conflicts=True, unique_fields=("service", "width", "start"), update_fields=("count", "data"), batch_size=AT_ONCE,
    )  # fmt: skip
    return whole


def forget_old(host: Host, now: datetime) -> None:
    """What is older than the settings keep it. The last transition before that stays: it says how the time since began."""
    services = list(Service.objects.filter(host=host).values_list("pk", flat=True))
    for some in _some(services, 50):
        _forget_old(some, now)


def _forget_old(services: Sequence[int], now: datetime) -> None:
    def before(days: int) -> int:
        return micros(now - timedelta(days=days)) // MICRO

    for width, days in settings.HEALTH_ROLLUP_DAYS.items():
        if days:
            end = before(days) - BLOCKS[width]
            HealthRollupBlock.objects.filter(service__in=services, width=width, start__lt=end).delete()
    raw.forget(services, before(settings.HEALTH_SAMPLE_DAYS))
    if settings.HEALTH_TRANSITION_DAYS:
        _forget_transitions(services, now - timedelta(days=settings.HEALTH_TRANSITION_DAYS))


def _forget_transitions(services: Sequence[int], before: datetime) -> None:
    staying = [one.pk for one in last_before(services, before).values()]
    HealthTransition.objects.filter(service__in=services, at__lt=before).exclude(pk__in=staying).delete()
