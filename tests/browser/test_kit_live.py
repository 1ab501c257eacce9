import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, OpenPage, SignIn

pytestmark = pytest.mark.urls("tests.browser.kit_urls")


@pytest.fixture
def kit_page(open_page: OpenPage, sign_in: SignIn) -> Page:
    sign_in("Viewer")
    return open_page("/kit/")


def test_a_refused_request_is_told_where_the_messages_are(kit_page: Page) -> None:
    kit_page.evaluate("htmx.ajax('POST', '/kit/refuse/', {target: '#main', swap: 'innerHTML'})")
    expect(kit_page.get_by_role("alert")).to_contain_text("Upgrade 417 holds example since 14:05.")
    expect(kit_page.get_by_role("heading", name="Parts")).to_be_visible()


def test_a_post_without_the_token_is_refused_in_words(kit_page: Page) -> None:
    kit_page.evaluate("document.body.removeAttribute('hx-headers')")
    kit_page.evaluate("htmx.ajax('POST', '/kit/refuse/', {target: '#main'})")
    expect(kit_page.get_by_role("alert")).to_contain_text("Not sent.")


def test_a_portal_that_does_not_answer_is_said_once_and_taken_back(kit_page: Page) -> None:
    kit_page.context.set_offline(True)
    for _ in range(2):
        kit_page.evaluate("htmx.ajax('GET', '/kit/fragment/?again', {target: '#kg-dialog-slot'}).catch(() => null)")
    expect(kit_page.get_by_role("alert")).to_have_count(1)
    expect(kit_page.get_by_role("alert")).to_contain_text("The portal does not answer.")
    kit_page.context.set_offline(False)
    kit_page.evaluate("htmx.ajax('GET', '/kit/fragment/?again', {target: '#kg-dialog-slot'})")
    expect(kit_page.get_by_role("alert")).to_have_count(0)


def test_a_refresh_keeps_focus_and_scroll_and_ends_by_itself(kit_page: Page, complaints: Complaints) -> None:
    kit_page.evaluate("htmx.ajax('GET', '/kit/fragment/?again', {target: '#kg-dialog-slot', swap: 'innerHTML'})")
    log = kit_page.locator("#log")
    expect(log).to_be_visible()
    kit_page.evaluate("document.getElementById('log').scrollTop = 300")
    kit_page.locator("#held").focus()
    expect(kit_page.locator("#count")).to_have_text("3")
    assert log.evaluate("box => box.scrollTop") == 300
    expect(kit_page.locator("#held")).to_be_focused()
    kit_page.wait_for_timeout(500)
    expect(kit_page.locator("#count")).to_have_text("3")
    assert complaints.found == []


def test_output_that_was_read_to_its_end_stays_at_its_end(kit_page: Page) -> None:
    kit_page.evaluate("htmx.ajax('GET', '/kit/fragment/?again', {target: '#kg-dialog-slot', swap: 'innerHTML'})")
    log = kit_page.locator("#log")
    expect(log).to_be_visible()
    kit_page.evaluate("document.getElementById('log').scrollTop = 1e6")
    expect(kit_page.locator("#count")).to_have_text("3")
    assert log.evaluate("box => box.scrollHeight - box.scrollTop - box.clientHeight") < 8


def test_text_that_somebody_is_selecting_is_not_swapped_away(kit_page: Page) -> None:
    kit_page.evaluate("htmx.ajax('GET', '/kit/fragment/?again=100', {target: '#kg-dialog-slot', swap: 'innerHTML'})")
    expect(kit_page.locator("#log")).to_be_visible()
    select = "getSelection().selectAllChildren(document.getElementById('log'))"
    kit_page.evaluate(select)
    kit_page.wait_for_timeout(100)
    kit_page.evaluate(select)  # a refresh that had been decided on before may have come in between
    first = kit_page.locator("#count").text_content()
    for _ in range(2):
        kit_page.wait_for_event("requestfinished")
    kit_page.wait_for_timeout(50)
    assert kit_page.locator("#count").text_content() == first
    assert "line 42" in kit_page.evaluate("getSelection().toString()")


def test_a_form_is_sent_once_however_often_the_button_is_pressed(kit_page: Page) -> None:
    sent: list[str] = []
    kit_page.on("request", lambda request: sent.append(request.method))
    kit_page.route("**/kit/refuse/", lambda route: route.fulfill(status=204))
    kit_page.evaluate(
        """() => {
            const form = document.createElement("form");
            form.method = "post"; form.action = "/kit/refuse/";
            form.innerHTML = "<button id=twice>Send</button>";
            document.getElementById("main").prepend(form);
        }"""
    )
    kit_page.evaluate("() => { const one = document.getElementById('twice'); one.click(); one.click(); }")
    kit_page.wait_for_timeout(200)
    assert sent == ["POST"]
