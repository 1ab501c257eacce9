"""Where a rollback would go, asked of many services at once."""

from django.db.models import OuterRef, Subquery

from deploy_records.models import Deployment, LedgerState, Outcome


def rollback_target() -> Subquery:
    """For a query over services: the entry that `deployments.previous_known_good` would choose for each."""
    ran_well = Deployment.objects.filter(
        host=OuterRef("host__name"),
        service=OuterRef("name"),
        healthy_at__isnull=False,
        entry__state=LedgerState.KNOWN_GOOD,
        entry__repository=OuterRef("repository"),
    )
    others = ran_well.exclude(outcome=Outcome.UNDONE).exclude(entry__digest=OuterRef("seen_digest"))
    return Subquery(others.order_by("-started_at", "-id").values("entry")[:1])
