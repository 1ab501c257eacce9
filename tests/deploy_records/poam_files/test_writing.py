"""What is written, and that it reads back. The workbook is read with the standard library: what counts is what is in the file."""

import io
import json
import re
import uuid
import zipfile
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import given, settings

from deploy_records.errors import Invalid, Refused
from deploy_records.poam_files.canonical import write_poam
from deploy_records.poam_files.comparing import drift
from deploy_records.poam_files.entry import Entry
from deploy_records.poam_files.exports import FORMS, Wanted, write
from deploy_records.poam_files.ignoring import write_grype, write_trivyignore
from deploy_records.poam_files.oscal import write_oscal
from deploy_records.poam_files.reading import read
from deploy_records.poam_files.vex import write_vex
from deploy_records.poam_files.workbook import COLUMNS, Header, write_workbook
from deploy_records.rules.component import Place
from deploy_records.rules.terms import Milestone
from deploy_records.scanners.report import Severity
from tests.deploy_records.poam_files.entries import APPROVED, ENDS, NOW, TERMS, lists_of_entries

SCOPED = replace(APPROVED, id="POAM-0008", terms=replace(TERMS, repository="ghcr.io/acme/bot"))
PATTERN = replace(APPROVED, id="POAM-0009", terms=replace(TERMS, component="ghcr.io/acme/*"))
REQUESTED = replace(APPROVED, id="POAM-0010", status="requested", approved_at=None)
MITIGATED = replace(APPROVED, id="POAM-0011", status="mitigated")
CLOSED = replace(APPROVED, id="POAM-0012", status="closed")
DRAFT = replace(REQUESTED, id="POAM-0013", status="draft")
ALL = (APPROVED, SCOPED, PATTERN, REQUESTED, MITIGATED, CLOSED, DRAFT)


class TestCanonical:
    @given(lists_of_entries())
    def test_what_is_written_reads_back_as_the_same(self, entries: list[Entry]) -> None:
        text = write_poam(entries, NOW)
        file = read(text.encode())
        assert file.problems == ()
        as_of_now = [replace(one, status=one.status_at(NOW), line=0) for one in entries]
        assert [replace(one, line=0) for one in file.entries] == as_of_now
        assert write_poam(file.entries, NOW) == text
        assert not drift(file.entries, entries, NOW)

    def test_the_fields_stand_in_the_order_that_people_know(self) -> None:
        (entry,) = yaml.safe_load(write_poam([APPROVED], NOW))["exceptions"]
        assert list(entry) == [
            "id", "cves", "component", "severity", "justification", "mitigationPlan", "owner", "createdAt",
            "approvedAt", "approvedBy", "expiresAt", "status",
        ]  # fmt: skip
        assert (entry["expiresAt"], entry["status"]) == ("2026-11-30T23:59:59Z", "approved")

    def test_what_is_past_its_end_is_written_as_expired(self) -> None:
        assert yaml.safe_load(write_poam([APPROVED], ENDS))["exceptions"][0]["status"] == "approved"
        assert yaml.safe_load(write_poam([APPROVED], ENDS + timedelta(seconds=1)))["exceptions"][0]["status"] == "expired"

    def test_equal_values_are_written_out_twice_and_never_as_an_alias(self) -> None:
        same = Milestone("Build", date(2026, 11, 25))
        entry = replace(APPROVED, terms=replace(TERMS, milestones=(same, same)))
        assert "*" not in write_poam([entry, replace(entry, id="POAM-0008")], NOW)


class TestTrivy:
    def test_an_entry_names_the_package_and_the_moment_it_lapses(self) -> None:
        text = write_trivyignore([APPROVED], NOW)
        (row,) = yaml.safe_load(text)["vulnerabilities"]
        assert (row["id"], row["purls"]) == ("CVE-2026-1000", ["pkg:pypi/starlette"])
        assert row["expired_at"] == ENDS
        assert "expired_at: 2026-11-30T23:59:59Z\n" in text  # plain: Trivy takes quoted text for no moment
        assert row["statement"].startswith("POAM-0007, until 2026-11-30 23:59:59 UTC: Not reachable")

    def test_only_what_is_in_force_is_in_it(self) -> None:
        assert [row["id"] for row in yaml.safe_load(write_trivyignore(ALL, NOW))["vulnerabilities"]] == ["CVE-2026-1000"]
        assert yaml.safe_load(write_trivyignore(ALL, ENDS + timedelta(seconds=1))) == {"vulnerabilities": []}

    def test_what_would_excuse_more_than_was_approved_is_left_out_and_said_so(self) -> None:
        text = write_trivyignore(ALL, NOW)
        assert "# Left out: POAM-0008, which is for ghcr.io/acme/bot only." in text
        assert "# Left out: POAM-0009, which is for images that fit ghcr.io/acme/* only." in text

    def test_for_an_image_what_is_for_that_image_is_in_it(self) -> None:
        rows = yaml.safe_load(write_trivyignore(ALL, NOW, Place("ghcr.io/acme/bot")))["vulnerabilities"]
        assert [row.get("purls") for row in rows] == [["pkg:pypi/starlette"], ["pkg:pypi/starlette"], None]

    def test_an_approval_longer_than_the_policy_allows_is_not_in_it(self) -> None:
        long = replace(APPROVED, terms=replace(TERMS, expires_at=NOW + timedelta(days=200)))
        assert yaml.safe_load(write_trivyignore([long], NOW)) == {"vulnerabilities": []}


class TestGrype:
    @pytest.mark.parametrize(("component", "package"), [
        ("pkg:pypi/starlette@0.49.0", {"name": "starlette", "version": "0.49.0", "type": "python"}),
        ("pkg:deb/debian/libstdc++6", {"name": r"libstdc\+\+6", "type": "deb"}),
        ("pkg:npm/%40acme/ui", {"name": "@acme/ui", "type": "npm"}),
        ("pkg:golang/github.com/acme/x@v1", {"name": r"github\.com/acme/x", "version": "v1", "type": "go-module"}),
        ("pkg:maven/org.acme/core@1", {"name": "core", "version": "1", "type": "java-archive"}),
        ("pkg:generic/openssl@3", {"name": "openssl", "version": "3"}),
    ])  # fmt: skip
    def test_a_rule_names_the_package_as_grype_does(self, component: str, package: dict[str, str]) -> None:
        entry = replace(APPROVED, terms=replace(TERMS, component=component))
        (row,) = yaml.safe_load(write_grype([entry], NOW))["ignore"]
        assert (row["vulnerability"], row["package"]) == ("CVE-2026-1000", package)

    def test_the_file_says_by_when_it_has_to_be_written_anew(self) -> None:
        assert "write this file anew by 2026-11-30 23:59:59 UTC" in write_grype([APPROVED], NOW)

    def test_what_grype_cannot_say_is_left_out(self) -> None:
        narrow = replace(APPROVED, terms=replace(TERMS, component="pkg:deb/debian/openssl?arch=arm64"))
        text = write_grype([narrow], NOW)
        assert yaml.safe_load(text) == {"ignore": []}
        assert "is narrower than this file can say" in text


class TestVex:
    def test_states_follow_the_life_of_an_exception(self) -> None:
        rows = json.loads(write_vex(ALL, NOW))["vulnerabilities"]
        found = {row["bom-ref"].split("/")[0]: row["analysis"]["state"] for row in rows}
        assert found == {
            "POAM-0007": "exploitable", "POAM-0008": "exploitable", "POAM-0009": "exploitable",
            "POAM-0010": "in_triage", "POAM-0011": "resolved",
        }  # fmt: skip

    def test_what_is_in_force_says_what_is_done_about_it(self) -> None:
        controlled = replace(APPROVED, terms=replace(TERMS, compensating_controls="Firewall."))
        analysis = json.loads(write_vex([controlled], NOW))["vulnerabilities"][0]["analysis"]
        assert analysis["response"] == ["workaround_available", "update"]
        assert analysis["detail"] == "Not reachable: the endpoint is off.\nFirewall."
        expired = json.loads(write_vex([controlled], ENDS + timedelta(seconds=1)))["vulnerabilities"][0]["analysis"]
        assert "response" not in expired

    def test_every_reference_leads_to_a_component(self) -> None:
        document = json.loads(write_vex(ALL, NOW))
        known = {one["bom-ref"] for one in document["components"]}
        assert {one["ref"] for row in document["vulnerabilities"] for one in row["affects"]} <= known
        refs = [row["bom-ref"] for row in document["vulnerabilities"]] + sorted(known)
        assert len(set(refs)) == len(refs)
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", document["serialNumber"])

    def test_the_same_exceptions_at_the_same_moment_give_the_same_file(self) -> None:
        assert write_vex(ALL, NOW) == write_vex(ALL, NOW)


def cells(data: bytes, sheet: int) -> dict[str, tuple[str, str]]:
    """Type and value of each cell, by its name."""
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        strings = ET.fromstring(file.read("xl/sharedStrings.xml")).findall("m:si", space)  # noqa: S314 - our own
        texts = ["".join(part.text or "" for part in one.iter() if part.tag.endswith("}t")) for one in strings]
        found = {}
        for cell in ET.fromstring(file.read(f"xl/worksheets/sheet{sheet}.xml")).iter(f"{{{space['m']}}}c"):  # noqa: S314
            value, formula = cell.find("m:v", space), cell.find("m:f", space)
            kind = "formula" if formula is not None else cell.get("t", "n")
            raw = value.text or "" if value is not None else ""
            found[str(cell.get("r"))] = (kind, texts[int(raw)] if kind == "s" else raw)
    return found


class TestWorkbook:
    def test_the_headers_stand_in_row_five_from_a_to_ae(self) -> None:
        for sheet in (1, 2):
            found = cells(write_workbook(ALL, NOW), sheet)
            letters = [chr(65 + n) for n in range(26)] + ["A" + chr(65 + n) for n in range(5)]
            assert tuple(found[f"{letter}5"][1] for letter in letters) == COLUMNS
            assert len(COLUMNS) == 31

    def test_the_block_above_says_whose_plan_it_is(self) -> None:
        found = cells(write_workbook(ALL, NOW, Header("Acme", "Bots", "Moderate")), 1)
        assert [found[f"{letter}2"][1] for letter in "ABCD"] == ["CSP", "System Name", "Impact Level", "POAM Date"]
        assert [found[f"{letter}3"][1] for letter in "ABC"] == ["Acme", "Bots", "Moderate"]
        assert found["D3"][0] == "n"

    def test_open_and_closed_ones_are_on_their_sheets_and_drafts_on_none(self) -> None:
        data = write_workbook(ALL, NOW)
        assert [cells(data, 1)[f"A{row}"][1] for row in range(6, 10)] == ["POAM-0007", "POAM-0008", "POAM-0009", "POAM-0010"]
        assert [cells(data, 2)[f"A{row}"][1] for row in range(6, 8)] == ["POAM-0011", "POAM-0012"]
        assert "A10" not in cells(data, 1)
        assert "A8" not in cells(data, 2)

    def test_every_value_stands_below_its_header(self) -> None:
        terms = replace(
            TERMS, severity=Severity.CRITICAL, repository="ghcr.io/acme/bot", service="chatbot", vendor_dependency="Acme",
            milestones=(Milestone("Build", date(2026, 11, 25), NOW),), vulnerabilities=("CVE-2026-1000", "GHSA-aaaa-bbbb-cccc"),
        )  # fmt: skip
        found = cells(write_workbook([replace(APPROVED, terms=terms, comments=("Looked at.",))], NOW), 1)
        names = {
            found[f"{letter}5"][1]: found.get(f"{letter}6", ("", ""))[1]
            for letter in (*map(chr, range(65, 91)), "AA", "AB", "AC", "AD", "AE")
        }
        assert names["Weakness Name"] == "CVE-2026-1000, GHSA-aaaa-bbbb-cccc in pkg:pypi/starlette"
        assert names["Asset Identifier"] == "ghcr.io/acme/bot"
        assert names["Point of Contact"] == "olga"
        assert names["Planned Milestones"] == "2026-11-25 Build"
        assert names["Milestone Changes"] == "2026-11-20 done: Build"
        assert (names["Vendor Dependency"], names["Vendor Dependent Product Name"]) == ("Yes", "Acme")
        assert (names["Original Risk Rating"], names["Operational Requirement"]) == ("High", "Yes")
        assert (names["False Positive"], names["Risk Adjustment"], names["Auto-Approve"]) == ("No", "No", "No")
        assert (names["CVE"], names["Service Name"]) == ("CVE-2026-1000", "chatbot")
        assert names["Comments"] == "Status: approved. Severity by the scanner: Critical.\nLooked at."
        days = {name: int(names[name]) for name in ("Original Detection Date", "Scheduled Completion Date")}
        assert days == {"Original Detection Date": 46341, "Scheduled Completion Date": 46356}

    @pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "http://evil.example", "012", "{=1}"])
    def test_text_stays_text_whatever_it_begins_with(self, text: str) -> None:
        data = write_workbook([replace(APPROVED, terms=replace(TERMS, owner=text, justification=text))], NOW)
        found = cells(data, 1)
        assert (found["D6"], found["H6"]) == (("s", text), ("s", text))
        assert all(kind != "formula" for kind, _value in found.values())
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            assert not any("hyperlink" in name for name in file.namelist())

    def test_a_text_longer_than_a_cell_is_cut_and_not_lost(self) -> None:
        found = cells(write_workbook([replace(APPROVED, comments=("x" * 40_000,))], NOW), 1)
        assert len(found["Z6"][1]) == 32_767
        assert found["Z6"][1].endswith("…")


class TestOscal:
    def test_every_part_has_the_fields_that_the_schema_requires(self) -> None:
        full = replace(
            APPROVED, changed_at=NOW, comments=("Looked at.",),
            terms=replace(TERMS, compensating_controls="Firewall.", milestones=(Milestone("Build", date(2026, 11, 25), NOW),)),
        )  # fmt: skip
        plan = json.loads(write_oscal((full, *ALL), NOW))["plan-of-action-and-milestones"]
        assert {"uuid", "metadata", "poam-items"} <= set(plan)
        assert {"title", "last-modified", "version", "oscal-version"} <= set(plan["metadata"])
        for one in plan["observations"]:
            assert {"uuid", "description", "methods", "collected"} <= set(one)
        for one in plan["risks"]:
            assert {"uuid", "title", "description", "statement", "status"} <= set(one)
            assert all({"origin", "facets"} <= set(part) for part in one["characterizations"])
            assert all({"uuid", "lifecycle", "title", "description"} <= set(part) for part in one["remediations"])
            assert all({"uuid", "title", "start"} <= set(part) for part in one["risk-log"]["entries"])
        for one in plan["poam-items"]:
            assert {"uuid", "title", "description"} <= set(one)
        (task,) = plan["risks"][0]["remediations"][0]["tasks"]
        assert (task["type"], task["title"]) == ("milestone", "Build")
        assert plan["risks"][0]["mitigating-factors"][0]["description"] == "Firewall."

    def test_what_is_referred_to_is_there(self) -> None:
        plan = json.loads(write_oscal(ALL, NOW))["plan-of-action-and-milestones"]
        risks, observations = {one["uuid"] for one in plan["risks"]}, {one["uuid"] for one in plan["observations"]}
        for item in plan["poam-items"]:
            assert {one["risk-uuid"] for one in item["related-risks"]} <= risks
            assert {one["observation-uuid"] for one in item["related-observations"]} <= observations
        parties = {one["uuid"] for one in plan["metadata"]["parties"]}
        assert {
            actor["actor-uuid"] for one in plan["risks"] for origin in one["origins"] for actor in origin["actors"]
        } <= parties

    def test_ids_are_uuids_each_once_and_the_same_each_time(self) -> None:
        plan = json.loads(write_oscal(ALL, NOW))["plan-of-action-and-milestones"]
        ids = [one["uuid"] for part in ("risks", "observations", "poam-items") for one in plan[part]]
        assert len(set(ids)) == len(ids)
        assert all(str(uuid.UUID(one)) == one for one in ids)
        assert write_oscal(ALL, NOW) == write_oscal(ALL, NOW)

    @pytest.mark.parametrize(("entry", "status"), [
        (REQUESTED, "deviation-requested"),
        (APPROVED, "deviation-approved"),
        (replace(REQUESTED, status="rejected"), "open"),
        (MITIGATED, "closed"),
        (CLOSED, "closed"),
        (replace(APPROVED, terms=replace(TERMS, expires_at=datetime(2026, 11, 19, tzinfo=UTC))), "open"),
    ])  # fmt: skip
    def test_the_risk_says_where_it_stands(self, entry: Entry, status: str) -> None:
        assert json.loads(write_oscal([entry], NOW))["plan-of-action-and-milestones"]["risks"][0]["status"] == status

    def test_a_plan_without_items_is_refused_as_the_format_knows_none(self) -> None:
        with pytest.raises(Refused, match="no exception to write"):
            write_oscal([DRAFT], NOW)


@pytest.mark.parametrize("form", FORMS)
@given(entries=lists_of_entries())
@settings(max_examples=15)
def test_any_exceptions_can_be_written_in_any_form(form: str, entries: list[Entry]) -> None:
    try:
        assert write(form, Wanted(entries, NOW))
    except Refused:
        assert form == "oscal"
        assert all(one.status == "draft" for one in entries)


def test_a_form_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Invalid, match="Known are: poam, trivyignore, grype, vex, fedramp, oscal"):
        write("pdf", Wanted([], NOW))
