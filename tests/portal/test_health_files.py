"""Numbers and changes of state as files that a spreadsheet opens."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from chatbot_service.models import HealthTransition, Service
from portal.pages.health_files import NUMBERS, TRANSITIONS
from tests import factories as make
from tests.portal.health_scene import EVIL, ago, lived
from tests.portal.looking import window

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> Service:
    return make.service(runs=make.entry("new"))


def file_of(service: Service, of: User, name: str, span: str) -> tuple[Any, str]:
    answer = window(of).get(f"/services/{service.pk}/health/{name}?span={span}")
    return answer, b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]  # it is sent piece by piece


def test_each_piece_of_time_is_a_row_and_its_seconds_are_all_told(service: Service, viewer: User) -> None:
    lived(service, days=2)
    answer, text = file_of(service, viewer, "numbers.csv", "30d")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="personal_chatbot-prod-1-health-30d.csv"'
    assert text.endswith("\r\n")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == NUMBERS
    assert len(rows) in {720, 721}
    for row in rows[:-1]:
        told = sum(float(value) for name, value in row.items() if name.endswith("_seconds") and not name.startswith("p"))
        told += float(row["paused_seconds"]) + float(row["pause_seconds"])
        assert told == pytest.approx(3600, abs=0.01)
    assert (rows[0]["unknown_seconds"], rows[0]["uptime_percent"]) == ("3600.000", "")


def test_words_of_a_probe_begin_no_formula(service: Service, viewer: User) -> None:
    lived(
        service,
        changes=[
            (ago(hours=6), "unhealthy", make.sha("new"), "=1+1", EVIL[EVIL.index("=") :]),
            (ago(hours=5), "healthy", make.sha("new"), "", ""),
        ],
    )
    _answer, text = file_of(service, viewer, "transitions.csv", "24h")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert tuple(rows[0]) == TRANSITIONS
    assert [row["state"] for row in rows] == ["healthy", "unhealthy"]
    assert rows[1]["note"] == "'=1+1"
    assert rows[1]["output"].startswith("'=HYPERLINK")


def test_no_change_of_state_is_lost_where_many_lie_in_one_moment(service: Service, viewer: User) -> None:
    now = lived(service)
    HealthTransition.objects.bulk_create(
        HealthTransition(service=service, at=now - timedelta(minutes=place // 7 + 1), state="down", note=f"n{place}")
        for place in range(450)
    )  # fmt: skip
    _answer, text = file_of(service, viewer, "transitions.csv", "24h")
    notes = [row["note"] for row in csv.DictReader(io.StringIO(text))]
    assert sorted(notes) == sorted(f"n{place}" for place in range(450))


def test_the_chart_gets_columns_of_one_length(service: Service, viewer: User) -> None:
    lived(service)
    answer = window(viewer).get(f"/services/{service.pk}/health/durations/?span=24h")
    told = json.loads(answer.content)
    assert len({len(column) for column in told["data"]}) == 1
    assert told["from"] < told["data"][0][0] < told["data"][0][-1] < told["to"]
    assert max(value for value in told["data"][1] if value) == pytest.approx(0.083, rel=0.06)
