"""The hosts: does each engine answer, and if not, what to do."""

from dataclasses import dataclass

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from chatbot_service import lights
from chatbot_service.lights import Light
from chatbot_service.models import Host
from portal.access import needs
from portal.htmx import page_or_fragment


@dataclass(frozen=True)
class Row:
    """One host and whether it can be worked on; the light's note says why not and what to do."""

    host: Host
    light: Light
    services: int


@require_GET
@needs("chatbot_service.view_host", "Reading the hosts")
def index(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    rows = [
        Row(host, lights.host(name=host.name, seen_at=host.seen_at, problem=host.problem, now=now), host.managed)
        for host in Host.objects.annotate(managed=Count("services")).order_by("name")
    ]
    troubled = [row for row in rows if not row.light.good]
    context = {"rows": rows, "troubled": troubled}
    return page_or_fragment(request, "hosts/list.html", "hosts/_list.html", context)
