"""What the reports that count say of a digest together, each thing once: made when they change, read by gate and pages."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

from django.db.models import Q, QuerySet

from deploy_records import finding_rows
from deploy_records.bulk_rows import load, spooled
from deploy_records.models import DigestFinding, ImageDigest, ScanMatch
from deploy_records.rules import merging
from deploy_records.rules.merging import Difference, Merged
from deploy_records.scanners.report import Severity

_FEW = 10_000


def current_reports(entries: Iterable[ImageDigest], *, at: datetime | None = None) -> dict[int, list[ScanMatch]]:
    """The reports that count, newest first, by the entry's primary key (each entry has its own, if only an empty one).
    With `at` those that counted then. One query; `.report` and `.report.file` are loaded.
    """
    wanted = {entry.pk: list[ScanMatch]() for entry in entries}
    for one in _counting(wanted, at).select_related("report__file"):
        wanted[one.entry_id].append(one)
    return wanted


def findings_of(entry: ImageDigest, *, severities: Collection[Severity] = (), at: datetime | None = None) -> list[Merged]:
    """Every finding once, worst first; with `severities` only those of them. With `at` what the reports said that
    counted then, put together anew.
    """
    return findings_of_all([entry], severities=severities, at=at)[entry.pk]


def findings_of_all(
    entries: Iterable[ImageDigest], *, severities: Collection[Severity] = (), at: datetime | None = None
) -> dict[int, list[Merged]]:
    """The same for many, by primary key; without `at` in one query."""
    wanted = {entry.pk: list[Merged]() for entry in entries}
    if at is not None:
        return {entry: _then(entry, severities, at) for entry in wanted}
    rows = DigestFinding.objects.filter(entry__in=wanted)
    if severities:
        rows = rows.filter(severity__in=list(severities))
    for row in rows.order_by("entry", "-weight", "pk").iterator(2000):
        wanted[row.entry_id].append(finding_rows.merged(row))
    return wanted


def then(entry: int, at: datetime) -> Iterator[Merged]:
    """What the reports said that counted at `at`, each thing once, in no order and without holding it."""
    reports = list(_counting([entry], at).values_list("report", flat=True))
    return merging.merged(lambda: finding_rows.seen(reports))


def compare(before: ImageDigest, after: ImageDigest) -> Difference:
    """What is new, gone and still there from one digest to another, by the reports that count."""
    both = findings_of_all([before, after])
    return merging.compare(both[before.pk], both[after.pk])


def compare_reports(before: int, after: int) -> Difference:
    """The same between two reports, by primary key."""
    return merging.compare(_of_reports([before]), _of_reports([after]))


def renew(entry: ImageDigest) -> None:
    """Puts the findings of the reports that count together anew. Only `scan_matching.settle` has reason to call it."""
    DigestFinding.objects.filter(entry=entry).delete()
    reports = list(_counting([entry.pk], None).values_list("report", flat=True))
    together = merging.not_alone(finding_rows.seen(reports))
    few = len(together) <= _FEW
    if few:
        finding_rows.copy_as_they_are(entry.pk, reports, but_not=together)
    with spooled() as rows:  # as PostgreSQL takes no query while it is being given rows
        for one in merging.merged(lambda: finding_rows.seen(reports, together if few else None)):
            rows.add(finding_rows.digest_row(entry.pk, one))
        load(DigestFinding, finding_rows.DIGEST_COLUMNS, rows)


def _counting(entries: Iterable[int], at: datetime | None) -> QuerySet[ScanMatch]:
    counting = Q(superseded_at__isnull=True)
    if at is not None:
        counting = Q(at__lte=at) & (counting | Q(superseded_at__gt=at))
    return ScanMatch.objects.filter(counting, entry__in=list(entries)).order_by("-report__made_at", "-report")


def _then(entry: int, severities: Collection[Severity], at: datetime) -> list[Merged]:
    found = _of_reports(list(_counting([entry], at).values_list("report", flat=True)))
    return [one for one in found if not severities or one.severity in severities]


def _of_reports(reports: list[int]) -> list[Merged]:
    found = merging.merged(lambda: finding_rows.seen(reports))
    return sorted(found, key=lambda one: (-merging.weight(one.severity), one.name, one.package))
