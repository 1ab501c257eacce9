"""The numbers of a service's health as files: rows for a spreadsheet, durations for the chart that zooms."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import cast

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from chatbot_service.health import details, history
from chatbot_service.health.history import SPANS, History
from chatbot_service.models import Service
from portal.access import needs
from portal.pages.health_service import LOOK, TO_READ, asked_span, seconds_of, service_or_404

_STATES = ("healthy", "unhealthy", "starting", "down", "stopped", "paused", "pause", "unknown")
NUMBERS = (
    "start", "end", "worst_state", *(f"{state}_seconds" for state in _STATES), "uptime_percent", "probes", "failed_probes",
    "p50_seconds", "p95_seconds", "container_starts", "container_ends", "oom_kills", "flaps", "digests",
)  # fmt: skip
"""Columns of the numbers. `pause`: by a job. Fixed: what reads them counts on it."""
TRANSITIONS = ("at", "until", "state", "digest", "note", "output")
_AT_ONCE = 200
_BEGINS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

Row = Sequence[object]


@require_GET
@needs(LOOK, TO_READ)
def numbers(request: HttpRequest, pk: int) -> HttpResponse:
    service, span = service_or_404(pk), asked_span(request)
    known = history.read(service, SPANS[span], timezone.now())
    return _sent(f"{service.name}-{service.host.name}-health-{span}.csv", NUMBERS, _numbers(known))


@require_GET
@needs(LOOK, TO_READ)
def transitions(request: HttpRequest, pk: int) -> HttpResponse:
    service, span, now = service_or_404(pk), asked_span(request), timezone.now()
    found = _transitions(service, now - SPANS[span].length, now)
    return _sent(f"{service.name}-{service.host.name}-transitions-{span}.csv", TRANSITIONS, found)


@require_GET
@needs(LOOK, TO_READ)
def durations(request: HttpRequest, pk: int) -> HttpResponse:
    """Columns as the chart takes them: seconds since 1970, then seconds that half and 95 of 100 probes took."""
    known = history.read(service_or_404(pk), SPANS[asked_span(request)], timezone.now())
    at = [round(seconds_of(piece.start + (piece.end - piece.start) / 2)) for piece in known.pieces]
    courses = [[_short(getattr(piece.totals, name)) for piece in known.pieces] for name in ("p50", "p95")]
    answer = JsonResponse({"from": seconds_of(known.start), "to": seconds_of(known.end), "data": [at, *courses]})
    answer["Cache-Control"] = "private, no-store"
    return answer


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")


def _numbers(known: History) -> Iterator[Row]:
    for piece in known.pieces:
        totals, bucket = piece.totals, piece.bucket
        missing = (piece.end - piece.start).total_seconds() - sum(bucket.states.values()) / 1e6
        states = {state: length / 1e6 for state, length in bucket.states.items()}
        states["unknown"] = states.get("unknown", 0) + max(0.0, missing)
        yield (
            _utc(piece.start), _utc(piece.end), piece.state, *(f"{states.get(state, 0):.3f}" for state in _STATES),
            "" if totals.share is None else f"{totals.share:.3f}", totals.probes, totals.failures,
            *("" if value is None else f"{value:.4f}" for value in (totals.p50, totals.p95)),
            totals.restarts, totals.deaths, totals.ooms, totals.flaps, " ".join(sorted(filter(None, bucket.parts))),
        )  # fmt: skip


def _transitions(service: Service, start: datetime, end: datetime) -> Iterator[Row]:
    """Newest first, so many at once that a long history never lies in memory. Those of one moment stay together."""
    while True:
        found = details.transitions(service, start, end, _AT_ONCE)
        last = found[-1].at if len(found) == _AT_ONCE else None
        kept = [line for line in found if line.at != last] or found
        for line in kept:
            yield _utc(line.at), _utc(line.until) if line.until else "", line.state, line.digest, line.note, line.output
        if last is None:
            return
        end = last if kept is found else last + timedelta(microseconds=1)


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# CSV


class _Echo:
    """What csv writes to; hands the line back."""

    def write(self, line: str) -> str:
        return line


def _sent(name: str, columns: Row, rows: Iterable[Row]) -> HttpResponse:
    writer = csv.writer(_Echo(), lineterminator="\r\n")
    lines = (writer.writerow([cell(value) for value in row]) for row in chain([columns], rows))
    answer = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8; header=present")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "private, no-store"
    return cast("HttpResponse", answer)  # what marks views knows no other


def cell(value: object) -> object:
    """Words of others begin no formula in a spreadsheet: an apostrophe goes before them."""
    if isinstance(value, str) and value.startswith(_BEGINS_FORMULA):
        return f"'{value}"
    return value
