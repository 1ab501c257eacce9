"""The health of one service: how has it been over a span, under which digest, and what happened meanwhile?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from chatbot_service.health import details, everywhere, history
from chatbot_service.health.blocks import MICRO, micros, moment
from chatbot_service.health.details import Line, Stretch, Stretches
from chatbot_service.health.history import SPANS, DigestLine, History, Piece
from chatbot_service.health.runs import NOT_SERVING, UNKNOWN
from chatbot_service.models import HealthcheckDefinition, PublicBadge, Service
from chatbot_service.touching import Held, touching_jobs
from deploy_records.models import Deployment, ImageDigest
from portal import health_charts
from portal.access import needs
from portal.pages import asked, health_done
from portal.sentences import health as sentences
from portal.sentences.parts import claim, said
from portal.templatetags.moments import duration

LOOK = "chatbot_service.view_service"
TO_READ = "Reading the health of a service"
DEFAULT_SPAN = "7d"
SHOWN = 15
TIMES_DOWN = 6
LAST_DEPLOYMENTS = 100
_SPAN_WORDS = {"24h": "24 h", "7d": "7 d", "30d": "30 d", "90d": "90 d", "1y": "1 year"}


@dataclass(frozen=True)
class DigestRow:
    """`name`: what stands there if it is no entry of the ledger."""

    line: DigestLine
    entry: ImageDigest | None
    ran: timedelta
    share: str
    down: timedelta
    failing: timedelta
    ended: SafeString


@dataclass(frozen=True)
class Times:
    """When it was down, the latest first."""

    found: Sequence[Stretch]
    more: int


@require_GET
@needs(LOOK, TO_READ)
def page(request: HttpRequest, pk: int) -> HttpResponse:
    service = service_or_404(pk)
    badge = PublicBadge.objects.filter(service=service).first()
    context = {
        **read(service, asked_span(request), _before(request), timezone.now()),
        "badge": badge,
        "badge_url": _address(request, badge) if badge else "",
    }
    return render(request, "health/service.html", context)


def _address(request: HttpRequest, badge: PublicBadge) -> str:
    """Where others reach the portal, which may not be how this person does."""
    path = reverse("public-badge", args=[badge.token])
    return f"{settings.PUBLIC_URL}{path}" if settings.PUBLIC_URL else request.build_absolute_uri(path)


def service_or_404(pk: int) -> Service:
    found: Service = get_object_or_404(Service.objects.select_related("host"), pk=pk)
    return found


def asked_span(request: HttpRequest) -> str:
    return asked.one_of(request, "span", SPANS) or DEFAULT_SPAN


def _before(request: HttpRequest) -> datetime | None:
    """From where on older transitions are asked for."""
    number = asked.number(request, "before")
    latest = micros(timezone.now())
    return moment(number) if number is not None and number <= latest else None


def read(service: Service, span: str, before: datetime | None, now: datetime) -> dict[str, Any]:
    known = history.read(service, SPANS[span], now)
    held = touching_jobs([service.pk], known.start)[service.pk]
    stretches = details.stretches(service, known.start, now, [one.touch for one in held])
    deployments = _deployments(service)
    entries = _entries(service, known)
    lines = details.transitions(service, known.start, before or now, SHOWN + 1)
    done = health_done.read(known, held)
    chart = health_charts.chart_of(known, entries)
    light = everywhere.light_of(service, stretches.found, now)
    return {
        "service": service,
        "tab": "health",
        "span": span,
        "spans": [(key, _SPAN_WORDS[key]) for key in SPANS],
        "history": known,
        "answer": sentences.answer(known, light, stretches, entries),
        "chart": chart,
        "by_days": span in health_charts.BY_DAYS,
        "label": sentences.chart_label(known),
        "durations_label": _durations_label(known),
        "ceiling": health_charts.seconds(chart.scale[1]) if chart.scale else "",
        "floor": health_charts.seconds(chart.scale[0]) if chart.scale else "",
        "lane": health_done.marks(done, chart.window),
        "done": health_done.told(done),
        "digests": _digests(known, entries, deployments),
        "times_down": _times_down(stretches),
        "lines": [(line, _by_a_job(line, held)) for line in lines[:SHOWN]],
        "older": micros(lines[SHOWN].at) + 1 if len(lines) > SHOWN else None,
        "is_later": before is not None,
        "entries": entries,
        "rows": _numbers(known),
        "definitions": _definitions(known),
        "totals": known.totals,
    }


def _deployments(service: Service) -> list[Deployment]:
    found = Deployment.objects.filter(host=service.host.name, service=service.name).defer("gate").select_related("by")
    return list(found[:LAST_DEPLOYMENTS])


def _entries(service: Service, known: History) -> dict[str, ImageDigest]:
    digests = {line.digest for line in known.digests} | {one.digest for one in known.definitions} | {service.seen_digest}
    found = ImageDigest.objects.filter(Q(repository=service.repository), digest__in=digests - {""})
    return {entry.digest: entry for entry in found}


def _durations_label(known: History) -> str:
    totals = known.totals
    if totals.p50 is None:
        return f"No probes are recorded over {known.span.words}"
    middle, most = health_charts.seconds(totals.p50), health_charts.seconds(totals.p95)
    return f"How long probes took over {known.span.words}: half of them up to {middle}, 95 of 100 up to {most}"


# By digest


def _digests(known: History, entries: dict[str, ImageDigest], deployments: Sequence[Deployment]) -> list[DigestRow]:
    """The worst first; what was not watched is no digest's."""
    rows = [
        DigestRow(
            line=line,
            entry=entries.get(line.digest),
            ran=sum((length for state, length in line.states.items() if state != UNKNOWN), timedelta()),
            share=health_charts.percent(line.share),
            down=line.states.get("down", timedelta()),
            failing=line.states.get("unhealthy", timedelta()),
            ended=_ended(entries.get(line.digest), deployments),
        )
        for line in known.digests
    ]
    seen = [row for row in rows if row.ran]
    return sorted(seen, key=lambda row: 101.0 if row.line.share is None else row.line.share)


def _ended(entry: ImageDigest | None, deployments: Sequence[Deployment]) -> SafeString:
    """By what its last deployment ended: the one that came after it. `deployments`: the latest first."""
    if entry is None:
        return SafeString("")
    after: Deployment | None = None
    for one in deployments:
        if one.entry_id == entry.pk:
            if one.ended_at is None:
                return said("runs now")
            return _brought_by(after) if after else said("ended")
        after = one
    return SafeString("")


def _brought_by(one: Deployment) -> SafeString:
    what = claim(f"{one.kind} {one.job}", reverse("job", args=[one.job])) if one.job else said(one.kind)
    return said(what, f", by {one.by.get_username()}" if one.by else "")


# What it went through


def _times_down(stretches: Stretches) -> Times:
    found = [one for one in stretches.found if one.state == "down"][::-1]
    return Times(found[:TIMES_DOWN], max(0, len(found) - TIMES_DOWN))


def _by_a_job(line: Line, held: Iterable[Held]) -> bool:
    """Whether what looks like down was a pause that a job made."""
    return line.state in NOT_SERVING - {"stopped"} and any(one.touch.holds(line.at) for one in held)


@dataclass(frozen=True)
class NumberRow:
    piece: Piece
    share: str
    ill: str
    unknown: str
    p50: str
    p95: str


def _numbers(known: History) -> list[NumberRow]:
    """Latest first."""
    rows = []
    for piece in known.pieces_of(health_charts.TABLE[known.span.key])[::-1]:
        totals = piece.totals
        seen = sum((length for state, length in totals.states.items() if state != UNKNOWN), timedelta())
        ill = totals.states.get("down", timedelta()) + totals.states.get("unhealthy", timedelta())
        unknown = piece.end - piece.start - seen
        rows.append(
            NumberRow(
                piece, health_charts.percent(totals.share), duration(ill) if ill else "",
                duration(unknown) if unknown > timedelta(seconds=1) else "",
                health_charts.seconds(totals.p50), health_charts.seconds(totals.p95),
            )
        )  # fmt: skip
    return rows


@dataclass(frozen=True)
class Definition:
    since: datetime
    command: str
    one: HealthcheckDefinition


def _definitions(known: History) -> list[Definition]:
    """Latest first."""
    return [Definition(one.since, _command(one.test), one) for one in known.definitions[::-1]]


def _command(test: Sequence[str]) -> str:
    if not test or test[0] == "NONE":
        return ""
    return " ".join(test[1:] if test[0] in {"CMD", "CMD-SHELL"} else test)


def seconds_of(at: datetime) -> float:
    return micros(at) / MICRO
