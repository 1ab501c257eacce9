"""A real browser against a live server, and axe-core to look at what it shows."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client, override_settings
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from portal.access import bring_roles_into_force

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
CHROMIUM = os.environ.get("KG_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
WIDTHS = (390, 768, 1024, 1440)
SCHEMES = ("light", "dark")

OpenPage = Callable[..., Page]
SignIn = Callable[..., User]
Axe = Callable[[Page], list[str]]

# Playwright keeps an event loop in the thread of the test; the tests' own database calls are safe beside it.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium(live_server: Any) -> Iterator[Browser]:
    """Asks for the live server so that it ends first and leaves no connection open there."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session", autouse=True)
def nothing_collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The live server takes static files from the project's folders; whitenoise warns of a root that is not there."""
    with override_settings(STATIC_ROOT=tmp_path_factory.mktemp("static")):
        yield


class Complaints:
    """What the browser found wrong with a page: errors in the console, violations of the policy, scripts that failed."""

    def __init__(self, context: BrowserContext) -> None:
        self.found: list[str] = []
        context.on("console", self._console)
        context.on("weberror", lambda error: self.found.append(f"script: {error.error}"))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.found.append(f"{message.type}: {message.text}")


@pytest.fixture
def context(chromium: Browser, transactional_db: None) -> Iterator[BrowserContext]:
    context = chromium.new_context(reduced_motion="reduce", locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def complaints(context: BrowserContext) -> Complaints:
    return Complaints(context)


@pytest.fixture
def page(context: BrowserContext, complaints: Complaints) -> Page:
    """A signed-out person's window."""
    return context.new_page()


@pytest.fixture
def sign_in(context: BrowserContext, live_server: Any) -> SignIn:
    """`sign_in("Operator", …)` makes a person with these roles and gives their session to the browser."""

    def make(*roles: str, username: str = "rosa.meyer", first_name: str = "Rosa", last_name: str = "Meyer") -> User:
        bring_roles_into_force()
        person, _made = User.objects.get_or_create(username=username, first_name=first_name, last_name=last_name)
        person.groups.set([Group.objects.get(name=role) for role in roles])
        client = Client()
        client.force_login(person)
        cookie = client.cookies["sessionid"]
        context.add_cookies([{"name": "sessionid", "value": cookie.value, "url": live_server.url}])
        return person

    return make


@pytest.fixture
def open_page(page: Page, live_server: Any) -> OpenPage:
    """`open_page("/services/", 390, "dark")`: the page, loaded, at this width and in this scheme."""

    def go(path: str, width: int = 1440, scheme: str = "light") -> Page:
        page.set_viewport_size({"width": width, "height": 1000})
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
        page.goto(f"{live_server.url}{path}")
        page.evaluate("document.fonts.ready")
        return page

    return go


@pytest.fixture
def axe() -> Axe:
    """Every violation in one line each: the rule, what it says, where."""

    def look(page: Page) -> list[str]:
        page.evaluate(AXE.read_text())  # evaluated by the debugger, so the page's own policy stays as strict as it is
        result = page.evaluate(
            "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})", list(RULES)
        )
        return [
            f"{one['id']}: {one['help']}: {' | '.join(node['target'][0] for node in one['nodes'][:5])}"
            for one in result["violations"]
        ]

    return look


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))
