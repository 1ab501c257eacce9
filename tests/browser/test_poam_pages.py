"""Exceptions in a browser: the list with its line, one exception with its deeds, the form that explains itself, files."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from deploy_records import poam
from deploy_records.models import PoamItem
from deploy_records.rules.terms import Milestone
from tests import factories
from tests.browser.conftest import SCHEMES, Axe, Complaints, OpenPage, SignIn, scrolls_sideways
from tests.portal import exceptions as make

ROLES = ("Security reviewer", "Operator")
WRONG = b"version: 1\nexceptions:\n  - id: POAM-0009\n    cves: [CVE-1]\n    colour: red\n"


def a_plan() -> list[PoamItem]:
    """One in every state, one with all that may belong to one."""
    good = factories.entry("good")
    factories.service("personal_chatbot", runs=good)
    rich = make.approved(
        expires_at=make.day(4), repository=good.repository, digest=good.digest, service="personal_chatbot",
        compensating_controls="A filter in front.", vendor_dependency="encode, starlette",
        milestones=(Milestone("Upgrade staging", make.day(1).date()), Milestone("Upgrade production", make.day(3).date())),
    )  # fmt: skip
    poam.comment(rich, make.sara(), "Looked at the call graph.")
    poam.complete(rich.milestones.all()[0], make.olga())
    extended = make.approved(expires_at=make.day(12))
    poam.ask_to_extend(extended, make.olga(), make.day(20), "The fix is late.")
    return [
        rich, extended, make.requested(), make.drafted(component="", owner=""), make.expired(), make.rejected(), make.mitigated(),
        make.closed(),
    ]  # fmt: skip


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1440])
def test_every_page_is_usable_by_everybody_with_data_and_without(
    width: int, scheme: str, open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in(*ROLES)
    empty = ("/poam/", "/poam/new/", "/poam/import/", "/poam/export/")
    found = {path: axe(open_page(path, width, scheme)) for path in empty}
    items = a_plan()
    paths = (
        "/", "/poam/", "/poam/?state=all", "/poam/?q=nothing", *(f"/poam/{item.number}/" for item in items),
        "/poam/1/close/", "/poam/1/extend/", "/poam/3/approve/", "/poam/3/reject/", "/poam/8/close/", "/poam/3/edit/",
        "/poam/new/?vulnerability=CVE-2026-1000&component=pkg:pypi/starlette@0.46.2&severity=CRITICAL",
        "/poam/export/?state=ended",
    )  # fmt: skip
    for path in paths:
        page = open_page(path, width, scheme)
        found[path] = axe(page)
        assert not scrolls_sideways(page), path
    assert [path for path, complaints_of in found.items() if complaints_of] == [], found
    assert complaints.found == []


@pytest.mark.parametrize("width", [390, 1440])
def test_a_file_is_looked_at_with_its_problems_and_then_taken_over(
    width: int, open_page: OpenPage, sign_in: SignIn, axe: Axe
) -> None:
    sign_in(*ROLES)
    make.approved()
    for data, heading in ((WRONG, "Problems"), (canonical(), "What it does")):
        page = open_page("/poam/import/", width)
        page.locator("input[type=file]").set_input_files({"name": "poam.yaml", "mimeType": "application/yaml", "buffer": data})
        page.get_by_role("button", name="Look at it").click()
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        assert axe(page) == []
        assert not scrolls_sideways(page)
    page.get_by_role("button", name="Take it over").click()
    expect(page.get_by_text("Taken over.", exact=False)).to_be_visible()
    assert PoamItem.objects.get(number=30).state == "requested"


def canonical() -> bytes:
    ends, begins = make.day(9).date().isoformat(), make.day(-1).date().isoformat()
    return (
        "version: 1\nexceptions:\n  - id: POAM-0030\n    cves: [CVE-2026-2000]\n    component: pkg:pypi/httpx@0.27.0\n"
        "    severity: High\n    owner: olga\n    justification: Not reachable.\n"
        f"    createdAt: {begins}\n    expiresAt: {ends}\n    status: approved\n"
    ).encode()


def test_filtering_changes_list_address_and_export_and_going_back_undoes_it(
    open_page: OpenPage, sign_in: SignIn, complaints: Complaints
) -> None:
    sign_in("Viewer")
    a_plan()
    page = open_page("/poam/")
    rows = page.locator("#poam tbody tr")
    expect(rows).to_have_count(5)
    page.get_by_role("link", name=re.compile("^Ended")).click()
    expect(rows).to_have_count(3)
    expect(page).to_have_url(re.compile("state=ended"))
    expect(page.get_by_role("link", name="Export")).to_have_attribute("href", re.compile("state=ended"))
    page.get_by_role("searchbox", name="Search").fill("poam-8")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile("state=ended.*poam-8|poam-8.*state=ended"))
    expect(page.get_by_role("searchbox", name="Search")).to_be_focused()
    page.go_back()
    expect(rows).to_have_count(3)
    page.go_back()
    expect(rows).to_have_count(5)
    assert complaints.found == []


def test_the_form_says_while_one_types_what_it_would_excuse(
    open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Operator")
    page = open_page("/poam/new/")
    said = page.get_by_role("region", name="What it would excuse")
    expect(said).to_contain_text("Without one it excuses nothing.")
    page.get_by_label("Component").fill("pkg:pypi/starlette@0.46.2")
    expect(said).to_contain_text("The Python package starlette, version 0.46.2 alone.")
    page.get_by_label("Ends").fill("2090-01-01")
    expect(said).to_contain_text("That is too late: 30 days at most for High")
    page.get_by_label("Excused severity").select_option("Low")
    expect(said).to_contain_text("366 days at most for Low")
    assert axe(page) == []
    assert complaints.found == []


def test_an_exception_is_written_asked_for_and_approved_by_another(
    open_page: OpenPage, sign_in: SignIn, complaints: Complaints
) -> None:
    sign_in("Operator")
    page = open_page("/poam/new/?vulnerability=CVE-2026-1000&component=pkg:pypi/starlette@0.46.2&severity=HIGH")
    page.get_by_role("button", name="Save and request approval").click()
    expect(page.get_by_text("Say the justification before you ask for an approval.")).to_be_visible()
    page.get_by_label("Justification").fill("The function is not called.")
    page.get_by_role("button", name="Save and request approval").click()
    expect(page.get_by_text("waits for a security reviewer").first).to_be_visible()
    sign_in("Security reviewer", username="sam.reed", first_name="Sam", last_name="Reed")
    page = open_page("/poam/1/")
    page.get_by_role("link", name="Approve", exact=True).click()
    dialog = page.get_by_role("dialog", name="Approve this exception?")
    expect(dialog).to_contain_text("CVE-2026-1000 in starlette 0.46.2, High at most, until")
    dialog.get_by_label("Comment").fill("Looked at the call graph")
    dialog.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Approved.", exact=True)).to_be_visible()
    expect(page.get_by_text("In force until").first).to_be_visible()
    assert [one for one in complaints.found if "400" not in one] == []


def test_closing_takes_the_name_in_the_dialog(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Operator")
    item = make.approved()
    page = open_page("/poam/1/")
    page.get_by_role("link", name="Close for good").click()
    dialog = page.get_by_role("dialog", name="Close this exception for good?")
    dialog.get_by_label("Reason").fill("Nothing runs with it.")
    dialog.get_by_label("Type POAM-1 to close it").fill("POAM-7")
    dialog.get_by_role("button", name="Close for good").click()
    expect(page.get_by_text("That is not POAM-1.")).to_be_visible()
    page.get_by_label("Type POAM-1 to close it").fill("POAM-1")
    page.get_by_role("button", name="Close for good").click()
    expect(page.get_by_text("Closed by rosa.meyer.", exact=True)).to_be_visible()
    assert make.now(item).state == "closed"


def test_without_a_script_everything_works_the_same(
    chromium: Any, live_server: Any, sign_in: SignIn, context: Any, tmp_path: Path
) -> None:
    sign_in(*ROLES)
    a_plan()
    silent = chromium.new_context(java_script_enabled=False, storage_state=context.storage_state(), accept_downloads=True)
    page = silent.new_page()
    page.goto(f"{live_server.url}/poam/")
    page.get_by_label("Who answers for it").select_option("olga")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#poam tbody tr")).to_have_count(4)
    page.get_by_role("link", name="POAM-3", exact=True).click()
    page.get_by_text("Add a milestone").click()
    page.get_by_role("textbox", name="What will be done").fill("Upgrade staging")
    page.get_by_label("Due").fill(make.day(3).date().isoformat())
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Mark as done: Upgrade staging").click()
    expect(page.get_by_text("1 of 1 done")).to_be_visible()
    page.get_by_role("button", name="Undo: Upgrade staging").click()
    expect(page.get_by_text("0 of 1 done")).to_be_visible()
    page.get_by_role("textbox", name="Comment").fill("Looked at it.")
    page.get_by_role("button", name="Comment").click()
    expect(page.get_by_text("Looked at it.").first).to_be_visible()
    page.get_by_role("link", name="Reject", exact=True).click()
    page.get_by_label("Reason").fill("A fix is out.")
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_text("Rejected by rosa.meyer.", exact=True)).to_be_visible()
    page.goto(f"{live_server.url}/poam/export/")
    page.get_by_label("FedRAMP POA&M workbook").check()
    with page.expect_download() as started:
        page.get_by_role("button", name="Download").click()
    started.value.save_as(tmp_path / "poam.xlsx")
    assert (tmp_path / "poam.xlsx").read_bytes()[:2] == b"PK"
    silent.close()
