"""The gate at a moment to come: who falls out, why, from when on, and what would prevent it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from chatbot_service.models import Service
from tests.factories import person
from tests.portal import gate_scene as scene
from tests.portal.looking import queries, text_of, window

pytestmark = pytest.mark.django_db

WHEN = "/policy/when/"


def day(days: int) -> str:
    return f"{timezone.now().astimezone(UTC) + timedelta(days=days):%Y-%m-%d}"


def words(days: int) -> str:
    moment: datetime = timezone.now().astimezone(UTC) + timedelta(days=days)
    return f"{moment:%a %-d %b %Y}"


def read(**asked: Any) -> str:
    return text_of(window(person("Viewer")).get(WHEN, asked))


def test_the_day_after_an_exception_ends_says_who_falls_out_and_why() -> None:
    scene.excused(4)
    scene.runs("personal_chatbot", scene.STARLETTE)
    scene.runs("pdf_renderer")
    said = read(date=day(5))
    assert f"By {words(5)}, personal_chatbot on prod-1 falls out of compliance, because POAM-1 ends." in said
    assert "Because POAM-1 ends." in said
    assert "CVE-2026-1000 in starlette 1.0 (High), as POAM-1 ended on" in said
    assert "Deploy a build in which it is fixed, or have an exception approved for it." in said
    assert "pdf_renderer prod-1, production Passes" in said


def test_on_its_last_day_the_exception_still_holds_to_the_last_second() -> None:
    scene.excused(4)
    scene.runs("personal_chatbot", scene.STARLETTE)
    said = read(date=day(4))
    assert f"Nothing falls out of compliance by {words(4)}: the gate then passes the one service that runs." in said
    assert "Passes POAM-1, until" in said


def test_a_time_of_day_is_asked_in_utc() -> None:
    scene.runs("pdf_renderer", days=29)
    moment = timezone.now().astimezone(UTC) + timedelta(days=1)
    before, after = moment - timedelta(hours=1), moment + timedelta(hours=1)
    assert "Nothing falls out" in read(date=f"{before:%Y-%m-%d}", time=f"{before:%H:%M}")
    assert "because its image scan is too old then." in read(date=f"{after:%Y-%m-%d}", time=f"{after:%H:%M}")


def test_what_is_refused_already_is_told_apart() -> None:
    scene.excused(4)
    scene.runs("personal_chatbot", scene.STARLETTE)
    scene.runs("docs_search", scene.LIBC)
    said = read(date=day(5))
    assert "personal_chatbot on prod-1 falls out of compliance, because POAM-1 ends; one is refused already." in said
    assert "Refused already" in said
    assert "A finding blocks: CVE-2026-2000 in libc6 1.0 (Critical)." in said


def test_many_that_fall_out_are_counted() -> None:
    for number in range(5):
        scene.runs(f"service-{number}", days=25)
    scene.runs("scanned_today")
    assert f"By {words(6)}, five of six services fall out of compliance" in read(date=day(6))
    assert f"By {words(31)}, all six services fall out of compliance" in read(date=day(31))


def test_only_one_environment_can_be_asked_about() -> None:
    scene.runs("chatbot")
    scene.runs("trial", environment="staging")
    said = read(date=day(2), environment="staging")
    assert "trial prod-1, staging Passes" in said
    assert "chatbot prod-1" not in said


def test_what_the_ledger_does_not_know_is_not_judged_and_says_so() -> None:
    scene.runs("chatbot")
    Service.objects.create(
        host=Service.objects.get().host, name="stranger", project_dir="/srv/s", project_name="s", compose_files=[],
        compose_service="s", repository="registry.test/other", added_by=person("Operator"),
    )  # fmt: skip
    assert "Not judgedthe ledger knows no digest of them stranger prod-1" in read()


def test_with_nothing_running_it_says_what_will_be_here() -> None:
    said = read()
    assert "Nothing runs that the ledger knows, so nothing can fall out of compliance." in said
    assert "Once something does, its next 90 days are drawn here" in said


def test_dates_often_asked_for_are_one_click_away_and_keep_the_environment() -> None:
    shown = window(person("Viewer")).get(WHEN, {"environment": "staging", "date": day(7)}).content.decode()
    for days in (1, 7, 30, 90):
        assert f"date={day(days)}" in shown
    assert "environment=staging&amp;date=" in shown
    assert "aria-current" in shown.split("In 7 days")[0].rsplit("<a", 1)[1]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"date": "2020-01-01"}, "That moment has passed."),
        ({"date": "2099-01-01"}, "more than 366 days ahead"),
        ({"date": "9999-01-01"}, "The year 9999"),
        ({"date": "soon"}, "soon"),
        ({"date": "2026-13-40"}, "2026-13-40"),
        ({"date": "\x00"}, "Nothing runs"),
        ({"date": "2026-12-01T00:00:00Z"}, "a day is wanted"),
        ({"date": "tomorrow", "time": "25:00"}, "tomorrow"),
    ],
)
def test_a_moment_that_cannot_be_is_refused_in_words(asked: dict[str, str], words: str) -> None:
    answer = window(person("Viewer")).get(WHEN, asked)
    assert answer.status_code in {200, 400}
    assert words in text_of(answer)
    assert ("kg-msg--stop" in answer.content.decode()) == (answer.status_code == 400)


def test_a_time_that_cannot_be_is_refused_in_words() -> None:
    answer = window(person("Viewer")).get(WHEN, {"date": day(3), "time": "24:00"})
    assert answer.status_code == 400
    assert "The time is HH:MM in UTC" in text_of(answer)


def test_it_takes_as_many_queries_with_many_services_as_with_one() -> None:
    scene.excused(4)
    scene.runs("first", scene.STARLETTE)
    client = window(person("Viewer"))
    few = queries(client, f"{WHEN}?date={day(5)}")
    for number in range(9):
        scene.runs(f"service-{number}", scene.STARLETTE)
    assert queries(client, f"{WHEN}?date={day(5)}") == few
    assert few <= 32
