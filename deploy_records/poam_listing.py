"""What pages show of exceptions: lists by status, owner and days left, counts, and the next 90 days as a line."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Literal

from django.db.models import Case, CharField, Count, F, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Cast
from django.utils import timezone

from deploy_records.errors import Invalid
from deploy_records.models import AuditEvent, PoamItem, PoamState
from deploy_records.models.poam import EXPIRED, LAPSING
from deploy_records.poam_entries import whole
from deploy_records.rules.digest import shown
from deploy_records.rules.exceptions import end_of_day, whole_second

STATUSES = (*PoamState.values, EXPIRED)
OPEN = (PoamState.DRAFT, PoamState.REQUESTED, PoamState.APPROVED)
WINDOW = 90


@dataclass(frozen=True)
class Wish:
    """What a list is to hold; empty fields leave it open. `status`: one of `STATUSES`, or open."""

    status: str = ""
    owner: str = ""
    severity: str = ""
    service: str = ""
    search: str = ""
    ending_within: int | None = None


@dataclass(frozen=True)
class Segment:
    """A stretch of the line: in force, waiting for a decision, or over, so that the gate refuses what relies on it."""

    kind: Literal["in force", "waiting", "over"]
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Mark:
    kind: Literal["end", "milestone", "done"]
    at: datetime
    text: str


@dataclass(frozen=True)
class Timeline:
    start: datetime
    end: datetime
    segments: tuple[Segment, ...]
    marks: tuple[Mark, ...]

    def place(self, moment: datetime) -> float:
        """Where on the line, from 0 to 1."""
        return min(1.0, max(0.0, (moment - self.start) / (self.end - self.start)))


def items(wish: Wish | None = None, *, now: datetime | None = None) -> QuerySet[PoamItem]:
    """Items with all that belongs to them, those that end next first. Each has `status`, as it is at `now`."""
    at, asked = now or timezone.now(), wish or Wish()
    rows = whole().annotate(status=_status(at))
    if asked.status:
        rows = rows.filter(status__in=_statuses(asked.status))
    same = {"owner": asked.owner, "severity": asked.severity, "service": asked.service}
    rows = rows.filter(**{name: value for name, value in same.items() if value})
    if asked.ending_within is not None:
        rows = rows.filter(
            state=PoamState.APPROVED, expires_at__gte=_second(at), expires_at__lte=at + timedelta(days=asked.ending_within)
        )
    if asked.search:
        rows = rows.annotate(names=Cast("vulnerabilities", TextField())).filter(_holding(asked.search))
    return rows.order_by("expires_at", "pk")


def counts(*, now: datetime | None = None) -> dict[str, int]:
    """How many items there are of each status, and `open` of draft, requested and approved together."""
    at = now or timezone.now()
    rows = PoamItem.objects.order_by().annotate(status=_status(at)).values("status").annotate(number=Count("pk"))
    found = dict.fromkeys(STATUSES, 0) | {row["status"]: row["number"] for row in rows}
    return found | {"open": sum(found[status] for status in OPEN)}


def owners() -> list[str]:
    """For the filter."""
    return list(PoamItem.objects.exclude(owner="").order_by("owner").values_list("owner", flat=True).distinct())


def ending(start: datetime, days: int = WINDOW) -> QuerySet[PoamItem]:
    """What is in force and ends from `start` on, within so many days: for the calendar, and for what the gate says then."""
    until = start + timedelta(days=days)
    return whole().filter(state=PoamState.APPROVED, expires_at__gte=_second(start), expires_at__lte=until).order_by("expires_at")


def days_left(item: PoamItem, now: datetime) -> int:
    """Whole days until its end: 0 on the last day, negative when it is over."""
    return (item.expires_at - now) // timedelta(days=1)


def history(item: PoamItem) -> QuerySet[AuditEvent]:
    """All that happened to it, newest first."""
    return AuditEvent.objects.filter(object_type="poamitem", object_id=str(item.pk)).order_by("-sequence")


def timeline(item: PoamItem, start: datetime, days: int = WINDOW) -> Timeline:
    """The line of one item of `items` or `ending`; takes no query of its own."""
    end = start + timedelta(days=days)
    segments = tuple(part for segment in _segments(item, start, end) if (part := _clipped(segment, start, end)))
    marks = tuple(mark for mark in _marks(item) if start <= mark.at <= end)
    return Timeline(start, end, segments, tuple(sorted(marks, key=lambda mark: mark.at)))


def _segments(item: PoamItem, start: datetime, end: datetime) -> Iterator[Segment]:
    grants = sorted(item.grants.all(), key=lambda one: one.at)
    for number, one in enumerate(grants):
        following = grants[number + 1].at if number + 1 < len(grants) else None
        until = min(moment for moment in (whole_second(one.until), item.ended_at, following) if moment)
        yield Segment("in force", one.at, until)
        if item.ended_at is None and following and following > until:
            yield Segment("over", until, following)
    if item.state == PoamState.REQUESTED:
        yield Segment("waiting", start, whole_second(item.expires_at))
    if item.state == PoamState.APPROVED:
        after = whole_second(item.expires_at)
        if item.extend_to:
            yield Segment("waiting", after, whole_second(item.extend_to))
        yield Segment("over", whole_second(item.extend_to) if item.extend_to else after, end)


def _clipped(segment: Segment, start: datetime, end: datetime) -> Segment | None:
    since, until = max(segment.since, start), min(segment.until, end)
    return Segment(segment.kind, since, until) if since < until else None


def _marks(item: PoamItem) -> Iterator[Mark]:
    if item.state in LAPSING:
        yield Mark("end", item.expires_at, f"{item.name} ends")
    for one in item.milestones.all():
        if one.done_at:
            yield Mark("done", one.done_at, one.title)
        else:
            yield Mark("milestone", end_of_day(one.due), one.title)


def _status(now: datetime) -> Case:
    lapsed = When(state__in=LAPSING, expires_at__lt=_second(now), then=Value(EXPIRED))
    return Case(lapsed, default=F("state"), output_field=CharField())


def _statuses(status: str) -> tuple[str, ...]:
    if status == "open":
        return tuple(OPEN)
    if status not in STATUSES:
        raise Invalid(f"{shown(status)} is not a status of an exception: {', '.join(STATUSES)} or open.")
    return (status,)


def _holding(search: str) -> Q:
    text = search.strip().replace("\x00", "")[:100]
    found = Q(component__icontains=text) | Q(owner__icontains=text) | Q(file_id__icontains=text)
    number = text.upper().removeprefix("POAM-")
    if number.isascii() and number.isdigit() and len(number) <= 7:  # noqa: PLR2004 - no number is longer
        found |= Q(number=int(number))
    return found | Q(names__icontains=text)


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def midnight(day: datetime) -> datetime:
    """The beginning of the UTC day, where a line begins."""
    return datetime.combine(day.astimezone(UTC).date(), time(0), UTC)
