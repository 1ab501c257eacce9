"""Exceptions: items of the plan of action and milestones. None is ever deleted, and no number is used twice."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from deploy_records.models.common import DIGEST_LENGTH, PERSON
from deploy_records.rules.component import MOST_CHARACTERS as MOST_COMPONENT
from deploy_records.rules.exceptions import whole_second
from deploy_records.rules.terms import MOST_OWNER, MOST_TITLE, SEVERITIES
from deploy_records.scanners.report import Severity

OF_SEVERITY = {one: one for one in SEVERITIES}


class PoamState(models.TextChoices):
    """What people decided. Whether an approved item is in force, or has expired, the clock says: see `status_at`."""

    DRAFT = "draft", "Draft"
    REQUESTED = "requested", "Requested"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    MITIGATED = "mitigated", "Mitigated"
    CLOSED = "closed", "Closed"


ENDED = (PoamState.MITIGATED, PoamState.CLOSED)
LAPSING = (PoamState.DRAFT, PoamState.REQUESTED, PoamState.APPROVED)
EXPIRED = "expired"


class PoamNumbers(models.Model):
    """The highest number given so far: one row."""

    last = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"up to {self.last}"


class PoamItem(models.Model):
    """An exception. `expires_at` is the last second in which it holds, `file_id` its id in a repository's poam.yaml."""

    number = models.PositiveIntegerField(unique=True)
    file_id = models.CharField(max_length=60, blank=True)
    state = models.CharField(max_length=10, choices=PoamState, default=PoamState.DRAFT)
    version = models.PositiveIntegerField(default=1, help_text="Grows with every change, so that nobody approves unseen.")
    vulnerabilities = models.JSONField(default=list)
    component = models.CharField(max_length=MOST_COMPONENT, blank=True, help_text="A package URL or an image pattern.")
    severity = models.CharField(max_length=8, choices=OF_SEVERITY, help_text="The worst that it excuses.")
    repository = models.CharField(max_length=400, blank=True)
    digest = models.CharField(max_length=DIGEST_LENGTH, blank=True)
    service = models.CharField(max_length=100, blank=True)
    justification = models.TextField(blank=True)
    remediation_plan = models.TextField(blank=True)
    compensating_controls = models.TextField(blank=True)
    vendor_dependency = models.TextField(blank=True)
    owner = models.CharField(max_length=MOST_OWNER, blank=True, help_text="A name here, an address, or a team.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    drafted_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+", help_text="Who wrote it last.")
    requested_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    approved_in_git = models.CharField(max_length=300, blank=True, help_text="Who approved it there, in the file's words.")
    changed_at = models.DateTimeField(help_text="The last change of state.")
    ended_at = models.DateTimeField(null=True, blank=True, help_text="From when on it was mitigated or closed.")
    ended_because = models.TextField(blank=True, help_text="Why it was rejected, mitigated or closed.")
    extend_to = models.DateTimeField(null=True, blank=True, help_text="The later end that was asked for.")
    extend_because = models.TextField(blank=True)
    extend_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    by_rollback = models.BigIntegerField(
        null=True, blank=True, help_text="Number of the job that drafted it, going past what the gate warned of."
    )
    is_demo = models.BooleanField(default=False)

    class Meta:
        ordering = ("-number",)
        constraints = (
            models.CheckConstraint(condition=Q(state__in=PoamState.values), name="poam_state_is_known"),
            models.CheckConstraint(condition=Q(severity__in=list(OF_SEVERITY)), name="poam_severity_can_be_excused"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="poam_ends_after_it_begins"),
            models.CheckConstraint(
                condition=~Q(state=PoamState.APPROVED) | (~Q(component="") & ~Q(justification="")),
                name="poam_approved_is_complete",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=(PoamState.REQUESTED, PoamState.APPROVED)) | Q(requested_by__isnull=False),
                name="poam_requested_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(state__in=ENDED, ended_at__isnull=False) | (~Q(state__in=ENDED) & Q(ended_at__isnull=True)),
                name="poam_ended_has_its_moment",
            ),
            models.UniqueConstraint(fields=("file_id",), condition=~Q(file_id=""), name="one_poam_item_per_file_id"),
        )
        indexes = (
            models.Index(fields=("state", "expires_at"), name="poam_by_end"),
            models.Index(fields=("-created_at", "-id"), name="poam_newest"),
        )
        default_permissions = ("view",)
        permissions = (
            ("request_poam", "Can draft, request, comment on and end an exception"),
            ("approve_poam", "Can approve or reject an exception"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """As people say it: POAM-7."""
        return f"POAM-{self.number}"

    @property
    def exported_id(self) -> str:
        """As files say it."""
        return self.file_id or f"POAM-{self.number:04}"

    @property
    def worst(self) -> Severity:
        return Severity(self.severity)

    def status_at(self, now: datetime) -> str:
        """The state, or `expired` for what is open and past its end."""
        lapsed = self.state in LAPSING and whole_second(self.expires_at) < now
        return EXPIRED if lapsed else str(self.state)


class PoamGrant(models.Model):
    """One approval, for good: from when, and the last second for which it was given. Extensions are further ones."""

    item = models.ForeignKey(PoamItem, on_delete=models.PROTECT, related_name="grants")
    by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, related_name="+", help_text="Nobody: by a trusted file.")
    requested_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    in_git = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()
    until = models.DateTimeField()
    comment = models.TextField(blank=True)

    class Meta:
        ordering = ("at", "id")
        constraints = (
            models.CheckConstraint(condition=Q(until__gt=F("at")), name="poam_grant_ends_after_it_begins"),
            models.CheckConstraint(condition=Q(by__isnull=True) | ~Q(by=F("requested_by")), name="poam_granted_by_somebody_else"),
            models.CheckConstraint(condition=Q(by__isnull=False) | ~Q(in_git=""), name="poam_granted_by_somebody"),
        )

    def __str__(self) -> str:
        return f"{self.item} until {self.until:%Y-%m-%d}"


class PoamMilestone(models.Model):
    """A step on the way to the fix."""

    item = models.ForeignKey(PoamItem, on_delete=models.CASCADE, related_name="milestones")
    title = models.CharField(max_length=MOST_TITLE)
    due = models.DateField()
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("due", "id")

    def __str__(self) -> str:
        return self.title


class PoamComment(models.Model):
    """What somebody said about an item. `by` is nobody for what a file said."""

    item = models.ForeignKey(PoamItem, on_delete=models.CASCADE, related_name="comments")
    by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField()
    text = models.TextField()

    class Meta:
        ordering = ("at", "id")

    def __str__(self) -> str:
        return self.text[:60]


class PoamWarning(models.Model):
    """That people were told of a coming end, `days` before it. One row a warning; `sent_at` is set when the mail left."""

    item = models.ForeignKey(PoamItem, on_delete=models.CASCADE, related_name="warnings")
    expires_at = models.DateTimeField()
    days = models.PositiveSmallIntegerField()
    claimed_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    recipients = models.JSONField(default=list)

    class Meta:
        ordering = ("claimed_at", "id")
        constraints = (models.UniqueConstraint(fields=("item", "expires_at", "days"), name="one_poam_warning_per_end"),)

    def __str__(self) -> str:
        return f"{self.item}, {self.days} days"
