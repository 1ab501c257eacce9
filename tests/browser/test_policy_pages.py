"""The gate in a browser: its rules and trying others, another date, the calendar, and a digest's table and approvals."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from deploy_records import policies, reviews
from deploy_records.models import Approval, ImageDigest
from tests import factories
from tests.browser.conftest import SCHEMES, Axe, Complaints, OpenPage, SignIn, scrolls_sideways
from tests.deploy_records.evidence import scan
from tests.portal import exceptions
from tests.portal import gate_scene as scene

CHANGE = "/policy/production/change/"


def a_record() -> ImageDigest:
    """Four services: one on an exception, one whose scan gets old, one refused, one by other rules. Gives a digest whose
    approval has to be looked at again.
    """
    scene.excused(4)
    scene.runs("personal_chatbot", scene.STARLETTE)
    scene.runs("mail_relay", scene.ZLIB, days=12)
    scene.runs("docs_search", scene.LIBC)
    scene.runs("trial", scene.STARLETTE, environment="staging")
    scene.policy(reports={"image": 21}, reason="Scans run nightly.")
    scene.policy("staging", approvals=2, reason="Two pairs of eyes.")
    lapsed = scene.approved("lapsed", scene.ZLIB)
    scan(lapsed, scene.LIBC, target="again")
    reviews.look([lapsed])
    return lapsed


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1440])
def test_every_page_is_usable_by_everybody_with_data_and_without(
    width: int, scheme: str, open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Security reviewer", "Release manager")
    found = {path: axe(open_page(path, width, scheme)) for path in ("/policy/", "/policy/when/", CHANGE)}
    lapsed = a_record()
    paths = (
        "/", "/policy/", "/policy/staging/", CHANGE, "/policy/when/", "/policy/when/?date=2020-01-01",
        f"/ledger/{lapsed.pk}/", f"/ledger/{lapsed.pk}/?environment=staging", f"/ledger/{lapsed.pk}/approve/",
    )  # fmt: skip
    for path in paths:
        page = open_page(path, width, scheme)
        for closed in page.locator("details:not([open]) > summary").all():
            closed.click()
        found[path] = axe(page)
        assert not scrolls_sideways(page), path
    assert [path for path, complaints_of in found.items() if complaints_of] == [], found
    assert [one for one in complaints.found if "400 (Bad Request)" not in one] == []


@pytest.mark.parametrize("width", [390, 1440])
def test_other_rules_are_tried_before_they_are_saved(
    width: int, open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Security reviewer")
    a_record()
    page = open_page(CHANGE, width)
    page.get_by_label("Critical, High and Medium", exact=True).check()
    expect(page.locator("#policy-reads")).to_contain_text("Critical, High and Medium findings block")
    page.get_by_label("Approvals that are needed").fill("2")
    expect(page.locator("#policy-reads")).to_contain_text("2 approvals are needed")
    page.get_by_role("button", name="See what would change").click()
    expect(page.get_by_role("heading", name="Would be refused")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("mail_relay"))).to_contain_text("CVE-2026-3000 in zlib 1.0 (Medium)")
    assert axe(page) == []
    assert not scrolls_sideways(page)
    page.get_by_label("Reason, for the record").fill("Mediums have hurt us twice.")
    page.get_by_role("button", name="Save as version 2").click()
    expect(page.get_by_text("Saved as version 2 of the policy of production.")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("Mediums have hurt us twice"))).to_contain_text("stricter")
    assert policies.in_force().version == 2
    assert complaints.found == []


def test_the_reason_is_asked_for_before_anything_is_sent(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Security reviewer")
    page = open_page(CHANGE)
    page.get_by_label("Approvals that are needed").fill("2")
    page.get_by_role("button", name="See what would change").click()
    page.get_by_role("button", name="Save as version 1").click()
    expect(page.get_by_label("Reason, for the record")).to_be_focused()
    assert policies.in_force().version == 0


def test_without_a_script_rules_are_changed_and_dates_are_tried_the_same_way(
    chromium: Any, live_server: Any, sign_in: SignIn, context: Any
) -> None:
    sign_in("Security reviewer")
    lapsed = a_record()
    silent = chromium.new_context(java_script_enabled=False, storage_state=context.storage_state())
    page = silent.new_page()
    page.goto(f"{live_server.url}/policy/")
    page.get_by_role("link", name="Change the rules").click()
    page.get_by_label("Each approval needs a comment").check()
    page.get_by_role("button", name="See what would change").click()
    page.get_by_role("button", name="Back to the form").click()
    expect(page.get_by_label("Each approval needs a comment")).to_be_checked()
    page.get_by_role("button", name="See what would change").click()
    page.get_by_label("Reason, for the record").fill("So that we know why.")
    page.get_by_role("button", name="Save as version 2").click()
    expect(page.get_by_text("Saved as version 2")).to_be_visible()
    page.get_by_role("link", name="Try another date").click()
    page.get_by_role("link", name="In 7 days").click()
    expect(page.get_by_text("because POAM-1 ends.", exact=False).first).to_be_visible()
    page.goto(f"{live_server.url}/ledger/{lapsed.pk}/")
    page.get_by_role("link", name="Staging").click()
    expect(page.get_by_text("May not run in staging.")).to_be_visible()
    silent.close()


def test_another_date_is_asked_in_place_and_has_an_address(
    open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Viewer")
    a_record()
    page = open_page("/policy/when/")
    page.get_by_role("link", name="Tomorrow").click()
    expect(page.get_by_text(re.compile("Nothing more falls out of compliance by"))).to_be_visible()
    later = exceptions.day(5)
    page.get_by_role("textbox", name="on").fill(f"{later:%Y-%m-%d}")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#replay")).to_contain_text("falls out of compliance, because POAM-1 ends")
    expect(page).to_have_url(re.compile(f"date={later:%Y-%m-%d}"))
    page.get_by_label("What would the gate say of").select_option("staging")
    expect(page.locator("#fallen")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("personal_chatbot"))).to_have_count(0)
    expect(page).to_have_url(re.compile("environment=staging"))
    assert axe(page) == []
    assert complaints.found == []


def test_the_calendar_leads_to_the_day_on_which_something_falls_out(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Viewer")
    a_record()
    page = open_page("/")
    page.get_by_role("link", name=re.compile("Refused from")).first.click()
    expect(page.get_by_role("heading", name="Fall out of compliance")).to_be_visible()
    expect(page.locator("#replay")).to_contain_text("personal_chatbot")


def test_the_gate_of_another_environment_opens_in_place(
    open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in("Release manager")
    a_record()
    fresh = scene.approved("fresh")
    page = open_page(f"/ledger/{fresh.pk}/")
    expect(page.get_by_text("May run.", exact=True)).to_be_visible()
    page.get_by_role("link", name="Staging refuses").click()
    expect(page.get_by_text("May not run in staging.")).to_be_visible()
    expect(page).to_have_url(re.compile("environment=staging"))
    assert axe(page) == []
    page.go_back()
    expect(page.get_by_text("May run.", exact=True)).to_be_visible()
    assert complaints.found == []


def test_an_approval_to_look_at_again_is_given_again(
    open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    rosa = sign_in("Release manager")
    entry = scene.build("app")
    factories.approval(entry, rosa)
    scene.policy(blocks=["Critical", "High", "Medium"], comment_required=True)
    reviews.look([entry])
    page = open_page("/")
    expect(page.get_by_text("Nothing is managed yet.")).to_be_visible()
    page.get_by_role("link", name=re.compile("Approve")).first.click()
    expect(page.get_by_text("Needs re-review")).to_be_visible()
    page.get_by_role("link", name="Approve again").first.click()
    dialog = page.get_by_role("dialog", name="Approve this digest again?")
    dialog.get_by_role("button", name="Approve again").click()
    expect(dialog.get_by_label("Comment, for the record")).to_be_focused()
    assert axe(page) == []
    dialog.get_by_label("Comment, for the record").fill("Looked at the new rules.")
    dialog.get_by_role("button", name="Approve again").click()
    expect(page.get_by_text("Approved again.")).to_be_visible()
    expect(page.get_by_text(re.compile("Renewed"))).to_be_visible()
    assert Approval.objects.filter(entry=entry, ended_at=None).count() == 1
    assert complaints.found == []
