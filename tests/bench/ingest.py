"""Importing large Trivy reports: seconds and memory on both databases, beside `json.load` and nothing done with it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy_records.errors import Broken
from tests.bench.kit import big_report
from tests.bench.kit.report import Report, median
from tests.bench.kit.stack import ROOT, Say

MANY, HALF = 50_000, 25_000
LARGE_FINDINGS, LARGE_DESCRIPTION = 36_000, 1600
LARGE = 100 * 1000 * 1000
MOST_SECONDS, MOST_MEGABYTES = 5.0, 150.0
MOST_FOR_TWICE = 2.4
"""What twice as many findings may cost in processor time, which other work on the machine disturbs less: linear, and some
noise.
"""
MOST_REPEATS = 3
_POSTGRES = str(ROOT / ".ci" / "postgres.sh")


@dataclass(frozen=True)
class File:
    name: str
    path: Path
    findings: int


@dataclass(frozen=True)
class Bench:
    """One database, the files, and how often each is imported."""

    name: str
    url: str
    folder: Path
    repeats: int

    def child(self, *deed: str) -> dict[str, Any]:
        outside = {key: value for key, value in os.environ.items() if not key.startswith("KG_")}
        own = {"DATABASE_URL": self.url, "KG_STATE_DIR": str(self.folder / "state"), "DJANGO_SETTINGS_MODULE": "portal.settings"}
        argv = [sys.executable, "-m", "tests.bench.kit.ingesting", *deed]
        done = subprocess.run(argv, cwd=ROOT, env=outside | own, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            raise Broken(f"{' '.join(deed)} on {self.name} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        return dict(json.loads(done.stdout))

    def store(self, file: File) -> list[dict[str, Any]]:
        """Each time another report, of another digest."""
        return [self._store(file, number) for number in range(self.repeats)]

    def _store(self, file: File, number: int) -> dict[str, Any]:
        digest = big_report.name_digest(file.path, f"{self.name} {file.name} {number}")
        done = self.child("store", str(file.path), digest)
        if (done["findings"], done["found"], done["matches"]) != (file.findings, file.findings, 1):
            raise Broken(f"{file.name} on {self.name} was not imported whole: {done}")
        return done


def run(pairs: int, say: Say) -> Report:
    """`pairs` counts up to three times: an import differs little from the next."""
    report, repeats = Report("ingest"), min(pairs, MOST_REPEATS)
    report.note("processors", os.cpu_count() or 0)
    report.note("load_before", os.getloadavg()[0])
    report.note("repeats", repeats)
    with tempfile.TemporaryDirectory(prefix="kg-bench-ingest-") as place:
        folder = Path(place)
        folder.chmod(0o711)  # the database server runs as another user
        say("writing reports")
        files = _files(folder)
        limit = _plain(Bench("json.load", "", folder, repeats), files, report)
        _sqlite(folder, repeats, files, report, limit, say)
        _postgres(folder, repeats, files, report, limit, say)
    return report


def _files(folder: Path) -> dict[str, File]:
    made = {
        "half": File(f"{HALF}", folder / "half.json", HALF),
        "many": File(f"{MANY}", folder / "many.json", MANY),
        "large": File("100mb", folder / "large.json", LARGE_FINDINGS),
    }
    for name, file in made.items():
        big_report.write(file.path, file.findings, description=LARGE_DESCRIPTION if name == "large" else 400)
    if made["large"].path.stat().st_size < LARGE:
        raise Broken(f"The large report has {made['large'].path.stat().st_size:,} bytes only.")
    return made


def _plain(bench: Bench, files: dict[str, File], report: Report) -> dict[str, float]:
    seconds = {}
    for name in ("many", "large"):
        runs = [bench.child("load", str(files[name].path)) for _ in range(bench.repeats)]
        seconds[name] = median([one["seconds"] for one in runs])
        report.note(f"{files[name].name}_megabytes", files[name].path.stat().st_size / 1e6)
        report.note(f"json_load_{files[name].name}_s", seconds[name])
        report.note(f"json_load_{files[name].name}_peak_mb", max(one["peak_mb"] for one in runs))
    return seconds


def _sqlite(folder: Path, repeats: int, files: dict[str, File], report: Report, limit: dict[str, float], say: Say) -> None:
    _measure(Bench("sqlite", f"sqlite:///{folder / 'bench.sqlite3'}", folder, repeats), files, report, limit, say)


def _postgres(folder: Path, repeats: int, files: dict[str, File], report: Report, limit: dict[str, float], say: Say) -> None:
    with a_postgres(folder / "postgres", say) as url:
        if not url:
            report.note("postgresql", "left out: no server is installed here or it does not start; apt-get install postgresql")
            return
        _measure(Bench("postgresql", url, folder, repeats), files, report, limit, say)


@contextmanager
def a_postgres(folder: Path, say: Say) -> Iterator[str]:
    """Its URL; empty where there is none."""
    say("starting a PostgreSQL of the benchmark's own")
    folder.mkdir()
    environment = os.environ | {"KG_STATE_DIR": str(folder.parent / "state")}
    started = subprocess.run([_POSTGRES, "start", str(folder)], env=environment, capture_output=True, text=True, check=False)
    try:
        yield started.stdout.strip() if started.returncode == 0 else ""
    finally:
        subprocess.run([_POSTGRES, "stop", str(folder)], env=environment, capture_output=True, check=False)


def _measure(bench: Bench, files: dict[str, File], report: Report, limit: dict[str, float], say: Say) -> None:
    bench.child("prepare")
    runs = {}
    for name, file in files.items():
        say(f"{bench.name}: importing {file.name}, {bench.repeats} times")
        runs[name] = bench.store(file)
    seconds = {name: [one["seconds"] for one in found] for name, found in runs.items()}
    many, half, large = (median(seconds[name]) for name in ("many", "half", "large"))
    cpu = {name: median([one["cpu"] for one in found]) for name, found in runs.items()}
    report.hold(f"{bench.name}_{MANY}_s", many, MOST_SECONDS)
    report.spread(f"{bench.name}_{MANY}_s", seconds["many"])
    report.note(f"{bench.name}_{MANY}_cpu_s", cpu["many"])
    report.note(f"{bench.name}_{MANY}_per_s", MANY / many)
    report.note(f"{bench.name}_{MANY}_of_json_load", many / limit["many"])
    report.note(f"{bench.name}_{MANY}_peak_mb", max(one["peak_mb"] for one in runs["many"]))
    report.note(f"{bench.name}_{HALF}_s", half)
    report.hold(f"{bench.name}_{MANY}_over_{HALF}_cpu", cpu["many"] / cpu["half"], MOST_FOR_TWICE)
    report.note(f"{bench.name}_100mb_s", large)
    report.note(f"{bench.name}_100mb_of_json_load", large / limit["large"])
    report.hold(f"{bench.name}_100mb_peak_mb", max(one["peak_mb"] for one in runs["large"]), MOST_MEGABYTES)
    report.note(f"{bench.name}_idle_mb", max(one["idle_mb"] for one in runs["large"]))
