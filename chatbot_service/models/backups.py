"""Backups: where they go, how a service is backed up, what was taken, tried and put back."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from chatbot_service.models.operating import NAME, PERSON, Job, Service


class BackupRepository(models.Model):
    """A place where backups go: a folder or any target restic knows. Each service has a restic repository of its own below it.

    Password and credentials are write-only: sealed by `secrets.seal`, opened by workers only.
    """

    name = models.CharField(max_length=63, unique=True, validators=[NAME])
    url = models.CharField(max_length=500, help_text="As restic writes it: /srv/backups, s3:https://host/bucket, sftp:…, rest:…")
    sealed_password = models.TextField(help_text="Encrypts all that is kept there. Made by the portal, of 256 random bits.")
    sealed_credentials = models.TextField(blank=True, help_text="KEY=VALUE a line, as restic reads its environment.")
    added_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, related_name="added_repositories")
    added_at = models.DateTimeField(default=timezone.now)
    key_shown_at = models.DateTimeField(null=True, blank=True, help_text="When the recovery key was shown; it is shown once.")
    key_shown_to = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="shown_keys")

    class Meta:
        ordering = ("name",)
        permissions = (("show_recovery_key", "Can see the recovery key of a backup repository, once"),)

    def __str__(self) -> str:
        return self.name


class BackupMode(models.TextChoices):
    LIVE = "live", "While it runs"
    PAUSED = "paused", "Paused for a moment"
    STOPPED = "stopped", "Stopped for a moment"


class BackupPlan(models.Model):
    """How one service is backed up, how long that is kept, and what a restore takes."""

    service = models.OneToOneField(Service, on_delete=models.CASCADE, related_name="backup_plan")
    repository = models.ForeignKey(BackupRepository, on_delete=models.PROTECT, related_name="plans")
    mode = models.CharField(max_length=10, choices=BackupMode, default=BackupMode.LIVE)
    longest_pause = models.PositiveIntegerField(default=60, help_text="Seconds for which it may be paused or stopped.")
    with_values = models.BooleanField(default=False, help_text="Whether the values of the environment file are kept as well.")
    scheduled = models.BooleanField(default=True)
    cron = models.CharField(max_length=100, blank=True, help_text="Minute hour day month weekday, UTC; empty: by the RPO.")
    rpo_hours = models.PositiveIntegerField(default=24, help_text="How old the last good backup may be at most.")
    keep_daily = models.PositiveIntegerField(default=7)
    keep_weekly = models.PositiveIntegerField(default=4)
    keep_monthly = models.PositiveIntegerField(default=6)
    rehearse_days = models.PositiveIntegerField(default=7, help_text="Days between rehearsals; 0: only when asked for.")
    before_upgrade = models.BooleanField(default=True)
    keep_replaced_hours = models.PositiveIntegerField(default=72, help_text="How long a restore can be undone.")
    two_people = models.BooleanField(default=False, help_text="Whether a second person must agree to a restore.")
    checked_at = models.DateTimeField(null=True, blank=True, help_text="When all that is kept of it was last looked through.")
    check_problem = models.TextField(blank=True, help_text="What that found, in words; empty: nothing.")

    def __str__(self) -> str:
        return f"backup plan of {self.service}"


class BackupState(models.TextChoices):
    GOOD = "good", "Good"
    INCOMPLETE = "incomplete", "Incomplete"
    DAMAGED = "damaged", "Damaged"
    FORGOTTEN = "forgotten", "No longer kept"


class Backup(models.Model):
    """One snapshot as taken, or found unchanged: then `snapshot` is that of the backup before."""

    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="backups")
    repository = models.ForeignKey(BackupRepository, on_delete=models.PROTECT, related_name="backups")
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="backups")
    state = models.CharField(max_length=10, choices=BackupState, default=BackupState.GOOD)
    why = models.TextField(blank=True, help_text="Why it is incomplete or damaged, in words.")
    at = models.DateTimeField(help_text="The moment of which it tells: when reading began, or when it was seen to be unchanged.")
    snapshot = models.CharField(max_length=64)
    tree = models.CharField(max_length=64, help_text="restic's hash over all names, owners, modes and contents.")
    unchanged = models.BooleanField(default=False, help_text="Nothing had changed since the one before, whose snapshot this is.")
    digest = models.CharField(max_length=71, blank=True, help_text="The ledger digest that ran.")
    paths = models.JSONField(default=list, help_text="The data paths it holds, absolute.")
    mode = models.CharField(max_length=10, choices=BackupMode)
    files = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    disk_bytes = models.PositiveBigIntegerField(default=0, help_text="What its files took on the disk; holes count nothing.")
    added_bytes = models.PositiveBigIntegerField(default=0, help_text="What the repository grew by.")
    seconds = models.FloatField(default=0)
    paused_seconds = models.FloatField(default=0, help_text="How long the service was paused or stopped for it.")
    changed_meanwhile = models.PositiveIntegerField(default=0, help_text="Files that changed while they were read.")
    fingerprint = models.CharField(max_length=64, blank=True, help_text="Of names, sizes, owners, modes and times when read.")
    verified_at = models.DateTimeField(null=True, blank=True)
    verified_how = models.CharField(max_length=200, blank=True)
    rehearsed_at = models.DateTimeField(null=True, blank=True, help_text="When it was last restored whole, and came up well.")
    forgotten_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-at", "-id")
        indexes = (
            models.Index(fields=("service", "-at", "-id"), name="backups_of_service"),
            models.Index(fields=("service", "state", "-at"), name="backups_good_of_service"),
        )
        permissions = (
            ("back_up_service", "Can back up a service and rehearse a restore"),
            ("restore_backup", "Can restore a backup"),
            ("agree_to_restore", "Can agree to a restore that somebody else asked for"),
            ("download_backup", "Can download a backup"),
        )

    def __str__(self) -> str:
        return f"Backup {self.pk}"


class RestoreRehearsal(models.Model):
    """A restore into scratch, compared with the snapshot, and the service booted on the copy."""

    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="restore_rehearsals")
    backup = models.ForeignKey(Backup, on_delete=models.PROTECT, related_name="rehearsals")
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="restore_rehearsals")
    at = models.DateTimeField(default=timezone.now)
    passed = models.BooleanField()
    problem = models.TextField(blank=True)
    files = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    restore_seconds = models.FloatField(default=0)
    compare_seconds = models.FloatField(default=0)
    boot_seconds = models.FloatField(null=True, help_text="Until the service was healthy on the copy; empty: it was not booted.")
    digest = models.CharField(max_length=71, blank=True, help_text="The image that was booted.")

    class Meta:
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=("service", "-at", "-id"), name="rehearsals_of_service"),)

    def __str__(self) -> str:
        return f"rehearsal {self.pk} of {self.backup}"


class RestoreState(models.TextChoices):
    ASKED = "asked", "Waits for a second person"
    DECLINED = "declined", "Declined"
    STARTED = "started", "Under way"
    DONE = "done", "Restored"
    FAILED = "failed", "Not restored"
    UNDONE = "undone", "Undone"


class Restore(models.Model):
    """A restore as asked for, and what it replaced, for as long as that is kept."""

    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="restores")
    backup = models.ForeignKey(Backup, on_delete=models.PROTECT, related_name="restores")
    paths = models.JSONField(default=list, help_text="Chosen paths, absolute; empty: all data paths of the backup.")
    state = models.CharField(max_length=10, choices=RestoreState)
    reason = models.TextField(blank=True)
    asked_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="asked_restores")
    asked_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, related_name="decided_restores")
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_note = models.TextField(blank=True)
    job = models.OneToOneField(Job, on_delete=models.PROTECT, null=True, related_name="restore")
    undo_job = models.OneToOneField(Job, on_delete=models.PROTECT, null=True, related_name="undone_restore")
    swaps = models.JSONField(default=list, help_text="What was swapped for what: as `ports.Swap`, a list of mappings.")
    replaced_until = models.DateTimeField(null=True, blank=True, help_text="Until when what it replaced is kept.")
    replaced_removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-asked_at", "-id")
        constraints = (
            models.UniqueConstraint(fields=("service",), condition=Q(state="asked"), name="one_asked_restore_per_service"),
        )
        indexes = (models.Index(fields=("service", "-asked_at", "-id"), name="restores_of_service"),)

    def __str__(self) -> str:
        return f"restore {self.pk} of {self.backup}"
