import gzip
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.test import Client

from deploy_records import scan_imports
from deploy_records.errors import Invalid
from deploy_records.models import ImportState, ScanImport, ScanMatch, ScanReport, StoredFile
from deploy_records.scanners import FORMATS
from portal.pages import scans_upload
from tests.deploy_records.scan_files import UNKNOWN, pip_audit, trivy
from tests.factories import person
from tests.portal.looking import last_refusal, text_of, window
from tests.portal.scanning import brought, registered, sent

pytestmark = pytest.mark.django_db

UPLOAD = "/scans/upload/"
HTMX = {"HX-Request": "true"}


def test_several_files_at_once_are_each_told_for_themselves(operator: User) -> None:
    entry = registered("one")
    known = trivy(entry.digest, target="known")
    brought(known)
    files = [sent(trivy(entry.digest)), sent(known, "again.json"), sent(b"no report", "bad.txt")]
    answer = window(operator).post(UPLOAD, {"file": files})
    said = text_of(answer)
    assert answer.status_code == 200
    assert "2 of 3 files were taken in." in said
    assert "trivy.json Taken in 1 finding by Trivy." in said
    assert "again.json Was here already" in said
    assert "bad.txt Refused" in said
    assert ScanReport.objects.count() == 2


def test_what_is_refused_says_file_place_and_what_was_expected_and_leaves_nothing(operator: User) -> None:
    files = [sent(b'{"a": 1,\n  "b": }', "cut.json"), sent(b'{"some": "thing"}', "other.json")]
    answer = window(operator).post(UPLOAD, {"file": files})
    said = text_of(answer)
    assert answer.status_code == 400
    assert "0 of 2 files were taken in." in said
    assert "cut.json" in said
    assert "line 2" in said
    assert all(words in said for words in FORMATS.values())
    assert not ScanReport.objects.exists()
    assert not StoredFile.objects.exists()
    assert last_refusal().actor == operator.username


def test_a_gzip_file_is_taken_as_it_is(operator: User) -> None:
    data = gzip.compress(trivy(registered("one").digest))
    window(operator).post(UPLOAD, {"file": sent(data, "trivy.json.gz")})
    assert ScanReport.objects.get().file.size == len(data)


def test_a_report_that_names_none_counts_for_the_chosen_digest(operator: User) -> None:
    entry = registered("one")
    page = window(operator).get(f"{UPLOAD}?digest={entry.pk}").content.decode()
    assert f'value="{entry.reference}" list="scan-digests"' in page
    window(operator).post(UPLOAD, {"file": sent(pip_audit("CVE-2026-3")), "digest": entry.reference})
    assert ScanMatch.objects.get().entry == entry


def test_a_report_of_another_digest_than_the_chosen_one_is_refused(operator: User) -> None:
    entry, other = registered("one"), registered("other")
    answer = window(operator).post(UPLOAD, {"file": sent(trivy(other.digest)), "digest": entry.digest})
    assert answer.status_code == 400
    assert f"but {entry.digest} was chosen" in text_of(answer)
    assert not ScanReport.objects.exists()


def test_a_digest_that_the_ledger_does_not_know_is_told_beside_its_field(operator: User) -> None:
    answer = window(operator).post(UPLOAD, {"file": sent(pip_audit("CVE-2026-3")), "digest": UNKNOWN})
    assert answer.status_code == 404
    assert "is not in the ledger" in text_of(answer)
    assert 'aria-describedby="scan-digest-hint scan-digest-error" aria-invalid="true"' in answer.content.decode()
    assert not ScanReport.objects.exists()


def test_without_a_file_it_says_what_is_missing(operator: User) -> None:
    answer = window(operator).post(UPLOAD, {"digest": ""})
    assert answer.status_code == 400
    assert "Choose at least one file first." in text_of(answer)


def test_too_many_files_are_refused_together(operator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans_upload, "MOST_FILES", 2)
    entry = registered("one")
    files = [sent(trivy(entry.digest, target=f"target {number}"), f"{number}.json") for number in range(3)]
    answer = window(operator).post(UPLOAD, {"file": files})
    assert "Send at most 2 files at once; these are 3." in text_of(answer)
    assert not ScanReport.objects.exists()


def test_hostile_names_of_files_are_text(operator: User) -> None:
    answer = window(operator).post(UPLOAD, {"file": sent(b"x", "..\\<script>\x1b[31m\u202e.json")})
    page = answer.content.decode()
    assert "<script>\x1b" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "&lt;script&gt;" in page


# One file at a time, as the script sends them


def test_the_script_is_given_what_became_of_a_file(operator: User) -> None:
    client, entry = window(operator), registered("one")
    good = client.post(UPLOAD, {"file": sent(trivy(entry.digest))}, headers=HTMX)
    bad = client.post(UPLOAD, {"file": sent(b"x", "bad.json")}, headers=HTMX)
    lost = client.post(UPLOAD, {"file": sent(trivy(entry.digest)), "digest": UNKNOWN}, headers=HTMX)
    assert [one.status_code for one in (good, bad, lost)] == [200, 400, 404]
    assert all(one.content.decode().strip().startswith('<li class="kg-outcome"') for one in (good, bad, lost))
    assert "<html" not in good.content.decode()


# Large files


@pytest.fixture
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_imports, "LARGE", 1)


def test_a_large_file_is_given_to_a_worker_and_the_page_looks_at_its_progress(operator: User, everything_is_large: None) -> None:
    entry, client = registered("one"), window(operator)
    answer = client.post(UPLOAD, {"file": sent(trivy(entry.digest))})
    one = ScanImport.objects.get()
    address = f"/scans/imports/{one.pk}/"
    assert "Waits for a worker" in text_of(answer)
    assert f'hx-get="{address}" hx-trigger="every 1s"' in answer.content.decode()
    ScanImport.objects.update(state=ImportState.READING, findings_read=2500)
    assert "Being read 2,500 findings so far." in text_of(client.get(address))
    ScanImport.objects.update(state=ImportState.WAITING)
    scan_imports.read(one.pk)
    ended = client.get(address, headers=HTMX)
    assert ended.status_code == 286
    assert "Taken in" in text_of(ended)
    assert "hx-get" not in ended.content.decode()
    assert f'href="/scans/{ScanReport.objects.get().pk}/"' in ended.content.decode()


def test_what_a_worker_refuses_is_told_with_its_reason(operator: User, everything_is_large: None) -> None:
    client = window(operator)
    client.post(UPLOAD, {"file": sent(b'{"some": "thing"}', "other.json")})
    one = ScanImport.objects.get()
    scan_imports.read(one.pk)
    said = text_of(client.get(f"/scans/imports/{one.pk}/"))
    assert "other.json" in said
    assert "no report of a known form" in said


# How


def test_files_go_to_the_disk_and_never_to_memory(operator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def receive(file: Any, *_: Any, **__: Any) -> None:
        seen.append(file)
        raise Invalid("Not looked at.")

    monkeypatch.setattr(scan_imports, "receive", receive)
    window(operator).post(UPLOAD, {"file": sent(b"{}")})
    assert type(seen[0]).__name__ == type(TemporaryUploadedFile("x", "", 0, "").file).__name__


def test_a_form_without_the_token_is_refused_and_nothing_is_kept(operator: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    answer = client.post(UPLOAD, {"file": sent(trivy(registered("one").digest))})
    assert answer.status_code == 403
    assert not ScanReport.objects.exists()


def test_who_may_only_look_is_refused(viewer: User) -> None:
    assert window(viewer).get(UPLOAD).status_code == 403
    assert window(person("Auditor")).post(UPLOAD, {"file": sent(b"{}")}).status_code == 403
