import io
import json
import tracemalloc
from pathlib import Path

import pytest

from deploy_records import scanners
from deploy_records.scanners import FORMATS, opened_report
from tests.deploy_records.scanners.image_reports import TRIVY
from tests.deploy_records.scanners.reports import ALL, ALL_FILES
from tests.deploy_records.scanners.understand import refusal, understood


@pytest.mark.parametrize("name", ALL_FILES)
def test_a_report_is_known_by_what_stands_in_it_and_not_by_its_name(name: str) -> None:
    report = understood(ALL_FILES[name], name="misleading.sarif").report
    assert report.format == name.partition(",")[0]
    assert report.format in FORMATS


@pytest.mark.parametrize("name", ALL)
def test_the_order_of_the_keys_does_not_matter(name: str) -> None:
    report = dict(reversed(ALL[name].items())) if isinstance(ALL[name], dict) else ALL[name]
    assert understood(report).report.format == name.partition(",")[0]


@pytest.mark.parametrize(
    "text", ["{}", "[]", "[{}]", '{"a": 1}', '{"matches": []}', '{"dependencies": {}}', '{"results": []}', "<a/>"]
)
def test_an_unknown_form_is_refused_with_the_list_of_known_ones(text: str) -> None:
    said = refusal(text)
    assert "no report of a known form" in said
    assert all(known in said for known in FORMATS.values())


def test_findings_and_components_may_be_read_again() -> None:
    with opened_report(io.BytesIO(ALL_FILES["trivy"]), "x") as report:
        assert list(report.findings) == list(report.findings)
        assert list(report.components) == list(report.components)


def test_more_findings_than_anyone_looks_at_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanners, "MOST_FINDINGS", 6)
    assert len(understood(TRIVY).findings) == 6
    monkeypatch.setattr(scanners, "MOST_FINDINGS", 5)
    assert "it has more than 5 findings" in refusal(TRIVY)


def test_a_large_report_takes_no_more_memory_than_a_small_one(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    found = json.dumps({**TRIVY["Results"][0]["Vulnerabilities"][0], "Description": "It reads on and on. " * 100})
    head, tail = json.dumps({**TRIVY, "Results": [{"Target": "x", "Type": "debian", "Vulnerabilities": []}]}).rsplit("[]", 1)
    path.write_text(f"{head}[{','.join([found] * 4000)}]{tail}")
    assert path.stat().st_size > 10_000_000
    tracemalloc.start()
    with path.open("rb") as file, opened_report(file, "large.json") as report:
        assert sum(1 for _ in report.findings) == 4000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_no_findings_count_only_if_tool_and_target_are_known() -> None:
    empty = {**TRIVY, "Results": [{"Target": "", "Class": "os-pkgs", "Type": "debian"}], "ArtifactName": ""}
    assert "has no findings and does not say what was scanned" in refusal(empty)


@pytest.mark.parametrize("name", ["a\u202eb.json", "x" * 500, "<script>.json"])
def test_the_name_of_the_file_is_made_safe_in_messages(name: str) -> None:
    with pytest.raises(Exception, match="Nothing was stored") as refused, opened_report(io.BytesIO(b"{}"), name):
        pytest.fail("It was opened.")
    assert "\u202e" not in str(refused.value)
    assert len(str(refused.value)) < 600
