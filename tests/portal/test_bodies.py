"""How much a request may bring along: asked before anything of it is read."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from deploy_records.models import AuditEvent, ScanReport
from portal import bodies
from portal.pages import scans_upload
from tests.portal.looking import last_refusal, text_of, window
from tests.portal.scanning import sent

pytestmark = pytest.mark.django_db

UPLOAD = "/scans/upload/"


def test_more_than_may_be_sent_at_once_is_refused_before_it_is_read(operator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_form(*_: Any) -> None:
        raise AssertionError("It was read as a form.")

    monkeypatch.setattr("django.http.request.HttpRequest.parse_file_upload", no_form)
    monkeypatch.setattr(scans_upload.upload, "most_bytes", 1000)
    monkeypatch.setattr(bodies, "MOST_BYTES", 1000)
    answer = window(operator).post(UPLOAD, {"file": sent(b"x" * 5000)})
    assert answer.status_code == 413
    assert "more than the portal takes. Send at most" in text_of(answer)
    assert "in fewer files or packed with gzip" in text_of(answer)
    assert last_refusal().changes["code"] == "too-large"


def test_every_other_page_takes_little(operator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_BYTES", 1000)
    assert window(operator).post("/poam/new/", {"justification": "x" * 5000}).status_code == 413


@pytest.mark.parametrize("who", ["stranger", "viewer"])
def test_only_who_may_import_can_make_the_portal_read_much(who: str, viewer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_BYTES", 1000)
    client = window(viewer) if who == "viewer" else Client()
    answer = client.post(UPLOAD, {"file": sent(b"x" * 5000)})
    assert answer.status_code == 403
    assert "You may not send so much." in text_of(answer)
    assert not AuditEvent.objects.filter(action="report.imported").exists()


def test_what_is_within_bounds_is_read(operator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_BYTES", 1000)
    answer = window(operator).post(UPLOAD, {"file": sent(b"x" * 5000, "no-report")})
    assert answer.status_code == 400
    assert "no-report Refused" in text_of(answer)
    assert not ScanReport.objects.exists()


@pytest.mark.parametrize("length", ["", "-1", "0x10", "1e9", "9" * 40])
def test_a_length_that_is_no_number_brings_nothing(length: str, operator: User) -> None:
    answer = window(operator).post(UPLOAD, data=b"x", content_type="application/octet-stream", CONTENT_LENGTH=length)
    assert answer.status_code == 400
    assert "Choose at least one file first." in text_of(answer)
