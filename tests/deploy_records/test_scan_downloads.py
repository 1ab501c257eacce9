import pytest
from django.contrib.auth.models import User

from deploy_records import ledger, scan_downloads, scans
from deploy_records.errors import Broken, NotAllowed
from deploy_records.models import AuditEvent, ScanReport, StoredPiece
from tests.deploy_records.images import single
from tests.deploy_records.people import person
from tests.deploy_records.scan_files import IMPORTER, file, trivy

pytestmark = pytest.mark.django_db

DATA = trivy(target="app")


@pytest.fixture
def report(db: None) -> ScanReport:
    importer = person("imre", *IMPORTER)
    ledger.register(single("build 1"), importer)
    return scans.import_report(file(DATA), "trivy.json", importer).report


@pytest.fixture
def reader(db: None) -> User:
    return person("rita", "view_scanreport")


def test_the_file_comes_as_it_came_and_who_took_it_is_on_record(report: ScanReport, reader: User) -> None:
    taken = scan_downloads.download(report, reader, address="192.0.2.7")
    assert (b"".join(taken.pieces), taken.size, taken.name) == (DATA, len(DATA), "trivy.json")
    event = AuditEvent.objects.get(action="report.downloaded")
    assert (event.actor, event.address, event.changes["sha256"]) == ("rita", "192.0.2.7", report.file.sha256)


def test_what_is_damaged_breaks_off_before_its_end(report: ScanReport, reader: User) -> None:
    StoredPiece.objects.filter(file=report.file).update(data=b"nothing like it")
    with pytest.raises(Broken):
        b"".join(scan_downloads.download(report, reader).pieces)


def test_without_the_permission_nothing_is_given_and_nothing_recorded(report: ScanReport, stranger: User) -> None:
    with pytest.raises(NotAllowed, match="Reading scan reports takes the role"):
        scan_downloads.download(report, stranger)
    assert not AuditEvent.objects.filter(action="report.downloaded").exists()
