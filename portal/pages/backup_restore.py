"""Putting a backup back: what will happen, the typed name, a second person where the plan wants one, and the undo."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chatbot_service import backup_starting, choices
from chatbot_service.dispatch import Request
from chatbot_service.models import Backup, BackupPlan, Job, Kind, Restore, RestoreState
from deploy_records.errors import Invalid, Refused
from deploy_records.people import holds
from portal.access import needs, roles_that_may
from portal.pages import backup_rows as rows
from portal.pages.asking import asks, person_of, told
from portal.pages.backup_browse import checked_path
from portal.pages.service_detail import holder
from portal.sentences import backups as sentences
from portal.sentences.parts import listed

MOST_PATHS = backup_starting.MOST_PATHS
MOST_WORDS = 500


class RestoreForm(forms.Form):
    """What the words and the name must be is for `backup_starting` to say."""

    reason = forms.CharField(label="Reason, for the record", max_length=MOST_WORDS, required=False)
    confirmed = forms.CharField(
        label="Type the name of the service", max_length=100, required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}),
    )  # fmt: skip
    incomplete = forms.BooleanField(required=False)


class NoteForm(forms.Form):
    note = forms.CharField(label="Note, for the record", max_length=MOST_WORDS, required=False)


@require_http_methods(["GET", "POST"])
@needs(rows.MAY_RESTORE, "Restoring a backup")
def restore(request: HttpRequest, pk: int) -> HttpResponse:
    backup = rows.backup_or_404(pk)
    paths = _paths(request, backup)
    form = RestoreForm(request.POST or None)
    refusal, status = "", 200
    if request.method == "POST":
        form.is_valid()
        given = {name: request.POST.get(name, "") for name in ("reason", "confirmed")}
        try:
            begun = backup_starting.restore(
                backup,
                paths,
                asks(request, given["reason"]),
                confirmed=given["confirmed"],
                incomplete="incomplete" in request.POST,
            )
        except Refused as error:
            refusal, status = told(request, error), error.status
        else:
            return redirect("job" if isinstance(begun, Job) else "restore", begun.pk)
    return render(request, "backups/restore.html", _context(backup, paths, form, refusal), status=status)


def _paths(request: HttpRequest, backup: Backup) -> list[str]:
    """Chosen paths, each once and none below another that is chosen; none: all of them."""
    given = (request.POST if request.method == "POST" else request.GET).getlist("path")
    if len(given) > MOST_PATHS:
        raise Invalid(f"{len(given)} paths were chosen; at most {MOST_PATHS} can be. Choose the folder around them.")
    found = sorted({path for one in given if (path := checked_path(one, backup))})
    return [path for path in found if not any(path.startswith(f"{other}/") for other in found)]


def _context(backup: Backup, paths: Sequence[str], form: RestoreForm, refusal: str) -> dict[str, Any]:
    row = rows.row_or_404(backup.service_id)
    plan = BackupPlan.objects.filter(service=row.service).first() or BackupPlan(service=row.service)
    return {
        **rows.frame(row),
        "backup": backup,
        "paths": paths,
        "form": form,
        "refusal": refusal,
        "refuses": sentences.refuses_restore(backup),
        "busy": holder(row.active_job),
        "plan": choices.plan(Kind.RESTORE, row),
        "is_stopped": row.service.seen_state in {"exited", "created", "dead"},
        "two_people": plan.two_people,
        "kept_hours": plan.keep_replaced_hours,
        "kept_until": timezone.now() + timedelta(hours=plan.keep_replaced_hours),
        "who_agrees": listed([role.lower() for role in roles_that_may(rows.MAY_AGREE)], " or "),
        "answer": sentences.will_restore(backup, paths),
    }


# A restore that was asked for


@require_GET
@needs(rows.LOOK, rows.TO_READ)
def one(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, _restore(pk))


@require_POST
@needs(rows.MAY_AGREE, "Agreeing to a restore")
def agree(request: HttpRequest, pk: int) -> HttpResponse:
    return _decide(request, pk, backup_starting.agree)


@require_POST
@needs(rows.LOOK, "Declining a restore")
def decline(request: HttpRequest, pk: int) -> HttpResponse:
    """Whoever asked may take it back, whoever could agree may say no: the rule is that of `backup_starting`."""
    note = request.POST.get("note", "")
    return _decide(request, pk, lambda restore, by: backup_starting.decline(restore, by, note))


@require_POST
@needs(rows.MAY_RESTORE, "Undoing a restore")
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    return _decide(request, pk, backup_starting.undo_restore)


def _decide(request: HttpRequest, pk: int, act: Callable[[Restore, Request], object]) -> HttpResponse:
    found = _restore(pk)
    try:
        begun = act(found, asks(request))
    except Refused as error:
        return _page(request, _restore(pk), told(request, error), error.status)
    return redirect("job", begun.pk) if isinstance(begun, Job) else redirect("restore", pk)


def _page(request: HttpRequest, found: Restore, refusal: str = "", status: int = 200) -> HttpResponse:
    row = rows.row_or_404(found.service_id)
    waits = found.state == RestoreState.ASKED
    mine = _is_same_person(found.asked_by, person_of(request))
    could = holds(request.user, rows.MAY_AGREE)
    context = {
        **rows.frame(row),
        "restore": found,
        "answer": sentences.restore_answer(found),
        "refusal": refusal,
        "waits": waits,
        "may_agree": waits and could and not mine,
        "may_decline": waits and (could or mine),
        "mine": mine,
        "who_agrees": listed([role.lower() for role in roles_that_may(rows.MAY_AGREE)], " or "),
        "can_be_undone": not backup_starting.why_not_undone(found),
        "may_undo": holds(request.user, rows.MAY_RESTORE),
        "busy": holder(row.active_job),
        "form": NoteForm(),
        "plan": choices.plan(Kind.RESTORE, row) if waits else None,
    }
    return render(request, "backups/asked_restore.html", context, status=status)


def _is_same_person(asker: User, me: User) -> bool:
    """As `backup_starting` sees it: two accounts with one address are one person."""
    return asker.pk == me.pk or bool(me.email and me.email.casefold() == asker.email.casefold())


def _restore(pk: int) -> Restore:
    with_all = Restore.objects.select_related("service__host", "backup", "asked_by", "decided_by", "job", "undo_job")
    found: Restore = get_object_or_404(with_all, pk=pk)
    return found
