"""What tests of scan reports begin with: somebody who may import, an entry, and a report brought."""

import pytest
from django.contrib.auth.models import User

from deploy_records import ledger, scans
from deploy_records.models import AuditEvent, ImageDigest
from deploy_records.scans import Imported
from tests.deploy_records.images import single
from tests.deploy_records.people import person
from tests.deploy_records.scan_files import IMPORTER, file


@pytest.fixture
def importer(db: None) -> User:
    return person("imre", *IMPORTER)


@pytest.fixture
def entry(importer: User) -> ImageDigest:
    return ledger.register(single("build 1"), importer)


def imported(data: bytes, by: User, name: str = "report.json", *, chosen: ImageDigest | None = None) -> Imported:
    return scans.import_report(file(data), name, by, chosen=chosen)


def actions() -> list[str]:
    """What the trail tells of reports."""
    return list(AuditEvent.objects.filter(action__startswith="report.").order_by("sequence").values_list("action", flat=True))
