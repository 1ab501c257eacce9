"""The next 90 days of what runs, as the dashboard draws them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from chatbot_service import board
from portal.pages import outlook
from portal.pages.outlook import Calendar
from tests.factories import person
from tests.portal import gate_scene as scene
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db


def calendar(most: int = outlook.MOST_LINES) -> Calendar:
    now = timezone.now()
    return outlook.calendar(outlook.ahead(board.rows(now), now), now, most)


def dashboard() -> str:
    return text_of(window(person("Viewer")).get("/"))


def words(days: int) -> str:
    moment: datetime = timezone.now().astimezone(UTC) + timedelta(days=days)
    return f"{moment:%a %-d %b}"


def test_services_that_fall_out_are_grouped_by_day_the_next_first() -> None:
    scene.excused(4)
    scene.runs("b_chatbot", scene.STARLETTE)
    scene.runs("a_exporter", scene.STARLETTE)
    scene.runs("later", days=10)
    scene.runs("refused", scene.LIBC)
    days = calendar().days
    assert [[line.row.service.name for line in day.lines] for day in days] == [
        ["refused"], ["a_exporter", "b_chatbot"], ["later"],
    ]  # fmt: skip
    assert days[0].at is None
    assert days[1].at is not None
    assert f"{days[1].at:%a %-d %b}" == words(5)
    assert days[1].url == f"/policy/when/?date={days[1].at:%Y-%m-%d}"


def test_the_dashboard_says_from_which_day_on_and_why_with_the_way_to_that_day() -> None:
    scene.excused(4)
    scene.runs("chatbot", scene.STARLETTE)
    page = window(person("Viewer")).get("/")
    assert f"Refused from {words(5)} POAM-1 ends" in text_of(page)
    assert 'href="/poam/1/"' in page.content.decode()
    that_day = timezone.now().astimezone(UTC) + timedelta(days=5)
    assert f'href="/policy/when/?date={that_day:%Y-%m-%d}"' in page.content.decode()


def test_what_relies_on_an_exception_is_drawn_as_such_until_it_ends() -> None:
    scene.excused(4)
    scene.runs("chatbot", scene.STARLETTE)
    (day,) = calendar().days
    assert [one.state for one in day.lines[0].segments] == ["excused", "refused"]
    assert [mark.kind for mark in day.lines[0].marks] == ["end"]


def test_what_is_refused_today_says_what_stands_behind_it() -> None:
    scene.runs("docs_search", scene.LIBC)
    said = dashboard()
    assert "Refused today A finding blocks: CVE-2026-2000 in libc6 1.0 (Critical)." in said


def test_when_nothing_falls_out_it_says_so() -> None:
    scene.policy(reports={"image": 120})
    scene.runs("chatbot")
    said = dashboard()
    assert "Nothing falls out: the gate passes what runs on each of these days." in said
    assert "Passes throughout" in said


def test_of_many_that_pass_only_some_are_drawn_and_the_rest_is_counted() -> None:
    scene.policy(reports={"image": 120})
    for number in range(4):
        scene.runs(f"service-{number}")
    shown = calendar(most=3)
    assert sum(len(day.lines) for day in shown.days) == 3
    assert shown.left_out == 1


def test_none_that_falls_out_is_left_out_however_many_there_are() -> None:
    for number in range(4):
        scene.runs(f"service-{number}")
    assert sum(len(day.lines) for day in calendar(most=2).days) == 4


def test_what_ends_after_90_days_is_not_drawn() -> None:
    scene.policy(reports={"image": 91})
    scene.runs("chatbot")
    shown = calendar()
    assert shown.fall_out == 0
    assert shown.days[0].at is None


def test_who_may_not_replay_the_gate_gets_no_way_there() -> None:
    scene.runs("chatbot")
    page = window(person()).get("/").content.decode()
    assert "If nobody does anything" in page
    assert "/policy/when/" not in page


def test_the_dashboard_takes_as_many_queries_with_many_findings_and_exceptions() -> None:
    scene.excused(4)
    scene.runs("first", scene.STARLETTE)
    client = window(person("Viewer"))
    few = queries(client, "/")
    for number in range(6):
        scene.excused(number + 5, component=f"pkg:pypi/other-{number}@1")
        scene.runs(f"service-{number}", scene.STARLETTE, scene.ZLIB)
    assert queries(client, "/") == few
