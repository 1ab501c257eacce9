"""Scan reports in a browser: what came in, uploading with a script and without, the evidence on a digest's page."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from deploy_records import scan_imports
from deploy_records.models import DigestFinding, ImageDigest, ImportState, ScanImport, ScanReport
from tests import factories
from tests.browser.conftest import SCHEMES, Axe, Complaints, OpenPage, SignIn, scrolls_sideways
from tests.deploy_records.images import sha
from tests.deploy_records.scan_files import UNKNOWN, grype, pip_audit, spdx, trivy, vulnerability
from tests.portal import exceptions
from tests.portal.scanning import HOSTILE, brought, olga, registered

PURL: dict[str, Any] = {"PkgIdentifier": {"PURL": "pkg:pypi/starlette@1.0"}}
FOUND = (
    vulnerability("CVE-2026-9230", FixedVersion="3.0.17", PrimaryURL="https://avd.example.com/x", Title="An out-of-bounds read"),
    vulnerability("CVE-2026-62727", package="starlette", FixedVersion="0.49.1", **PURL),
    vulnerability("CVE-2026-4558", "MEDIUM", package="tar"),
    vulnerability("CVE-2026-3374", "BAD", package="apt", **HOSTILE),
)


def a_record() -> tuple[ImageDigest, ScanReport]:
    """One digest with reports of three tools, an exception, and another that runs; a report in quarantine of each kind."""
    runs, entry = registered("runs", tag="v1"), registered("new", tag="v2", as_index=True)
    brought(trivy(runs.digest, findings=FOUND[2:3]), "runs.json")
    brought(trivy(entry.digest, findings=FOUND[:1], made="2026-11-01T00:00:00Z"), "monday.json")
    packages = tuple({"Name": name, "Version": "1.0"} for name in ("openssl", "tar", "apt"))
    report = brought(trivy(entry.digest, findings=FOUND, packages=packages), "trivy.json")
    brought(grype(manifest=sha("new amd64"), matches=(("CVE-2026-9230", "High", "GHSA-aaaa-bbbb-cccc"),)), "grype.json")
    brought(spdx(entry.digest, "openssl", "zlib"), "sbom.json")
    brought(trivy(UNKNOWN), "unknown.json")
    brought(pip_audit("CVE-2026-5555"), "nameless.json")
    exceptions.approved(vulnerabilities=("CVE-2026-62727",), component="pkg:pypi/starlette@1.0", repository=entry.repository)
    factories.service("chatbot", runs=runs, added_by=olga())
    ScanImport.objects.create(name="large.json", asked_by=olga(), state=ImportState.READING, findings_read=12_500)
    return entry, report


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two reports and one that is none."""
    entry = registered("one")
    for name, data in (
        ("trivy.json", trivy(entry.digest)), ("pip-audit.json", pip_audit("CVE-2026-5555")), ("bad.json", b'{"some":\n "thing"}'),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(data)
    return [str(tmp_path / name) for name in ("trivy.json", "pip-audit.json", "bad.json")]


@pytest.fixture
def silent(chromium: Browser, context: BrowserContext, sign_in: SignIn) -> Iterator[Page]:
    """A window without a script, of the person who signs in with `sign_in`."""
    sign_in("Operator")
    made = chromium.new_context(java_script_enabled=False, storage_state=context.storage_state())
    made.set_default_timeout(10_000)
    yield made.new_page()
    made.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1440])
def test_every_page_is_usable_by_everybody_with_data_and_without(
    width: int, scheme: str, open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Operator", "Security reviewer")
    bare = registered("bare")
    empty = (
        "/scans/",
        "/scans/upload/",
        f"/ledger/{bare.pk}/",
        f"/ledger/{bare.pk}/?tab=sbom",
        f"/ledger/{bare.pk}/?tab=exceptions",
    )
    found = {path: axe(open_page(path, width, scheme)) for path in empty}
    entry, report = a_record()
    finding = DigestFinding.objects.get(entry=entry, name="CVE-2026-9230")
    unknown, nameless = (ScanReport.objects.get(name=name).pk for name in ("unknown.json", "nameless.json"))
    paths = (
        "/scans/", "/scans/?state=quarantine", "/scans/?tool=nothing", "/ledger/", "/ledger/?severity=high",
        *(f"/ledger/{entry.pk}/?tab={tab}" for tab in ("findings", "sbom", "exceptions", "against")),
        f"/ledger/{entry.pk}/?q=nothing", f"/ledger/{entry.pk}/findings/{finding.fingerprint}/",
        *(f"/scans/{report.pk}/?tab={tab}" for tab in ("findings", "changes", "components")),
        f"/scans/{report.pk}/findings/{report.findings.first().pk}/",  # type: ignore[union-attr]
        f"/scans/{unknown}/", f"/scans/{nameless}/", f"/scans/{nameless}/match/",
        f"/scans/imports/{ScanImport.objects.get().pk}/", f"/scans/upload/?digest={entry.pk}",
    )  # fmt: skip
    for path in paths:
        page = open_page(path, width, scheme)
        found[path] = axe(page)
        assert not scrolls_sideways(page), path
    assert {path: complaints_of for path, complaints_of in found.items() if complaints_of} == {}
    assert complaints.found == []


# Uploading


def test_files_are_sent_one_by_one_and_each_is_told_for_itself(
    files: list[str], open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Operator")
    page = open_page("/scans/upload/")
    page.get_by_label("Choose files").set_input_files(files)
    expect(page.get_by_role("list", name="Chosen files").get_by_role("listitem")).to_have_count(3)
    page.get_by_role("button", name="Upload").click()
    told = page.get_by_role("region", name="What became of each").get_by_role("listitem")
    expect(told.filter(has_text="trivy.json")).to_contain_text("Taken in")
    expect(told.filter(has_text="pip-audit.json")).to_contain_text("in quarantine")
    expect(told.filter(has_text="bad.json")).to_contain_text("no report of a known form")
    expect(told).to_have_count(3)
    assert axe(page) == []
    assert {report.name for report in ScanReport.objects.all()} == {"trivy.json", "pip-audit.json"}
    told.filter(has_text="trivy.json").get_by_role("link", name="Look at the report").click()
    expect(page.get_by_text("It counts now.")).to_be_visible()
    refused = [words for words in complaints.found if "400" not in words]  # the browser notes every answer that is a no
    assert refused == []


def test_files_can_be_dropped_on_the_page(open_page: OpenPage, sign_in: SignIn, complaints: Complaints) -> None:
    sign_in("Operator")
    entry = registered("one")
    page = open_page("/scans/upload/")
    dropped = page.evaluate_handle(
        "text => { const all = new DataTransfer(); all.items.add(new File([text], 'dropped.json')); return all; }",
        trivy(entry.digest).decode(),
    )
    page.locator("[data-drop]").dispatch_event("dragover", {"dataTransfer": dropped})
    expect(page.locator("[data-drop][data-over]")).to_be_visible()
    page.locator("[data-drop]").dispatch_event("drop", {"dataTransfer": dropped})
    expect(page.get_by_role("list", name="Chosen files")).to_contain_text("dropped.json")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("region", name="What became of each")).to_contain_text("Taken in")
    assert complaints.found == []


def test_without_a_script_all_are_sent_at_once_and_told_the_same(files: list[str], silent: Page, live_server: Any) -> None:
    silent.goto(f"{live_server.url}/scans/upload/")
    silent.get_by_label("Choose files").set_input_files(files)
    silent.get_by_role("button", name="Upload").click()
    expect(silent.get_by_text("2 of 3 files were taken in.")).to_be_visible()
    told = silent.get_by_role("region", name="What became of each").get_by_role("listitem")
    expect(told).to_have_count(3)
    expect(told.filter(has_text="bad.json")).to_contain_text("Refused")


def test_without_a_script_a_report_is_given_its_digest_and_lists_are_filtered(silent: Page, live_server: Any) -> None:
    entry, _report = a_record()
    silent.goto(f"{live_server.url}/scans/?state=quarantine")
    silent.get_by_role("row", name=re.compile("nameless.json")).get_by_role("link", name="what to do").click()
    silent.get_by_label("The digest that it is about").fill(entry.reference)
    silent.get_by_role("button", name="Match it").click()
    expect(silent.get_by_text("Matched.")).to_be_visible()
    silent.goto(f"{live_server.url}/ledger/{entry.pk}/")
    silent.get_by_role("link", name=re.compile("^SBOM")).click()
    expect(silent.get_by_text("Listed by")).to_be_visible()
    silent.get_by_role("link", name=re.compile("^Findings")).click()
    silent.get_by_label("Severity").select_option("High")
    silent.get_by_role("search", name="Filter findings").get_by_role("button", name="Filter").click()
    expect(silent.locator("#evidence tbody tr")).to_have_count(2)


def test_a_large_file_is_followed_to_its_end_on_the_page(
    open_page: OpenPage, sign_in: SignIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complaints: Complaints
) -> None:
    monkeypatch.setattr(scan_imports, "LARGE", 1)
    monkeypatch.setattr(scan_imports, "_wake", [])
    sign_in("Operator")
    (tmp_path / "large.json").write_bytes(trivy(registered("one").digest))
    page = open_page("/scans/upload/")
    page.get_by_label("Choose files").set_input_files(str(tmp_path / "large.json"))
    page.get_by_role("button", name="Upload").click()
    told = page.get_by_role("region", name="What became of each")
    expect(told).to_contain_text("Waits for a worker")
    ScanImport.objects.update(state=ImportState.READING, findings_read=12_500)
    expect(told).to_contain_text("12,500 findings so far")
    ScanImport.objects.update(state=ImportState.WAITING)
    scan_imports.read(ScanImport.objects.get().pk)
    expect(told).to_contain_text("Taken in")
    expect(told.get_by_role("progressbar")).to_have_count(0)
    assert complaints.found == []


# The evidence on a digest's page


def test_findings_are_filtered_in_place_with_an_address_and_going_back_undoes_it(
    open_page: OpenPage, sign_in: SignIn, complaints: Complaints
) -> None:
    sign_in("Viewer")
    entry, _report = a_record()
    page = open_page(f"/ledger/{entry.pk}/")
    rows = page.locator("#evidence tbody tr")
    expect(rows).to_have_count(4)
    search = page.get_by_role("searchbox", name="Search findings")
    search.fill("starlette")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"q=starlette"))
    expect(search).to_be_focused()
    expect(rows.first).to_contain_text("POAM-1")
    page.go_back()
    expect(rows).to_have_count(4)
    page.get_by_label("Excused or not").select_option("blocks")
    expect(rows).to_have_count(2)
    assert complaints.found == []


def test_tabs_open_in_place_and_have_addresses(open_page: OpenPage, sign_in: SignIn, complaints: Complaints) -> None:
    sign_in("Viewer")
    entry, _report = a_record()
    page = open_page(f"/ledger/{entry.pk}/")
    page.evaluate("window.still = true")
    page.get_by_role("link", name="Against what runs now").click()
    expect(page.get_by_role("link", name="New 3")).to_be_visible()
    page.get_by_role("link", name="Still there 1").click()
    expect(page.locator("#evidence tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"show=still"))
    page.get_by_role("link", name=re.compile("^SBOM")).click()
    page.get_by_role("searchbox", name="Search components").fill("zlib")
    expect(page.locator("#evidence tbody tr")).to_have_count(1)
    assert page.evaluate("window.still") is True
    page.reload()
    expect(page.locator("#evidence tbody tr")).to_have_count(1)
    assert complaints.found == []


def test_a_finding_leads_to_an_exception_that_is_filled_in(open_page: OpenPage, sign_in: SignIn, complaints: Complaints) -> None:
    sign_in("Operator")
    entry, _report = a_record()
    page = open_page(f"/ledger/{entry.pk}/")
    page.get_by_role("link", name="CVE-2026-9230", exact=True).click()
    expect(page.get_by_text("Nothing excuses it, so the gate refuses the digest.")).to_be_visible()
    expect(page.get_by_role("region", name="Grype says")).to_be_visible()
    link = page.get_by_role("link", name="avd.example.com")
    assert link.get_attribute("rel") == "noopener noreferrer"
    page.get_by_role("link", name="Ask for an exception").click()
    expect(page.get_by_label("Vulnerabilities")).to_have_value("CVE-2026-9230")
    expect(page.get_by_label("Excused severity")).to_have_value("High")
    expect(page.get_by_label("Repository")).to_have_value(entry.repository)
    assert complaints.found == []


def test_hostile_words_of_a_report_do_nothing(open_page: OpenPage, sign_in: SignIn, complaints: Complaints) -> None:
    sign_in("Viewer")
    entry, report = a_record()
    hostile = DigestFinding.objects.get(entry=entry, name="CVE-2026-3374")
    opened: list[str] = []
    for path in (f"/ledger/{entry.pk}/", f"/ledger/{entry.pk}/findings/{hostile.fingerprint}/", f"/scans/{report.pk}/"):
        page = open_page(path)
        page.on("dialog", lambda dialog: opened.append(dialog.message))
        assert page.locator("#main script, #main img").count() == 0
        assert page.locator("#main a:not([href^='/']):not([href^='?']):not([href^='#']):not([href^='https://'])").count() == 0
        assert page.evaluate("/[\\u0000-\\u0008\\u001b\\u202a-\\u202e\\u2066-\\u2069]/.test(document.body.textContent)") is False
    expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
    assert opened == []
    assert complaints.found == []


def test_the_file_is_downloaded_as_it_came(open_page: OpenPage, sign_in: SignIn, tmp_path: Path) -> None:
    sign_in("Viewer")
    data = trivy(registered("one").digest)
    report = brought(data, "as it came.json")
    page = open_page(f"/scans/{report.pk}/")
    with page.expect_download() as begun:
        page.get_by_role("link", name="Download the file").click()
    begun.value.save_as(tmp_path / "file")
    assert begun.value.suggested_filename == "as it came.json"
    assert (tmp_path / "file").read_bytes() == data


def test_filtering_reports_changes_list_states_and_address(open_page: OpenPage, sign_in: SignIn, complaints: Complaints) -> None:
    sign_in("Viewer")
    a_record()
    page = open_page("/scans/")
    rows = page.locator("#scans tbody tr")
    expect(rows).to_have_count(7)
    page.get_by_role("link", name=re.compile("In quarantine")).click()
    expect(rows).to_have_count(2)
    expect(page.locator("#scan-states a[aria-current]")).to_contain_text("In quarantine")
    page.get_by_label("Tool").select_option("Trivy")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"state=quarantine"))
    page.go_back()
    expect(rows).to_have_count(2)
    assert complaints.found == []
