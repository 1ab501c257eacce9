"""Changing what runs: upgrade, roll back, start, stop, restart. Each is asked on a page, and done by a job."""

from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from chatbot_service import board, choices, dispatch
from chatbot_service.board import Row
from chatbot_service.choices import WayBack
from chatbot_service.models import Kind
from deploy_records.errors import Refused
from portal.access import needs
from portal.htmx import wants_fragment
from portal.pages.asking import asks, told
from portal.pages.comparing import differences
from portal.pages.service_detail import host_light
from portal.sentences import changing as sentences
from portal.templatetags.moments import duration

MOST_WORDS = 500
_MEANS = {
    "restart": "It stops answering for a moment and starts again from the same image. Digest and pin stay as they are.",
    "stop": "It stops answering until somebody starts it. Digest, pin and data stay as they are.",
    "start": "It starts from the image that is pinned. The gate is not asked: what was approved may go on running.",
}


class ReasonForm(forms.Form):
    """What words may be is for dispatch to say."""

    reason = forms.CharField(label="Reason, for the record", max_length=MOST_WORDS, required=False)


class RollbackForm(forms.Form):
    reason = forms.CharField(
        label="Reason, for the record", max_length=MOST_WORDS,
        error_messages={"required": "Say in a few words why, for those who read it later."},
    )  # fmt: skip
    deprecate = forms.BooleanField(required=False)


@require_http_methods(["GET", "POST"])
@needs("chatbot_service.upgrade_service", "Upgrading a service")
def upgrade(request: HttpRequest, pk: int) -> HttpResponse:
    row = _row(pk)
    form = ReasonForm(request.POST or None)
    refusal, status = "", 200
    if request.method == "POST":
        form.is_valid()
        try:
            job = dispatch.upgrade(row.service, request.POST.get("digest", ""), asks(request, request.POST.get("reason", "")))
        except Refused as error:
            refusal, status = told(request, error), error.status
        else:
            return redirect("job", job.pk)
    asked = request.POST.get("digest") or request.GET.get("digest", "")
    found, plan = choices.for_upgrade(row, asked), choices.plan("upgrade", row)
    context = {
        "row": row,
        "service": row.service,
        "host_light": host_light(row),
        "choices": found,
        "chosen": found.chosen,
        "differences": differences(row, found),
        "plan": plan,
        "answer": sentences.upgrade_answer(row, found, plan),
        "form": form,
        "refusal": refusal,
    }
    return render(request, "services/upgrade.html", context, status=status)


@require_http_methods(["GET", "POST"])
@needs("chatbot_service.rollback_service", "Rolling back a service")
def rollback(request: HttpRequest, pk: int) -> HttpResponse:
    row = _row(pk)
    form = RollbackForm(request.POST or None)
    refusal, status = "", 400 if form.errors else 200
    if form.is_valid():
        given = form.cleaned_data
        try:
            job = dispatch.rollback(
                row.service, request.POST.get("digest", ""), asks(request, given["reason"]),
                deprecate=given["deprecate"], note=given["reason"] if given["deprecate"] else "",
            )  # fmt: skip
        except Refused as error:
            refusal, status = told(request, error), error.status
        else:
            return redirect("job", job.pk)
    ways, plan = choices.for_rollback(row), choices.plan("rollback", row)
    way = _way(ways, request.POST.get("digest") or request.GET.get("digest", ""))
    context = {
        "row": row,
        "service": row.service,
        "host_light": host_light(row),
        "ways": ways,
        "way": way,
        "may_deprecate": row.entry is not None and row.entry.may_run,
        "explanation": sentences.rollback_explanation(way, plan) if way else "",
        "form": form,
        "refusal": refusal,
    }
    return render(request, _page(request, "services/_rollback_dialog.html", "services/rollback.html"), context, status=status)


@require_http_methods(["GET", "POST"])
@needs("chatbot_service.operate_service", "Starting and stopping a service")
def lifecycle(request: HttpRequest, pk: str, kind: str) -> HttpResponse:
    row = _row(int(pk))
    form = ReasonForm(request.POST or None)
    refusal, status = "", 200
    if request.method == "POST":
        form.is_valid()
        try:
            job = dispatch.lifecycle(Kind(kind), row.service, asks(request, request.POST.get("reason", "")))
        except Refused as error:
            refusal, status = told(request, error), error.status
        else:
            return redirect("job", job.pk)
    context: dict[str, Any] = {
        "row": row,
        "service": row.service,
        "host_light": host_light(row),
        "kind": kind,
        "word": kind.capitalize(),
        "explanation": _explanation(kind, row),
        "form": form,
        "refusal": refusal,
    }
    return render(request, _page(request, "services/_lifecycle_dialog.html", "services/lifecycle.html"), context, status=status)


def _row(pk: int) -> Row:
    row = board.row_of(pk)
    if row is None:
        raise Http404
    return row


def _page(request: HttpRequest, dialog: str, page: str) -> str:
    """With a script the question opens as a dialog over the page it was asked from."""
    return dialog if wants_fragment(request) else page


def _way(ways: list[WayBack], asked: str) -> WayBack | None:
    return next((way for way in ways if way.entry.digest == asked), ways[0] if ways else None)


def _explanation(kind: str, row: Row) -> str:
    plan = choices.plan(kind, row)
    pause = plan.usual.of("serving") if kind != "stop" else None
    takes = f" It usually answers about {duration(pause)} later." if pause else ""
    return _MEANS[kind] + takes
