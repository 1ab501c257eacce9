"""Does a running container meet the hardening baseline, rule by rule, since when, and what may it keep for a while?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from chatbot_service import operating, operation_records
from chatbot_service.jobs.hardening_check import MOST_EXCUSED_MONTHS, months_after
from chatbot_service.models import CapabilityException, HardeningCheck, Job, JobState, Kind, Service
from deploy_records.errors import Invalid, Refused
from deploy_records.models import ImageDigest
from deploy_records.paging import page_of
from deploy_records.people import holds
from portal.access import actor_of, needs
from portal.htmx import STOP_POLLING, load_anew, wants_fragment
from portal.pages.asking import asks, person_of, told
from portal.pages.backup_rows import frame, row_or_404

LOOK = "chatbot_service.view_service"
MAY_CHECK = "chatbot_service.check_hardening"
MAY_EXCEPT = "chatbot_service.except_capability"
_SHOWN = 20
_TONES = {"ok": "ok", "failed": "stop", "excused": "excused", "unknown": "none"}
_WORDS = {"ok": "Met", "failed": "Not met", "excused": "Excused", "unknown": "Could not be seen"}
_WORST_FIRST = ("failed", "unknown", "excused", "ok")


@dataclass(frozen=True)
class Rule:
    rule: str
    name: str
    tone: str
    word: str
    seen: str
    wanted: str
    mend: str


@dataclass(frozen=True)
class Excuse:
    exception: CapabilityException
    tone: str
    word: str


@require_http_methods(["GET"])
@needs(LOOK, "Reading hardening checks")
def index(request: HttpRequest, pk: int) -> HttpResponse:
    if wants_fragment(request) and "at" not in request.GET:
        service = get_object_or_404(Service.objects.select_related("host"), pk=pk)
        context = _checked(request, service)
        answer = render(request, "operation/_hardening.html", context, status=200 if context["looking"] else STOP_POLLING)
        return answer if context["looking"] else load_anew(answer)
    return _page(request, pk)


def _page(
    request: HttpRequest, pk: int, *, refusal: str = "", status: int = 200, form: "ExceptForm | None" = None
) -> HttpResponse:
    row = row_or_404(pk)
    service = row.service
    checks = HardeningCheck.objects.filter(service=service).select_related("job__by").defer("results", "job__result")
    page = page_of(checks, "at", request.GET.get("at", ""), size=_SHOWN)
    open_ones = CapabilityException.objects.filter(service=service, ended_at=None).select_related("by")
    context = {
        **frame(row, "hardening"),
        **_checked(request, service),
        "page": page,
        "excuses": [_excuse(one) for one in open_ones],
        "may_except": holds(request.user, MAY_EXCEPT),
        "form": form or ExceptForm(initial={"review_on": months_after(timezone.localdate(), 3)}),
        "latest": months_after(timezone.localdate(), MOST_EXCUSED_MONTHS),
        "refusal": refusal,
    }
    return render(request, "operation/hardening.html", context, status=status)


def _checked(request: HttpRequest, service: Service) -> dict[str, Any]:
    """The newest check, and a newer one that is under way or did not come to an end."""
    check = HardeningCheck.objects.filter(service=service).select_related("job").first()
    job = Job.objects.filter(service=service, kind=Kind.HARDEN).first()
    newer = job if job is not None and (check is None or job.pk > check.job_id) else None
    rules = rules_of(check.results) if check else ()
    return {
        "service": service, "check": check, "rules": rules, "open_rules": [one for one in rules if one.tone in {"stop", "none"}],
        "looking": newer if newer and newer.is_active else None,
        "failed": newer if newer and not newer.is_active and newer.state != JobState.SUCCEEDED else None,
        "overdue": bool(check and check.due_on < timezone.localdate()),
        "entry": ImageDigest.objects.filter(repository=service.repository, digest=check.digest).first() if check else None,
        "may_check": holds(request.user, MAY_CHECK),
    }  # fmt: skip


def rules_of(results: Sequence[Mapping[str, Any]]) -> Sequence[Rule]:
    """Worst first."""
    worst = sorted(results, key=lambda found: _WORST_FIRST.index(found["verdict"]) if found["verdict"] in _WORST_FIRST else 0)
    return [
        Rule(
            str(one.get("rule", "")), str(one.get("name", "")), _TONES.get(one["verdict"], "none"),
            _WORDS.get(one["verdict"], "Could not be seen"), str(one.get("seen", "")), str(one.get("wanted", "")),
            str(one.get("mend", "")),
        )
        for one in worst
    ]  # fmt: skip


def _excuse(one: CapabilityException) -> Excuse:
    days = (one.review_on - timezone.localdate()).days
    if days <= 0:
        return Excuse(one, "stop", "Its review date has come: it excuses nothing")
    return Excuse(one, "warn" if days <= 14 else "excused", f"{days} days left")  # noqa: PLR2004 - two weeks' warning


@require_POST
@needs(MAY_CHECK, "Checking a service's hardening")
def check(request: HttpRequest, pk: int) -> HttpResponse:
    service = get_object_or_404(Service.objects.select_related("host"), pk=pk)
    refusal, status = "", 200
    try:
        operating.harden(service, asks(request))
    except Refused as error:
        refusal, status = told(request, error), error.status
    if wants_fragment(request):
        return render(request, "operation/_hardening.html", {**_checked(request, service), "refusal": refusal})
    return _page(request, pk, refusal=refusal, status=status) if refusal else redirect("service-hardening", pk)


class ExceptForm(forms.Form):
    """What they may be is for the record to say."""

    capability = forms.CharField(label="Capability", max_length=60, help_text="As the kernel calls it: CAP_NET_BIND_SERVICE.")
    reason = forms.CharField(label="Why it has to stay", max_length=1000, widget=forms.Textarea(attrs={"rows": 2}))
    review_on = forms.CharField(label="Review on", max_length=10, help_text="YYYY-MM-DD, at most six months away.")


@require_POST
@needs(MAY_EXCEPT, "Letting a service keep a capability")
def except_capability(request: HttpRequest, pk: int) -> HttpResponse:
    service = get_object_or_404(Service.objects.select_related("host"), pk=pk)
    form = ExceptForm(request.POST)
    if not form.is_valid():
        return _page(request, pk, status=400, form=form)
    given = form.cleaned_data
    try:
        made = operation_records.except_capability(
            service, given["capability"], given["reason"], _day(given["review_on"]), person_of(request), actor_of(request).address
        )
    except Refused as error:
        return _page(request, pk, refusal=told(request, error), status=error.status, form=form)
    messages.success(request, f"{made.capability} may stay until {made.review_on.isoformat()}. The next check counts it.")
    return redirect("service-hardening", pk)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise Invalid("A day is written as 2026-01-31. Nothing was changed.") from error


@require_POST
@needs(MAY_EXCEPT, "Ending an exception for a capability")
def end_exception(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    found = get_object_or_404(CapabilityException.objects.select_related("service__host"), pk=number, service=pk)
    try:
        operation_records.end_exception(found, person_of(request), actor_of(request).address)
    except Refused as error:
        return _page(request, pk, refusal=told(request, error), status=error.status)
    messages.success(request, f"The exception for {found.capability} has ended. The next check no longer counts it.")
    return redirect("service-hardening", pk)
