"""Who did what: the chain of events and its end."""

from django.db import models


class AuditHead(models.Model):
    """The end of the chain: one row, locked by each writer so that the chain never forks."""

    sequence = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, default="0" * 64)

    def __str__(self) -> str:
        return f"event {self.sequence}"


class AuditEvent(models.Model):
    """One link of the chain. `text` is what is hashed; the columns beside it are for finding."""

    sequence = models.BigIntegerField(unique=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    role = models.CharField(max_length=200, blank=True)
    address = models.CharField(max_length=64, blank=True)
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40, blank=True)
    object_id = models.CharField(max_length=40, blank=True)
    object_name = models.CharField(max_length=500, blank=True)
    reason = models.TextField(blank=True)
    job = models.BigIntegerField(null=True, blank=True)
    changes = models.JSONField(default=dict)
    text = models.TextField()
    previous = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)

    class Meta:
        ordering = ("-sequence",)
        indexes = (
            models.Index(fields=("object_type", "object_id", "-sequence"), name="audit_of_object"),
            models.Index(fields=("action", "-sequence"), name="audit_by_action"),
            models.Index(fields=("job",), name="audit_of_job"),
        )

    def __str__(self) -> str:
        return f"{self.sequence} {self.action} {self.object_name}"
