"""What is operated: hosts, services, jobs and their steps, health as it was seen."""

from datetime import timedelta
from typing import Self

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

PERSON = settings.AUTH_USER_MODEL
NAME = RegexValidator(r"\A[a-z0-9][a-z0-9_-]{0,62}\Z", "Lower-case letters, digits, - and _, at most 63.")


class Host(models.Model):
    """One Docker Engine, reached by the workers that consume the queue of the same name."""

    name = models.CharField(max_length=63, unique=True, validators=[NAME])
    engine_url = models.CharField(
        max_length=300, blank=True, help_text="Where its workers find the engine; empty: their DOCKER_HOST or the local socket."
    )
    seen_at = models.DateTimeField(null=True, blank=True, help_text="Last time one of its workers answered.")
    engine_seen_at = models.DateTimeField(null=True, blank=True, help_text="Last time the engine answered.")
    engine_version = models.CharField(max_length=60, blank=True)
    platform = models.CharField(max_length=60, blank=True, help_text="os/architecture of the engine")
    problem = models.TextField(blank=True, help_text="Why the engine cannot be used, in words; empty if it can.")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def queue(self) -> str:
        return f"host.{self.name}"


class RegistryLogin(models.Model):
    """How the workers sign in at a registry. The password is write-only: sealed by `secrets.seal`, never shown."""

    registry = models.CharField(max_length=255, unique=True, help_text="host[:port] as in image references")
    username = models.CharField(max_length=200, blank=True)
    sealed_password = models.TextField(blank=True)
    ca_certificate = models.TextField(blank=True, help_text="PEM; empty: the system's authorities")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("registry",)

    def __str__(self) -> str:
        return self.registry


class Environment(models.TextChoices):
    PRODUCTION = "production", "Production"
    STAGING = "staging", "Staging"
    DEVELOPMENT = "development", "Development"


class Rehearsal(models.TextChoices):
    ISOLATED = "isolated", "On a network of its own"
    JOINED = "joined", "On the project's networks"
    OFF = "off", "Not at all"


class Service(models.Model):
    """One Compose service under management."""

    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="services")
    name = models.CharField(max_length=63, validators=[NAME])
    environment = models.CharField(max_length=12, choices=Environment, default=Environment.PRODUCTION)
    project_dir = models.CharField(max_length=500, help_text="Absolute path of the Compose project on the host.")
    project_name = models.CharField(max_length=63)
    compose_files = models.JSONField(default=list, help_text="Names in the project folder, in order; the pin file last.")
    pin_file = models.CharField(max_length=200, default="docker-compose.prod.yml")
    compose_service = models.CharField(max_length=100)
    repository = models.CharField(max_length=400)
    data_paths = models.JSONField(default=list, help_text="Bind mounts and named volumes that hold its data.")
    required_env = models.JSONField(default=list, help_text="Keys that must have a value.")
    smoke_tests = models.JSONField(default=list, help_text="[{name, argv}] run inside the container after a switch.")
    endpoints = models.JSONField(default=list, help_text="Addresses that it must reach; none: its model API alone.")
    found = models.JSONField(default=dict, help_text="What the compose file said when it was read, without values.")
    watch_seconds = models.PositiveIntegerField(default=30, help_text="How long a job stays responsible after the switch.")
    rehearsal = models.CharField(
        max_length=10, choices=Rehearsal, default=Rehearsal.ISOLATED,
        help_text="Joined lets the candidate reach the project's other services, databases too.",
    )  # fmt: skip
    added_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="added_services")
    added_at = models.DateTimeField(auto_now_add=True)
    is_demo = models.BooleanField(default=False)

    # As last seen by the watcher or a job. Pages read this; they never ask Docker.
    seen_at = models.DateTimeField(null=True, blank=True)
    seen_state = models.CharField(max_length=20, blank=True, help_text="running, exited, … or missing")
    seen_health = models.CharField(max_length=12, blank=True, help_text="starting, healthy, unhealthy or none")
    seen_since = models.DateTimeField(null=True, blank=True, help_text="Since when state and health are as they are.")
    seen_digest = models.CharField(max_length=71, blank=True, help_text="The ledger digest that runs; empty: not known.")
    seen_image_id = models.CharField(max_length=71, blank=True)
    seen_pin = models.CharField(max_length=600, blank=True, help_text="The image reference in the pin file.")
    previous_local = models.BooleanField(null=True, help_text="Whether the rollback target's image is on the host.")
    drift = models.TextField(blank=True, help_text="How what runs differs from what was approved; empty: it does not.")
    drift_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("name", "host__name")
        constraints = (
            models.UniqueConstraint(fields=("host", "name"), name="one_service_per_host_and_name"),
            models.UniqueConstraint(fields=("host", "project_dir", "compose_service"), name="one_service_per_compose_service"),
        )
        permissions = (
            ("operate_service", "Can start, stop and restart a service"),
            ("upgrade_service", "Can upgrade a service"),
            ("rollback_service", "Can roll back a service"),
            ("look_into_service", "Can look into a running container: log, environment, connections, resources"),
        )

    def __str__(self) -> str:
        return f"{self.name} on {self.host.name}"


class Kind(models.TextChoices):
    UPGRADE = "upgrade", "Upgrade"
    ROLLBACK = "rollback", "Rollback"
    START = "start", "Start"
    STOP = "stop", "Stop"
    RESTART = "restart", "Restart"
    INSPECT = "inspect", "Read a compose project"
    ADOPT = "adopt", "Put under management"
    RESOLVE = "resolve", "Register a digest"
    BACKUP = "backup", "Backup"
    RESTORE = "restore", "Restore"
    UNDO_RESTORE = "unrestore", "Undo of a restore"
    REHEARSE = "rehearse", "Rehearsal of a restore"
    CHECK = "check", "Check of the backups"
    BROWSE = "browse", "Look into a backup"
    DOWNLOAD = "download", "Download of a backup"
    LOG = "log", "Log"
    FOLLOW = "follow", "Log, followed"
    PROBE = "probe", "Healthcheck by hand"
    REACH = "reach", "Connections"
    RESOURCES = "resources", "Resources"
    ENVIRONMENT = "env", "Look at the environment"
    HARDEN = "harden", "Hardening check"
    CONFIGURE = "configure", "Change of the environment"


LOOKS = (Kind.LOG, Kind.FOLLOW, Kind.PROBE, Kind.REACH, Kind.RESOURCES, Kind.ENVIRONMENT)
"""Their result is what they saw, and is kept for a day."""
READS_ONLY = (Kind.BROWSE, Kind.DOWNLOAD, *LOOKS, Kind.HARDEN)
"""Change nothing, so that they run beside each other and beside a job that does."""
UNRECORDED = (Kind.FOLLOW,)
"""Go on with what was asked for, and recorded, once: a log is followed by one every few seconds. Removed after a while."""


class JobState(models.TextChoices):
    QUEUED = "queued", "Waiting"
    RUNNING = "running", "Running"
    UNDOING = "undoing", "Undoing"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed, undone"
    REFUSED = "refused", "Refused"
    CANCELLED = "cancelled", "Cancelled, undone"
    STUCK = "stuck", "Stuck"


ACTIVE = (JobState.QUEUED, JobState.RUNNING, JobState.UNDOING)
CLAIMED = (JobState.RUNNING, JobState.UNDOING)


class JobQuerySet(models.QuerySet["Job"]):
    def active(self) -> Self:
        return self.filter(state__in=ACTIVE)

    def with_people(self) -> Self:
        return self.select_related("service__host", "host", "by")


class Job(models.Model):
    """One run of a kind of job. Changed only by `dispatch` (made) and `runner` (claimed, run, ended)."""

    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=10, choices=JobState, default=JobState.QUEUED)
    host = models.ForeignKey(Host, on_delete=models.PROTECT, related_name="jobs")
    service = models.ForeignKey(Service, on_delete=models.PROTECT, null=True, related_name="jobs")
    by = models.ForeignKey(
        PERSON, on_delete=models.PROTECT, null=True, related_name="jobs", help_text="Nobody: the schedule asked for it."
    )
    reason = models.TextField(blank=True)
    asked = models.JSONField(default=dict, help_text="What was asked for, by kind. Holds no secret.")
    target_digest = models.CharField(max_length=71, blank=True)
    from_digest = models.CharField(max_length=71, blank=True)
    facts = models.JSONField(default=dict, help_text="What the steps must not forget, were the worker to die.")
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True, help_text="The cause in words.")
    error_code = models.CharField(max_length=40, blank=True)

    created_at = models.DateTimeField(default=timezone.now)
    published_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    serving_at = models.DateTimeField(null=True, blank=True, help_text="When the new container answered.")
    ended_at = models.DateTimeField(null=True, blank=True)
    cancel_asked_at = models.DateTimeField(null=True, blank=True)
    cancel_asked_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, related_name="cancelled_jobs")

    fence = models.PositiveIntegerField(default=0, help_text="Grows with every claim; a worker with an older one must stop.")
    worker = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True, help_text="By the database's clock.")

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("service",), condition=Q(state__in=ACTIVE) & ~Q(kind__in=READS_ONLY), name="one_active_job_per_service"
            ),
        )
        indexes = (
            models.Index(fields=("-created_at", "-id"), name="jobs_newest"),
            models.Index(fields=("service", "-created_at", "-id"), name="jobs_of_service"),
            models.Index(fields=("state", "lease_until"), name="jobs_by_lease"),
        )
        permissions = (("cancel_job", "Can cancel a job"),)

    def __str__(self) -> str:
        is_also_a_thing = self.kind in {Kind.BACKUP, Kind.RESTORE}
        return f"{self.get_kind_display()}{' job' if is_also_a_thing else ''} {self.pk}"

    @property
    def asked_by(self) -> str:
        """In words: the person's name, or the schedule."""
        return self.by.get_username() if self.by else "the schedule"

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE

    @property
    def took(self) -> timedelta | None:
        """From the request to the end; until now while it runs."""
        return (self.ended_at or timezone.now()) - self.created_at


class StepState(models.TextChoices):
    WAITING = "waiting", "Not begun"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Not begun"


class JobStep(models.Model):
    """One step of a job as it happened. Undo steps are rows of their own, at the place where they ran."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="steps")
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=30, help_text="Stable name of the step, by which usual times are taken.")
    name = models.CharField(max_length=100)
    undo_name = models.CharField(max_length=100, blank=True, help_text="What undoes it, shown before it runs.")
    is_undo = models.BooleanField(default=False)
    touches = models.BooleanField(default=False, help_text="Whether the service is touched from here on.")
    state = models.CharField(max_length=10, choices=StepState, default=StepState.WAITING)
    note = models.CharField(max_length=300, blank=True)
    output = models.TextField(blank=True, help_text="Lines with their time, bounded.")
    error = models.TextField(blank=True)
    progress = models.JSONField(null=True, blank=True, help_text="How far it is while it runs: as `ports.Measure`.")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("position", "id")
        constraints = (models.UniqueConstraint(fields=("job", "position"), name="one_step_per_position"),)
        indexes = (models.Index(fields=("key", "state", "-ended_at"), name="steps_usual_times"),)

    def __str__(self) -> str:
        return f"{self.job_id}.{self.position} {self.name}"

    @property
    def took(self) -> timedelta | None:
        if self.started_at is None:
            return None
        return (self.ended_at or timezone.now()) - self.started_at


class HealthTransition(models.Model):
    """From `at` on the service was in this state, until the next row."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="transitions")
    at = models.DateTimeField()
    state = models.CharField(max_length=12, help_text="healthy, unhealthy, starting, down, stopped, paused or unknown")
    digest = models.CharField(max_length=71, blank=True)
    note = models.CharField(max_length=300, blank=True)
    output = models.TextField(blank=True, help_text="Of the probe that brought it about, bounded; kept longer than probes are.")

    class Meta:
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=("service", "-at", "-id"), name="health_of_service"),)

    def __str__(self) -> str:
        return f"{self.service_id} {self.state} from {self.at:%F %T}"
