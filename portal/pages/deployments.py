"""What ran where, from when to when, by whose word."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from chatbot_service.models import Host, Service
from deploy_records import listing
from deploy_records.models import Deployment
from deploy_records.paging import Page, page_of
from portal.access import needs
from portal.htmx import page_or_fragment
from portal.pages import asked
from portal.pages.places import services_of


@dataclass(frozen=True)
class Row:
    """`service`: its number, if it is under management still."""

    deployment: Deployment
    service: int | None

    @property
    def ran(self) -> timedelta | None:
        """How long, once it has ended."""
        ended = self.deployment.ended_at
        return ended - self.deployment.started_at if ended else None


@dataclass(frozen=True)
class DeploymentList:
    rows: Sequence[Row]
    page: Page[Deployment]
    hosts: Sequence[str]
    services: Sequence[str]
    host: str
    service: str
    digest: str
    running: int
    last: Deployment | None

    @property
    def filters(self) -> int:
        return sum(map(bool, (self.host, self.service, self.digest)))


@require_GET
@needs("deploy_records.view_deployment", "Reading the deployments")
def index(request: HttpRequest) -> HttpResponse:
    return page_or_fragment(request, "deployments/list.html", "deployments/_list.html", {"list": _read(request)})


def _read(request: HttpRequest) -> DeploymentList:
    host, service = asked.text(request, "host"), asked.text(request, "service")
    digest = asked.text(request, "digest").lower()
    page = page_of(_matching(host, service, digest), "started_at", request.GET.get("at", ""))
    numbers = services_of(page.rows)
    return DeploymentList(
        rows=[Row(one, numbers.get((one.host, one.service))) for one in page.rows],
        page=page,
        hosts=list(Host.objects.values_list("name", flat=True)),
        services=list(Service.objects.order_by("name").values_list("name", flat=True).distinct()),
        host=host,
        service=service,
        digest=digest,
        running=Deployment.objects.filter(ended_at__isnull=True).count(),
        last=listing.deployments().first(),
    )


def _matching(host: str, service: str, digest: str) -> QuerySet[Deployment]:
    rows = listing.deployments()
    if host:
        rows = rows.filter(host=host)
    if service:
        rows = rows.filter(service=service)
    if digest:
        rows = rows.filter(entry__digest__contains=digest)
    return rows
