"""Looks into a running service: a worker looks, the page shows what the newest look saw, and asks for another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from chatbot_service import operating
from chatbot_service.dispatch import Request
from chatbot_service.jobs.catalogue import LOOK_INTO
from chatbot_service.jobs.look_ports import LogQuery
from chatbot_service.models import Job, JobState, Kind, Service
from deploy_records.errors import Refused
from deploy_records.people import holds
from portal.access import needs
from portal.htmx import STOP_POLLING, load_anew, wants_fragment
from portal.pages.asking import asks, told
from portal.pages.looks_shown import prepared

TO_LOOK = "Looking into a service"
RECENT_LOG = timedelta(minutes=15)
OLD = timedelta(minutes=10)
"""After that a page that needs it looks anew by itself."""


@dataclass(frozen=True)
class What:
    """One kind of look. `page`: where its panel stands, for a browser without script."""

    slug: str
    kind: Kind
    title: str
    words: str
    button: str
    again: str
    page: str
    begin: Callable[[Service, Request], Job]


def _recent_log(service: Service, request: Request) -> Job:
    minute = timezone.now().replace(second=0, microsecond=0)
    return operating.logs(service, LogQuery(tail=300, since=minute - RECENT_LOG), request)


WHATS = {
    what.slug: what
    for what in (
        What("healthcheck", Kind.PROBE, "Healthcheck by hand",
             "A worker runs the container's own healthcheck once, as the user it is set up with, and shows what it says.",
             "Run the healthcheck", "Run it again", "service-triage", operating.probe),
        What("connections", Kind.REACH, "Connections",
             "From inside the container a worker tries what the service must reach, and tells name, connection, TLS and HTTP "
             "apart.", "Try the connections", "Try again", "service-triage", operating.reach),
        What("resources", Kind.RESOURCES, "Resources now",
             "A worker asks the engine twice, a second apart, and adds up the data paths.",
             "See what it uses", "Look again", "service-triage", operating.resources),
        What("log", Kind.LOG, "Log of the last 15 minutes",
             "A worker reads what the container wrote in the last 15 minutes, at most the last 300 lines. Values of secret keys "
             "are masked.", "Read the log", "Read it again", "service-triage", _recent_log),
        What("environment", Kind.ENVIRONMENT, "Environment",
             "A worker holds what the container runs with against the contract. No value of a sensitive key is shown or kept.",
             "Look at the environment", "Look again", "service-environment", operating.environment),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Panel:
    """`shown`: what its template needs of the newest result; None: there is none. `job`: under way, or failed since."""

    what: What
    service: Service
    shown: Mapping[str, Any] | None
    found_by: Job | None
    job: Job | None
    may_look: bool
    refusal: str = ""
    auto: bool = False
    overtaken: bool = False
    """Whether the environment was changed since it was looked at."""

    @property
    def url(self) -> str:
        return reverse("service-look", args=[self.service.pk, self.what.slug])

    @property
    def is_under_way(self) -> bool:
        return self.job is not None and self.job.is_active

    @property
    def template(self) -> str:
        return f"operation/_{self.what.slug}.html"

    @property
    def at(self) -> datetime | None:
        return self.found_by.ended_at if self.found_by else None

    @property
    def begins_by_itself(self) -> bool:
        """Where the page is about it, nothing is known or it is old, and nothing was tried in vain just now."""
        is_old = self.overtaken or self.at is None or timezone.now() - self.at > OLD
        return self.auto and self.may_look and is_old and self.job is None and not self.refusal and not self.service.is_demo


def panel_of(service: Service, what: What, request: HttpRequest, *, refusal: str = "", auto: bool = False) -> Panel:
    """In as many queries whatever was seen."""
    rows = Job.objects.filter(service=service, kind=what.kind)
    last = rows.defer("result").first()
    found = rows.filter(state=JobState.SUCCEEDED).exclude(result={}).first()
    shown = prepared(what.slug, found, service) if found else None
    job = last if last is not None and (found is None or last.pk > found.pk) and last.state != JobState.SUCCEEDED else None
    overtaken = what.kind == Kind.ENVIRONMENT and found is not None and _was_changed_since(found)
    return Panel(what, service, shown, found, job, holds(request.user, LOOK_INTO), refusal, auto, overtaken)


def _was_changed_since(look: Job) -> bool:
    """Then the file is another, and a change thought out on that look would be refused."""
    changed = Job.objects.filter(service=look.service_id, kind=Kind.CONFIGURE, ended_at__gt=look.created_at)
    return changed.exclude(state=JobState.REFUSED).exists()


@require_http_methods(["GET", "POST"])
@needs(LOOK_INTO, TO_LOOK)
def look(request: HttpRequest, pk: int, look: str) -> HttpResponse:
    """The panel of one kind of look; posted to, it begins one."""
    service, what = get_object_or_404(Service.objects.select_related("host"), pk=pk), WHATS[look]
    refusal = begin(request, service, what) if request.method == "POST" else ""
    if not wants_fragment(request):
        if refusal:
            messages.error(request, refusal)
        return redirect(f"{reverse(what.page, args=[pk])}#look-{look}")
    panel = panel_of(service, what, request, refusal=refusal)
    polled = request.method == "GET" and not panel.is_under_way
    # A refusal is shown in place; htmx leaves answers of other kinds alone.
    answer = render(
        request, "operation/_panel.html", {"panel": panel, "service": service}, status=STOP_POLLING if polled else 200
    )
    is_page = str(request.headers.get("HX-Current-URL", "")).partition("?")[0].endswith(reverse("service-environment", args=[pk]))
    return load_anew(answer) if polled and is_page else answer


def begin(request: HttpRequest, service: Service, what: What) -> str:
    """Why not; empty if it has begun."""
    try:
        what.begin(service, asks(request))
    except Refused as error:
        return told(request, error)
    return ""
