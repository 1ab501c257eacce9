"""In which state services were before a moment: two queries for any number of them."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import OuterRef, Subquery

from chatbot_service.models import HealthTransition, Service


def last_before(services: Iterable[int], at: datetime) -> dict[int, HealthTransition]:
    """The last transition before `at` of each service that has one."""
    before = HealthTransition.objects.filter(service=OuterRef("pk"), at__lt=at).order_by("-at", "-id")
    found = Service.objects.filter(pk__in=list(services)).annotate(before=Subquery(before.values("pk")[:1]))
    numbers = [number for number in found.order_by().values_list("before", flat=True) if number is not None]
    return {one.service_id: one for one in HealthTransition.objects.filter(pk__in=numbers).defer("output").order_by()}
