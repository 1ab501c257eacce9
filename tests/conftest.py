"""What tests need from the machine, and what happens where it is missing.

A missing engine, browser or restic leaves the tests out that need it, loudly; with KG_TEST_REQUIRE=engine,browser,restic
it ends the run.
"""

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter
from django.conf import settings

from tests import machine

LEFT_OUT = "left out: "

NEEDS: dict[str, tuple[str, Callable[[], str]]] = {
    "docker": ("engine", machine.why_no_engine),
    "browser": ("browser", machine.why_no_browser),
    "restic": ("restic", machine.why_no_restic),
}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _keep_for_this_database(config, items)
    required = os.environ.get("KG_TEST_REQUIRE", "").split(",")
    for mark, (need, why_missing) in NEEDS.items():
        marked = [item for item in items if item.get_closest_marker(mark)]
        reason = why_missing() if marked else ""
        if reason and need in required:
            raise pytest.UsageError(f"KG_TEST_REQUIRE asks for {need}, but {reason}")
        for item in marked if reason else ():
            item.add_marker(pytest.mark.skip(reason=f"{LEFT_OUT}{reason}"))


def _keep_for_this_database(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `postgres` are no loss on SQLite: `make test` runs them on PostgreSQL."""
    if "postgresql" in settings.DATABASES["default"]["ENGINE"]:
        return
    elsewhere = [item for item in items if item.get_closest_marker("postgres")]
    if elsewhere:
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    reports = terminalreporter.stats.get("skipped", [])
    reasons = [str(report.longrepr[2]).removeprefix("Skipped: ") for report in reports if isinstance(report.longrepr, tuple)]
    counts = Counter(reason for reason in reasons if reason.startswith(LEFT_OUT))
    for reason, count in counts.items():
        terminalreporter.write_line(f"LEFT OUT: {count} tests, as {reason.removeprefix(LEFT_OUT)}", yellow=True, bold=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    state = Path(os.environ.get("KG_TEST_STATE", ""))
    if state.name.startswith("kg-test-") and not hasattr(config, "workerinput"):
        shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(autouse=True)
def _no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's own environment does not change what a test sees."""
    for name in ("COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES", "DOCKER_DEFAULT_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
