"""One measurement of the health watcher, in a process of its own: `health_course rate N DAYS`, `read TIMES`, `pages TIMES`.

Writes one line of JSON. Time is simulated: an engine of clockwork tells and shows what a real one would, as JSON text, and the
real watcher looks, inspects, writes, rolls up and forgets. Its own work is counted, the clockwork's is not.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command

START = datetime(2026, 3, 1, 23, 52, tzinfo=UTC)
"""So that the end of a bucket, of an hour and of a day lie in what is measured: more often than they do."""
WARM_UP, MEASURED = 45, 10 * 60
TEMPLATES = 4
"""So many services get their days by the real writer; the others copies of these rows."""
TROUBLE = 86_400
"""Each service fails once in so many seconds, for a minute."""


def rate(services: str, days: str) -> dict[str, Any]:
    """What ten minutes cost with `days` of history: seconds on the processor of each part, rows, size."""
    _set_up()
    from tests.bench.kit import health_course_parts as parts  # noqa: PLC0415 - after set-up

    with tempfile.TemporaryDirectory(prefix="kg-bench-health-") as folder:
        numbers = parts.services(int(services), Path(folder), START - timedelta(days=1))
        begun = time.process_time()
        made = parts.history(numbers[:TEMPLATES], numbers, int(days), START) if int(days) else {}
        filled = time.process_time() - begun
        course = parts.Course(numbers, START + timedelta(days=int(days)))
        course.go_on(WARM_UP)
        with _counted() as counted:
            course.go_on(MEASURED)
        return {
            "cpu": counted["cpu"] - course.clockwork_since(WARM_UP), "wall": counted["wall"],
            "parts": course.parts, "inspects": course.inspects, "probes_written": course.probes_written(),
            "fill_cpu": filled, "made": made, "rows": parts.row_counts(), "megabytes": parts.megabytes(),
        }  # fmt: skip


def read(times: str) -> dict[str, Any]:
    """Milliseconds of reading 90 days of one service, as a page needs them: history, transitions, deployments' place."""
    _set_up()
    from tests.bench.kit import health_course_parts as parts  # noqa: PLC0415 - after set-up

    return parts.readings(int(times))


def pages(times: str) -> dict[str, Any]:
    """Milliseconds of the whole answer, and of those on the processor: each span of one service, all services, the wall."""
    _set_up()
    call_command("collectstatic", interactive=False, verbosity=0)
    from tests.bench.kit import health_course_parts as parts  # noqa: PLC0415 - after set-up

    return parts.pages(int(times))


def _set_up() -> None:
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)


@contextmanager
def _counted() -> Iterator[dict[str, float]]:
    found: dict[str, float] = {}
    worked, begun = time.process_time(), time.perf_counter()
    yield found
    found["cpu"], found["wall"] = time.process_time() - worked, time.perf_counter() - begun


if __name__ == "__main__":
    os.nice(5)
    deeds: dict[str, Callable[..., dict[str, Any]]] = {deed.__name__: deed for deed in (rate, read, pages)}
    print(json.dumps(deeds[sys.argv[1]](*sys.argv[2:])))  # noqa: T201 - read by the benchmark
