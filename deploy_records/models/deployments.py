"""What ran where, from when to when."""

from django.db import models
from django.db.models import F, Q

from deploy_records.models.common import PERSON
from deploy_records.models.ledger import ImageDigest


class Outcome(models.TextChoices):
    RUNNING = "running", "Running"
    REPLACED = "replaced", "Replaced"
    UNDONE = "undone", "Undone"


class Deployment(models.Model):
    """What ran where, from when to when, by whose word. Names are kept as they were: no foreign key to what operates."""

    host = models.CharField(max_length=100)
    service = models.CharField(max_length=100)
    entry = models.ForeignKey(ImageDigest, on_delete=models.PROTECT, related_name="deployments")
    by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, related_name="deployments")
    job = models.BigIntegerField(null=True, blank=True)
    kind = models.CharField(max_length=20, help_text="upgrade, rollback, adopted or undo")
    reason = models.TextField(blank=True)
    gate = models.JSONField(default=dict, help_text="The gate's decision as it was.")
    started_at = models.DateTimeField()
    healthy_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.RUNNING)

    class Meta:
        ordering = ("-started_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("host", "service"), condition=Q(ended_at__isnull=True), name="one_open_deployment_per_service"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")), name="deployment_ends_after_start"
            ),
        )
        indexes = (
            models.Index(fields=("host", "service", "-started_at", "-id"), name="deployments_of_service"),
            models.Index(fields=("-started_at", "-id"), name="deployments_newest"),
        )

    def __str__(self) -> str:
        return f"{self.entry} on {self.host}/{self.service}"
