"""Set up, in a browser: hosts, registries, people."""

import pytest
from playwright.sync_api import expect

from chatbot_service import registries
from chatbot_service.models import RegistryLogin
from chatbot_service.registries import Wanted
from tests import factories
from tests.browser.conftest import SCHEMES, Axe, Complaints, OpenPage, SignIn, scrolls_sideways
from tests.factories import person


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [390, 1440])
def test_every_page_is_usable_by_everybody_with_data_and_without(
    width: int, scheme: str, open_page: OpenPage, sign_in: SignIn, axe: Axe, complaints: Complaints
) -> None:
    ada = sign_in("Administrator")
    found = {path: axe(open_page(path, width, scheme)) for path in ("/hosts/", "/registries/")}
    factories.host("prod-1")
    factories.host("prod-2", problem="The Docker Engine does not answer. Start it on this host.")
    olga = person("Operator", name="olga")
    kept = registries.save("ghcr.io", Wanted(username="bot", password="token"), ada)
    paths = (
        "/hosts/", "/registries/", "/registries/add/", f"/registries/{kept.pk}/", f"/registries/{kept.pk}/forget/",
        "/users/", f"/users/{olga.pk}/roles/",
    )  # fmt: skip
    for path in paths:
        page = open_page(path, width, scheme)
        found[path] = axe(page)
        assert not scrolls_sideways(page), path
    assert [path for path, complaints_of in found.items() if complaints_of] == [], found
    assert complaints.found == []


def test_a_login_is_entered_and_never_shown_again(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Administrator")
    page = open_page("/registries/add/")
    page.get_by_role("textbox", name="Registry").fill("https://ghcr.io")
    page.get_by_label("User name").fill("bot")
    page.get_by_label("Password or token").fill("canary-7f3e9b")
    page.get_by_role("button", name="Seal and keep").click()
    expect(page.get_by_text("is not the name of a registry")).to_be_visible()
    expect(page.get_by_label("Password or token")).to_have_value("")
    page.get_by_role("textbox", name="Registry").fill("ghcr.io")
    page.get_by_label("Password or token").fill("canary-7f3e9b")
    page.get_by_role("button", name="Seal and keep").click()
    expect(page.get_by_role("row", name="ghcr.io")).to_contain_text("Set")
    assert "canary-7f3e9b" not in page.content()
    assert RegistryLogin.objects.get().sealed_password


def test_roles_are_changed_with_ticks(open_page: OpenPage, sign_in: SignIn) -> None:
    sign_in("Administrator")
    olga = person("Operator", name="olga")
    page = open_page(f"/users/{olga.pk}/roles/")
    page.get_by_label("Operator").uncheck()
    page.get_by_label("Release manager").check()
    page.get_by_role("button", name="Change roles").click()
    expect(page.get_by_text("olga is release manager from now on.")).to_be_visible()
