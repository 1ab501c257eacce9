"""What is new, gone and still there from one report or digest to another, without holding the findings of either.

Two reports of 50,000 findings are compared by numbers alone; a page then reads the few rows that it shows.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import QuerySet

from deploy_records.models import DigestFinding, ImageDigest, Match, ReportChange, ScanFinding, ScanMatch, ScanReport
from deploy_records.rules.merging import lasting_keys
from deploy_records.rules.superseding import Standing, takes_place
from deploy_records.scanners.report import FindingKind

Rows = QuerySet[ScanFinding] | QuerySet[DigestFinding]

_COLUMNS = ("pk", "weight", "fingerprint", "kind", "name", "aliases", "purl", "package")
_AT_ONCE = 2000
_KINDS = {one.value: one for one in FindingKind}


def _numbers() -> "array[int]":
    return array("q")


@dataclass(frozen=True, slots=True)
class Changed:
    """Primary keys, worst first. `gone` are findings from before, all others from after; `worse` are among `still`."""

    new: "array[int]" = field(default_factory=_numbers)
    gone: "array[int]" = field(default_factory=_numbers)
    still: "array[int]" = field(default_factory=_numbers)
    worse: "array[int]" = field(default_factory=_numbers)


@dataclass(frozen=True, slots=True)
class _Seen:
    number: int
    weight: int
    keys: tuple[int, ...]


def of_reports(before: ScanReport, after: ScanReport) -> Changed:
    """Numbers of `ScanFinding`."""
    return _changed(ScanFinding.objects.filter(report=before), ScanFinding.objects.filter(report=after))


def of_digests(before: ImageDigest, after: ImageDigest) -> Changed:
    """Numbers of `DigestFinding`, by the reports that count."""
    return _changed(DigestFinding.objects.filter(entry=before), DigestFinding.objects.filter(entry=after))


def before(match: ScanMatch) -> ScanReport | None:
    """The report of the same source that came before, in whose place this one is."""
    return _befores(ScanMatch.objects.filter(entry=match.entry_id).select_related("report__file")).get(match.pk)


def note_soon(entry: ImageDigest) -> None:
    """Counts anew once the transaction has ended, so that nobody waits for it who wants to write."""
    transaction.on_commit(lambda: note(entry), robust=True)  # no partial: Django logs a fault by the name of what failed


def note(entry: ImageDigest) -> None:
    """Writes down what each report of the digest has changed, as far as that is not known."""
    rows = ScanMatch.objects.filter(entry=entry).select_related("report", "change")
    befores = _befores(rows)
    ReportChange.objects.filter(match__entry=entry).exclude(match__in=befores).delete()
    for one in rows:
        known: ReportChange | None = getattr(one, "change", None)
        previous = befores.get(one.pk)
        if previous is not None and (known is None or known.before_id != previous.pk):
            found = of_reports(previous, one.report)
            counts = {"new": len(found.new), "gone": len(found.gone), "worse": len(found.worse)}
            ReportChange.objects.update_or_create(match=one, defaults={"before": previous, **counts})


def standing(match: ScanMatch) -> Standing:
    report = match.report
    return Standing(
        report.pk, report.made_at, report.format, report.tool, match.platform, frozenset(report.kinds), report.target,
        names_it=match.by != Match.PERSON,
    )  # fmt: skip


def _befores(matches: QuerySet[ScanMatch]) -> dict[int, ScanReport]:
    """By the match, for each that has one: the newest of the older reports whose place it takes."""
    found: dict[int, ScanReport] = {}
    earlier: list[tuple[Standing, ScanReport]] = []
    for one in sorted(matches, key=lambda match: (match.report.made_at, match.report_id)):
        mine = standing(one)
        previous = next((report for older, report in reversed(earlier) if takes_place(mine, older)), None)
        if previous is not None:
            found[one.pk] = previous
        earlier.append((mine, one.report))
    return found


def _changed(before: Rows, after: Rows) -> Changed:
    was, present, found = dict[int, int](), set[int](), Changed()
    for one in _each(before):
        for key in one.keys:
            was[key] = max(was.get(key, 0), one.weight)
    for one in _each(after):
        present.update(one.keys)
        known = max(was.get(key, 0) for key in one.keys)
        (found.still if known else found.new).append(one.number)
        if known and one.weight > known:
            found.worse.append(one.number)
    found.gone.extend(one.number for one in _each(before) if present.isdisjoint(one.keys))
    return found


def _each(rows: Rows) -> Iterator[_Seen]:
    """Worst first, each thing of a report once. Keys are hashes, so that many take little memory."""
    told = set[int]()
    ordered = rows.order_by("-weight", "pk").values_list(*_COLUMNS)
    for number, weight, fingerprint, kind, name, aliases, purl, package in ordered.iterator(_AT_ONCE):
        same = hash(fingerprint)
        if same not in told:
            told.add(same)
            names = (name, *aliases.split("\n")) if aliases else (name,)
            yield _Seen(number, weight, tuple(map(hash, lasting_keys(_KINDS[kind], names, fingerprint, purl, package))))
