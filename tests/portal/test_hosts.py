from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from tests import factories
from tests.factories import person
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer() -> User:
    return person("Viewer")


def test_without_a_host_the_page_says_how_one_comes_to_be(viewer: User) -> None:
    said = text_of(window(viewer).get("/hosts/"))
    assert "No host is known yet." in said
    assert "KG_HOSTS" in said


def test_a_host_that_answers_is_shown_with_version_and_platform(viewer: User) -> None:
    factories.host("prod-1", engine_version="20.10.24", platform="linux/amd64")
    said = text_of(window(viewer).get("/hosts/"))
    assert "The host answers." in said
    assert "20.10.24" in said
    assert "linux/amd64" in said


def test_a_host_that_does_not_is_named_first_with_what_to_do(viewer: User) -> None:
    factories.host("prod-1")
    factories.host("prod-2", problem="The engine does not answer. Start it.")
    factories.host("prod-3", seen_at=timezone.now() - timedelta(minutes=5))
    factories.host("prod-4", seen_at=None, engine_seen_at=None)
    said = text_of(window(viewer).get("/hosts/"))
    assert "3 of 4 hosts cannot be worked on: prod-2, prod-3, prod-4." in said
    assert "The engine does not answer. Start it." in said
    assert "KG_HOSTS=prod-3" in said
    assert "KG_HOSTS=prod-4" in said


def test_its_services_are_counted(viewer: User) -> None:
    factories.service("one", host=factories.host("prod-1"))
    factories.service("two", host=factories.host("prod-1"))
    assert "linux/amd64 2 just now" in text_of(window(viewer).get("/hosts/"))


def test_what_an_engine_said_is_shown_as_text(viewer: User) -> None:
    factories.host("prod-1", problem="<script>alert(1)</script>")
    assert "<script>alert(1)" not in window(viewer).get("/hosts/").content.decode()


def test_it_takes_as_many_queries_for_thirty_as_for_three(viewer: User) -> None:
    client = window(viewer)
    for n in range(3):
        factories.host(f"host-{n}")
    few = queries(client, "/hosts/")
    for n in range(3, 30):
        factories.host(f"host-{n}")
    assert queries(client, "/hosts/") == few


def test_somebody_without_a_role_is_refused() -> None:
    assert window(person()).get("/hosts/").status_code == 403
