"""The list of digests: what the address filters by, the rows, and the sentence above them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast, Coalesce
from django.http import HttpRequest
from django.utils import timezone

from deploy_records import findings_listing, listing, policies
from deploy_records.findings_listing import Counts
from deploy_records.models import Deployment, DigestFinding, ImageDigest, LedgerState, ScanMatch
from deploy_records.paging import Page, page_of
from deploy_records.rules.merging import weight
from deploy_records.rules.policy import DEFAULT
from deploy_records.scanners.report import Severity
from portal.pages import asked
from portal.pages.places import Place, services_of

_AT_LEAST = {
    "critical": ("Critical or unknown", Severity.CRITICAL),
    "high": ("High or worse", Severity.HIGH),
    "medium": ("Medium or worse", Severity.MEDIUM),
    "any": ("Any finding", Severity.INFO),
}
CLEAN, UNSCANNED = "none", "not-scanned"
SEVERITIES = {key: words for key, (words, _least) in _AT_LEAST.items()} | {CLEAN: "No findings", UNSCANNED: "Not scanned"}
_DAYS = {"7": 7, "30": 30, "90": 90}
OLDER = "older"
AGES = {key: f"Built within {days} days" for key, days in _DAYS.items()} | {OLDER: "Older than 90 days"}


@dataclass(frozen=True)
class Row:
    """One digest. `runs`: where it runs now; `findings`: by the reports that count."""

    entry: ImageDigest
    findings: Counts
    approvals: int
    needed: int
    runs: Sequence[Place]

    @property
    def severities(self) -> Mapping[str, int]:
        return {str(name): number for name, number in self.findings.by_severity.items()}


@dataclass(frozen=True)
class Filters:
    """As the address says them."""

    repository: str = ""
    state: str = ""
    severity: str = ""
    age: str = ""
    tag: str = ""
    text: str = ""

    @property
    def number(self) -> int:
        return sum(map(bool, (self.repository, self.state, self.severity, self.age, self.tag, self.text)))


@dataclass(frozen=True)
class LedgerList:
    rows: Sequence[Row]
    page: Page[ImageDigest]
    repositories: Sequence[str]
    states: Sequence[tuple[str, str, int]]
    """The value, its words and how many there are, for the filter."""
    filters: Filters
    severities: Sequence[tuple[str, str]]
    ages: Sequence[tuple[str, str]]

    @property
    def total(self) -> int:
        return sum(count for _value, _words, count in self.states)

    def count(self, *states: str) -> int:
        return sum(count for value, _words, count in self.states if value in states)

    @property
    def may_run(self) -> int:
        return self.count(LedgerState.APPROVED, LedgerState.KNOWN_GOOD)

    @property
    def waiting(self) -> int:
        return self.count(LedgerState.CANDIDATE)


def read(request: HttpRequest) -> LedgerList:
    filters = _filters(request)
    page = page_of(_matching(filters), "registered_at", request.GET.get("at", ""))
    findings = findings_listing.severity_counts(page.rows)
    numbers = services_of(one for entry in page.rows for one in _open(entry))
    counts = _counts()
    needed = (policies.in_force().policy or DEFAULT).approvals
    return LedgerList(
        rows=[_row(entry, findings[entry.pk], numbers, needed) for entry in page.rows],
        page=page,
        repositories=list(ImageDigest.objects.order_by("repository").values_list("repository", flat=True).distinct()),
        states=[(one.value, one.label, counts.get(one.value, 0)) for one in LedgerState],
        filters=filters,
        severities=list(SEVERITIES.items()),
        ages=list(AGES.items()),
    )


def _filters(request: HttpRequest) -> Filters:
    return Filters(
        repository=asked.text(request, "repository"),
        state=asked.one_of(request, "state", LedgerState.values),
        severity=asked.one_of(request, "severity", SEVERITIES),
        age=asked.one_of(request, "age", AGES),
        tag=asked.text(request, "tag"),
        text=asked.text(request, "q"),
    )


def _matching(filters: Filters) -> QuerySet[ImageDigest]:
    # A list of tags is JSON, in which SQLite cannot look for an item: its text is looked through instead.
    rows, text = listing.digests().annotate(tags_text=Cast("tags", TextField())), filters.text
    if filters.repository:
        rows = rows.filter(repository=filters.repository)
    if filters.state:
        rows = rows.filter(state=filters.state)
    if filters.tag:
        rows = rows.filter(tags_text__contains=json.dumps(filters.tag))
    if text:
        named = Q(digest__contains=text.lower()) | Q(tags_text__icontains=text) | Q(repository__icontains=text)
        vulnerable = DigestFinding.objects.filter(entry=OuterRef("pk"), name__in={text, text.upper()})
        rows = rows.filter(named | Exists(vulnerable))
    return _of_age(_with_findings(rows, filters.severity), filters.age)


def _with_findings(rows: QuerySet[ImageDigest], severity: str) -> QuerySet[ImageDigest]:
    if not severity:
        return rows
    scanned = Exists(ScanMatch.objects.filter(entry=OuterRef("pk"), superseded_at__isnull=True))
    findings = DigestFinding.objects.filter(entry=OuterRef("pk"))
    if severity in _AT_LEAST:
        return rows.filter(Exists(findings.filter(weight__gte=weight(_AT_LEAST[severity][1]))))
    return rows.filter(scanned, ~Exists(findings)) if severity == CLEAN else rows.exclude(scanned)


def _of_age(rows: QuerySet[ImageDigest], age: str) -> QuerySet[ImageDigest]:
    """By when it was built, or where that is not known, registered."""
    if not age:
        return rows
    limit = timezone.now() - timedelta(days=_DAYS.get(age, max(_DAYS.values())))
    rows = rows.annotate(made=Coalesce("built_at", "registered_at"))
    return rows.filter(made__lt=limit) if age == OLDER else rows.filter(made__gte=limit)


def _counts() -> Mapping[str, int]:
    return dict(ImageDigest.objects.order_by().values_list("state").annotate(number=Count("pk")))


def _open(entry: ImageDigest) -> Sequence[Deployment]:
    return entry.open_deployments


def _row(entry: ImageDigest, findings: Counts, numbers: Mapping[tuple[str, str], int], needed: int) -> Row:
    runs = [Place(one, numbers.get((one.host, one.service))) for one in _open(entry)]
    approvals: int = entry.approvals_now
    return Row(entry, findings, approvals, needed, runs)
