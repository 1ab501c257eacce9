"""The chat page in a real browser."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.chatbot_service.image import model_api
from tests.chatbot_service.image.chatbot import Chatbot
from tests.chatbot_service.image.model_api import ModelApi

pytestmark = pytest.mark.browser

T = TypeVar("T")
AXE = Path(__file__).parents[2] / "browser" / "vendor" / "axe.min.js"
CHROMIUM = os.environ.get("KG_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"


def look(bot: Chatbot, see: Callable[[Page], T], width: int = 1280, *, dark: bool = False) -> T:
    """In a thread of its own: other browser tests keep their event loop in this one. No complaint of the browser may remain."""

    def run() -> T:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light")
            complaints: list[str] = []
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(f"http://127.0.0.1:{bot.port}/", wait_until="networkidle")
            seen = see(page)
            browser.close()
        assert complaints == []
        return seen

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def say(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def test_a_question_is_answered_on_the_page(asking: Chatbot, api: ModelApi) -> None:
    api.script = [503, model_api.streams("Good ", "day. <b>Not bold.</b>")]

    def see(page: Page) -> None:
        say(page, "hello")
        expect(page.locator("#conversation li").nth(1)).to_contain_text("Good day. <b>Not bold.</b>")
        expect(page.locator("#conversation")).to_contain_text("The model API answered with status 503. Next try in 0.1 s.")
        expect(page.get_by_role("button", name="Send")).to_be_visible()
        expect(page.locator("#echo-note")).to_be_hidden()

    look(asking, see)


def test_without_a_key_the_page_says_so_and_echoes(bot: Chatbot) -> None:
    def see(page: Page) -> None:
        expect(page.locator("#echo-note")).to_be_visible()
        say(page, "hello there")
        expect(page.locator("#conversation li").nth(1)).to_contain_text("hello there")

    look(bot, see)


def test_a_file_is_uploaded_attached_and_removed_and_a_conversation_exported(bot: Chatbot, tmp_path: Path) -> None:
    notes = tmp_path / "my notes.txt"
    notes.write_text("three notes")

    def see(page: Page) -> None:
        page.get_by_label("Upload a file").set_input_files(notes)
        page.get_by_role("button", name="Attach my notes.txt to the next message").click()
        expect(page.get_by_role("button", name="Leave out my notes.txt")).to_be_visible()
        say(page, "what is in it?")
        expect(page.locator("#conversation li")).to_have_count(2)
        page.get_by_role("button", name="Export the conversation").click()
        expect(page.locator("#exports-status")).to_contain_text("Exported as chat-")
        expect(page.locator("#exports a")).to_have_count(1)
        page.get_by_role("button", name="Remove my notes.txt").click()
        expect(page.locator("#uploads-status")).to_have_text("my notes.txt is removed.")
        expect(page.locator("#uploads")).to_have_text("No files yet.")

    look(bot, see)


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_reads_well_at_every_width_and_in_both_schemes(bot: Chatbot, width: int, dark: bool) -> None:
    def see(page: Page) -> list[str]:
        say(page, "a long-word-without-a-break" * 12)
        expect(page.locator("#conversation li")).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate(AXE.read_text())
        tags = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
        found = page.evaluate("tags => axe.run({runOnly: {type: 'tag', values: tags}})", tags)
        return [f"{one['id']}: {one['nodes'][0]['target']}" for one in found["violations"]]

    assert look(bot, see, width, dark=dark) == []
