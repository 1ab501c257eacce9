"""Which digests are known, and who approved them."""

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from deploy_records.models.common import DIGEST_LENGTH, PERSON
from deploy_records.rules.digest import is_floating, registry_of

if TYPE_CHECKING:
    from deploy_records.models.deployments import Deployment


class LedgerState(models.TextChoices):
    CANDIDATE = "candidate", "Candidate"
    APPROVED = "approved", "Approved"
    KNOWN_GOOD = "known-good", "Known good"
    DEPRECATED = "deprecated", "Deprecated"
    REVOKED = "revoked", "Revoked"


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
    evidence = models.JSONField(
        default=dict, help_text="What it relied on: reports (SHA-256), policy, exceptions, and the gate's decision then."
    )
    review_since = models.DateTimeField(null=True, blank=True, help_text="From when on it has to be looked at again.")
    review_because = models.TextField(blank=True)

    class Meta:
        ordering = ("at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("entry", "by"), condition=Q(ended_at__isnull=True), name="one_valid_approval_per_person"
            ),
        )

    def __str__(self) -> str:
        return f"{self.by} approved {self.entry}"
