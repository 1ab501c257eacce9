"""Several processes at once, on a database of their own that all of them share."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

pytestmark = pytest.mark.django_db

PROCESSES, EVENTS = 8, 200
Child = subprocess.Popen[str]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    """A fresh database's URL with one candidate in it: a file, or a database on the same PostgreSQL."""
    if connection.vendor == "sqlite":
        url = f"sqlite:///{tmp_path / 'shared.sqlite3'}"
        together(url, "set_up")
        yield url
        return
    known = connection.settings_dict
    name = f"{known['NAME']}_together"
    login = quote(known["USER"]) + (f":{quote(known['PASSWORD'])}" if known["PASSWORD"] else "")
    url = f"postgres://{login}@{quote(known['HOST'], safe='')}:{known['PORT'] or 5432}/{quote(name)}"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}"')
    try:
        together(url, "set_up")
        yield url
    finally:
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def together(url: str, *deeds: str) -> list[str]:
    """How each deed ended, all of them started at the same moment in processes of their own."""
    children = [started(url, deed) for deed in deeds]
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    return [ended(child) for child in children]


def started(url: str, deed: str) -> Child:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.deploy_records.races", *deed.split()],
        cwd=settings.BASE_DIR, env=os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(child: Child) -> str:
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    return out.strip()


def look(url: str) -> str:
    return together(url, "look")[0]


def test_eight_processes_write_the_audit_trail_at_once_without_error_fork_or_gap(database: str) -> None:
    results = together(database, *[f"write_events {number} {EVENTS}" for number in range(PROCESSES)])
    assert results == ["done"] * PROCESSES
    total = PROCESSES * EVENTS
    seen = look(database)
    assert f"intact up to event {total + 1:,}." in seen
    assert f"{total} steps, {total} different" in seen


def test_a_double_click_gives_one_approval(database: str) -> None:
    results = sorted(together(database, "approve mira", "approve mira", "approve mira"))
    assert results[0] == "approved"
    assert all("approved this digest already" in result for result in results[1:])
    assert "approved, 1 valid approvals" in look(database)


def test_approving_and_revoking_in_the_same_moment_leaves_it_revoked_without_an_approval(database: str) -> None:
    together(database, "approve mira", "revoke nils")
    assert "intact" in look(database)
    assert "revoked, 0 valid approvals" in look(database)


def test_registering_the_same_digest_at_once_gives_one_entry(database: str) -> None:
    results = together(database, "register mira", "register nils", "register otto")
    assert len(set(results)) == 1
    assert "2 entries" in look(database)


def test_deployments_that_begin_at_once_leave_one_open(database: str) -> None:
    assert together(database, "deploy 1", "deploy 2", "deploy 3") == ["upgrade"] * 3
    assert "3 deployments, 1 open" in look(database)


def test_of_two_who_save_a_policy_at_once_one_wins_and_the_other_is_told(database: str) -> None:
    results = sorted(together(database, "set_policy petra 2", "set_policy paul 3"))
    assert results[0] == "1"
    assert "since you opened it" in results[1]
    assert together(database, "policy_now")[0].startswith("version 1 by p")


def test_an_approval_that_has_to_be_looked_at_again_is_marked_once_and_renewed_once(database: str) -> None:
    together(database, "stricter")
    assert sorted(together(database, "mark", "mark", "mark")) == ["0", "0", "1"]
    results = together(database, "renew mira", "renew mira")
    assert sum("approved this digest already" in result for result in results) == 1
    assert "approved, 1 valid approvals" in look(database)
