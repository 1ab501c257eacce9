"""Services: what runs here, is it well, what can I do?"""

from collections.abc import Callable, Mapping

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from chatbot_service import board
from chatbot_service.board import Row
from portal.access import needs
from portal.pages import asked, service_detail
from portal.pages.service_rows import shown
from portal.sentences import dashboard

LOOK = "chatbot_service.view_service"

SHOWS: Mapping[str, tuple[str, Callable[[Row], bool]]] = {
    "not-approved": ("Not as approved", lambda row: not row.approved.good),
    "approved": ("As approved", lambda row: row.approved.good),
    "not-healthy": ("Not healthy", lambda row: not row.health.good),
    "healthy": ("Healthy", lambda row: row.health.good),
    "not-ready": ("No way back ready", lambda row: not row.readiness.light.good),
    "ready": ("Way back ready", lambda row: row.readiness.light.good),
}
"""What the address can ask for under `show`."""


@require_GET
@needs(LOOK, "Reading services")
def index(request: HttpRequest) -> HttpResponse:
    rows = board.rows()
    show = asked.one_of(request, "show", SHOWS)
    kept = [row for row in rows if SHOWS[show][1](row)] if show else rows
    context = {
        "answer": dashboard.answer(rows) if rows else None,
        "rows": [shown(row) for row in kept],
        "total": len(kept),
        "approved": sum(row.approved.good for row in kept),
        "healthy": sum(row.health.good for row in kept),
        "ready": sum(row.readiness.light.good for row in kept),
        "managed": len(rows),
        "show": show,
        "shows": [(key, words) for key, (words, _test) in SHOWS.items()],
    }
    return render(request, "services/list.html", context)


@require_GET
@needs(LOOK, "Reading services")
def service(request: HttpRequest, pk: int) -> HttpResponse:
    row = board.row_of(pk)
    if row is None:
        raise Http404
    return render(request, "services/detail.html", service_detail.read(row, request.user))
