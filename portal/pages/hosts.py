"""The hosts: does each engine answer, and if not, what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from chatbot_service.models import Host
from portal.access import needs
from portal.htmx import page_or_fragment

SILENT_AFTER = timedelta(seconds=60)
"""Workers report every 15 s; a host whose worker missed four times is said to be silent."""


@dataclass(frozen=True)
class Row:
    """One host with what can be relied on now. `problem`: why it cannot be used, in words; empty if it can."""

    host: Host
    tone: str
    word: str
    problem: str
    to_do: str
    services: int


@require_GET
@needs("chatbot_service.view_host", "Reading the hosts")
def index(request: HttpRequest) -> HttpResponse:
    rows = [_row(host, timezone.now()) for host in Host.objects.annotate(managed=Count("services"))]
    context = {"rows": rows, "troubled": _troubled(rows)}
    return page_or_fragment(request, "hosts/list.html", "hosts/_list.html", context)


def _troubled(rows: Sequence[Row]) -> Sequence[Row]:
    return [row for row in rows if row.tone != "ok"]


def _row(host: Host, now: datetime) -> Row:
    managed: int = host.managed  # type: ignore[attr-defined]  # annotated above
    if host.seen_at is None:
        return Row(host, "wait", "Not seen yet", "None of its workers has reported.", _start_a_worker(host), managed)
    if now - host.seen_at > SILENT_AFTER:
        return Row(host, "stop", "Silent", "Its worker has stopped reporting.", _start_a_worker(host), managed)
    if host.problem:
        return Row(host, "stop", "Cannot be used", host.problem, "", managed)
    return Row(host, "ok", "Answers", "", "", managed)


def _start_a_worker(host: Host) -> str:
    return f"Start a worker there with KG_HOSTS={host.name}. Jobs for it wait until then."
