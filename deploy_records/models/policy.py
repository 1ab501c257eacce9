"""What the gate asks for, by environment."""

from django.db import models

from deploy_records.models.common import PERSON


class GatePolicy(models.Model):
    """One version of an environment's policy; the one with the highest number is in force. None is ever changed.

    An environment without one has the default, which is version 0 and stands in `rules/policy.py`.
    """

    environment = models.CharField(max_length=12)
    version = models.PositiveIntegerField()
    rules = models.JSONField(help_text="As rules.policy.Policy.as_data writes it.")
    made_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    reason = models.TextField()

    class Meta:
        ordering = ("environment", "-version")
        constraints = (models.UniqueConstraint(fields=("environment", "version"), name="one_policy_per_version"),)
        default_permissions = ("view",)
        permissions = (("set_policy", "Can set the gate policy"),)

    def __str__(self) -> str:
        return f"{self.environment} policy {self.version}"
