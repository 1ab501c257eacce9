"""Backups of a service: when was the last good one, is it known to restore, and what was taken, tried and put back?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from chatbot_service import backup_starting, choices
from chatbot_service.board import Row
from chatbot_service.dispatch import Request
from chatbot_service.models import Backup, BackupMode, BackupPlan, BackupState, Job, Kind, Restore, RestoreRehearsal, Service
from deploy_records.errors import Refused
from deploy_records.paging import page_of
from portal.access import needs
from portal.htmx import page_or_fragment, wants_fragment
from portal.pages import backup_rows as rows
from portal.pages.asking import asks, told
from portal.pages.service_detail import holder
from portal.sentences import backups as sentences
from portal.templatetags.moments import duration

SHOWN = 25
LAST_REHEARSALS = 5
LAST_RESTORES = 5
MOST_WORDS = 500


@require_GET
@needs(rows.LOOK, rows.TO_READ)
def index(request: HttpRequest, pk: int) -> HttpResponse:
    return page_or_fragment(request, "backups/list.html", "backups/_list.html", _read(request, rows.row_or_404(pk)))


def _read(request: HttpRequest, row: Row) -> dict[str, Any]:
    service, now = row.service, timezone.now()
    plan = BackupPlan.objects.filter(service=service).select_related("repository").first()
    taken = Backup.objects.filter(service=service)
    page = page_of(taken, "at", request.GET.get("at", ""), size=SHOWN)
    rehearsed = RestoreRehearsal.objects.filter(service=service).select_related("backup", "job")
    rehearsals = list(rehearsed[:LAST_REHEARSALS])
    restores = Restore.objects.filter(service=service).select_related("backup", "asked_by", "decided_by", "job", "undo_job")
    known = sentences.Known(
        service=service.pk, has_data=bool(service.data_paths), plan=plan,
        last_good=taken.filter(state=BackupState.GOOD).first(),
        last_rehearsal=rehearsals[0] if rehearsals else None, readiness=row.readiness,
    )  # fmt: skip
    return {
        **rows.frame(row),
        "answer": sentences.answer(known),
        "readiness": row.readiness,
        "page": page,
        "backups": rows.shown_backups(page.rows, service.repository),
        "rehearsals": rows.shown_rehearsals(rehearsals),
        "restores": rows.shown_restores(restores[:LAST_RESTORES], now),
        "plan": plan,
        "plan_words": sentences.plan_words(plan, len(service.data_paths)) if plan else (),
        "busy": _busy(row, plan),
        "has_data": known.has_data,
    }


def _busy(row: Row, plan: BackupPlan | None) -> str:
    """Why nothing can be started just now; empty if something can."""
    if row.service.is_demo:
        return "It is a demo record, there is nothing to operate"
    return holder(row.active_job) or ("" if plan else "There is no plan yet: set up first how it is backed up")


# Starting


@dataclass(frozen=True)
class Start:
    """A job that is asked for with one button. `means`: what it does, and what it does to the service."""

    kind: Kind
    url_name: str
    word: str
    question: str
    means: Callable[[BackupPlan | None], str]
    begin: Callable[[Service, Backup | None, Request], Job]


def _backing_up(plan: BackupPlan | None) -> str:
    how = plan.mode if plan else BackupMode.LIVE
    if plan is None or how == BackupMode.LIVE:
        return "Its data are read while it runs on; what is kept is verified at once."
    still = "stopped" if how == BackupMode.STOPPED else "paused"
    most = duration(plan.longest_pause)
    return f"Its data are read while it runs; then it is {still} for a second, short reading, {most} at most. Verified at once."


def _rehearsing(_plan: BackupPlan | None) -> str:
    return (
        "The newest good backup is restored beside the service and compared with what was kept, file by file. "
        "Then the image that runs is started on the copy, without a network, until it is healthy. The service is not touched."
    )


def _checking(_plan: BackupPlan | None) -> str:
    return "All that is kept of it is looked through, and a share of the data is read back. The service is not touched."


BACK_UP = Start(
    Kind.BACKUP, "service-back-up", "Back up", "Back up", _backing_up,
    lambda service, _backup, request: backup_starting.backup(service, request),
)  # fmt: skip
REHEARSE = Start(
    Kind.REHEARSE, "service-rehearse", "Rehearse", "Rehearse a restore of", _rehearsing,
    backup_starting.rehearse,
)  # fmt: skip
CHECK = Start(
    Kind.CHECK, "service-check", "Check", "Check what is kept of", _checking,
    lambda service, _backup, request: backup_starting.check(service, request),
)  # fmt: skip


class ReasonForm(forms.Form):
    """What words may be is for dispatch to say."""

    reason = forms.CharField(label="Reason, for the record", max_length=MOST_WORDS, required=False)


@require_http_methods(["GET", "POST"])
@needs(rows.MAY_BACK_UP, "Backing up a service")
def back_up(request: HttpRequest, pk: int) -> HttpResponse:
    return _start(request, pk, BACK_UP)


@require_http_methods(["GET", "POST"])
@needs(rows.MAY_BACK_UP, "Rehearsing a restore")
def rehearse(request: HttpRequest, pk: int) -> HttpResponse:
    return _start(request, pk, REHEARSE)


@require_http_methods(["GET", "POST"])
@needs(rows.MAY_BACK_UP, "Checking backups")
def check(request: HttpRequest, pk: int) -> HttpResponse:
    return _start(request, pk, CHECK)


def _start(request: HttpRequest, pk: int, what: Start) -> HttpResponse:
    row = rows.row_or_404(pk)
    backup = _meant(request, row.service)
    form = ReasonForm(request.POST or None)
    refusal, status = "", 200
    if request.method == "POST":
        form.is_valid()
        try:
            job = what.begin(row.service, backup, asks(request, request.POST.get("reason", "")))
        except Refused as error:
            refusal, status = told(request, error), error.status
        else:
            return redirect("job", job.pk)
    plan = BackupPlan.objects.filter(service=row.service).first()
    context = {
        **rows.frame(row),
        "what": what,
        "backup": backup,
        "explanation": f"{what.means(plan)}{_takes(what.kind, row)}",
        "form": form,
        "refusal": refusal,
    }
    template = "backups/_start_dialog.html" if wants_fragment(request) else "backups/start.html"
    return render(request, template, context, status=status)


def _meant(request: HttpRequest, service: Service) -> Backup | None:
    """A certain backup that is to be rehearsed, of this service only."""
    number = (request.POST if request.method == "POST" else request.GET).get("backup", "")
    if not (number.isascii() and number.isdigit() and len(number) < len(str(2**63))):
        return None
    return Backup.objects.filter(service=service, pk=int(number)).first()


def _takes(kind: Kind, row: Row) -> str:
    seconds = choices.plan(kind, row).seconds
    return f" It usually takes about {duration(seconds)}." if seconds else ""


# One backup


@require_GET
@needs(rows.LOOK, rows.TO_READ)
def backup(request: HttpRequest, pk: int) -> HttpResponse:
    found = rows.backup_or_404(pk)
    row = rows.row_or_404(found.service_id)
    shown = rows.shown_backups([found], row.service.repository)[0]
    tag = shown.entry.tag if shown.entry else ""
    restores = Restore.objects.filter(backup=found).select_related("backup", "asked_by", "decided_by", "job", "undo_job")
    context = {
        **rows.frame(row),
        "shown": shown,
        "backup": found,
        "answer": sentences.backup_answer(found, tag),
        "rehearsals": rows.shown_rehearsals(
            RestoreRehearsal.objects.filter(backup=found).select_related("backup", "job")[:LAST_REHEARSALS]
        ),
        "restores": rows.shown_restores(restores[:LAST_RESTORES], timezone.now()),
        "busy": holder(row.active_job),
    }
    return render(request, "backups/backup.html", context)
