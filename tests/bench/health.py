"""The health watcher with a thousand services probed every ten seconds: processor, rows and size after 90 days, the reading.

Time is simulated (`kit/health_course.py`): the real watcher, with a clock that is told, on an engine of clockwork that answers
with JSON as a real one does. Not in it: the HTTP between the two, and what a
PostgreSQL server spends itself. The 90 days of four services are made by the real writer
and the real roll-ups, probe by probe; those of the others are copies of their rows, as a packed row does not say whose it is.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from deploy_records.errors import Broken
from tests.bench.ingest import a_postgres
from tests.bench.kit.health_course import MEASURED, WARM_UP
from tests.bench.kit.report import Report, median
from tests.bench.kit.stack import ROOT, Say

MANY, HALF, DAYS = 1000, 500, 90
DATABASES = ("half", "first", "last")
ALL_SERVICES = ("all", "wall")
"""Pages that show all the services there are: told, and held to nothing."""
MOST_PERCENT, MOST_MS = 25.0, 100.0
MOST_FOR_TWICE, MOST_FOR_HISTORY = 2.2, 1.2


@dataclass(frozen=True)
class Bench:
    """One server of databases; each measurement has a database of its own."""

    name: str
    url: str
    state: Path

    def child(self, database: str, *deed: object) -> dict[str, Any]:
        outside = {key: value for key, value in os.environ.items() if not key.startswith("KG_")}
        url = self.url.format(database=database)
        own = {"DATABASE_URL": url, "KG_STATE_DIR": str(self.state), "DJANGO_SETTINGS_MODULE": "portal.settings"}
        argv = [sys.executable, "-m", "tests.bench.kit.health_course", *map(str, deed)]
        done = subprocess.run(argv, cwd=ROOT, env=outside | own, capture_output=True, text=True, timeout=3600, check=False)
        if done.returncode:
            raise Broken(f"{' '.join(argv[3:])} on {self.name} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        return dict(json.loads(done.stdout.splitlines()[-1]))


def run(pairs: int, say: Say) -> Report:
    """`pairs`: how often a span is read."""
    report = Report("health")
    report.note("processors", os.cpu_count() or 0)
    report.note("load_before", os.getloadavg()[0])
    report.note("services", MANY)
    report.note("seconds_simulated", MEASURED)
    with tempfile.TemporaryDirectory(prefix="kg-bench-health-") as place:
        folder = Path(place)
        folder.chmod(0o711)  # the database server runs as another user
        _measure(Bench("sqlite", f"sqlite:///{folder}/{{database}}.sqlite3", folder / "state"), pairs, report, say)
        with a_postgres(folder / "postgres", say) as url:
            if url:
                _measure(Bench("postgresql", _with_databases(url), folder / "state"), pairs, report, say)
            else:
                report.note(
                    "postgresql", "left out: no server is installed here or it does not start; apt-get install postgresql"
                )
    report.note("load_after", os.getloadavg()[0])
    return report


def _measure(bench: Bench, pairs: int, report: Report, say: Say) -> None:
    say(f"{bench.name}: {MEASURED // 60} minutes of {HALF} services, then of {MANY}")
    half = bench.child("half", "rate", HALF, 0)
    first = bench.child("first", "rate", MANY, 0)
    say(f"{bench.name}: {DAYS} days of history, then the same minutes once more")
    last = bench.child("last", "rate", MANY, DAYS)
    name = bench.name
    report.hold(f"{name}_cpu_percent", _percent(last["cpu"]), MOST_PERCENT)
    report.note(f"{name}_day_1_cpu_percent", _percent(first["cpu"]))
    for part, seconds in last["parts"].items():
        report.note(f"{name}_{part}_cpu_percent", _percent(seconds))
    report.note(f"{name}_inspects_per_s", last["inspects"] / (WARM_UP + MEASURED))
    report.note(f"{name}_probes_per_s", last["probes_written"] / (WARM_UP + MEASURED))
    report.hold(f"{name}_{MANY}_over_{HALF}_cpu", first["cpu"] / half["cpu"], MOST_FOR_TWICE)
    report.hold(f"{name}_day_{DAYS}_over_day_1_cpu", last["cpu"] / first["cpu"], MOST_FOR_HISTORY)
    report.note(f"{name}_roll_up_day_{DAYS}_over_day_1_cpu", last["made"]["day_last_over_day_one"])
    for model, count in last["rows"].items():
        report.note(f"{name}_rows_{model}", count)
    report.note(f"{name}_megabytes", last["megabytes"])
    say(f"{bench.name}: reading each span {pairs} times")
    for span, taken in bench.child("last", "read", pairs).items():
        report.hold(f"{name}_read_{span}_ms", median([one[0] for one in taken]), MOST_MS)
        report.spread(f"{name}_read_{span}_ms", [one[0] for one in taken])
        report.note(f"{name}_read_{span}_cpu_ms", median([one[1] for one in taken]))
    say(f"{bench.name}: asking for each page {pairs} times")
    for page, taken in bench.child("last", "pages", pairs).items():
        if page in ALL_SERVICES:
            report.note(f"{name}_page_{page}_ms", median([one[0] for one in taken]))
        else:
            report.hold(f"{name}_page_{page}_ms", median([one[0] for one in taken]), MOST_MS)
        report.spread(f"{name}_page_{page}_ms", [one[0] for one in taken])
        report.note(f"{name}_page_{page}_cpu_ms", median([one[1] for one in taken]))


def _with_databases(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as server:
        for name in DATABASES:
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return url.rpartition("/")[0] + "/{database}"


def _percent(seconds: float) -> float:
    return seconds / MEASURED * 100
