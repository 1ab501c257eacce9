"""The audit trail: who did what, and is the trail intact?"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_POST

from deploy_records import audit_check
from deploy_records.audit import GENESIS
from deploy_records.errors import Invalid
from deploy_records.models import AuditEvent
from portal import trail
from portal.access import actor_of, needs
from portal.event_words import AREAS, Change, Told, changes, told
from portal.htmx import page_or_fragment
from portal.pages import asked

_SIZE = 50
_SOME_NEWER = 6
_MOST_DIGITS = 18


@dataclass(frozen=True)
class Opened:
    """One event with its neighbours. `why_not`: how it does not fit into the chain; empty if it does."""

    told: Told
    changes: Sequence[Change]
    before: Told | None
    after: Told | None
    why_not: str


@dataclass(frozen=True)
class EventList:
    """`next` and `previous` are the cursors of older and newer events, as in `paging.Page`."""

    rows: Sequence[Told]
    next: str
    previous: str
    who: str
    area: str
    about: str
    areas: Sequence[tuple[str, str]]

    @property
    def filters(self) -> int:
        return sum(map(bool, (self.who, self.area, self.about)))


@require_GET
@needs("deploy_records.view_auditevent", "Reading the audit trail")
def index(request: HttpRequest) -> HttpResponse:
    return _page(request, None)


@require_GET
@needs("deploy_records.view_auditevent", "Reading the audit trail")
def event(request: HttpRequest, sequence: int) -> HttpResponse:
    return _page(request, get_object_or_404(AuditEvent, sequence=sequence))


@require_POST
@needs("deploy_records.view_auditevent", "Checking the audit trail")
def verify(request: HttpRequest) -> HttpResponse:
    report = trail.check_now(actor_of(request))
    messages.info(request, f"{report.checked:,} events were checked just now.")
    return redirect("audit")


def _page(request: HttpRequest, event: AuditEvent | None) -> HttpResponse:
    context = {
        "list": _read(request, event),
        "opened": _open(event) if event else None,
        "integrity": trail.integrity(),
    }
    return page_or_fragment(request, "audit/list.html", "audit/_columns.html", context)


def _read(request: HttpRequest, opened: AuditEvent | None) -> EventList:
    who, about = asked.text(request, "who"), asked.text(request, "about")
    area = asked.one_of(request, "area", AREAS)
    cursor = request.GET.get("at", "")
    if opened and not (cursor or who or about or area):
        cursor = f"older-{opened.sequence + _SOME_NEWER}"
    rows, older, newer = _rows(_matching(who, area, about), cursor)
    areas = [(word, shown) for word, (shown, _prefixes) in AREAS.items()]
    return EventList([told(one) for one in rows], older, newer, who, area, about, areas)


def _matching(who: str, area: str, about: str) -> QuerySet[AuditEvent]:
    rows = AuditEvent.objects.defer("text")
    if who:
        rows = rows.filter(actor__icontains=who)
    if about:
        rows = rows.filter(object_name__icontains=about)
    if area:
        begins = Q()
        for prefix in AREAS[area][1]:
            begins |= Q(action__startswith=prefix)
        rows = rows.filter(begins)
    return rows


def _rows(matching: QuerySet[AuditEvent], cursor: str) -> tuple[Sequence[AuditEvent], str, str]:
    """By sequence and not by time: the chain's order stays, even where a clock was set back."""
    towards, number = _parse(cursor)
    if towards == "newer":
        found = list(matching.filter(sequence__gt=number).order_by("sequence")[: _SIZE + 1])
        rows = found[:_SIZE][::-1]
        return rows, f"older-{rows[-1].sequence}" if rows else "", f"newer-{rows[0].sequence}" if len(found) > _SIZE else ""
    beyond = matching.filter(sequence__lt=number) if number else matching
    found = list(beyond.order_by("-sequence")[: _SIZE + 1])
    rows = found[:_SIZE]
    older = f"older-{rows[-1].sequence}" if len(found) > _SIZE else ""
    return rows, older, f"newer-{rows[0].sequence}" if number and rows else ""


def _parse(cursor: str) -> tuple[str, int]:
    towards, dash, number = cursor.partition("-")
    if not cursor:
        return "", 0
    if towards in {"older", "newer"} and dash and number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS:
        return towards, int(number)
    raise Invalid("This place in the list is not known. Go to its beginning.")


def _open(event: AuditEvent) -> Opened:
    near = {one.sequence: one for one in AuditEvent.objects.filter(sequence__in=(event.sequence - 1, event.sequence + 1))}
    before, after = near.get(event.sequence - 1), near.get(event.sequence + 1)
    return Opened(
        told=told(event),
        changes=changes(event),
        before=told(before) if before else None,
        after=told(after) if after else None,
        why_not=_why_not(event, before, after),
    )


def _why_not(event: AuditEvent, before: AuditEvent | None, after: AuditEvent | None) -> str:
    if before is None and event.sequence > 1:
        return "the event before it is missing."
    link = {field.attname: getattr(event, field.attname) for field in AuditEvent._meta.concrete_fields}
    wrong = audit_check.what_is_wrong(link, event.sequence, before.digest if before else GENESIS)
    if not wrong and after is not None and after.previous != event.digest:
        return "the event after it was made from another one."
    return wrong
