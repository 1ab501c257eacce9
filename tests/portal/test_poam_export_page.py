import io
import json
import zipfile
from typing import Any

import pytest
import yaml

from deploy_records.models import AuditEvent
from deploy_records.poam_files.exports import FORMS
from tests import factories
from tests.factories import person
from tests.portal import exceptions as make
from tests.portal.looking import text_of, window

pytestmark = pytest.mark.django_db


def download(form: str = "poam", query: str = "", **fields: str) -> Any:
    return window(person("Auditor")).post(f"/poam/export/{query}", {"form": form, **fields})


def test_everything_is_written_unless_the_list_was_filtered() -> None:
    make.approved()
    make.closed()
    make.requested(owner="data team")
    assert "All 3 exceptions, those that ended too." in text_of(window(person("Auditor")).get("/poam/export/"))
    assert [one["id"] for one in yaml.safe_load(download().content)["exceptions"]] == ["POAM-0001", "POAM-0002", "POAM-0003"]
    page = text_of(window(person("Auditor")).get("/poam/export/?owner=data+team"))
    assert "1 exception that matches the filters of the list." in page
    assert [one["id"] for one in yaml.safe_load(download(query="?owner=data+team").content)["exceptions"]] == ["POAM-0003"]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_comes_as_a_file_with_a_name_and_is_on_record(form: str) -> None:
    make.approved()
    answer = download(form)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="')
    assert 'filename=".' not in answer.headers["Content-Disposition"]
    assert answer.headers["Content-Type"] == FORMS[form].content_type
    event = AuditEvent.objects.latest("sequence")
    assert (event.action, event.object_name, event.changes["entries"]) == ("poam.exported", FORMS[form].file_name, 1)
    if form == "fedramp":
        assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
    elif FORMS[form].file_name.endswith(".json"):
        json.loads(answer.content)
    else:
        assert yaml.safe_load(answer.content)


def test_ignore_files_hold_what_counts_in_the_place_that_is_scanned() -> None:
    good = factories.entry("good")
    make.approved(repository=good.repository)
    assert yaml.safe_load(download("trivyignore").content)["vulnerabilities"] == []
    (found,) = yaml.safe_load(download("trivyignore", repository=good.repository).content)["vulnerabilities"]
    assert found["id"] == "CVE-2026-1000"


def test_what_cannot_be_written_is_said_on_the_page() -> None:
    for fields, says in (
        ({"form": "oscal"}, "at least one item"),
        ({"form": "word"}, "Select a valid choice"),
        ({"form": "grype", "digest": "sha256:1"}, "sha256"),
        ({"form": "grype", "repository": "no spaces here"}, "no spaces here"),
    ):
        answer = download(**fields)
        assert answer.status_code == 400
        assert says in text_of(answer)


def test_a_person_without_a_role_gets_no_file() -> None:
    assert window(person()).post("/poam/export/", {"form": "poam"}).status_code == 403
