"""The health of all services on one page, and on the wall."""

import re

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chatbot_service.models import JobState, Kind, Service
from deploy_records.models import ImageDigest
from tests import factories as make
from tests.portal.health_scene import ago, lived
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db


def some(*names: str) -> list[Service]:
    entry = ImageDigest.objects.filter(digest=make.sha("new")).first() or make.entry("new")
    return [make.service(name, runs=entry) for name in names]


def test_what_needs_somebody_comes_first_and_the_sentence_says_so(viewer: User) -> None:
    well, ill = some("alpha", "omega")
    for one in (well, ill):
        lived(one, days=3)
    Service.objects.filter(pk=ill.pk).update(seen_health="unhealthy", seen_since=timezone.now() - ago(minutes=6))
    page = text_of(window(viewer).get("/health/"))
    assert "One of two services is healthy; one is unhealthy." in page
    assert page.index("omega") < page.index("alpha", page.index("24 hours 7 days"))
    assert "100 % never down" in page


def test_of_two_that_are_well_the_one_that_was_down_comes_first(viewer: User) -> None:
    calm, shaky = some("alpha", "omega")
    lived(calm, days=3)
    lived(
        shaky,
        days=3,
        changes=[
            (ago(days=2), "down", make.sha("new"), "", ""),
            (ago(days=2) - ago(minutes=40), "healthy", make.sha("new"), "", ""),
        ],
    )
    page = text_of(window(viewer).get("/health/")).split("24 hours 7 days")[1]
    assert page.index("omega") < page.index("alpha")
    assert "down 40 min" in page


def test_days_before_it_was_watched_are_dotted(viewer: User) -> None:
    lived(some("alpha")[0], days=3)
    source = window(viewer).get("/health/").content.decode()
    strip = source.split("days not recorded")[-1].split("</svg>")[0]
    dotted = [(float(start), float(end)) for start, end in re.findall(r'kg-l-none" x1="([\d.]+)%" x2="([\d.]+)%"', strip)]
    assert sum(end - start for start, end in dotted) == pytest.approx(100 * 87.5 / 90, abs=2)
    assert "days not recorded" in source


def test_without_services_the_page_says_what_will_be_here(viewer: User) -> None:
    assert "No service is under management yet." in text_of(window(viewer).get("/health/"))
    assert "No service is under management yet." in text_of(window(viewer).get("/health/wall/"))


def test_the_wall_shows_each_state_as_icon_word_and_colour_the_worst_first(viewer: User) -> None:
    some("alpha", "omega", "gone")
    Service.objects.filter(name="omega").update(seen_state="exited", seen_health="none")
    Service.objects.filter(name="gone").update(seen_at=timezone.now() - ago(minutes=10))
    source = window(viewer).get("/health/wall/").content.decode()
    tiles = source.split('class="kg-tiles"')[1].split("</ul>")[0].split("<li ")[1:]
    assert [tile.split('"')[1] for tile in tiles] == ["kg-tile kg-tile--stop", "kg-tile kg-tile--warn", "kg-tile kg-tile--ok"]
    assert ["<span>Down</span>" in tiles[0], "<span>Not watched</span>" in tiles[1], "<span>Healthy</span>" in tiles[2]] == [
        True
    ] * 3
    assert all(tile.count("kg-t-") == 1 for tile in tiles)
    assert "kg-sidecol" not in source


def test_the_wall_asks_for_itself_again_with_a_script_and_without(viewer: User) -> None:
    some("alpha")
    source = window(viewer).get("/health/wall/").content.decode()
    assert 'hx-trigger="every 10s"' in source
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in source
    part = window(viewer).get("/health/wall/", headers={"hx-request": "true"}).content.decode()
    assert "<html" not in part
    assert 'id="wall"' in part


def test_a_job_that_changes_a_service_is_said_on_the_wall(viewer: User) -> None:
    job = make.job(Kind.UPGRADE, some("alpha")[0], JobState.RUNNING)
    assert f"{job} changes it now" in text_of(window(viewer).get("/health/wall/"))


@pytest.mark.parametrize("address", ["/health/", "/health/wall/"])
def test_the_number_of_queries_does_not_depend_on_how_many_services_there_are(address: str, viewer: User) -> None:
    lived(some("alpha")[0], days=2)
    client = window(viewer)
    one = queries(client, address)
    for made in some(*(f"s{number}" for number in range(8))):
        lived(made, days=2)
    assert queries(client, address) == one
