import gzip
import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import scan_imports, scan_spool, scans
from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.models import AuditEvent, ImageDigest, ImportState, Match, ScanImport, ScanReport, StoredFile
from deploy_records.scan_imports import MOST_ATTEMPTS, PUBLISH_AGAIN_AFTER, SILENCE
from deploy_records.scans import Imported
from tests.deploy_records.images import single
from tests.deploy_records.scan_files import file, pip_audit, trivy, vulnerability
from tests.deploy_records.scanned import entry as entry
from tests.deploy_records.scanned import importer as importer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers with which workers were woken."""
    numbers: list[int] = []
    monkeypatch.setattr(scan_imports, "_wake", [numbers.append])
    return numbers


def waiting(data: bytes, by: User, *, chosen: ImageDigest | None = None) -> ScanImport:
    asked = scan_imports.hand_over(file(data), "report.json", by, chosen=chosen)
    assert isinstance(asked, ScanImport)
    return asked


def anew(asked: ScanImport) -> ScanImport:
    return ScanImport.objects.get(pk=asked.pk)


def test_a_small_file_is_imported_at_once_and_a_large_one_waits_for_a_worker(
    importer: User, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(scan_imports.receive(file(trivy()), "small.json", importer), Imported)
    monkeypatch.setattr(scan_imports, "LARGE", 10)
    asked = scan_imports.receive(file(pip_audit()), "large.json", importer)
    assert isinstance(asked, ScanImport)
    assert (asked.state, calls) == (ImportState.WAITING, [asked.pk])


def test_a_small_file_that_is_large_when_unpacked_waits_for_a_worker_as_well(
    importer: User, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_imports, "LARGE", 10_000)
    packed = gzip.compress(trivy() + b" " * 20_000)
    assert len(packed) < 10_000
    assert isinstance(scan_imports.receive(file(packed), "packed.json.gz", importer), ScanImport)
    assert isinstance(scan_imports.receive(file(gzip.compress(trivy())), "small.json.gz", importer), Imported)
    with pytest.raises(Invalid, match="breaks off"):
        scan_imports.receive(file(packed[:200]), "cut.json.gz", importer)


def test_what_says_one_text_of_many_findings_is_refused_before_it_fills_the_disk(
    importer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_spool, "MOST_WRITTEN", 1_000_000)
    flaw = {"id": "CVE-2026-1000", "description": "d" * 4000, "affects": [{"ref": "a"}] * 1000}
    swelling = {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [{"bom-ref": "a"}], "vulnerabilities": [flaw]}
    with pytest.raises(Refused, match="says the same of so many findings"):
        scans.import_report(file(json.dumps(swelling).encode()), "swelling.json", importer)
    assert not ScanReport.objects.exists()


def test_findings_with_more_names_than_can_be_held_are_refused(
    importer: User, entry: ImageDigest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_spool, "MOST_OTHER_NAMES", 3)
    flaws = tuple(vulnerability(f"CVE-2026-100{one}", VendorIDs=[f"GO-{one}", f"OSV-{one}"]) for one in range(2))
    with pytest.raises(Refused, match="more than 3 other names"):
        scans.import_report(file(trivy(entry.digest, findings=flaws)), "many.json", importer)
    assert scans.import_report(file(trivy(entry.digest, findings=flaws[:1])), "few.json", importer).is_new


def test_a_worker_makes_it_a_report(importer: User, entry: ImageDigest, calls: list[int]) -> None:
    asked = waiting(trivy(entry.digest), importer)
    scan_imports.read(asked.pk)
    done = anew(asked)
    assert (done.state, done.is_over, done.problem, done.findings_read) == (ImportState.DONE, True, "", 1)
    assert done.report
    assert b"".join(scans.original(done.report)) == trivy(entry.digest)
    assert len(scans.findings_of(entry)) == 1
    assert AuditEvent.objects.get(action="report.imported").actor == "imre"


def test_the_choice_is_kept_until_it_is_read(importer: User, entry: ImageDigest, calls: list[int]) -> None:
    asked = waiting(pip_audit("CVE-2026-1"), importer, chosen=entry)
    scan_imports.read(asked.pk)
    report = anew(asked).report
    assert report
    assert report.matches.get().by == Match.PERSON


def test_a_refused_one_says_why_and_lets_the_file_go(importer: User, calls: list[int]) -> None:
    asked = waiting(b'{"what": "is this"}' * 10, importer)
    scan_imports.read(asked.pk)
    done = anew(asked)
    assert (done.state, done.file, done.report) == (ImportState.REFUSED, None, None)
    assert "report.json" in done.problem
    assert not StoredFile.objects.exists()
    event = AuditEvent.objects.get(action="report.refused")
    assert (event.actor, event.reason) == ("imre", done.problem)


def test_a_refused_file_that_another_import_waits_for_is_kept(importer: User, entry: ImageDigest, calls: list[int]) -> None:
    data = trivy(single("build 2").digest)
    refused, waits = waiting(data, importer, chosen=entry), waiting(data, importer)
    scan_imports.read(refused.pk)
    assert "was chosen" in anew(refused).problem
    scan_imports.read(waits.pk)
    assert anew(waits).state == ImportState.DONE


def test_who_lost_the_role_while_it_waited_is_refused(importer: User, calls: list[int]) -> None:
    asked = waiting(trivy(), importer)
    importer.groups.clear()
    scan_imports.read(asked.pk)
    assert "takes the role" in anew(asked).problem
    assert not ScanReport.objects.exists()


def test_handing_over_takes_the_permission(stranger: User) -> None:
    with pytest.raises(NotAllowed):
        scan_imports.hand_over(file(trivy()), "report.json", stranger)
    assert not StoredFile.objects.exists()


def test_a_file_that_is_known_waits_for_nobody(importer: User, calls: list[int]) -> None:
    scans.import_report(file(trivy()), "report.json", importer)
    again = scan_imports.hand_over(file(trivy()), "report.json", importer)
    assert isinstance(again, Imported)
    assert not again.is_new
    assert calls == []


def test_the_progress_can_be_seen_while_it_is_read(importer: User, calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = waiting(trivy(findings=tuple(vulnerability(f"CVE-2026-{one}") for one in range(1000, 3000))), importer)
    monkeypatch.setattr(scan_imports, "_TOLD_EVERY", timedelta(0))
    seen = []
    beat = scan_imports._Claim.beat

    def watched(claim: scan_imports._Claim, findings: int) -> None:
        beat(claim, findings)
        seen.append((anew(asked).state, anew(asked).findings_read))

    monkeypatch.setattr(scan_imports._Claim, "beat", watched)
    scan_imports.read(asked.pk)
    assert seen[:4] == [("reading", 500), ("reading", 1000), ("reading", 1500), ("reading", 2000)]
    assert anew(asked).state == ImportState.DONE


def test_two_workers_woken_for_one_import_read_it_once(importer: User, calls: list[int]) -> None:
    asked = waiting(trivy(), importer)
    first, second = scan_imports._claim(asked.pk), scan_imports._claim(asked.pk)
    assert first
    assert second is None
    scan_imports.read(asked.pk)
    assert anew(asked).state == ImportState.READING


def test_one_whose_reader_died_is_taken_over(importer: User, calls: list[int]) -> None:
    asked = waiting(trivy(), importer)
    assert scan_imports._claim(asked.pk)
    ScanImport.objects.update(claimed_at=timezone.now() - SILENCE - timedelta(seconds=1), published_at=None)
    calls.clear()
    assert scan_imports.publish_waiting() == 1
    assert calls == [asked.pk]
    scan_imports.read(asked.pk)
    assert (anew(asked).state, anew(asked).attempts) == (ImportState.DONE, 2)


def test_a_reader_that_was_taken_over_changes_nothing_more(importer: User, calls: list[int]) -> None:
    asked = waiting(trivy(), importer)
    slow = scan_imports._claim(asked.pk)
    assert slow
    ScanImport.objects.update(claimed_at=timezone.now() - SILENCE - timedelta(seconds=1))
    scan_imports.read(asked.pk)
    with pytest.raises(scan_imports._TakenOverError):
        slow.beat(7)
    scan_imports._refuse(anew(asked), slow, "Too slow.", "slow")
    assert (anew(asked).state, anew(asked).problem) == (ImportState.DONE, "")


def test_one_that_kills_its_readers_is_given_up(importer: User, calls: list[int]) -> None:
    asked = waiting(trivy(), importer)
    for _ in range(MOST_ATTEMPTS):
        assert scan_imports._claim(asked.pk)
        ScanImport.objects.update(claimed_at=timezone.now() - SILENCE - timedelta(seconds=1))
    scan_imports.read(asked.pk)
    assert anew(asked).state == ImportState.REFUSED
    assert f"{MOST_ATTEMPTS} times" in anew(asked).problem
    assert not StoredFile.objects.exists()


def test_a_fault_of_ours_is_tried_again_by_the_sweep(importer: User, calls: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = waiting(trivy(), importer)
    with monkeypatch.context() as broken:
        broken.setattr(scans, "import_report", lambda *_, **__: 1 / 0)
        scan_imports.read(asked.pk)
    assert anew(asked).state == ImportState.WAITING
    assert scan_imports.publish_waiting() == 0
    ScanImport.objects.update(published_at=timezone.now() - PUBLISH_AGAIN_AFTER)
    assert scan_imports.publish_waiting() == 1
    scan_imports.read(asked.pk)
    assert anew(asked).state == ImportState.DONE


def test_what_a_broker_that_is_down_did_not_take_is_published_later(
    importer: User, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_number: int) -> None:
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(scan_imports, "_wake", [down])
        asked = waiting(trivy(), importer)
    assert asked.published_at is None
    assert scan_imports.publish_waiting() == 1
    assert calls == [asked.pk]


def test_what_has_ended_is_read_no_more(importer: User, calls: list[int]) -> None:
    asked = waiting(trivy(), importer)
    scan_imports.read(asked.pk)
    before = anew(asked).ended_at
    scan_imports.read(asked.pk)
    assert anew(asked).ended_at == before
    assert scan_imports.publish_waiting() == 0


def test_a_number_that_is_none_is_no_work(db: None) -> None:
    scan_imports.read(12345)
