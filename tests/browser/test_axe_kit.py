from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal.access import ROLES
from tests.browser.conftest import SCHEMES, WIDTHS, Axe, Complaints, OpenPage, SignIn, scrolls_sideways

pytestmark = pytest.mark.urls("tests.browser.kit_urls")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_part_is_usable_by_everybody_at_every_width_and_in_both_schemes(
    width: int, scheme: str, open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in(*ROLES)
    page = open_page("/kit/", width, scheme)
    assert axe(page) == []
    assert not scrolls_sideways(page)
    assert complaints.found == []


@pytest.mark.parametrize("width", [320, 2200])
def test_nothing_scrolls_sideways_on_the_narrowest_and_widest_screens(width: int, open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in(*ROLES)
    assert not scrolls_sideways(open_page("/kit/", width))


def test_the_dialog_the_keys_and_the_menus_are_usable_by_everybody_when_open(
    open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    sign_in(*ROLES)
    page = open_page("/kit/", 390)
    page.get_by_role("button", name="Menu").click()
    assert axe(page) == []
    page.get_by_role("button", name="Rosa Meyer").click()
    assert axe(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert axe(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="ledger").click()
    assert axe(page) == []
    page.keyboard.press("Escape")
    page.locator("[data-dialog=example-dialog]").click()
    expect(page.get_by_role("dialog", name="Roll back example on prod-1?")).to_be_visible()
    assert axe(page) == []
    assert complaints.found == []


def test_copying_takes_the_whole_digest_and_says_so(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Viewer")
    page = open_page("/kit/")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    button = page.locator("[data-copy]").first
    button.click()
    expect(page.get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == button.get_attribute("data-copy")
    expect(button).to_be_focused()


def test_a_word_of_the_glossary_opens_its_line(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Viewer")
    page = open_page("/kit/")
    meaning = page.get_by_text("Every digest the portal knows").or_(page.get_by_text("The list of every digest"))
    expect(meaning).to_be_hidden()
    page.get_by_role("button", name="ledger").click()
    expect(meaning).to_be_visible()


def test_relative_times_go_on(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Viewer")
    page = open_page("/kit/")
    first = page.locator("time[data-relative=ago]", has_text="s ago").first
    before = first.text_content()
    expect(first).not_to_have_text(before or "")


def test_the_question_mark_shows_the_keys_and_they_can_be_turned_off(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Viewer")
    page = open_page("/kit/")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    dialog.get_by_role("checkbox").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(dialog).to_be_hidden()


def test_keys_do_nothing_while_somebody_types(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Viewer")
    page = open_page("/kit/")
    field = page.locator("#id_digest")
    field.fill("")
    field.press_sequentially("g?")
    assert field.input_value() == "g?"
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def test_escape_and_not_now_close_a_dialog_and_the_link_keeps_the_focus(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Viewer")
    page = open_page("/kit/")
    link = page.locator("[data-dialog=example-dialog]")
    dialog = page.get_by_role("dialog", name="Roll back example on prod-1?")
    link.click()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(link).to_be_focused()
    link.click()
    dialog.get_by_role("link", name="Not now").click()
    expect(dialog).to_be_hidden()
    assert page.url.endswith("/kit/")


def test_on_a_phone_the_menu_opens_without_a_script(chromium: Any, live_server: Any, sign_in: SignIn, context: Any) -> None:
    sign_in("Viewer")
    silent = chromium.new_context(
        java_script_enabled=False, viewport={"width": 390, "height": 800}, storage_state=context.storage_state()
    )
    page: Page = silent.new_page()
    page.goto(f"{live_server.url}/kit/")
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    expect(page.locator(".kg-copy").first).to_be_hidden()
    silent.close()
