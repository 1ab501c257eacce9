"""Day-2 operation: checks of the hardening baseline and what they excuse, the environment contract and its versions."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from chatbot_service.models.operating import PERSON, Job, Service


class HardeningCheck(models.Model):
    """The baseline, held against the running container at one moment."""

    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="hardening_checks")
    job = models.OneToOneField(Job, on_delete=models.PROTECT, related_name="hardening_check")
    at = models.DateTimeField(default=timezone.now)
    passed = models.BooleanField()
    digest = models.CharField(max_length=71, blank=True, help_text="The ledger digest that ran; empty: not known.")
    results = models.JSONField(default=list, help_text="As `jobs.hardening.Finding`, a list of mappings.")
    due_on = models.DateField(help_text="When it is to be checked again.")

    class Meta:
        ordering = ("-at", "-id")
        indexes = (models.Index(fields=("service", "-at", "-id"), name="hardening_of_service"),)
        permissions = (("check_hardening", "Can check a container against the hardening baseline"),)

    def __str__(self) -> str:
        return f"hardening check {self.pk} of {self.service}"


class CapabilityException(models.Model):
    """One capability that a service may keep for a while, with the reason."""

    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="capability_exceptions")
    capability = models.CharField(max_length=40, help_text="As the kernel calls it: CAP_NET_BIND_SERVICE.")
    reason = models.TextField()
    review_on = models.DateField(help_text="From this day on it excuses nothing. At most six months away.")
    by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="capability_exceptions")
    at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, related_name="ended_capability_exceptions")

    class Meta:
        ordering = ("service", "capability", "-at")
        constraints = (
            models.UniqueConstraint(
                fields=("service", "capability"), condition=Q(ended_at=None), name="one_open_exception_per_capability"
            ),
        )
        permissions = (("except_capability", "Can let a service keep a capability for a while"),)

    def __str__(self) -> str:
        return f"{self.capability} for {self.service}"


class EnvironmentContract(models.Model):
    """The keys that a service's environment may have. A service without a row has the default of `environment_contract`."""

    service = models.OneToOneField(Service, on_delete=models.PROTECT, related_name="environment_contract")
    keys = models.JSONField(help_text="As `environment_contract.Contract.as_data`.")
    by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"environment contract of {self.service}"


class EnvironmentVersion(models.Model):
    """What the environment file of a service was after a change. Values of sensitive keys are in `sealed` only."""

    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="environment_versions")
    number = models.PositiveIntegerField()
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="environment_versions")
    by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, related_name="environment_versions")
    at = models.DateTimeField(default=timezone.now)
    reason = models.TextField(blank=True)
    changes = models.JSONField(default=list, help_text="As `environment_contract.Change`, a list of mappings.")
    found = models.BooleanField(default=False, help_text="Nobody wrote it here: it was found on the host like this.")
    went_back_to = models.PositiveIntegerField(null=True, help_text="The version whose file was written again.")
    sealed = models.TextField(blank=True, help_text="The whole file, sealed by `secrets.seal`; empty: there was none.")

    class Meta:
        ordering = ("-number",)
        constraints = (
            models.UniqueConstraint(fields=("service", "number"), name="one_environment_version_per_number"),
            models.CheckConstraint(
                condition=Q(went_back_to=None) | Q(went_back_to__lt=F("number")), name="environment_goes_back_only"
            ),
        )
        permissions = (("configure_service", "Can change the environment of a service"),)

    def __str__(self) -> str:
        return f"environment {self.number} of {self.service}"


class ResourceBlock(models.Model):
    """What a service's container used, sampled every few minutes: those of four hours, packed by `resource_blocks`."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="+", db_index=False)
    start = models.BigIntegerField(help_text="Where its stretch begins, in seconds since 1970.")
    count = models.PositiveIntegerField(default=0, help_text="How many samples it holds.")
    data = models.BinaryField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("service", "start"), name="one_resource_block_per_stretch"),)

    def __str__(self) -> str:
        return f"{self.count} samples of {self.service_id} from {self.start}"
