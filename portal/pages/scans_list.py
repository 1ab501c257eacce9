"""The list of scan reports: what the address filters by, the rows, what is being read, and the sentence above them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils import timezone

from deploy_records.models import ImportState, NamedDigest, ReportChange, ScanImport, ScanMatch, ScanReport
from deploy_records.paging import Page, page_of
from deploy_records.scanners import FORMATS
from deploy_records.scanners.report import ReportKind
from portal.pages import asked
from portal.pages.scans_outcomes import Outcome, outcome_of
from portal.sentences import scans as sentences
from portal.sentences.parts import Answer
from portal.sentences.scans import KINDS

COUNTS, HISTORY, QUARANTINE = "current", "history", "quarantine"
STATES = {COUNTS: "Count now", HISTORY: "Superseded", QUARANTINE: "In quarantine"}
_MOST_IMPORTS = 10
_TOLD_FOR = timedelta(hours=24)
"""For so long it is said that a worker has refused a file."""


@dataclass(frozen=True)
class Row:
    """One report. `matches`: the digests that it counts for, those where it still does first."""

    report: ScanReport
    matches: Sequence[ScanMatch]

    @property
    def match(self) -> ScanMatch | None:
        return self.matches[0] if self.matches else None

    @property
    def change(self) -> ReportChange | None:
        return getattr(self.match, "change", None) if self.match else None

    @property
    def format(self) -> str:
        return FORMATS.get(self.report.format, self.report.format)

    @property
    def kinds(self) -> Sequence[str]:
        return [KINDS[kind] for kind in self.report.kinds if kind in KINDS]


@dataclass(frozen=True)
class Segment:
    state: str
    words: str
    number: int
    current: bool


@dataclass(frozen=True)
class ScanList:
    rows: Sequence[Row]
    page: Page[ScanReport]
    outcomes: Sequence[Outcome]
    segments: Sequence[Segment]
    tools: Sequence[str]
    kinds: Sequence[tuple[str, str]]
    tool: str
    kind: str
    state: str
    digest: str
    total: int
    answer: Answer

    @property
    def filters(self) -> int:
        return sum(map(bool, (self.tool, self.kind, self.state, self.digest)))


def read(request: HttpRequest) -> ScanList:
    tool, digest = asked.text(request, "tool"), asked.text(request, "digest").lower()
    kind, state = asked.one_of(request, "kind", KINDS), asked.one_of(request, "state", STATES)
    page = page_of(_matching(tool, kind, state, digest), "imported_at", request.GET.get("at", ""))
    numbers = ScanReport.objects.aggregate(
        total=Count("pk"),
        **{name: Count("pk", filter=_in_state(name)) for name in STATES},
    )
    imports = _imports()
    last = _with_matches(ScanReport.objects.order_by("-imported_at", "-pk")).first()
    return ScanList(
        rows=[_row(report) for report in page.rows],
        page=page,
        outcomes=[outcome_of(one) for one in imports],
        segments=_segments(numbers, state),
        tools=list(ScanReport.objects.exclude(tool="").order_by("tool").values_list("tool", flat=True).distinct()),
        kinds=list(KINDS.items()),
        tool=tool,
        kind=kind,
        state=state,
        digest=digest,
        total=numbers["total"],
        answer=sentences.list_answer(numbers["total"], numbers[QUARANTINE], last, sum(not one.is_over for one in imports)),
    )


def _matching(tool: str, kind: str, state: str, digest: str) -> QuerySet[ScanReport]:
    rows = _with_matches(ScanReport.objects.select_related("file", "imported_by"))
    if tool:
        rows = rows.filter(tool=tool)
    if kind:
        # A list is JSON, in which SQLite cannot look for an item: its text is looked through instead.
        rows = rows.annotate(kinds_text=Cast("kinds", TextField())).filter(kinds_text__contains=f'"{ReportKind(kind)}"')
    if state:
        rows = rows.filter(_in_state(state))
    if digest:
        of_digest = Q(entry__digest__contains=digest) | Q(entry__repository__icontains=digest)
        matched = ScanMatch.objects.filter(of_digest, report=OuterRef("pk"))
        named = NamedDigest.objects.filter(report=OuterRef("pk"), digest__contains=digest)
        rows = rows.filter(Exists(matched) | Exists(named))
    return rows


def _in_state(state: str) -> Q:
    matches = ScanMatch.objects.filter(report=OuterRef("pk"))
    counting = Q(Exists(matches.filter(superseded_at__isnull=True)))
    if state == COUNTS:
        return counting
    return ~Q(Exists(matches)) if state == QUARANTINE else Q(Exists(matches)) & ~counting


def _with_matches(rows: QuerySet[ScanReport]) -> QuerySet[ScanReport]:
    return rows.prefetch_related(Prefetch("matches", ScanMatch.objects.select_related("entry", "person", "change")))


def _row(report: ScanReport) -> Row:
    return Row(report, sorted(report.matches.all(), key=lambda one: (not one.counts_now, one.pk)))


def _imports() -> Sequence[ScanImport]:
    """What waits for a worker or is being read, and what a worker has refused lately."""
    unfinished = Q(state__in=(ImportState.WAITING, ImportState.READING))
    refused = Q(state=ImportState.REFUSED, ended_at__gte=timezone.now() - _TOLD_FOR)
    return list(ScanImport.objects.filter(unfinished | refused).select_related("chosen", "report", "asked_by")[:_MOST_IMPORTS])


def _segments(numbers: dict[str, int], state: str) -> Sequence[Segment]:
    each = [Segment(name, words, numbers[name], name == state) for name, words in STATES.items()]
    return [Segment("", "All", numbers["total"], not state), *each]
