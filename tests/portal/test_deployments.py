import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records.models import Outcome
from tests import factories
from tests.factories import person
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer() -> User:
    return person("Viewer")


def test_before_the_first_deployment_the_page_says_what_will_be_here(viewer: User) -> None:
    said = text_of(window(viewer).get("/deployments/"))
    assert "Nothing has been deployed yet." in said
    assert "It stays for ever." in said


def test_each_line_says_what_ran_where_how_long_and_by_whom(viewer: User) -> None:
    old, new = factories.entry("old", tag="v1"), factories.entry("new", tag="v2")
    service = factories.service("chatbot", runs=new, added_by=person("Operator", name="olga"))
    factories.ran_before(service, old, days=22)
    said = text_of(window(viewer).get("/deployments/"))
    assert "1 service runs a digest that is on record." in said
    assert "v1" in said
    assert "22 d" in said
    assert "Replaced" in said
    assert "by olga" in said


def test_what_was_undone_and_what_is_not_healthy_yet_are_told_apart(viewer: User) -> None:
    entry = factories.entry()
    service = factories.service("chatbot")
    now = timezone.now()
    factories.deployment(service, entry, started=now - timedelta(hours=2), ended=now, outcome=Outcome.UNDONE, healthy=False)
    factories.deployment(service, entry, started=now, healthy=False, job=7)
    said = text_of(window(viewer).get("/deployments/"))
    assert "Undone" in said
    assert "not healthy yet" in said
    assert "Upgrade job 7" in said


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("service=api", {"api on prod-1"}),
        ("host=prod-2", {"web on prod-2"}),
        ("service=api&host=prod-2", set()),
        ("digest={digest}", {"web on prod-2"}),
        ("digest=%00", {"api on prod-1", "web on prod-2"}),
    ],
)
def test_filters_are_in_the_address(query: str, found: set[str], viewer: User) -> None:
    factories.service("api", runs=factories.entry("a"))
    other = factories.entry("b")
    factories.service("web", host=factories.host("prod-2"), runs=other)
    answer = window(viewer).get(f"/deployments/?{query.format(digest=other.digest[7:19])}")
    rows = text_of(answer).partition("newest first")[2]
    assert {place for place in ("api on prod-1", "web on prod-2") if place in rows} == found


def test_every_deployment_is_on_exactly_one_page(viewer: User) -> None:
    entry, service, now = factories.entry(), factories.service("chatbot"), timezone.now()
    for number in range(101):
        began = now - timedelta(days=number + 1)
        factories.deployment(service, entry, started=began, ended=began + timedelta(hours=1), job=1000 + number)
    seen: list[str] = []
    address = "/deployments/"
    while address:
        page = window(viewer).get(address).content.decode()
        seen += re.findall(r">job (\d+)</a>", page)
        older = re.search(r'href="(\?at=older-[^"]+)"', page)
        address = f"/deployments/{older[1]}" if older else ""
    assert sorted(seen) == [str(1000 + number) for number in range(101)]


def test_it_takes_as_many_queries_for_thirty_as_for_three(viewer: User) -> None:
    client, olga = window(viewer), person("Operator")
    for n in range(3):
        factories.service(f"service-{n}", runs=factories.entry(n, registered_by=olga), added_by=olga)
    few = queries(client, "/deployments/")
    for n in range(3, 30):
        factories.service(f"service-{n}", runs=factories.entry(n, registered_by=olga), added_by=olga)
    assert queries(client, "/deployments/") == few
    assert few <= 20


def test_somebody_without_a_role_is_refused() -> None:
    assert window(person()).get("/deployments/").status_code == 403
