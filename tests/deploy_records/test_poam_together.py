"""Several processes at once on one exception, on a database that all of them share."""

import os
import subprocess
import sys

import pytest
from django.conf import settings

from tests.deploy_records.test_together import database as database
from tests.deploy_records.test_together import ended

pytestmark = pytest.mark.django_db


def together(url: str, *deeds: str) -> list[str]:
    """How each deed ended, all of them started at the same moment in processes of their own."""
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.deploy_records.poam_races", *deed.split()],
            cwd=settings.BASE_DIR, env=os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for deed in deeds
    ]  # fmt: skip
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    return [ended(child) for child in children]


@pytest.fixture
def url(database: str) -> str:
    assert together(database, "prepare") == ["POAM-1"]
    return database


def test_numbers_given_at_once_are_all_different(url: str) -> None:
    together(url, "draft 1")  # the row of the counter, and the person
    numbers = [number for answer in together(url, "draft 5", "draft 5", "draft 5") for number in answer.split(",")]
    assert sorted(map(int, numbers)) == list(range(3, 18))


def test_two_reviewers_and_a_double_click_give_one_approval(url: str) -> None:
    answers = sorted(together(url, "approve sara", "approve sara", "approve ben"))
    assert answers[0] == "approved"
    assert all("only what is requested can be approved" in one for one in answers[1:])
    assert "approved pkg:pypi/starlette, 1 grants" in together(url, "look")[0]


def test_what_is_changed_and_approved_at_once_is_never_approved_as_changed(url: str) -> None:
    together(url, "revise", "approve sara")
    seen = together(url, "look")[0]
    assert seen.startswith(("draft pkg:pypi/other, 0 grants", "approved pkg:pypi/starlette, 1 grants"))
    assert "intact" in seen


def test_what_is_closed_and_approved_at_once_is_closed(url: str) -> None:
    together(url, "close", "approve sara")
    assert together(url, "look")[0].startswith("closed")


def test_a_warning_is_sent_once_however_many_look(url: str) -> None:
    together(url, "approve sara")
    assert sorted(together(url, "warn", "warn", "warn")) == ["0", "0", "1"]
