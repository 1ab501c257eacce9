"""A report read to its end before anything is stored: its header, and its rows in temporary files.

So nobody else waits for the database while a report is read, and what is wrong with it is known before.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from deploy_records.bulk_rows import Rows, spooled
from deploy_records.errors import Refused
from deploy_records.finding_rows import component_row, finding_row
from deploy_records.rules.digest import shown
from deploy_records.scanners import opened_report
from deploy_records.scanners.reading import MOST_BYTES
from deploy_records.scanners.report import Report

MOST_WRITTEN = 2 * MOST_BYTES
"""Of rows, in bytes."""
MOST_OTHER_NAMES = 300_000
"""Of all findings together: each is held while they are put together with those of other reports."""
_TOLD_EVERY = 500

Progress = Callable[[int], object]
"""Told from time to time how many findings have been read. What it raises ends the reading."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was read. `header` is good for its header only: the file behind it is closed by then."""

    header: Report
    findings: Rows
    components: Rows
    severities: "Counter[str]" = field(default_factory=Counter)


@contextmanager
def read_whole(file: BinaryIO, name: str, progress: Progress) -> Iterator[Read]:
    """Raises `Invalid` or `Refused` for whatever is wrong with the report, anywhere in it."""
    with spooled() as findings, spooled() as components:
        with opened_report(file, name) as report:
            read = Read(report, findings, components)
            _read(read, name, progress)
        yield read


def _read(read: Read, name: str, progress: Progress) -> None:
    names = 0
    for one in read.header.findings:
        read.findings.add(finding_row(one))
        names += len(one.aliases)
        if names > MOST_OTHER_NAMES:
            raise Refused(
                f"{shown(name)} gives its findings more than {MOST_OTHER_NAMES:,} other names together. Expected at most that: "
                "scan in parts. Nothing was stored.", code="too-large", status=413,
            )  # fmt: skip
        read.severities[one.severity.value] += 1
        if read.findings.count % _TOLD_EVERY == 0:
            _refuse_swollen(read, name)
            progress(read.findings.count)
    for component in read.header.components:
        read.components.add(component_row(component))
        if read.components.count % _TOLD_EVERY == 0:
            _refuse_swollen(read, name)
            progress(read.findings.count)
    progress(read.findings.count)


def _refuse_swollen(read: Read, name: str) -> None:
    """A text that stands once in a file may belong to each of many findings."""
    if read.findings.size + read.components.size > MOST_WRITTEN:
        raise Refused(
            f"{shown(name)} says the same of so many findings that it takes more than {MOST_WRITTEN // 1024**2} MiB when each "
            "has its own. Expected at most that: scan in parts. Nothing was stored.", code="too-large", status=413,
        )  # fmt: skip
