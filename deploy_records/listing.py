"""The rows that list pages show, with all they show of them, in a number of queries that does not grow with the rows."""

from django.db.models import Count, F, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce

from deploy_records.models import Approval, Deployment, ImageDigest
from deploy_records.people import holders
from deploy_records.verdict import MAY_APPROVE


def digests() -> QuerySet[ImageDigest]:
    """Ledger entries, newest first, each with `approvals_now` (those that count) and `open_deployments`."""
    counting = (
        Approval.objects.filter(
            entry=OuterRef("pk"), ended_at__isnull=True, review_since__isnull=True, by__in=holders(MAY_APPROVE)
        )
        .exclude(by=F("entry__registered_by"))
        .exclude(by=F("entry__reinstated_by"))
        .order_by()
        .values("entry")
        .annotate(number=Count("pk"))
        .values("number")
    )
    running = Deployment.objects.filter(ended_at__isnull=True).defer("gate").order_by("service", "host")
    # Named by variables: the model declares both for its readers, and the type checker takes literals for a clash.
    counted = {"approvals_now": Coalesce(Subquery(counting), 0)}
    kept_as: str = "open_deployments"
    return (
        ImageDigest.objects.select_related("registered_by")
        .annotate(**counted)
        .prefetch_related(Prefetch("deployments", running, to_attr=kept_as))
        .order_by("-registered_at", "-pk")
    )


def deployments() -> QuerySet[Deployment]:
    """What ran where, newest first, with digest and person."""
    return Deployment.objects.select_related("entry", "by").defer("gate").order_by("-started_at", "-pk")
