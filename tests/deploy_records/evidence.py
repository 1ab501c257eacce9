"""Reports and exceptions for a digest, as people bring them."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import scans
from deploy_records.models import ImageDigest, PoamItem, ScanReport
from deploy_records.scanners.report import Severity
from tests.deploy_records import exceptions
from tests.deploy_records.images import REPOSITORY
from tests.deploy_records.people import person
from tests.deploy_records.scan_files import IMPORTER, file, trivy, vulnerability

POLICY = ("set_policy",)


def importer() -> User:
    return User.objects.filter(username="imre").first() or person("imre", *IMPORTER)


def scan(of: ImageDigest, *findings: dict[str, Any] | str, days: float = 0, **fields: Any) -> ScanReport:
    """An image scan, made `days` ago, that has these findings: High ones by their ids."""
    listed = tuple(one if isinstance(one, dict) else vulnerability(one) for one in findings)
    made = (timezone.now() - timedelta(days=days)).isoformat()
    return scans.import_report(file(trivy(of.digest, findings=listed, made=made, **fields)), "trivy.json", importer()).report


def excused(*names: str, until: datetime | None = None, **fields: Any) -> PoamItem:
    """An approved exception for these in any package of the tests' images."""
    usual: dict[str, Any] = {"component": REPOSITORY, "severity": Severity.HIGH}
    if until:
        usual["expires_at"] = until
    return exceptions.approved(vulnerabilities=names or ("CVE-2026-1000",), **usual | fields)


def security(name: str = "petra") -> User:
    return User.objects.filter(username=name).first() or person(name, *POLICY)
