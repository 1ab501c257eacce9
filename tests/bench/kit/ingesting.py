"""One measurement, in a process of its own: `ingesting store FILE DIGEST`, `ingesting load FILE`, `ingesting prepare`.

Writes one line of JSON. Memory is the peak above what the process held just before; Linux only.
"""

import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

PERSON, PERMISSIONS = "bench", ("register_digest", "import_report")
_REPOSITORY = "registry.example.com/team/app"


def prepare() -> dict[str, Any]:
    """An empty database that writes to disk as one in production does."""
    django.setup()
    from django.db import connection  # noqa: PLC0415 - after set-up

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                cursor.execute(f"ALTER SYSTEM SET {setting} = on")
            cursor.execute("SELECT pg_reload_conf()")
    call_command("migrate", verbosity=0, skip_checks=True)

    from tests.deploy_records.people import person  # noqa: PLC0415 - likewise

    person(PERSON, *PERMISSIONS)
    return {}


def store(file: str, digest: str) -> dict[str, Any]:
    """Imports the report for a digest of the ledger, after a small one that loads all that takes part."""
    django.setup()
    from django.contrib.auth.models import User  # noqa: PLC0415 - after set-up

    from deploy_records import ledger, scans  # noqa: PLC0415 - likewise
    from deploy_records.registering import Platform, Resolved  # noqa: PLC0415 - likewise
    from tests.deploy_records.scan_files import trivy  # noqa: PLC0415 - likewise

    person = User.objects.get(username=PERSON)
    entry = ledger.register(Resolved(_REPOSITORY, digest, (Platform("linux/amd64", digest, digest),)), person)
    scans.import_report(io.BytesIO(trivy(target=digest)), "small.json", person)
    with Path(file).open("rb") as report:
        figures = _measured(lambda: scans.import_report(report, "large.json", person))
    done = figures.pop("result")
    found = len(scans.findings_of(entry))
    return figures | {"findings": done.report.findings_count, "found": found, "matches": len(done.matches)}


def load(file: str) -> dict[str, Any]:
    """The limit: `json.load`, and nothing done with it."""
    with Path(file).open("rb") as report:
        figures = _measured(lambda: json.load(report))
    return {key: value for key, value in figures.items() if key != "result"}


def _measured(deed: Callable[[], Any]) -> dict[str, Any]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    idle, begun, worked = _kilobytes("VmRSS"), time.perf_counter(), time.process_time()
    result = deed()
    seconds, cpu = time.perf_counter() - begun, time.process_time() - worked
    return {
        "seconds": seconds,
        "cpu": cpu,
        "peak_mb": (_kilobytes("VmHWM") - idle) / 1024,
        "idle_mb": idle / 1024,
        "result": result,
    }


def _kilobytes(what: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))


if __name__ == "__main__":
    deeds: dict[str, Callable[..., dict[str, Any]]] = {deed.__name__: deed for deed in (prepare, store, load)}
    print(json.dumps(deeds[sys.argv[1]](*sys.argv[2:])))  # noqa: T201 - read by the benchmark
