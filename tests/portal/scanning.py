"""Digests that are registered, and reports brought in for them by somebody who holds the portal's roles."""

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile

from deploy_records import ledger, scans
from deploy_records.models import ImageDigest, ScanReport
from tests.deploy_records.images import index, single
from tests.deploy_records.scan_files import file
from tests.factories import person


def olga() -> User:
    """Who registers and brings reports."""
    return User.objects.filter(username="olga").first() or person("Operator", name="olga")


def registered(name: str = "build", *, tag: str = "", as_index: bool = False) -> ImageDigest:
    return ledger.register((index if as_index else single)(name, tag=tag), olga())


def brought(data: bytes, name: str = "trivy.json", chosen: ImageDigest | None = None) -> ScanReport:
    return scans.import_report(file(data), name, olga(), chosen=chosen).report


def sent(data: bytes, name: str = "trivy.json") -> SimpleUploadedFile:
    """A file as a browser sends it."""
    return SimpleUploadedFile(name, data, "application/octet-stream")


SCRIPT = "<script>alert(1)</script>"
ANSI, BIDI = "\x1b[31mred\x1b[0m", "\u202eevil"
HOSTILE = {
    "Title": f"{SCRIPT} {ANSI} {BIDI}",
    "Description": f"A flaw in <img src=x onerror=alert(1)>.\n{SCRIPT}",
    "PrimaryURL": "javascript:alert(1)",
}
