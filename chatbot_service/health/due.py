"""What was rolled up already and is to be rolled up again, as something became known late."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from chatbot_service.health.blocks import MICRO, micros
from chatbot_service.health.rollup import FIVE_MINUTES, touched
from chatbot_service.models import HealthDue, HealthMark

GRACE = timedelta(seconds=60)
"""A bucket is rolled up so long after its end: most of what happened in it is known by then."""

Stretch = tuple[int, int]


def closed(now: datetime) -> int:
    """The end, in seconds, of the last bucket that may be rolled up."""
    return micros(now - GRACE) // MICRO // FIVE_MINUTES * FIVE_MINUTES


def mark(stretches: Mapping[int, Iterable[Stretch]], now: datetime) -> None:
    """By service: what something new lies in. Costs a query only when it is older than what is rolled up as a rule."""
    until = closed(now)
    old = {service: [one for one in found if one[0] < until] for service, found in stretches.items()}
    old = {service: found for service, found in old.items() if found}
    if not old:
        return
    marks = dict(HealthMark.objects.filter(service__in=old).values_list("service_id", "rolled_until"))
    rows = [
        HealthDue(service_id=service, start=start, end=min(end, marks[service]))
        for service, found in old.items()
        for start, end in _joined(found)
        if start < marks.get(service, 0)
    ]
    HealthDue.objects.bulk_create(rows)


def change_at(service: int, at: datetime, now: datetime) -> None:
    """A change of state was written for a moment that has passed; as if the state held until now."""
    mark({service: [touched(micros(at), micros(now))]}, now)


def _joined(found: Iterable[Stretch]) -> list[Stretch]:
    joined: list[Stretch] = []
    for start, end in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
