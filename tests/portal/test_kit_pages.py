from typing import Any

import pytest
from django.http import Http404
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django_htmx.middleware import HtmxDetails

from portal import htmx
from portal.pages.kit import kit


@pytest.fixture(autouse=True)
def nothing_collected(settings: Any, tmp_path: Any) -> None:
    settings.STATIC_ROOT = tmp_path


def test_the_page_for_our_own_fault_needs_neither_database_nor_request() -> None:
    assert "Something broke on our side." in render_to_string("500.html")
    assert "<code>7f21-90cc</code>" in render_to_string(
        "500.html", {"message": "Nothing was changed.", "correlation": "7f21-90cc"}
    )


def test_the_page_for_malformed_requests_stands_alone() -> None:
    assert "Nothing was changed" in render_to_string("400.html")


@pytest.mark.django_db
def test_an_address_that_is_none_shows_a_signed_out_person_no_navigation(client: Client) -> None:
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert "There is nothing at this address." in answer.content.decode()
    assert "kg-nav" not in answer.content.decode()


@pytest.mark.django_db
def test_signing_in_asks_for_name_and_password_and_says_when_they_do_not_fit(client: Client) -> None:
    assert 'autocomplete="current-password"' in client.get("/sign-in/").content.decode()
    refused = client.post("/sign-in/", {"username": "rosa.meyer", "password": "wrong"})
    assert refused.status_code == 403
    answer = refused.content.decode()
    assert "Not signed in." in answer
    assert 'value="rosa.meyer"' in answer
    assert 'value="wrong"' not in answer


@pytest.mark.django_db
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chosen_theme_is_kept_and_the_systems_forgets_it(client: Client, django_user_model: Any, theme: str) -> None:
    client.force_login(django_user_model.objects.create(username="rosa.meyer"))
    answer = client.post("/appearance/", {"theme": theme, "next": "/jobs/"})
    assert answer.headers["Location"] == "/jobs/"
    assert answer.cookies["theme"].value == theme
    assert client.post("/appearance/", {"theme": "system"}).cookies["theme"].value == ""


@pytest.mark.django_db
@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
def test_choosing_a_theme_leads_nowhere_else(client: Client, django_user_model: Any, target: str) -> None:
    client.force_login(django_user_model.objects.create(username="rosa.meyer"))
    assert client.post("/appearance/", {"theme": "dark", "next": target}).headers["Location"] == "/"


def test_the_kit_page_is_not_served_in_production() -> None:
    with pytest.raises(Http404):
        kit(RequestFactory().get("/kit/"))


def _asked(**headers: str) -> Any:
    request: Any = RequestFactory().get("/", headers=headers)
    request.htmx = HtmxDetails(request)
    return request


def test_htmx_gets_a_fragment_and_going_back_gets_the_page() -> None:
    assert htmx.wants_fragment(_asked(**{"HX-Request": "true"}))
    assert not htmx.wants_fragment(_asked())
    assert not htmx.wants_fragment(_asked(**{"HX-Request": "true", "HX-History-Restore-Request": "true"}))
    assert not htmx.wants_fragment(_asked(**{"HX-Request": "true", "HX-Boosted": "true"}))


def test_after_a_deed_the_browser_is_sent_on_with_htmx_and_without() -> None:
    assert htmx.go_to(_asked(), "/jobs/1/").headers["Location"] == "/jobs/1/"
    assert htmx.go_to(_asked(**{"HX-Request": "true"}), "/jobs/1/").headers["HX-Redirect"] == "/jobs/1/"


def test_polling_ends_with_the_job() -> None:
    request = _asked(**{"HX-Request": "true"})
    assert htmx.live(request, "kit/_mark.html", {}, ended=False).status_code == 200
    assert htmx.live(request, "kit/_mark.html", {}, ended=True).status_code == htmx.STOP_POLLING
