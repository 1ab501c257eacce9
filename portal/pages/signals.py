"""Signals: what was noticed and may need somebody; open ones first. One signal: its rule, its evidence, what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_GET, require_POST

from chatbot_service.models import Service, Signal, SignalKind
from chatbot_service.signals import acknowledging
from chatbot_service.signals.evidence import Evidence
from chatbot_service.signals.rules import RULES, Rule
from deploy_records.errors import Invalid, Refused
from deploy_records.paging import Page, page_of
from deploy_records.people import holds
from portal.access import needs
from portal.htmx import page_or_fragment
from portal.pages import asked
from portal.pages.asking import asks, told

MAY_LOOK = "chatbot_service.view_signal"
STATES = {"open": "Open", "new": "Not acknowledged", "closed": "Closed"}
MOST_OPEN = 100
MOST_BEFORE = 10


@dataclass(frozen=True)
class Row:
    signal: Signal

    @property
    def tone(self) -> str:
        return tone_of(self.signal)

    @property
    def says(self) -> str:
        signal = self.signal
        return Evidence.of(signal.latest or signal.evidence).says

    @property
    def lasted(self) -> timedelta | None:
        return self.signal.closed_at - self.signal.opened_at if self.signal.closed_at else None


@dataclass(frozen=True)
class SignalList:
    """`open`: above the pages of those that closed, where both are asked for."""

    open: Sequence[Row]
    rows: Sequence[Row]
    page: Page[Signal]
    open_in_all: int
    new: int
    urgent: int
    any: bool
    services: Sequence[Service]
    service: int | None
    kind: str
    state: str
    kinds = SignalKind.choices
    states = tuple(STATES.items())

    @property
    def filters(self) -> int:
        return sum(map(bool, (self.service, self.kind, self.state)))

    @property
    def left_out(self) -> int:
        return max(0, self.open_in_all - MOST_OPEN) if self.open else 0


def tone_of(signal: Signal) -> str:
    if not signal.is_open:
        return "none"
    return "stop" if signal.urgent else "warn"


@require_GET
@needs(MAY_LOOK, "Reading the signals")
def index(request: HttpRequest) -> HttpResponse:
    return page_or_fragment(request, "signals/list.html", "signals/_list.html", {"list": _read(request)})


def _read(request: HttpRequest) -> SignalList:
    service, kind = asked.number(request, "service"), asked.one_of(request, "kind", RULES)
    state, cursor = asked.one_of(request, "state", STATES), request.GET.get("at", "")
    rows = Signal.objects.select_related("service__host", "acknowledged_by")
    rows = rows.filter(service=service) if service else rows
    rows = rows.filter(kind=kind) if kind else rows
    open_ones = rows.filter(closed_at=None)
    page = page_of(_paged(rows, state), "opened_at", cursor)
    both = not state and not cursor
    urgencies = list(Signal.objects.filter(closed_at=None).values_list("urgent", "acknowledged_at"))
    return SignalList(
        open=[Row(one) for one in open_ones.order_by("-urgent", "-opened_at", "-id")[:MOST_OPEN]] if both else (),
        rows=[Row(one) for one in page.rows],
        page=page,
        open_in_all=len(urgencies),
        new=sum(acknowledged is None for _urgent, acknowledged in urgencies),
        urgent=sum(urgent for urgent, _acknowledged in urgencies),
        any=bool(urgencies) or Signal.objects.exists(),
        services=list(Service.objects.select_related("host")),
        service=service,
        kind=kind,
        state=state,
    )


def _paged(rows: QuerySet[Signal], state: str) -> QuerySet[Signal]:
    """By state; where none is asked for, those that closed: the open ones stand above them."""
    if state == "open":
        return rows.filter(closed_at=None)
    if state == "new":
        return rows.filter(closed_at=None, acknowledged_at=None)
    return rows.exclude(closed_at=None)


class NoteForm(forms.Form):
    """What a note may say is for `acknowledging` to check."""

    note = forms.CharField(
        label="Note", required=False, help_text="What it is, and what is being done about it. It stays with the signal.",
        widget=forms.Textarea(attrs={"rows": 3, "maxlength": acknowledging.MOST_NOTE}),
    )  # fmt: skip


@require_GET
@needs(MAY_LOOK, "Reading a signal")
def signal(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, _get(pk), NoteForm())


@require_POST
@needs(acknowledging.MAY_ACKNOWLEDGE, acknowledging.TO_DO)
def acknowledge(request: HttpRequest, pk: int) -> HttpResponse:
    found = _get(pk)
    form = NoteForm(request.POST)
    try:
        acknowledging.acknowledge(found, asks(request, request.POST.get("note", "")))
    except Invalid as error:
        form.is_valid()
        form.add_error("note", told(request, error))
        return _page(request, found, form, status=error.status)
    except Refused as error:  # somebody was quicker, or it has closed: there is no form any more
        return _page(request, _get(pk), form, refusal=told(request, error), status=error.status)
    messages.success(request, "Acknowledged. It stays open until its rule no longer holds.")
    return redirect("signal", pk)


def _get(pk: int) -> Signal:
    return get_object_or_404(Signal.objects.select_related("service__host", "acknowledged_by"), pk=pk)


def _page(request: HttpRequest, found: Signal, form: NoteForm, *, refusal: str = "", status: int = 200) -> HttpResponse:
    rule = RULES[found.kind]
    before = Signal.objects.filter(kind=found.kind, matter=found.matter).exclude(pk=found.pk)
    opened, latest = Evidence.of(found.evidence), Evidence.of(found.latest)
    context = {
        "signal": found,
        "rule": rule,
        "tone": tone_of(found),
        "opened": opened,
        "latest": latest if latest != opened else None,
        "before": [Row(one) for one in before[:MOST_BEFORE]],
        "runbook": runbook_of(rule),
        "deliveries": found.deliveries.select_related("channel").order_by("created_at", "pk")[:50],
        "form": form,
        "refusal": refusal,
        "may_acknowledge": found.is_open and not found.acknowledged_at and holds(request.user, acknowledging.MAY_ACKNOWLEDGE),
    }
    return render(request, "signals/signal.html", context, status=status)


def runbook_of(rule: Rule) -> str:
    """Where it stands what to do; empty while there is no runbook."""
    try:
        return f"{reverse('runbook')}#{rule.section}"
    except NoReverseMatch:
        return ""
