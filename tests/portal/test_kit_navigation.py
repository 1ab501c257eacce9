from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import NoReverseMatch, path, reverse

from portal import navigation
from portal.access import ROLES, bring_roles_into_force
from portal.navigation import Entry
from portal.navigation import Group as NavigationGroup

ENTRIES = [entry for group in (*navigation.GROUPS, navigation.SET_UP) for entry in group.entries]


def _page(_request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [path("", _page, name="dashboard"), path("jobs/", _page, name="jobs"), path("jobs/<int:pk>/", _page, name="job")]
GROUP = NavigationGroup(
    "Run",
    (
        Entry("Dashboard", "layout-dashboard", "dashboard", key="d"),
        Entry("Jobs", "player-play", "jobs", "chatbot_service.view_job"),
        Entry("Nowhere", "box", "nowhere"),
    ),
)


def request_by(*roles: str, address: str = "/") -> HttpRequest:
    bring_roles_into_force()
    person = User.objects.create(username="rosa.meyer")
    person.groups.set([Group.objects.get(name=role) for role in roles])
    request = RequestFactory().get(address)
    request.user = person
    return request


@pytest.fixture
def own_pages(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.word)
def test_every_entry_leads_to_a_page(entry: Entry) -> None:
    try:
        assert reverse(entry.url_name)
    except NoReverseMatch:
        pytest.fail(f"{entry.word} leads to {entry.url_name!r}, which no URL is named by")


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.word)
def test_every_entry_is_seen_by_some_role(entry: Entry) -> None:
    assert not entry.permission or any(entry.permission in granted for granted in ROLES.values())


def test_no_two_entries_share_a_key() -> None:
    keys = [entry.key for entry in ENTRIES if entry.key]
    assert len(keys) == len(set(keys))


@pytest.mark.django_db
@pytest.mark.parametrize(("roles", "words"), [((), ["Dashboard"]), (("Viewer",), ["Dashboard", "Jobs"])])
def test_a_person_sees_only_what_a_role_opens(roles: tuple[str, ...], words: list[str], own_pages: None) -> None:
    assert [link.word for link in navigation.links(GROUP, request_by(*roles), {}).links] == words


@pytest.mark.django_db
def test_the_entry_of_a_page_below_it_is_the_current_one(own_pages: None) -> None:
    seen = navigation.links(GROUP, request_by("Viewer", address="/jobs/418/"), {})
    assert [link.word for link in seen.links if link.current] == ["Jobs"]


@pytest.mark.django_db
def test_counts_stand_beside_the_page_where_something_needs_the_person(own_pages: None) -> None:
    assert [link.count for link in navigation.links(GROUP, request_by(), {"dashboard": 6}).links] == [6]
