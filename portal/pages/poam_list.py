"""The list of exceptions: what the address filters by, the rows with their lines, and the sentence above them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from deploy_records import poam_listing
from deploy_records.models import PoamItem, PoamState
from deploy_records.models.poam import LAPSING
from deploy_records.paging import Page, page_of
from deploy_records.poam_listing import STATUSES, Wish
from deploy_records.rules.terms import SEVERITIES
from portal.pages import asked, poam_reliance
from portal.pages.poam_limits import limits_now
from portal.pages.poam_lines import Drawn, drawn, months
from portal.pages.poam_reliance import Fall, Reliance
from portal.sentences import exceptions as sentences
from portal.sentences.exceptions import SOON_DAYS, Overview, Shown
from portal.sentences.parts import Answer
from portal.templatetags.line import Tick

OPEN, WAITING, ENDING, ENDED, ALL = "open", "waiting", "ending", "ended", "all"
_ENDED = (PoamState.REJECTED, PoamState.MITIGATED, PoamState.CLOSED)
_MOST_DAYS = 366


@dataclass(frozen=True)
class Filters:
    """As the address says them. `state`: one of `STATUSES` or of the wider ones above; `days`: it ends within so many."""

    state: str = ""
    days: int | None = None
    owner: str = ""
    severity: str = ""
    service: str = ""
    text: str = ""

    @property
    def number(self) -> int:
        return sum(map(bool, (self.state, self.days is not None, self.owner, self.severity, self.service, self.text)))


@dataclass(frozen=True)
class Row:
    item: PoamItem
    excuses: str
    package: str
    place: str
    place_note: str
    next_milestone: str
    status: Shown
    line: Drawn


@dataclass(frozen=True)
class Segment:
    """One of the states to choose from, and how many there are."""

    state: str
    words: str
    number: int
    current: bool


@dataclass(frozen=True)
class PoamList:
    rows: Sequence[Row]
    page: Page[PoamItem]
    filters: Filters
    segments: Sequence[Segment]
    by_state: str
    owners: Sequence[str]
    services: Sequence[str]
    severities: Sequence[str]
    answer: Answer
    ticks: Sequence[Tick]
    total: int
    falls: Sequence[Fall]


def filters_of(request: HttpRequest) -> Filters:
    days = asked.number(request, "days")
    return Filters(
        state=asked.one_of(request, "state", (*STATUSES, OPEN, WAITING, ENDING, ENDED, ALL)),
        days=min(days, _MOST_DAYS) if days is not None else None,
        owner=asked.text(request, "owner"),
        severity=asked.one_of(request, "severity", [str(one) for one in SEVERITIES]),
        service=asked.text(request, "service"),
        text=asked.text(request, "q"),
    )


def matching(filters: Filters, now: datetime, otherwise: str = OPEN) -> QuerySet[PoamItem]:
    """Those that end next first. `otherwise`: the state that counts where none is asked for."""
    state = filters.state or otherwise
    wish = Wish(
        status=state if state in STATUSES else "",
        owner=filters.owner, severity=filters.severity, service=filters.service, search=filters.text,
        ending_within=SOON_DAYS if state == ENDING else filters.days,
    )  # fmt: skip
    rows = poam_listing.items(wish, now=now)
    if state == OPEN:
        return rows.filter(state__in=LAPSING)
    if state == WAITING:
        return rows.filter(_waits(now))
    return rows.filter(state__in=_ENDED) if state == ENDED else rows


def read(request: HttpRequest) -> PoamList:
    now, filters = timezone.now(), filters_of(request)
    page = page_of(matching(filters, now), "expires_at", request.GET.get("at", ""), earliest_first=True)
    counts = poam_listing.counts(now=now)
    seen = _overview(now, counts)
    start, reliance = poam_listing.midnight(now), poam_reliance.read(now)
    return PoamList(
        rows=[_row(item, now, start, needed=reliance.needs(item)) for item in page.rows],
        page=page,
        filters=filters,
        segments=_segments(seen, counts, filters),
        by_state=_by_state(counts),
        owners=poam_listing.owners(),
        services=_services(),
        severities=[str(one) for one in SEVERITIES],
        answer=sentences.list_answer(replace(seen, takes=_takes(seen, reliance)), limits_now(), now),
        ticks=months(start),
        total=seen.total,
        falls=reliance.falls,
    )


def _row(item: PoamItem, now: datetime, start: datetime, *, needed: bool) -> Row:
    place, note = where(item)
    status = sentences.status_of(item, now)
    return Row(
        item=item,
        excuses=sentences.vulnerabilities(item, 1),
        package=sentences.package(item.component),
        place=place,
        place_note=note,
        next_milestone=_next_milestone(item),
        status=status,
        line=drawn(item, start, now, needed=needed),
    )


def where(item: PoamItem) -> tuple[str, str]:
    """Its scope in two short lines."""
    image = item.repository.rpartition("/")[2]
    digest = f"{item.digest[7:19]}" if item.digest else ""
    if item.service:
        return item.service, " ".join(part for part in (image, digest) if part) or "the service, any image"
    if image:
        return image, digest or "every digest"
    return ("one digest", digest) if digest else ("everywhere", "every image that has it")


def _next_milestone(item: PoamItem) -> str:
    following = next((one for one in item.milestones.all() if one.done_at is None), None)
    return f"{following.title}, due {following.due.day} {following.due:%b}" if following else ""


def _overview(now: datetime, counts: Mapping[str, int]) -> Overview:
    second, soon = now.replace(microsecond=0), now + timedelta(days=SOON_DAYS)
    ending = PoamItem.objects.filter(state=PoamState.APPROVED, expires_at__gte=second, expires_at__lte=soon)
    more = PoamItem.objects.aggregate(
        waiting=Count("pk", filter=_waits(now)),
        ending=Count("pk", filter=Q(state=PoamState.APPROVED, expires_at__gte=second, expires_at__lte=soon)),
    )
    return Overview(
        total=sum(counts[status] for status in STATUSES),
        in_force=counts["approved"],
        waiting=more["waiting"],
        expired=counts["expired"],
        ending=more["ending"],
        ends_next=ending.order_by("expires_at", "pk").first(),
    )


def _takes(seen: Overview, reliance: Reliance) -> int:
    """How many services fall out with what ends next."""
    return len(reliance.falling.get(seen.ends_next.number, ())) if seen.ends_next else 0


def _waits(now: datetime) -> Q:
    """For a decision. A later end may also be asked for of what has expired."""
    requested = Q(state=PoamState.REQUESTED, expires_at__gte=now.replace(microsecond=0))
    return requested | Q(state=PoamState.APPROVED, extend_to__isnull=False)


def _segments(seen: Overview, counts: Mapping[str, int], filters: Filters) -> list[Segment]:
    open_now = counts["open"] + counts["expired"]
    ended = sum(counts[state] for state in _ENDED)
    offered = (
        ("", "Open", open_now),
        (ENDING, f"Ending in {SOON_DAYS} days", seen.ending),
        (WAITING, "Waiting", seen.waiting),
        ("expired", "Expired", seen.expired),
        ("draft", "Drafts", counts["draft"]),
        (ENDED, "Ended", ended),
        (ALL, "All", seen.total),
    )
    chosen = "" if filters.state == OPEN else filters.state
    return [
        Segment(state, words, number, state == chosen)
        for state, words, number in offered
        if number or state in {"", WAITING, ENDED, chosen}
    ]


_IN_WORDS = (
    ("approved", "in force"), ("requested", "requested"), ("draft", "drafted"), ("expired", "expired and still open"),
    ("rejected", "rejected"), ("mitigated", "mitigated"), ("closed", "closed"),
)  # fmt: skip


def _by_state(counts: Mapping[str, int]) -> str:
    """`4 in force · 1 requested · 6 closed`."""
    return " · ".join(f"{counts[state]:,} {words}" for state, words in _IN_WORDS if counts[state])


def _services() -> list[str]:
    return list(PoamItem.objects.exclude(service="").order_by("service").values_list("service", flat=True).distinct())
