"""Scan reports: the files byte for byte, what they say, and which digests they count for."""

import json
from typing import Any

from django.db import models
from django.db.models import Q

from deploy_records.models.common import DIGEST_LENGTH, PERSON
from deploy_records.models.ledger import ImageDigest

SHA256_LENGTH = 64
MOST_PLATFORM = 60


class StoredFile(models.Model):
    """A file by its content. Kept in the database, packed and in pieces, so that one backup holds all evidence."""

    sha256 = models.CharField(max_length=SHA256_LENGTH, unique=True, help_text="Of the bytes as they came, in lower-case hex.")
    size = models.BigIntegerField(help_text="Bytes as they came.")
    packed_size = models.BigIntegerField()
    stored_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.sha256


class StoredPiece(models.Model):
    """A part of a file's zlib stream; all of them, by number, are the stream."""

    file = models.ForeignKey(StoredFile, on_delete=models.CASCADE, related_name="pieces", db_index=False)
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=("file", "number"), name="one_piece_per_number"),)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.file} [{self.number}]"


class ScanReport(models.Model):
    """One report. Without matches it lies in quarantine: it names a digest that the ledger does not know, or none."""

    file = models.OneToOneField(StoredFile, on_delete=models.PROTECT, related_name="report")
    name = models.CharField(max_length=255, help_text="The file's name as it came. A label only.")
    format = models.CharField(max_length=20)
    tool = models.CharField(max_length=100, blank=True)
    tool_version = models.CharField(max_length=100, blank=True)
    target = models.CharField(max_length=1000, blank=True)
    kind = models.CharField(max_length=12, help_text="The main one of `kinds`.")
    kinds = models.JSONField(default=list, help_text="Values of scanners.report.ReportKind: what it counts as.")
    said = models.JSONField(default=dict, help_text="What it says about the image's identity: scanners.report.ReportDigests.")
    remarks = models.JSONField(default=list)
    scanned_at = models.DateTimeField(null=True, blank=True, help_text="As the report says.")
    imported_at = models.DateTimeField(help_text="First time that it came.")
    made_at = models.DateTimeField(
        help_text="What its age is counted from: when it was made, but no later than it came. "
        "A report that does not say so is as old as its last import."
    )
    imported_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, related_name="+")
    severities = models.JSONField(default=dict, help_text="Number of findings by normalised severity.")
    findings_count = models.PositiveIntegerField(default=0)
    components_count = models.PositiveIntegerField(default=0)
    is_demo = models.BooleanField(default=False)

    class Meta:
        ordering = ("-imported_at", "-id")
        indexes = (models.Index(fields=("-imported_at", "-id"), name="reports_newest"),)
        default_permissions = ("view",)
        permissions = (("import_report", "Can import a scan report"),)

    def __str__(self) -> str:
        return f"{self.tool or self.format} {self.file.sha256[:12]}"

    @property
    def names_a_digest(self) -> bool:
        """Whether it can be matched by what it says itself."""
        return any(self.said.get(key) for key in ("repo_digests", "manifest_digest", "image_id", "index_digest"))


class NamedDigest(models.Model):
    """A digest that a report names, for finding reports when it is registered."""

    report = models.ForeignKey(ScanReport, on_delete=models.CASCADE, related_name="named")
    digest = models.CharField(max_length=DIGEST_LENGTH)

    class Meta:
        indexes = (models.Index(fields=("digest",), name="reports_naming_digest"),)
        default_permissions = ()

    def __str__(self) -> str:
        return self.digest


class Match(models.TextChoices):
    """By what a report was matched to a digest."""

    MANIFEST = "manifest", "The report names its manifest digest"
    INDEX = "index", "The report names its index digest"
    IMAGE_ID = "image-id", "The report names its image ID"
    PERSON = "person", "A person's choice: the report names no digest"


class ScanMatch(models.Model):
    """That a report counts for a digest. It counts for several where the same image is in several repositories."""

    report = models.ForeignKey(ScanReport, on_delete=models.CASCADE, related_name="matches")
    entry = models.ForeignKey(ImageDigest, on_delete=models.PROTECT, related_name="scan_matches")
    by = models.CharField(max_length=10, choices=Match)
    person = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, related_name="+", help_text="Whose choice it was.")
    platform = models.CharField(
        max_length=MOST_PLATFORM, blank=True, help_text="os/architecture of what was scanned; empty: not known."
    )
    at = models.DateTimeField(help_text="From when on it counts.")
    superseded_at = models.DateTimeField(
        null=True, blank=True, help_text="When a newer report of the same tool, form and platform took its place."
    )

    class Meta:
        ordering = ("-report__made_at", "-report")
        constraints = (models.UniqueConstraint(fields=("report", "entry"), name="one_match_per_digest"),)
        indexes = (models.Index(fields=("entry", "superseded_at"), name="matches_that_count"),)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.report} of {self.entry}"

    @property
    def counts_now(self) -> bool:
        return self.superseded_at is None


class ReportChange(models.Model):
    """What a report changed for a digest, against the one before it from the same source.

    Derived: counted by `finding_changes.note` after reports of the digest have come or changed places.
    """

    match = models.OneToOneField(ScanMatch, on_delete=models.CASCADE, primary_key=True, related_name="change")
    before = models.ForeignKey(ScanReport, on_delete=models.CASCADE, related_name="+")
    new = models.PositiveIntegerField()
    gone = models.PositiveIntegerField()
    worse = models.PositiveIntegerField(help_text="Of those still there, whose severity has risen.")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.match}: {self.new} new, {self.gone} gone"


class ScanFinding(models.Model):
    """One finding of one report. What pages and the gate ask for is in columns, the rest in `detail`."""

    report = models.ForeignKey(ScanReport, on_delete=models.CASCADE, related_name="findings", db_index=False)
    tool = models.CharField(max_length=100, blank=True)
    kind = models.CharField(max_length=16)
    name = models.CharField(max_length=200, help_text="The vulnerability's id, or the rule's.")
    aliases = models.TextField(blank=True, help_text="Other names of the same, one a line.")
    weight = models.PositiveSmallIntegerField(help_text="For sorting, worst first: Unknown 6, Critical 5, … Info 1.")
    severity = models.CharField(max_length=8)
    fingerprint = models.CharField(max_length=SHA256_LENGTH)
    purl = models.CharField(max_length=1000, blank=True)
    package = models.CharField(max_length=300, blank=True)
    version = models.CharField(max_length=300, blank=True)
    fixed_version = models.CharField(max_length=300, blank=True)
    location = models.CharField(max_length=1000, blank=True)
    title = models.CharField(max_length=500, blank=True)
    state = models.CharField(max_length=16, help_text="What the report itself claims: scanners.report.FindingState.")
    detail_text = models.TextField(
        db_column="detail", blank=True,
        help_text="JSON: cvss, cwe, description, link, tool_severity, state_note; as far as there are any.",
    )  # fmt: skip

    class Meta:
        ordering = ("report", "-weight", "id")
        indexes = (models.Index(fields=("report", "-weight", "id"), name="findings_by_severity"),)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} in {self.package or self.location}"

    @property
    def detail(self) -> dict[str, Any]:
        """The keys cvss (a list of version, vector, score, source), cwe, description, link, tool_severity, state_note; each
        only if there is something.
        """
        return dict(json.loads(self.detail_text)) if self.detail_text else {}

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases.splitlines())


class DigestFinding(models.Model):
    """What the reports that count now say of a digest, each thing once.

    Derived: made anew by `digest_findings.renew` in the transaction in which the reports that count change.
    """

    entry = models.ForeignKey(ImageDigest, on_delete=models.CASCADE, related_name="findings", db_index=False)
    finding = models.ForeignKey(
        ScanFinding, on_delete=models.CASCADE, related_name="+", help_text="The worst of `sources`, which pages show."
    )
    kind = models.CharField(max_length=16)
    name = models.CharField(max_length=200)
    aliases = models.TextField(blank=True, help_text="All other names by any of the tools, one a line.")
    weight = models.PositiveSmallIntegerField()
    severity = models.CharField(max_length=8, help_text="The worst that any of the tools says.")
    fingerprint = models.CharField(max_length=SHA256_LENGTH)
    purl = models.CharField(max_length=1000, blank=True)
    package = models.CharField(max_length=300, blank=True)
    version = models.CharField(max_length=300, blank=True)
    fixed_version = models.CharField(max_length=300, blank=True)
    state = models.CharField(max_length=16, help_text="Harmless only if all reports claim so.")
    tools = models.TextField(help_text="Line feed, then each tool with a line feed behind it.")
    sources = models.JSONField(default=list, help_text="Primary keys of the findings that this is.")

    class Meta:
        ordering = ("entry", "-weight", "id")
        indexes = (
            models.Index(fields=("entry", "-weight", "id"), name="digest_findings_worst"),
            models.Index(fields=("name",), name="digest_findings_by_name"),
        )
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} in {self.package}"

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases.splitlines())

    @property
    def tool_names(self) -> tuple[str, ...]:
        return tuple(self.tools.split("\n")[1:-1])


class ScanComponent(models.Model):
    """A line of an SBOM."""

    report = models.ForeignKey(ScanReport, on_delete=models.CASCADE, related_name="components", db_index=False)
    name = models.CharField(max_length=300)
    version = models.CharField(max_length=300, blank=True)
    type = models.CharField(max_length=40, blank=True)
    purl = models.CharField(max_length=1000, blank=True)
    licences = models.JSONField(default=list)

    class Meta:
        ordering = ("report", "name", "id")
        indexes = (models.Index(fields=("report", "name", "id"), name="components_by_name"),)
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
    asked_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(auto_now_add=True)
    address = models.CharField(max_length=64, blank=True)
    published_at = models.DateTimeField(null=True, blank=True, help_text="When a worker was last woken for it.")
    reader = models.CharField(max_length=32, blank=True, help_text="Who reads it: a word of chance, new with every claim.")
    claimed_at = models.DateTimeField(null=True, blank=True, help_text="Last sign of life of who reads it.")
    attempts = models.PositiveSmallIntegerField(default=0)
    findings_read = models.PositiveIntegerField(default=0)
    report = models.ForeignKey(ScanReport, on_delete=models.SET_NULL, null=True, blank=True, related_name="imports")
    problem = models.TextField(blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-asked_at", "-id")
        constraints = (
            models.CheckConstraint(condition=Q(state__in=ImportState.values), name="import_state_is_known"),
            models.CheckConstraint(
                condition=Q(state__in=("done", "refused"), ended_at__isnull=False)
                | Q(state__in=("waiting", "reading"), ended_at__isnull=True),
                name="import_ends_with_its_state",
            ),
        )
        indexes = (models.Index(fields=("state", "asked_at"), name="imports_by_state"),)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"

    @property
    def is_over(self) -> bool:
        return self.ended_at is not None
