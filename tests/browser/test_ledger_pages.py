"""Decide and prove, in a browser: the ledger, a digest with its deeds, deployments, the audit trail."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from deploy_records import ledger
from deploy_records.models import Approval, ImageDigest, LedgerState
from tests import factories
from tests.browser.conftest import SCHEMES, Axe, Complaints, OpenPage, SignIn, scrolls_sideways
from tests.factories import person

ROLES = ("Release manager", "Auditor", "Operator")


def a_record() -> tuple[ImageDigest, ImageDigest]:
    """One digest that runs, with a past; one that waits."""
    olga, rolf = person("Operator", name="olga"), person("Release manager", name="rolf")
    good = factories.entry("good", LedgerState.CANDIDATE, registered_by=olga)
    ledger.approve(good, rolf, "Smoke tests passed")
    ledger.note_healthy(good)
    service = factories.service("personal_chatbot", runs=good, added_by=olga)
    factories.ran_before(service, factories.entry("before", registered_by=olga))
    ledger.revoke(factories.entry("bad", registered_by=olga), rolf, "CVE-2025-9230 is exploited")
    waiting = factories.entry("waiting", LedgerState.CANDIDATE, registered_by=olga)
    ledger.note_failure(waiting, "It never became healthy: 6 probes failed in a row.")
    return good, waiting


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1440])
def test_every_page_is_usable_by_everybody_with_data_and_without(
    width: int, scheme: str, open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in(*ROLES)
    found = {path: axe(open_page(path, width, scheme)) for path in ("/ledger/", "/ledger/register/", "/deployments/")}
    good, waiting = a_record()
    paths = (
        "/ledger/", "/ledger/?q=nothing", f"/ledger/{good.pk}/", f"/ledger/{waiting.pk}/", f"/ledger/{waiting.pk}/approve/",
        f"/ledger/{waiting.pk}/revoke/", "/ledger/register/", "/deployments/", "/audit/", "/audit/3/",
    )  # fmt: skip
    for path in paths:
        page = open_page(path, width, scheme)
        found[path] = axe(page)
        assert not scrolls_sideways(page), path
    assert [path for path, complaints_of in found.items() if complaints_of] == [], found
    assert complaints.found == []


def test_approving_is_asked_in_a_dialog_and_told_where_the_eye_is(
    open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Release manager")
    _good, waiting = a_record()
    page = open_page(f"/ledger/{waiting.pk}/")
    page.get_by_role("link", name="Approve", exact=True).click()
    dialog = page.get_by_role("dialog", name="Approve this digest?")
    expect(dialog).to_be_visible()
    assert axe(page) == []
    dialog.get_by_label("Comment").fill("Tried on staging")
    dialog.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("It is approved now and may run.")).to_be_visible()
    expect(page.get_by_text("May run.", exact=True)).to_be_visible()
    assert Approval.objects.get(entry=waiting).comment == "Tried on staging"
    assert complaints.found == []


def test_a_double_click_gives_one_approval(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Release manager")
    _good, waiting = a_record()
    page = open_page(f"/ledger/{waiting.pk}/")
    page.get_by_role("link", name="Approve", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Approve").dblclick()
    expect(page.get_by_text("May run.", exact=True)).to_be_visible()
    assert Approval.objects.filter(entry=waiting).count() == 1


def test_revoking_asks_for_a_reason_before_anything_is_sent(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Release manager")
    good, _waiting = a_record()
    page = open_page(f"/ledger/{good.pk}/")
    page.get_by_role("link", name="Revoke").click()
    dialog = page.get_by_role("dialog", name="Revoke this digest for good?")
    dialog.get_by_role("button", name="Revoke for good").click()
    expect(dialog).to_be_visible()
    dialog.get_by_label("Reason").fill("CVE-2025-9230 is exploited")
    dialog.get_by_role("button", name="Revoke for good").click()
    expect(page.get_by_text("It still runs as personal_chatbot on prod-1")).to_be_visible()
    expect(page.get_by_text("May not run.", exact=True)).to_be_visible()


def test_without_a_script_the_same_deed_is_asked_on_a_page(
    chromium: Any, live_server: Any, sign_in: SignIn, context: Any
) -> None:
    sign_in("Release manager")
    _good, waiting = a_record()
    silent = chromium.new_context(java_script_enabled=False, storage_state=context.storage_state())
    page = silent.new_page()
    page.goto(f"{live_server.url}/ledger/{waiting.pk}/")
    page.get_by_role("link", name="Approve", exact=True).click()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("It is approved now and may run.")).to_be_visible()
    page.goto(f"{live_server.url}/ledger/")
    page.get_by_label("State").select_option("revoked")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("row")).to_have_count(2)
    silent.close()


def test_filtering_changes_list_and_address_and_going_back_undoes_it(
    open_page: OpenPage, sign_in: SignIn, complaints: Complaints
) -> None:
    sign_in("Viewer")
    good, _waiting = a_record()
    page = open_page("/ledger/")
    rows = page.locator("#ledger tbody tr")
    expect(rows).to_have_count(4)
    page.get_by_role("searchbox", name="Search").fill(good.digest[7:19])
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(good.digest[7:19]))
    expect(page.get_by_role("searchbox", name="Search")).to_be_focused()
    page.go_back()
    expect(rows).to_have_count(4)
    assert complaints.found == []


def test_an_event_opens_beside_the_list_and_has_an_address(
    open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Auditor")
    a_record()
    page = open_page("/audit/")
    page.get_by_role("link", name="3", exact=True).click()
    expect(page.get_by_role("heading", name="Event 3")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/audit/3/"))
    assert axe(page) == []
    page.get_by_role("button", name="Verify now").click()
    expect(page.get_by_role("region", name="Integrity")).to_contain_text("Intact up to event")
    assert complaints.found == []
