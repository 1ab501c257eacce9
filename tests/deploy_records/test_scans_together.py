"""Several processes that bring reports at once, on a database that all of them share."""

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
            [sys.executable, "-m", "tests.deploy_records.scan_races", *deed.split()],
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
    assert together(database, "prepare") == ["prepared"]
    return database


def test_two_people_who_bring_the_same_file_at_once_get_one_report(url: str) -> None:
    together(url, "register imre a")
    answers = together(url, "bring imre a", "bring ida a", "bring imre a")
    assert sorted(one.split()[1] for one in answers) == ["known", "known", "new"]
    assert len({one.split()[0] for one in answers}) == 1
    seen = together(url, "look")[0]
    assert seen.startswith("1 reports, 1 files; 500 findings, 500 merged; 1 matches; ")
    assert "intact" in seen


def test_a_report_and_its_digest_that_come_at_once_find_each_other(url: str) -> None:
    for build in ("a", "b"):
        together(url, f"bring imre {build}", f"register ida {build}")
    assert "2 reports, 2 files; 1000 findings, 1000 merged; 2 matches" in together(url, "look")[0]


def test_reports_of_two_tools_that_come_at_once_are_put_together(url: str) -> None:
    together(url, "register imre a")
    together(url, "bring imre a", "bring_another ida a")
    assert "2 reports, 2 files; 700 findings, 500 merged; 2 matches" in together(url, "look")[0]


def test_a_file_handed_over_twice_and_brought_at_once_is_one_report(url: str) -> None:
    together(url, "hand_over imre a", "hand_over ida a", "bring imre a")
    together(url, "read_all", "read_all")
    assert "1 reports, 1 files; 500 findings, 0 merged; 0 matches" in together(url, "look")[0]
