"""The pages that show many digests and services at once, each with its gate's answer: milliseconds at the server, and queries.

Time on the processor stands beside time by the clock: other work on the machine lengthens the second far more.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy_records.errors import Broken
from tests.bench.ingest import a_postgres
from tests.bench.kit.listing import PAGES
from tests.bench.kit.report import Report, median
from tests.bench.kit.stack import ROOT, Say

FEW, SERVICES = 5, 50
MOST_MS = 100.0


@dataclass(frozen=True)
class Bench:
    """One database, filled twice, so that queries can be counted with little and with much in it."""

    name: str
    url: str
    state: Path

    def child(self, *deed: object) -> dict[str, Any]:
        outside = {key: value for key, value in os.environ.items() if not key.startswith("KG_")}
        own = {"DATABASE_URL": self.url, "KG_STATE_DIR": str(self.state), "DJANGO_SETTINGS_MODULE": "portal.settings"}
        argv = [sys.executable, "-m", "tests.bench.kit.listing", *map(str, deed)]
        done = subprocess.run(argv, cwd=ROOT, env=outside | own, capture_output=True, text=True, timeout=900, check=False)
        if done.returncode:
            raise Broken(f"{' '.join(argv[3:])} on {self.name} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        return dict(json.loads(done.stdout))


def run(pairs: int, say: Say) -> Report:
    """`pairs`: how often each page is asked for."""
    report = Report("lists")
    report.note("processors", os.cpu_count() or 0)
    report.note("load_before", os.getloadavg()[0])
    report.note("services", SERVICES)
    with tempfile.TemporaryDirectory(prefix="kg-bench-lists-") as place:
        folder = Path(place)
        folder.chmod(0o711)  # the database server runs as another user
        _measure(Bench("sqlite", f"sqlite:///{folder / 'bench.sqlite3'}", folder / "state"), pairs, report, say)
        with a_postgres(folder / "postgres", say) as url:
            if url:
                _measure(Bench("postgresql", url, folder / "state"), pairs, report, say)
            else:
                report.note(
                    "postgresql", "left out: no server is installed here or it does not start; apt-get install postgresql"
                )
    report.note("load_after", os.getloadavg()[0])
    return report


def _measure(bench: Bench, pairs: int, report: Report, say: Say) -> None:
    say(f"{bench.name}: registering, scanning and approving the digests of {SERVICES} services")
    bench.child("fill", 0, FEW)
    few = bench.child("ask", 1)
    bench.child("fill", FEW, SERVICES)
    say(f"{bench.name}: asking for each page {pairs} times")
    many = bench.child("ask", pairs)
    for page in PAGES:
        name, found = f"{bench.name}_{page}", many[page]
        report.hold(f"{name}_ms", median(found["ms"]), MOST_MS)
        report.spread(f"{name}_ms", found["ms"])
        report.note(f"{name}_cpu_ms", median(found["cpu_ms"]))
        report.hold(f"{name}_queries", found["queries"], few[page]["queries"])
