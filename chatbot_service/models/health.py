"""Health as it was probed and what becomes of it: probes, events, roll-ups, definitions of the healthcheck.

A thousand services probed every ten seconds are nine million probes a day. So a row here holds what belongs to one service
and one stretch of time, packed by the pure modules `health/blocks.py` and `health/rollup.py`; nothing is looked for inside.
Moments are whole seconds since 1970 in UTC.
"""

from django.db import models
from django.utils import timezone

from chatbot_service.models.operating import PERSON, Host, Service


class _Block(models.Model):
    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="+", db_index=False)
    start = models.BigIntegerField(help_text="Where its stretch begins, in seconds since 1970.")
    count = models.PositiveIntegerField(default=0, help_text="How many it holds.")
    data = models.BinaryField()

    class Meta:
        abstract = True


class HealthSampleBlock(_Block):
    """The probes of Docker's health log that began within five minutes, each kept once: by container and start."""

    class Meta:
        constraints = (models.UniqueConstraint(fields=("service", "start"), name="one_sample_block_per_stretch"),)

    def __str__(self) -> str:
        return f"{self.count} probes of {self.service_id} from {self.start}"


class HealthEventBlock(_Block):
    """What the engine told of a service's containers within five minutes, each kept once; none for a quiet stretch."""

    class Meta:
        constraints = (models.UniqueConstraint(fields=("service", "start"), name="one_event_block_per_stretch"),)

    def __str__(self) -> str:
        return f"{self.count} events of {self.service_id} from {self.start}"


class HealthRollupBlock(_Block):
    """Roll-ups of one width: those of 5 minutes by the day, hours by ten days, days by a hundred."""

    width = models.PositiveIntegerField(help_text="300, 3600 or 86400 seconds.")

    class Meta:
        constraints = (models.UniqueConstraint(fields=("service", "width", "start"), name="one_rollup_block_per_stretch"),)

    def __str__(self) -> str:
        return f"{self.count} roll-ups of {self.service_id}, {self.width} s each, from {self.start}"


class HealthcheckDefinition(models.Model):
    """From `since` on its container was probed like this, until the next row."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="healthchecks", db_index=False)
    since = models.DateTimeField()
    test = models.JSONField(default=list, help_text="As Docker has it: CMD or CMD-SHELL and the words; empty: none.")
    interval = models.FloatField(help_text="Seconds, as those below.")
    timeout = models.FloatField()
    retries = models.PositiveIntegerField()
    start_period = models.FloatField()
    digest = models.CharField(max_length=71, blank=True, help_text="What ran when it was first seen.")

    class Meta:
        ordering = ("-since", "-id")
        indexes = (models.Index(fields=("service", "-since", "-id"), name="healthchecks_of_service"),)

    def __str__(self) -> str:
        return f"healthcheck of {self.service_id} from {self.since:%F %T}"


class PublicBadge(models.Model):
    """Whoever knows the address may see how healthy the service is, without signing in. The token is the address."""

    service = models.OneToOneField(Service, on_delete=models.CASCADE, related_name="public_badge")
    token = models.CharField(max_length=64, unique=True)
    by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"public badge of {self.service_id}"


class HealthMark(models.Model):
    """How far the roll-ups of a service have come; what is written before that is rolled up again by way of `HealthDue`."""

    service = models.OneToOneField(Service, on_delete=models.CASCADE, related_name="health_mark")
    rolled_until = models.BigIntegerField(help_text="In seconds since 1970, at the end of a bucket of 5 minutes.")

    def __str__(self) -> str:
        return f"{self.service_id} rolled up to {self.rolled_until}"


class HealthDue(models.Model):
    """A stretch that was rolled up, and of which something became known since."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="+")
    start = models.BigIntegerField()
    end = models.BigIntegerField(help_text="Not within it any more.")

    def __str__(self) -> str:
        return f"{self.service_id} from {self.start} to {self.end}"


class HealthWatch(models.Model):
    """How long a host's watcher was there. What happens after that is unknown until it can be proved from the health log."""

    host = models.OneToOneField(Host, on_delete=models.CASCADE, related_name="health_watch")
    alive_at = models.DateTimeField(help_text="Up to here it heard the engine and had written down what it heard.")
    events_until = models.BigIntegerField(default=0, help_text="The last event written, in nanoseconds of the engine's clock.")

    def __str__(self) -> str:
        return f"{self.host_id} watched until {self.alive_at:%F %T}"
