import base64
import re
from typing import Any

import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile

from deploy_records.models import AuditEvent, PoamItem
from deploy_records.poam_files.moments import moment_text
from tests.factories import person
from tests.portal import exceptions as make
from tests.portal.looking import text_of, window

pytestmark = pytest.mark.django_db


def entry(**changes: Any) -> dict[str, Any]:
    usual = {
        "id": "POAM-0007", "cves": ["CVE-2026-1000"], "component": "pkg:pypi/starlette", "severity": "High",
        "justification": "Not reachable.", "owner": "olga", "createdAt": moment_text(make.day(-1)),
        "expiresAt": moment_text(make.day(10)), "status": "approved",
    }  # fmt: skip
    return usual | changes


def written(*entries: dict[str, Any]) -> bytes:
    return yaml.safe_dump({"version": 1, "exceptions": list(entries)}, sort_keys=False).encode()


def look(data: bytes, name: str = "poam.yaml", **fields: str) -> Any:
    file = SimpleUploadedFile(name, data, content_type="application/yaml")
    return window(make.olga()).post("/poam/import/", {"file": file, **fields})


def carried(answer: Any) -> dict[str, str]:
    """The hidden fields of the second step."""
    form = answer.content.decode().split('action="/poam/import/take-over/"')[1].split("</form>")[0]
    return dict(re.findall(r'name="(\w+)" (?:value="([^"]*)")?', form))


def take_over(answer: Any, **changes: str) -> Any:
    return window(make.olga()).post("/poam/import/take-over/", carried(answer) | changes)


def test_the_plan_is_shown_first_and_nothing_is_taken_over_by_that() -> None:
    answer = look(written(entry()))
    said = text_of(answer)
    assert "poam.yaml would change 1 of 1 entry in the ledger. Nothing has been taken over yet." in said
    assert "It is new, and approved in the file only: requested here." in said
    assert not PoamItem.objects.exists()


def test_what_was_shown_is_then_taken_over_whole_and_nothing_is_approved() -> None:
    client = window(make.olga())
    form = carried(look(written(entry(), entry(id="POAM-0008", status="draft")), committer="ruth"))
    assert client.post("/poam/import/take-over/", form).status_code == 302
    assert dict(PoamItem.objects.values_list("number", "state")) == {7: "requested", 8: "draft"}
    assert PoamItem.objects.get(number=7).approved_in_git == "ruth"
    assert AuditEvent.objects.latest("sequence").action == "poam.file-read"
    assert "Taken over. 2 of 2 entries changed the ledger" in text_of(client.get("/poam/"))


def test_drift_is_shown_in_both_directions() -> None:
    make.approved()  # POAM-1, which the file does not know
    make.drafted(owner="data team")  # POAM-2, in which they differ
    said = text_of(look(written(entry(), entry(id="POAM-0002", status="draft"))))
    assert "POAM-0007 the whole entry approved not there" in said
    assert "POAM-0001 the whole entry not there approved" in said
    assert "POAM-0002 owner olga data team" in said


def test_every_problem_is_shown_with_its_line_and_what_stands_there() -> None:
    data = written(entry(severity="Awful"), entry(id="POAM-0008", cves=["CVE-1"], colour="red"))
    lines = data.decode().splitlines()
    answer = look(data)
    assert answer.status_code == 400
    body = text_of(answer)
    assert "Nothing of it can be taken over" in body
    for line in ("severity: Awful", "- CVE-1", "colour: red"):
        number = next(place for place, text in enumerate(lines, 1) if line in text)
        assert re.search(rf"\b{number} exceptions\[\d\].*{re.escape(line)}", body), line
    assert "take-over" not in answer.content.decode()


def test_what_the_policy_does_not_allow_is_a_problem_of_its_entry() -> None:
    answer = look(written(entry(expiresAt=moment_text(make.day(60)))))
    assert answer.status_code == 400
    assert "the policy allows 30 days" in text_of(answer)


def test_a_ledger_that_changed_meanwhile_is_looked_at_again() -> None:
    first = look(written(entry(), entry(id="POAM-0008")))
    take_over(look(written(entry())))
    answer = take_over(first)
    assert answer.status_code == 409
    assert "changed since you looked at this file" in text_of(answer)
    assert "would change 1 of 2 entries" in text_of(answer)
    assert not PoamItem.objects.filter(number=8).exists()
    assert take_over(answer).status_code == 302


def test_a_file_that_was_changed_on_the_way_does_not_do_what_was_not_shown() -> None:
    other = base64.b64encode(written(entry(id="POAM-0009"))).decode()
    answer = take_over(look(written(entry())), content=other)
    assert answer.status_code == 409
    assert not PoamItem.objects.exists()


@pytest.mark.parametrize("content", ["", "%%%", "bm90IHlhbWw="])
def test_a_page_that_brings_no_file_along_is_refused(content: str) -> None:
    answer = take_over(look(written(entry())), content=content)
    assert answer.status_code in {400, 409}
    assert not PoamItem.objects.exists()


def test_what_the_ledger_holds_already_leaves_nothing_to_take_over() -> None:
    take_over(look(written(entry())))
    answer = look(written(entry()))
    assert "There is nothing to take over." in text_of(answer)
    assert "take-over" not in answer.content.decode()


def test_an_exported_file_changes_nothing_when_it_comes_back() -> None:
    for made in (make.approved, make.requested, make.drafted, make.closed, make.mitigated, make.rejected):
        made()
    file = window(make.olga()).post("/poam/export/", {"form": "poam"}).content
    answer = look(file)
    assert "There is nothing to take over." in text_of(answer)
    assert "None. The file and the ledger say the same." in text_of(answer)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "The file is empty."),
        (b"\xff\xfe", "It is not UTF-8"),
        (b"a: [", "It is not YAML"),
        (b"- 1", "It has to be a mapping"),
        (b"version: 1\nexceptions: !!python/object:os.system []", "Tags are not read"),
        (b"version: 1\nexceptions: &a [*a]", "Aliases are not read"),
        (b"x" * 1_000_001, "It is longer than 1,000,000 bytes"),
        (b"[" * 100_000, "nested deeper"),
    ],
)  # fmt: skip
def test_a_hostile_file_is_refused_in_words(data: bytes, says: str) -> None:
    answer = look(data)
    assert answer.status_code == 400
    assert says in text_of(answer)
    assert not PoamItem.objects.exists()


def test_what_a_file_says_is_shown_as_text() -> None:
    answer = look(written(entry(justification="<script>alert(1)</script>", severity="<b>x\u202e")), name="<i>x.yaml")
    body = answer.content.decode()
    assert "<script>alert" not in body
    assert "<b>x" not in body
    assert "<i>x" not in body
    assert "\u202e" not in body


def test_a_repository_that_is_none_is_said_at_its_field() -> None:
    answer = look(written(entry()), repository="no spaces here")
    assert answer.status_code == 400
    assert 'id="id_repository_error"' in answer.content.decode()


def test_the_older_form_is_read_as_well() -> None:
    older = {
        "id": "EXC-3", "severity": "HIGH", "owner": "olga", "created_on": make.day(-1).date().isoformat(),
        "due_by": make.day(10).date().isoformat(), "status": "pending", "remediation_plan": "Upgrade.", "cve": "CVE-2026-1",
    }  # fmt: skip
    answer = look(yaml.safe_dump({"meta": {}, "exceptions": [older | {"cve": "CVE-2026-1000"}]}).encode())
    assert "would change 1 of 1 entry" in text_of(answer)


def test_it_takes_the_role() -> None:
    viewer = window(person("Viewer"))
    assert viewer.get("/poam/import/").status_code == 403
    assert viewer.post("/poam/import/take-over/", {}).status_code == 403
