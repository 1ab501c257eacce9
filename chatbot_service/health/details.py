"""Single transitions, probes and events of a service, read for pages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from chatbot_service import lights
from chatbot_service.health import rollup
from chatbot_service.health.blocks import MICRO, STRETCH, Event, Probe, block_of, micros, moment, unpack_events, unpack_probes
from chatbot_service.health.runs import UNKNOWN, Change, Touch
from chatbot_service.health.standing import last_before
from chatbot_service.models import HealthEventBlock, HealthSampleBlock, HealthTransition, Service

MOST_LINES = 200
MOST_CHANGES = 2000
MOST_NAMED = 500


@dataclass(frozen=True)
class Line:
    """A transition, until when it lasted (nothing: it lasts), and the output of the probe that brought it about."""

    at: datetime
    until: datetime | None
    state: str
    digest: str
    note: str
    output: str


def transitions(service: Service, start: datetime, end: datetime, most: int = MOST_LINES) -> list[Line]:
    """Newest first; the latest `most` within the stretch. Up to three queries."""
    rows = HealthTransition.objects.filter(service=service, at__gte=start, at__lt=end).order_by("-at", "-id")[:most]
    found = list(rows)
    later = HealthTransition.objects.filter(service=service, at__gte=end).order_by("at", "id").values_list("at", flat=True)
    until = later.first() if found else None
    outputs = _outputs(service, [row for row in found if not row.output and row.state in {"healthy", "unhealthy"}])
    lines: list[Line] = []
    for row in found:
        output = row.output or outputs.get(row.pk, "")
        lines.append(Line(row.at, lines[-1].at if lines else until, row.state, row.digest, row.note, output))
    return lines


@dataclass(frozen=True)
class Stretch:
    """A stretch in one state while one digest ran, to the moment. A pause is what a job made of it. `note`: on how it began."""

    start: datetime
    end: datetime
    state: str
    digest: str
    note: str = ""


@dataclass(frozen=True)
class Stretches:
    """Oldest first. `whole`: nothing of the span is missing; there may be too many changes to read them all."""

    found: Sequence[Stretch]
    whole: bool


def stretches(service: Service, start: datetime, end: datetime, touches: Sequence[Touch]) -> Stretches:
    """Three queries."""
    rows = HealthTransition.objects.filter(service=service, at__gte=start, at__lt=end).order_by("-at", "-id")
    read = list(rows.values_list("at", "state", "digest", "note")[: MOST_CHANGES + 1])[::-1]
    changes, notes = [Change(*row[:3]) for row in read], {row[0]: row[3] for row in read}
    before = last_before([service.pk], start).get(service.pk)
    whole = len(changes) <= MOST_CHANGES
    if before and whole:
        changes.insert(0, Change(before.at, before.state, before.digest))
    if service.seen_at and end - service.seen_at > lights.SEEN_WITHIN:  # nobody has looked since
        changes = [*(change for change in changes if change.at <= service.seen_at), Change(service.seen_at, UNKNOWN)]
    found = [
        Stretch(max(at, start), moment(spell.end), spell.state, spell.digest, notes.get(at, ""))
        for spell in rollup.spells(changes, end, touches)
        for at in (moment(spell.start),)
    ]
    return Stretches([one for one in found if one.end > one.start], whole)


def _outputs(service: Service, rows: Sequence[HealthTransition]) -> dict[int, str]:
    """Of the last probe before each that ended as its state says, while probes are kept."""
    starts = {block_of(micros(row.at)) - beside for row in rows for beside in (0, STRETCH)}
    found = _probes(service, starts)
    outputs = {}
    for row in rows:
        at, failed = micros(row.at), row.state == "unhealthy"
        fitting = (probe for probe in reversed(found) if probe.start <= at and probe.failed == failed)
        outputs[row.pk] = next((probe.output for probe in fitting), "")
    return outputs


def probes(service: Service, start: datetime, end: datetime) -> list[Probe]:
    """Every probe that began within the stretch, oldest first. One query."""
    first, last = micros(start), micros(end)
    starts = range(block_of(first), last // MICRO + 1, STRETCH)
    return [probe for probe in _probes(service, starts) if first <= probe.start < last]


def _probes(service: Service, starts: Iterable[int]) -> list[Probe]:
    wanted = set(starts)
    if not wanted:
        return []
    rows = HealthSampleBlock.objects.filter(service=service, start__gte=min(wanted), start__lte=max(wanted)).order_by("start")
    if len(wanted) <= MOST_NAMED:  # far apart: what lies between is not read
        rows = rows.filter(start__in=wanted)
    return [
        probe
        for begin, data in rows.values_list("start", "data").iterator()
        if begin in wanted
        for probe in unpack_probes(begin, bytes(data))
    ]


def events(service: Service, start: datetime, end: datetime) -> list[Event]:
    """What the engine told of its containers within the stretch, oldest first. One query."""
    first, last = micros(start), micros(end)
    rows = HealthEventBlock.objects.filter(service=service, start__gte=block_of(first), start__lt=-(-last // MICRO))
    found = (
        event
        for begin, data in rows.order_by("start").values_list("start", "data")
        for event in unpack_events(begin, bytes(data))
    )
    return [event for event in found if first <= event.at < last]
