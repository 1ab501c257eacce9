"""Scan reports: the files byte for byte, and what they say."""

from datetime import datetime

from django.db import models
from django.db.models import Q

from deploy_records.models.common import PERSON
from deploy_records.models.ledger import ImageDigest

SHA256_LENGTH = 64


class StoredFile(models.Model):
    """A file by its content. Kept in the database, packed and in pieces, so that one backup holds all evidence."""

    sha256 = models.CharField(max_length=SHA256_LENGTH, unique=True, help_text="Of the bytes as they came, in lower-case hex.")
    size = models.BigIntegerField(help_text="Bytes as they came.")
    packed_size = models.BigIntegerField()
    stored_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.sha256


class StoredPiece(models.Model):
    """A part of a file's zlib stream; all of them, by number, are the stream."""

    file = models.ForeignKey(StoredFile, on_delete=models.CASCADE, related_name="pieces")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("file", "number"), name="one_piece_per_number"),)

    def __str__(self) -> str:
        return f"{self.file} [{self.number}]"


class Match(models.TextChoices):
    """By what a report was matched to a digest."""

    MANIFEST = "manifest", "The report names its manifest digest"
    INDEX = "index", "The report names its index digest"
    IMAGE_ID = "image-id", "The report names its image ID"
    PERSON = "person", "A person's choice: the report names no digest"


class ScanReport(models.Model):
    """One report. Without an entry it lies in quarantine: it names a digest that the ledger does not know, or none."""

    file = models.OneToOneField(StoredFile, on_delete=models.PROTECT, related_name="report")
    name = models.CharField(max_length=255, help_text="The file's name as it came. A label only.")
    format = models.CharField(max_length=20)
    tool = models.CharField(max_length=100, blank=True)
    tool_version = models.CharField(max_length=100, blank=True)
    target = models.CharField(max_length=500, blank=True)
    kind = models.CharField(max_length=12, help_text="The main one of `kinds`.")
    kinds = models.JSONField(default=list, help_text="Values of scanners.report.ReportKind: what it counts as.")
    said = models.JSONField(default=dict, help_text="What it says about the image's identity.")
    remarks = models.JSONField(default=list)
    scanned_at = models.DateTimeField(null=True, blank=True, help_text="As the report says.")
    imported_at = models.DateTimeField(auto_now_add=True)
    imported_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, related_name="+")
    entry = models.ForeignKey(ImageDigest, on_delete=models.PROTECT, null=True, blank=True, related_name="scan_reports")
    matched_by = models.CharField(max_length=10, choices=Match, blank=True)
    platform = models.CharField(max_length=60, blank=True, help_text="os/architecture of what was scanned, if known.")
    severities = models.JSONField(default=dict, help_text="Number of findings by normalised severity.")
    findings_count = models.PositiveIntegerField(default=0)
    components_count = models.PositiveIntegerField(default=0)
    is_demo = models.BooleanField(default=False)

    class Meta:
        ordering = ("-imported_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(entry__isnull=True, matched_by="") | (Q(entry__isnull=False) & ~Q(matched_by="")),
                name="report_matched_by_something",
            ),
        )
        indexes = (
            models.Index(fields=("-imported_at", "-id"), name="reports_newest"),
            models.Index(fields=("entry", "-imported_at", "-id"), name="reports_of_digest"),
        )
        default_permissions = ("view",)
        permissions = (("import_report", "Can import a scan report"),)

    def __str__(self) -> str:
        return f"{self.tool or self.format} {self.file.sha256[:12]}"

    @property
    def made_at(self) -> datetime:
        """When it was made, else when it came: what its age is counted from."""
        return self.scanned_at or self.imported_at


class ScanFinding(models.Model):
    """One finding of one report. What pages and the gate ask for is in columns, the rest in `detail`."""

    report = models.ForeignKey(ScanReport, on_delete=models.CASCADE, related_name="findings")
    kind = models.CharField(max_length=16)
    name = models.CharField(max_length=200, help_text="The vulnerability's id, or the rule's.")
    weight = models.PositiveSmallIntegerField(help_text="For sorting, worst first: Unknown 6, Critical 5, … Info 1.")
    severity = models.CharField(max_length=8)
    fingerprint = models.CharField(max_length=SHA256_LENGTH)
    purl = models.CharField(max_length=500, blank=True)
    package = models.CharField(max_length=300, blank=True)
    version = models.CharField(max_length=200, blank=True)
    fixed_version = models.CharField(max_length=300, blank=True)
    location = models.CharField(max_length=500, blank=True)
    title = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=16, help_text="What the report itself claims: scanners.report.FindingState.")
    detail = models.JSONField(
        default=dict, help_text="aliases, cvss, cwe, description, link, tool_severity, state_note; as far as there are any."
    )

    class Meta:
        ordering = ("report", "-weight", "id")
        indexes = (
            models.Index(fields=("report", "-weight", "id"), name="findings_by_severity"),
            models.Index(fields=("name",), name="findings_by_name"),
        )
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} in {self.package or self.location}"


class ScanComponent(models.Model):
    """A line of an SBOM."""

    report = models.ForeignKey(ScanReport, on_delete=models.CASCADE, related_name="components")
    name = models.CharField(max_length=300)
    version = models.CharField(max_length=200, blank=True)
    type = models.CharField(max_length=40, blank=True)
    purl = models.CharField(max_length=500, blank=True)
    licences = models.JSONField(default=list)

    class Meta:
        ordering = ("report", "id")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class ImportState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    READING = "reading", "Reading"
    DONE = "done", "Done"
    REFUSED = "refused", "Refused"


class ScanImport(models.Model):
    """A file on its way to becoming a report. `file` is let go of once the import has ended without one."""

    state = models.CharField(max_length=8, choices=ImportState, default=ImportState.WAITING)
    name = models.CharField(max_length=255)
    file = models.ForeignKey(StoredFile, on_delete=models.SET_NULL, null=True, related_name="imports")
    chosen = models.ForeignKey(ImageDigest, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    asked_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    claimed_at = models.DateTimeField(null=True, blank=True, help_text="Last sign of life of who reads it.")
    findings_read = models.PositiveIntegerField(default=0)
    report = models.ForeignKey(ScanReport, on_delete=models.SET_NULL, null=True, blank=True, related_name="imports")
    problem = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-asked_at", "-id")
        indexes = (models.Index(fields=("state", "asked_at"), name="imports_by_state"),)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"
