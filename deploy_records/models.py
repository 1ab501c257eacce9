"""The record: which digests are known, who approved them, what ran where, who did what."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from deploy_records.rules.digest import is_floating, registry_of


class LedgerState(models.TextChoices):
    CANDIDATE = "candidate", "Candidate"
    APPROVED = "approved", "Approved"
    KNOWN_GOOD = "known-good", "Known good"
    DEPRECATED = "deprecated", "Deprecated"
    REVOKED = "revoked", "Revoked"


DIGEST_LENGTH = 71
PERSON = settings.AUTH_USER_MODEL


class ImageDigest(models.Model):
    """An entry of the ledger. `digest` is what is approved and deployed: the index if there is one, else the manifest."""

    repository = models.CharField(max_length=400)
    digest = models.CharField(max_length=DIGEST_LENGTH)
    is_index = models.BooleanField(default=False)
    state = models.CharField(max_length=12, choices=LedgerState, default=LedgerState.CANDIDATE)
    tags = models.JSONField(default=list, help_text="Tags it was seen under, newest last. Labels only.")
    built_at = models.DateTimeField(null=True, blank=True)
    registered_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="registered_digests")
    registered_at = models.DateTimeField(auto_now_add=True)
    note = models.TextField(blank=True, help_text="Why it was deprecated or revoked, or how it failed.")
    failed_at = models.DateTimeField(null=True, blank=True, help_text="Last time a job with this digest was undone.")
    known_good_at = models.DateTimeField(null=True, blank=True, help_text="First time it became known good; stays.")
    reinstated_at = models.DateTimeField(null=True, blank=True, help_text="Last time it was offered again.")
    reinstated_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    is_demo = models.BooleanField(default=False)

    # On rows from `listing.digests` only:
    approvals_now: int
    open_deployments: "list[Deployment]"

    class Meta:
        ordering = ("-registered_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("repository", "digest"), name="one_entry_per_digest"),
            models.CheckConstraint(condition=Q(digest__startswith="sha256:"), name="digest_is_sha256"),
            models.CheckConstraint(condition=Q(state__in=LedgerState.values), name="ledger_state_is_known"),
        )
        indexes = (
            models.Index(fields=("-registered_at", "-id"), name="ledger_newest"),
            models.Index(fields=("state", "-registered_at", "-id"), name="ledger_by_state"),
        )
        permissions = (
            ("register_digest", "Can register a digest"),
            ("approve_digest", "Can approve a digest"),
            ("deprecate_digest", "Can deprecate a digest"),
            ("revoke_digest", "Can revoke a digest"),
        )

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}"

    @property
    def reference(self) -> str:
        return f"{self.repository}@{self.digest}"

    @property
    def registry(self) -> str:
        return registry_of(self.repository)

    @property
    def tag(self) -> str:
        """The tag it was last seen under that stays in place, else the last one, or nothing. For showing."""
        return self.pin_tag or (str(self.tags[-1]) if self.tags else "")

    @property
    def pin_tag(self) -> str:
        """The tag to write beside the digest in a pin: the last one that is not made to move, or nothing."""
        return next((str(tag) for tag in reversed(self.tags) if not is_floating(str(tag))), "")

    @property
    def may_run(self) -> bool:
        return self.state in {LedgerState.APPROVED, LedgerState.KNOWN_GOOD}


class PlatformImage(models.Model):
    """One platform's manifest of a ledger entry, and the image ID (config digest) that engines show for it."""

    entry = models.ForeignKey(ImageDigest, on_delete=models.CASCADE, related_name="platforms")
    platform = models.CharField(max_length=60, help_text="os/architecture[/variant], for example linux/amd64")
    manifest_digest = models.CharField(max_length=DIGEST_LENGTH)
    config_digest = models.CharField(max_length=DIGEST_LENGTH)
    size = models.BigIntegerField(help_text="Bytes of the compressed layers.")

    class Meta:
        ordering = ("platform", "id")
        constraints = (models.UniqueConstraint(fields=("entry", "manifest_digest"), name="one_row_per_platform_manifest"),)
        indexes = (
            models.Index(fields=("manifest_digest",), name="platform_by_manifest"),
            models.Index(fields=("config_digest",), name="platform_by_config"),
        )

    def __str__(self) -> str:
        return f"{self.platform} {self.manifest_digest}"


class Approval(models.Model):
    """One person's yes for one digest. Withdrawn and void ones stay for ever."""

    entry = models.ForeignKey(ImageDigest, on_delete=models.PROTECT, related_name="approvals")
    by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="approvals")
    at = models.DateTimeField(auto_now_add=True)
    comment = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_because = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("entry", "by"), condition=Q(ended_at__isnull=True), name="one_valid_approval_per_person"
            ),
        )

    def __str__(self) -> str:
        return f"{self.by} approved {self.entry}"


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
