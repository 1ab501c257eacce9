"""Signals: what was noticed of a service or an exception and may need somebody; and how people are told of it."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone

from chatbot_service.models.operating import PERSON, Service


class SignalKind(models.TextChoices):
    FLAPPING = "flapping", "Flapping"
    RESTART_LOOP = "restart-loop", "Restart loop"
    OOM = "oom", "Out of memory"
    SLOW_START = "slow-start", "Slow start"
    LOG_ERRORS = "errors-in-logs", "Errors in the log"
    PERMISSION_DENIED = "permission-denied", "Permission denied"
    PULL_FAILURE = "pull-failure", "Image not pulled"
    RESOURCES = "resources", "Over the recommended resources"
    DRIFT = "drift", "Drift"
    BACKUPS = "backups", "Recovery point missed"
    EXCEPTION_ENDS = "exceptions", "Exception about to end"


class Signal(models.Model):
    """Open from `opened_at` until its rule has not held for a while. Changed only by `signals.records`."""

    kind = models.CharField(max_length=20, choices=SignalKind)
    matter = models.CharField(max_length=80, help_text="What it is about, for the machine: one of a kind is open for each.")
    service = models.ForeignKey(Service, on_delete=models.CASCADE, null=True, related_name="signals")
    exception = models.PositiveIntegerField(default=0, help_text="The number of the POA&M item it is about; 0: none.")
    about = models.CharField(max_length=200, help_text="What it is about, in words, as it was called then.")
    urgent = models.BooleanField(default=False)
    opened_at = models.DateTimeField(default=timezone.now)
    evidence = models.JSONField(default=dict, help_text="As `signals.rules.Evidence.as_data`, when it opened.")
    latest = models.JSONField(default=dict, help_text="The same, when the rule was last seen to hold.")
    held_at = models.DateTimeField(default=timezone.now, help_text="When the rule was last seen to hold.")
    quiet_since = models.DateTimeField(null=True, blank=True, help_text="Since when it has been seen not to hold.")
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, related_name="acknowledged_signals")
    note = models.TextField(blank=True, help_text="What whoever acknowledged it wrote.")
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-opened_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("kind", "matter"), condition=Q(closed_at=None), name="one_open_signal_per_matter"),
        )
        indexes = (
            models.Index(fields=("-opened_at", "-id"), name="signals_newest"),
            models.Index(fields=("service", "-opened_at", "-id"), name="signals_of_service"),
            models.Index(fields=("closed_at",), name="signals_by_end"),
        )
        permissions = (("acknowledge_signal", "Can acknowledge a signal"),)

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.about}"

    @property
    def is_open(self) -> bool:
        return self.closed_at is None


class SignalSight(models.Model):
    """What a worker of the host saw of a service between looks: log counts, resources, compose files. A cache with a memory."""

    service = models.OneToOneField(Service, on_delete=models.CASCADE, related_name="signal_sight")
    looked_at = models.DateTimeField(null=True, blank=True)
    kept = models.JSONField(default=dict, help_text="As `signals.sight.Sight.as_data`, bounded.")

    def __str__(self) -> str:
        return f"what was seen of {self.service_id}"


class ChannelKind(models.TextChoices):
    EMAIL = "email", "E-mail"
    WEBHOOK = "webhook", "Webhook"


class Channel(models.Model):
    """A way to tell people or programs. The address of a webhook may hold a token, so it is sealed like its secret."""

    name = models.CharField(max_length=63, unique=True)
    kind = models.CharField(max_length=8, choices=ChannelKind)
    target = models.CharField(max_length=2000, help_text="Addresses; of a webhook, scheme and host only.")
    sealed_url = models.TextField(blank=True)
    sealed_secret = models.TextField(blank=True)
    kinds = models.JSONField(default=list, help_text="Of which signals it tells; none named: of all.")
    urgent_only = models.BooleanField(default=False)
    tells_end = models.BooleanField(default=True, help_text="Whether it also tells that a signal has closed.")
    enabled = models.BooleanField(default=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    SENT = "sent", "Sent"
    FAILED = "failed", "Given up"


class Delivery(models.Model):
    """One message through one channel, written in the transaction of what it tells of. `uid` stays the same in every try."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="deliveries")
    signal = models.ForeignKey(Signal, on_delete=models.CASCADE, null=True, related_name="deliveries", help_text="None: a test.")
    tells = models.CharField(max_length=20, help_text="signal.opened, signal.closed or test")
    body = models.JSONField(default=dict)
    state = models.CharField(max_length=8, choices=DeliveryState, default=DeliveryState.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    next_at = models.DateTimeField(default=timezone.now, help_text="Before that nobody tries it; a try moves it on first.")
    ended_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=("state", "next_at"), name="deliveries_due"),
            models.Index(fields=("-created_at", "-id"), name="deliveries_newest"),
        )

    def __str__(self) -> str:
        return f"{self.tells} through {self.channel_id}"
