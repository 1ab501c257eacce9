"""What stands behind the tabs of a report's page and of a digest's: findings, components, and what has changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.http import HttpRequest

from deploy_records import findings_listing
from deploy_records.finding_changes import Changed
from deploy_records.findings_listing import SIZE, Page
from deploy_records.models import DigestFinding, ScanComponent, ScanFinding, ScanReport
from portal.pages import asked
from portal.pages.scans_findings import Filters, Option, Row, severity_options

NEW, GONE, WORSE, STILL = "new", "gone", "worse", "still"
_CHANGES = {NEW: "New", GONE: "Gone", WORSE: "Worse", STILL: "Still there"}
_SIGNS = {NEW: "new", GONE: "gone", WORSE: "worse", STILL: ""}

Found = TypeVar("Found", ScanFinding, DigestFinding)


@dataclass(frozen=True)
class Tab:
    key: str
    words: str
    number: int | None
    current: bool


@dataclass(frozen=True)
class FindingsTab:
    """`total`: how many there are without filters. `judged`: whether there is a column for what excuses them."""

    rows: Sequence[Row]
    page: Page[Any]
    filters: Filters
    severities: Sequence[Option]
    tools: Sequence[Option]
    fixes: Sequence[Option]
    excuses: Sequence[Option]
    total: int
    judged: bool = False


@dataclass(frozen=True)
class ComponentsTab:
    """`report`: the one that lists them; None if there is none."""

    report: ScanReport | None
    rows: Sequence[ScanComponent]
    page: Page[ScanComponent]
    text: str


@dataclass(frozen=True)
class Segment:
    key: str
    words: str
    number: int
    current: bool


@dataclass(frozen=True)
class Place:
    """Where in a list that is worked out anew each time: how many rows come before."""

    next: str
    previous: str


@dataclass(frozen=True)
class ChangesTab:
    segments: Sequence[Segment]
    rows: Sequence[Row]
    page: Place
    shown: str


def tabs(known: Mapping[str, tuple[str, int | None]], current: str) -> Sequence[Tab]:
    return [Tab(key, words, number, key == current) for key, (words, number) in known.items()]


def findings(
    request: HttpRequest, rows: QuerySet[Found], filters: Filters, show: Callable[[Found], Row], *,
    counts: Mapping[str, int], tools: Sequence[str], excuses: Mapping[str, str], judged: bool = False,
) -> FindingsTab:  # fmt: skip
    page = findings_listing.page_of_findings(rows, request.GET.get("at", ""))
    return FindingsTab(
        rows=[show(one) for one in page.rows],
        page=page,
        filters=filters,
        severities=severity_options(counts, filters.severity),
        tools=_options({name: name for name in tools}, filters.tool) if len(tools) > 1 or filters.tool else (),
        fixes=_options({"yes": "A fix is known", "no": "No fix yet"}, filters.fix),
        excuses=_options(excuses, filters.excused),
        total=sum(counts.values()),
        judged=judged,
    )


def components(request: HttpRequest, report: ScanReport | None) -> ComponentsTab:
    text = asked.text(request, "q")
    if report is None:
        return ComponentsTab(None, (), Page([]), text)
    page = findings_listing.page_of_components(findings_listing.components(report, text), request.GET.get("at", ""))
    return ComponentsTab(report, page.rows, page, text)


def changes(
    request: HttpRequest, changed: Changed, before: QuerySet[Found], after: QuerySet[Found], show: Callable[[Found], Row]
) -> ChangesTab:  # fmt: skip
    """`before` and `after` hold the findings that `changed` has the numbers of."""
    numbers = {NEW: changed.new, GONE: changed.gone, WORSE: changed.worse, STILL: changed.still}
    shown = asked.one_of(request, "show", numbers) or next((key for key in (NEW, WORSE, GONE) if numbers[key]), STILL)
    start = min(asked.number(request, "at") or 0, max(0, len(numbers[shown]) - 1))
    wanted = list(numbers[shown][start : start + SIZE])
    found: dict[int, Found] = (before if shown == GONE else after).in_bulk(wanted)
    return ChangesTab(
        segments=[Segment(key, words, len(numbers[key]), key == shown) for key, words in _CHANGES.items()],
        rows=[replace(show(found[number]), sign=_SIGNS[shown]) for number in wanted if number in found],
        page=Place(
            next=str(start + SIZE) if start + SIZE < len(numbers[shown]) else "",
            previous=str(max(0, start - SIZE)) if start else "",
        ),
        shown=shown,
    )


def _options(known: Mapping[str, str], chosen: str) -> Sequence[Option]:
    return [Option(value, words, value == chosen) for value, words in known.items()]


def is_inner(request: HttpRequest, name: str) -> bool:
    """Whether htmx asks for what is within a tab, below its filters."""
    htmx: Any = getattr(request, "htmx", None)
    return bool(htmx and htmx.target == name)
