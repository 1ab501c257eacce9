"""The health of a service over a span, read for pages: strip, durations, totals, per digest. Details are in `details.py`.

A span is read from the widest roll-ups that show it well, its last hours from finer ones and from the raw data, so that it goes
to this moment. The number of queries is the same whatever there is; what is not recorded is unknown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import groupby

from django.db.models import Q
from django.utils import timezone

from chatbot_service import lights
from chatbot_service.health import raw, rollup
from chatbot_service.health.blocks import MICRO, micros, moment
from chatbot_service.health.rollup import BLOCKS, DAY, FIVE_MINUTES, HOUR, Bucket
from chatbot_service.health.runs import UNKNOWN, Change, Run, worst
from chatbot_service.models import (
    HealthcheckDefinition,
    HealthMark,
    HealthRollupBlock,
    Service,
)

LONGEST_TAIL = 6 * HOUR
"""What is not rolled up is computed from the raw data for so long; when roll-ups are further behind, the rest is unknown."""


@dataclass(frozen=True)
class Span:
    """`key` as in an address. `width`: seconds of a bucket."""

    key: str
    words: str
    length: timedelta
    width: int


SPANS = {
    span.key: span
    for span in (
        Span("24h", "24 hours", timedelta(days=1), FIVE_MINUTES),
        Span("7d", "7 days", timedelta(days=7), FIVE_MINUTES),
        Span("30d", "30 days", timedelta(days=30), HOUR),
        Span("90d", "90 days", timedelta(days=90), HOUR),
        Span("1y", "a year", timedelta(days=365), DAY),
    )
}


@dataclass(frozen=True)
class Totals:
    """`states`: time in each. `share`: of the counted time it was well, in percent, never rounded up. p50, p95 in seconds."""

    states: dict[str, timedelta]
    share: float | None
    probes: int
    failures: int
    p50: float | None
    p95: float | None
    restarts: int
    deaths: int
    ooms: int
    flaps: int

    @classmethod
    def of(cls, one: Bucket) -> "Totals":
        return cls(
            states=_lengths(one.states), share=rollup.share_of(one.states), probes=one.probes, failures=one.failures,
            p50=rollup.quantile(one.durations, 0.5), p95=rollup.quantile(one.durations, 0.95),
            restarts=one.restarts, deaths=one.deaths, ooms=one.ooms, flaps=one.flaps,
        )  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """One bucket: `state` is the worst that was in it, so that nothing is hidden by its width."""

    start: datetime
    end: datetime
    state: str
    bucket: Bucket = field(repr=False)

    @cached_property
    def totals(self) -> Totals:
        """Only when asked for: of thousands of pieces most are only drawn."""
        return Totals.of(self.bucket)


@dataclass(frozen=True)
class DigestLine:
    """While this digest ran; empty: what ran was not in the ledger. `first`, `last`: within the span, exact to a bucket."""

    digest: str
    first: datetime
    last: datetime
    states: dict[str, timedelta]
    share: float | None
    flaps: int


@dataclass(frozen=True)
class Ran:
    """A stretch in which this digest ran, exact to a bucket."""

    digest: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class History:
    service: Service
    span: Span
    start: datetime
    end: datetime
    pieces: tuple[Piece, ...]
    totals: Totals
    digests: tuple[DigestLine, ...]
    definitions: tuple[HealthcheckDefinition, ...]
    _wider: dict[int, list[Bucket]] = field(default_factory=dict, repr=False)

    @property
    def runs(self) -> list[Run]:
        """As `portal.health_lines.line_of` draws them."""
        found: list[Run] = []
        for piece in self.pieces:
            if found and found[-1].state == piece.state and found[-1].end == piece.start:
                found[-1] = replace(found[-1], end=piece.end)
            else:
                found.append(Run(piece.start, piece.end, piece.state))
        return found

    def pieces_of(self, width: int) -> tuple[Piece, ...]:
        """The same in wider pieces of so many seconds; the first and the last may be cut by the span."""
        known = self._wider.get(width)
        buckets = known if known is not None else rollup.coarser((piece.bucket for piece in self.pieces), width)
        return tuple(_pieces(buckets, micros(self.start) // MICRO, self.end, width))

    @property
    def ran(self) -> list[Ran]:
        """What ran when, oldest first; nothing while it is not known."""
        named = ((piece, _mostly(piece.bucket)) for piece in self.pieces)
        found = []
        for digest, group in groupby(((piece, digest) for piece, digest in named if piece.bucket.parts), key=lambda one: one[1]):
            inside = [piece for piece, _digest in group]
            if digest:
                found.append(Ran(digest, inside[0].start, inside[-1].end))
        return found


def read(service: Service, span: Span, now: datetime | None = None) -> History:
    """Up to ten queries."""
    end = now or timezone.now()
    start = _floor(end - span.length, span.width)
    buckets = _buckets(service, start, end, span.width)
    days = rollup.coarser(buckets, DAY)
    return History(
        service=service,
        span=span,
        start=moment(start * MICRO),
        end=end,
        pieces=tuple(_pieces(buckets, start, end, span.width)),
        totals=Totals.of(rollup.total(days)),
        digests=tuple(_digests(buckets, end)),
        definitions=tuple(definitions(service, moment(start * MICRO), end)),
        _wider={DAY: days},
    )


def _floor(at: datetime, width: int) -> int:
    return micros(at) // MICRO // width * width


def _buckets(service: Service, start: int, end: datetime, width: int) -> list[Bucket]:
    mark = HealthMark.objects.filter(service=service).values_list("rolled_until", flat=True).first() or start
    coarse_until = max(start, mark // width * width)
    fine = _stored(service, FIVE_MINUTES, coarse_until, mark) if width != FIVE_MINUTES else []
    fine += _unrolled(service, max(mark, start, _floor(end, FIVE_MINUTES) - LONGEST_TAIL), end)
    return _stored(service, width, start, coarse_until) + rollup.coarser(fine, width)


def _stored(service: Service, width: int, start: int, end: int) -> list[Bucket]:
    if start >= end:
        return []
    rows = HealthRollupBlock.objects.filter(service=service, width=width, start__gt=start - BLOCKS[width], start__lt=end)
    unpacked = (
        bucket
        for begin, data in rows.order_by("start").values_list("start", "data")
        for bucket in rollup.unpack(begin, width, bytes(data))
    )
    return [bucket for bucket in unpacked if start <= bucket.start < end]


def _unrolled(service: Service, start: int, now: datetime) -> list[Bucket]:
    """From the raw data up to now; after the last look nothing is known, whatever was seen then."""
    end = _floor(now, FIVE_MINUTES) + FIVE_MINUTES
    found = raw.read([service.pk], start, end)[service.pk]
    seen = service.seen_at
    if seen is None or now - seen > lights.SEEN_WITHIN:
        known = [change for change in found.changes if seen is not None and change.at <= seen]
        found.changes = [*known, Change(seen, UNKNOWN)] if seen is not None else []
    return found.buckets(start, end, now)


def _pieces(buckets: Sequence[Bucket], start: int, now: datetime, width: int) -> Iterable[Piece]:
    """One for each place, also where nothing is recorded."""
    known = {bucket.start: bucket for bucket in buckets}
    end = micros(now)
    for begin in range(start // width * width, -(-end // MICRO), width):
        bucket = known.get(begin) or Bucket(begin, width)
        since, until = max(begin, start) * MICRO, min(bucket.end * MICRO, end)
        states = bucket.states
        missing = until - since - sum(states.values())
        state = worst([*states, *([UNKNOWN] if missing > MICRO else [])]) if states else UNKNOWN
        yield Piece(moment(since), moment(until), state, bucket)


def _mostly(bucket: Bucket) -> str:
    """The digest that ran longest in it."""
    return max(bucket.parts, key=lambda digest: sum(bucket.parts[digest].states.values()), default="")


def _digests(buckets: Sequence[Bucket], end: datetime) -> list[DigestLine]:
    """The latest first."""
    names = {digest for bucket in buckets for digest in bucket.parts}
    lines = []
    for name in names:
        inside = [bucket for bucket in buckets if name in bucket.parts]
        whole = rollup.Part()
        for bucket in inside:
            whole.add(bucket.parts[name])
        first, last = moment(inside[0].start * MICRO), min(moment(inside[-1].end * MICRO), end)
        lines.append(DigestLine(name, first, last, _lengths(whole.states), rollup.share_of(whole.states), whole.flaps))
    return sorted(lines, key=lambda line: (line.last, line.first), reverse=True)


def _lengths(states: dict[str, int]) -> dict[str, timedelta]:
    return {state: timedelta(microseconds=length) for state, length in states.items()}


def definitions(service: Service, start: datetime, end: datetime) -> list[HealthcheckDefinition]:
    """The healthchecks within the span and the one it began with, oldest first."""
    before = HealthcheckDefinition.objects.filter(service=service, since__lte=start).values("pk")[:1]
    wanted = Q(pk__in=list(before.values_list("pk", flat=True))) | Q(since__gt=start, since__lt=end)
    return list(HealthcheckDefinition.objects.filter(wanted, service=service).order_by("since", "pk"))


def shares(services: Iterable[int], days: int, now: datetime | None = None) -> dict[int, Totals]:
    """Of many services over the last whole days in UTC. One query; a thousand services take part of a second."""
    return {service: Totals.of(rollup.total(found)) for service, found in last_days(services, days, now).items()}


def last_days(services: Iterable[int], days: int, now: datetime | None = None) -> dict[int, list[Bucket]]:
    """The last whole days in UTC of each service of which something is recorded, oldest first. One query."""
    end = _floor(now or timezone.now(), DAY)
    start = end - days * DAY
    wanted = {"service__in": list(services), "width": DAY, "start__gt": start - BLOCKS[DAY], "start__lt": end}
    rows = HealthRollupBlock.objects.filter(**wanted).order_by("start").values_list("service_id", "start", "data")
    found: dict[int, list[Bucket]] = {}
    for service, begin, data in rows:
        inside = [bucket for bucket in rollup.unpack(begin, DAY, bytes(data)) if start <= bucket.start < end]
        found.setdefault(service, []).extend(inside)
    return found
