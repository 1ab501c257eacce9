import pytest
from django.contrib.auth.models import User

from deploy_records import audit_check, ledger, scans
from deploy_records.errors import NotAllowed, Refused
from deploy_records.models import AuditEvent, ImageDigest, Match, ScanComponent, StoredFile
from tests.deploy_records.images import index, sha, single
from tests.deploy_records.people import anew
from tests.deploy_records.scan_files import UNKNOWN, grype, pip_audit, spdx, trivy
from tests.deploy_records.scanned import entry as entry
from tests.deploy_records.scanned import imported
from tests.deploy_records.scanned import importer as importer

pytestmark = pytest.mark.django_db


def test_a_report_is_matched_by_the_manifest_it_names(importer: User, entry: ImageDigest) -> None:
    (match,) = imported(trivy(entry.digest), importer).matches
    assert (match.entry, match.by, match.platform) == (entry, Match.MANIFEST, "linux/amd64")


def test_a_report_on_one_platform_counts_for_the_entry_of_the_index(importer: User) -> None:
    whole = ledger.register(index("build 2"), importer)
    (match,) = imported(trivy(sha("build 2 arm64"), platform=""), importer).matches
    assert (match.entry, match.by, match.platform) == (whole, Match.MANIFEST, "linux/arm64")


def test_a_report_on_an_index_without_a_platform_leaves_it_open(importer: User) -> None:
    whole = ledger.register(index("build 2"), importer)
    (match,) = imported(trivy(whole.digest, platform=""), importer).matches
    assert (match.by, match.platform) == (Match.INDEX, "")


def test_a_report_that_names_the_image_id_is_matched_by_it(importer: User, entry: ImageDigest) -> None:
    (match,) = imported(grype(manifest=sha("made up by a daemon"), image_id=sha("build 1 config")), importer).matches
    assert (match.entry, match.by) == (entry, Match.IMAGE_ID)


def test_a_report_on_an_unknown_digest_lies_in_quarantine(importer: User, entry: ImageDigest) -> None:
    done = imported(trivy(UNKNOWN, target=entry.repository), importer)
    assert done.matches == ()
    assert "quarantine" in done.sentence
    assert list(scans.quarantined()) == [done.report]
    assert scans.findings_of(entry) == []


def test_a_report_of_another_platform_is_not_matched(importer: User, entry: ImageDigest) -> None:
    assert imported(trivy(entry.digest, platform="windows/amd64"), importer).matches == ()


def test_a_quarantined_report_counts_as_soon_as_its_digest_is_registered(importer: User, operator: User) -> None:
    report = imported(trivy(sha("build 9")), importer).report
    registered = ledger.register(single("build 9"), operator)
    assert [one.report for one in scans.current_reports([registered])[registered.pk]] == [report]
    assert [one.name for one in scans.findings_of(registered)] == ["CVE-2026-1000"]
    assert not scans.quarantined().exists()
    event = AuditEvent.objects.get(action="report.matched")
    assert (event.actor, event.object_id) == ("otto", str(registered.pk))
    assert audit_check.verify().intact


def test_a_report_counts_for_the_same_image_in_two_repositories(importer: User, entry: ImageDigest) -> None:
    twin = ledger.register(single("build 1", repository="registry.example.com/mirror/chatbot"), importer)
    done = imported(trivy(entry.digest), importer)
    assert {one.entry for one in done.matches} == {entry, twin}
    later = ledger.register(single("build 1", repository="registry.example.com/late/chatbot"), importer)
    assert len(scans.findings_of(later)) == 1


def test_a_report_without_a_digest_waits_for_a_persons_choice(importer: User, entry: ImageDigest) -> None:
    done = imported(pip_audit("CVE-2026-1"), importer)
    assert done.matches == ()
    assert "somebody chooses" in done.sentence
    match = scans.assign(done.report, entry, importer)
    assert (match.by, match.person) == (Match.PERSON, importer)
    assert len(scans.findings_of(entry)) == 1


def test_a_report_without_a_digest_is_matched_to_the_chosen_one_and_says_so(importer: User, entry: ImageDigest) -> None:
    done = imported(pip_audit("CVE-2026-1"), importer, chosen=entry)
    assert [(one.entry, one.by) for one in done.matches] == [(entry, Match.PERSON)]
    assert "A person's choice" in done.sentence


def test_a_choice_counts_for_the_chosen_repository_only(importer: User, entry: ImageDigest) -> None:
    twin = ledger.register(single("build 1", repository="registry.example.com/mirror/chatbot"), importer)
    imported(pip_audit("CVE-2026-1"), importer, chosen=entry)
    assert (len(scans.findings_of(entry)), len(scans.findings_of(twin))) == (1, 0)


def test_the_same_file_can_be_chosen_for_two_digests(importer: User, entry: ImageDigest) -> None:
    other = ledger.register(single("build 2"), importer)
    first, second = (imported(pip_audit("CVE-2026-1"), importer, chosen=one) for one in (entry, other))
    assert first.report == second.report
    assert {one.entry for one in second.matches} == {entry, other}


@pytest.mark.parametrize("known", [False, True], ids=["a new file", "a known file"])
def test_a_report_that_names_another_digest_than_the_chosen_one_is_refused(
    importer: User, entry: ImageDigest, known: bool
) -> None:
    if known:
        imported(trivy(UNKNOWN), importer)
    with pytest.raises(Refused) as refused:
        imported(trivy(UNKNOWN), importer, chosen=entry)
    assert UNKNOWN in str(refused.value)
    assert entry.digest in str(refused.value)
    assert StoredFile.objects.count() == int(known)
    assert scans.findings_of(entry) == []


def test_a_report_that_names_the_chosen_digest_is_matched_by_what_it_says(importer: User, entry: ImageDigest) -> None:
    assert [one.by for one in imported(trivy(entry.digest), importer, chosen=entry).matches] == [Match.MANIFEST]


def test_nobody_can_choose_a_digest_for_a_report_that_names_another(importer: User, entry: ImageDigest) -> None:
    report = imported(trivy(UNKNOWN), importer).report
    with pytest.raises(Refused, match="was chosen"):
        scans.assign(report, entry, importer)


def test_choosing_takes_the_permission(importer: User, entry: ImageDigest, stranger: User) -> None:
    report = imported(pip_audit(), importer).report
    with pytest.raises(NotAllowed):
        scans.assign(report, entry, stranger)


def test_a_report_on_another_platform_cannot_be_chosen_for_the_digest(importer: User, entry: ImageDigest) -> None:
    with pytest.raises(Refused, match="linux/s390x"):
        imported(trivy(platform="linux/s390x"), importer, chosen=entry)


def test_who_lost_the_role_can_no_longer_import(importer: User) -> None:
    importer.groups.clear()
    with pytest.raises(NotAllowed):
        imported(trivy(UNKNOWN), anew(importer))


def test_an_sbom_is_matched_by_what_it_describes(importer: User, entry: ImageDigest) -> None:
    (match,) = imported(spdx(entry.digest, "openssl", "zlib"), importer).matches
    assert match.entry == entry
    assert {"openssl", "zlib"} <= set(ScanComponent.objects.values_list("name", flat=True))
