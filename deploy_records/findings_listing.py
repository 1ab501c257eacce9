"""What pages show of reports, findings and components: filtered lists in pages, and counts for many digests at once.

Each page is one query, as quick on the last as on the first; counts are two, however many digests are asked for.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from django.db.models import Count, Model, Q, QuerySet

from deploy_records.errors import Invalid
from deploy_records.models import DigestFinding, ImageDigest, ScanComponent, ScanFinding, ScanMatch, ScanReport
from deploy_records.rules.digest import shown
from deploy_records.rules.merging import CLAIMED_HARMLESS
from deploy_records.scanners.report import Severity

SIZE = 50
_WORST_FIRST = (Severity.UNKNOWN, Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO)
_LONGEST_SEARCH = 200
_BY_WEIGHT = re.compile(r"(after|before)-(\d{1,2})-(\d{1,18})")
_BY_NAME = re.compile(r"(after|before)-(\d{1,18})")

Row = TypeVar("Row", bound=Model)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a list is to hold; empty fields leave it open. `harmless`: whether the reports claim that it is."""

    severities: tuple[str, ...] = ()
    search: str = ""
    tool: str = ""
    fixable: bool | None = None
    harmless: bool | None = None


@dataclass(frozen=True)
class Page(Generic[Row]):
    """`next` and `previous` are cursors; empty where there are no more rows."""

    rows: list[Row]
    next: str = ""
    previous: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Findings of a digest, each thing once. `is_scanned`: whether any report counts for it; without one, nothing is known.
    `by_severity` has every severity, worst first, also with 0.
    """

    is_scanned: bool
    by_severity: dict[Severity, int] = field(default_factory=lambda: dict.fromkeys(_WORST_FIRST, 0))

    @property
    def total(self) -> int:
        return sum(self.by_severity.values())


def severity_counts(entries: Iterable[ImageDigest]) -> dict[int, Counts]:
    """By the entry's primary key."""
    wanted = [entry.pk for entry in entries]
    scanned = set(ScanMatch.objects.filter(entry__in=wanted, superseded_at=None).order_by().values_list("entry", flat=True))
    found = {pk: Counts(pk in scanned) for pk in wanted}
    rows = DigestFinding.objects.filter(entry__in=wanted).order_by().values_list("entry", "severity").annotate(Count("pk"))
    for entry, severity, number in rows:
        found[entry].by_severity[Severity(severity)] = number
    return found


def findings(entry: ImageDigest, wish: Wish | None = None) -> QuerySet[DigestFinding]:
    """What the reports that count say of a digest, each thing once, worst first; `.finding` is loaded."""
    asked = wish or Wish()
    rows = _filtered(DigestFinding.objects.filter(entry=entry).select_related("finding"), asked, "finding__")
    return rows.filter(tools__contains=f"\n{asked.tool}\n") if asked.tool else rows


def findings_of_report(report: ScanReport, wish: Wish | None = None) -> QuerySet[ScanFinding]:
    """What one report says, worst first."""
    asked = wish or Wish()
    rows = _filtered(ScanFinding.objects.filter(report=report), asked)
    return rows.filter(tool=asked.tool) if asked.tool else rows


def sources_of(row: DigestFinding) -> list[ScanFinding]:
    """What each report says of it, the worst first, with its report."""
    found = ScanFinding.objects.filter(pk__in=row.sources).select_related("report__file").in_bulk()
    return [found[pk] for pk in row.sources if pk in found]


def tools_of(entry: ImageDigest) -> list[str]:
    """For the filter."""
    lists = DigestFinding.objects.filter(entry=entry).order_by().values_list("tools", flat=True).distinct()
    return sorted({tool for text in lists for tool in text.split("\n") if tool})


def components(report: ScanReport, search: str = "") -> QuerySet[ScanComponent]:
    """What a report lists, by name."""
    rows, text = ScanComponent.objects.filter(report=report), _text(search)
    return rows.filter(Q(name__icontains=text) | Q(purl__icontains=text) | Q(version=text)) if text else rows


def page_of_components(rows: QuerySet[ScanComponent], cursor: str = "", *, size: int = SIZE) -> Page[ScanComponent]:
    """One page of `components`; one query more, for the place of the cursor."""
    if not cursor:
        return _page(rows.order_by("name", "pk"), size, _name_cursor)
    towards, (number,) = _parsed(_BY_NAME, cursor)
    at = ScanComponent.objects.filter(pk=number).values_list("name", flat=True).first()
    if at is None:
        raise _unknown_place()
    if towards == "after":
        beyond = rows.filter(name__gte=at).filter(Q(name__gt=at) | Q(pk__gt=number))
        return _page(beyond.order_by("name", "pk"), size, _name_cursor, began=False)
    before = rows.filter(name__lte=at).filter(Q(name__lt=at) | Q(pk__lt=number))
    return _page_before(before.order_by("-name", "-pk"), size, _name_cursor) or page_of_components(rows, size=size)


def page_of_findings(rows: QuerySet[Row], cursor: str = "", *, size: int = SIZE) -> Page[Row]:
    """One page of `findings` or `findings_of_report`."""
    if not cursor:
        return _page(rows.order_by("-weight", "pk"), size, _weight_cursor)
    towards, (weight, number) = _parsed(_BY_WEIGHT, cursor)
    if towards == "after":
        beyond = rows.filter(weight__lte=weight).filter(Q(weight__lt=weight) | Q(pk__gt=number))
        return _page(beyond.order_by("-weight", "pk"), size, _weight_cursor, began=False)
    before = rows.filter(weight__gte=weight).filter(Q(weight__gt=weight) | Q(pk__lt=number))
    return _page_before(before.order_by("weight", "-pk"), size, _weight_cursor) or page_of_findings(rows, size=size)


def sbom_of(entry: ImageDigest) -> ScanReport | None:
    """The report whose components are the digest's: the newest SBOM that counts, else the newest that lists any."""
    counting = ScanReport.objects.filter(matches__entry=entry, matches__superseded_at=None, components_count__gt=0)
    found = counting.select_related("file").order_by("-made_at", "-pk")
    return next((one for one in found if "sbom" in one.kinds), None) or found.first()


def _filtered(rows: QuerySet[Row], asked: Wish, finding: str = "") -> QuerySet[Row]:
    """`finding`: the way from the rows to the finding, for what is not in a column of their own."""
    unknown = [one for one in asked.severities if one not in set(Severity)]
    if unknown:
        raise Invalid(f"{shown(unknown[0])} is not a severity: {', '.join(_WORST_FIRST)}.")
    if asked.severities:
        rows = rows.filter(severity__in=asked.severities)
    if asked.fixable is not None:
        rows = rows.exclude(fixed_version="") if asked.fixable else rows.filter(fixed_version="")
    if asked.harmless is not None:
        claimed = Q(state__in=list(CLAIMED_HARMLESS))
        rows = rows.filter(claimed if asked.harmless else ~claimed)
    if text := _text(asked.search):
        places = ("name", "aliases", "package", "purl", f"{finding}title", f"{finding}location")
        holding = Q()
        for place in places:
            holding |= Q(**{f"{place}__icontains": text})
        rows = rows.filter(holding)
    return rows


def _text(search: str) -> str:
    return search.strip().replace("\x00", "")[:_LONGEST_SEARCH]


def _page(ordered: QuerySet[Row], size: int, cursor: Callable[[str, Row], str], *, began: bool = True) -> Page[Row]:
    found = list(ordered[: size + 1])
    kept = found[:size]
    following = cursor("after", kept[-1]) if len(found) > size else ""
    return Page(kept, following, cursor("before", kept[0]) if kept and not began else "")


def _page_before(backwards: QuerySet[Row], size: int, cursor: Callable[[str, Row], str]) -> Page[Row] | None:
    found = list(backwards[: size + 1])
    kept = found[:size][::-1]
    if not kept:
        return None
    return Page(kept, cursor("after", kept[-1]), cursor("before", kept[0]) if len(found) > size else "")


def _weight_cursor(towards: str, row: Model) -> str:
    return f"{towards}-{row.weight}-{row.pk}"  # type: ignore[attr-defined]  # both kinds of findings have it


def _name_cursor(towards: str, row: Model) -> str:
    return f"{towards}-{row.pk}"


def _parsed(form: re.Pattern[str], cursor: str) -> tuple[str, list[int]]:
    parts = form.fullmatch(cursor)
    if parts is None or not cursor.isascii():
        raise _unknown_place()
    towards, *numbers = parts.groups()
    return towards, [int(number) for number in numbers]


def _unknown_place() -> Invalid:
    return Invalid("This place in the list is not known. Go to its beginning.")
