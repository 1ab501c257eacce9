"""How a service is backed up: where to, what, how, how often, how long it is kept, and what a restore takes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from chatbot_service import backup_plans, backup_schedule
from chatbot_service.backup_schedule import When
from chatbot_service.models import Backup, BackupMode, BackupPlan, BackupRepository, BackupState, Service
from deploy_records.errors import Invalid, Refused
from deploy_records.people import holds
from portal.access import needs, roles_that_may
from portal.pages import backup_rows as rows
from portal.pages.asking import asks, told
from portal.sentences.backups import MODE_MEANS
from portal.sentences.parts import listed

TO_DO = "Changing how a service is backed up"
SHOWN_TIMES = 3
MOST_NUMBER = 100_000


def _number(label: str, help_text: str = "", least: int = 0) -> forms.IntegerField:
    return forms.IntegerField(label=label, help_text=help_text, min_value=least, max_value=MOST_NUMBER)


class PlanForm(forms.Form):
    """The rules are those of `backup_plans`; here the fields are only read."""

    repository = forms.ModelChoiceField(BackupRepository.objects.all(), label="Place", empty_label=None)
    data_paths = forms.CharField(
        label="Data paths", required=False, max_length=20_000, widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text="One a line, absolute paths on the host. Compose files and the pin are kept with them.",
    )  # fmt: skip
    with_values = forms.BooleanField(
        label="Keep the values of the environment file too", required=False,
        help_text="They may be passwords: whoever can download a backup then has them. Without it only the names are kept.",
    )  # fmt: skip
    mode = forms.ChoiceField(label="While it is read, the service is", choices=BackupMode.choices, widget=forms.RadioSelect)
    longest_pause = _number("Longest pause, in seconds", "When it is over the service goes on, and the backup fails.", 1)
    scheduled = forms.BooleanField(label="Take backups by themselves", required=False)
    rpo_hours = _number("Never older than, in hours", "The RPO: past it the dashboard warns.", 1)
    cron = forms.CharField(
        label="At fixed times instead", required=False, max_length=100,
        help_text="Minute hour day month weekday, UTC: “30 2 * * *” is each night at 02:30. Empty: as often as the RPO takes.",
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off"}),
    )  # fmt: skip
    before_upgrade = forms.BooleanField(label="Before each upgrade as well", required=False)
    keep_daily = _number("Days")
    keep_weekly = _number("Weeks")
    keep_monthly = _number("Months")
    rehearse_days = _number("Days between rehearsals", "Each restores the newest backup on trial. 0: only when asked for.")
    keep_replaced_hours = _number("Keep what a restore replaces, in hours", "So long one button undoes it.")
    two_people = forms.BooleanField(
        label="A second person must agree to a restore", required=False, help_text="Somebody else than who asks for it."
    )

    def __init__(self, *args: Any, may_go_further: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not may_go_further:
            del self.fields["two_people"], self.fields["with_values"]

    def values(self) -> dict[str, Any]:
        given = dict(self.cleaned_data)
        given["data_paths"] = [line.strip() for line in given["data_paths"].splitlines() if line.strip()]
        return given


@require_http_methods(["GET", "POST"])
@needs(rows.MAY_PLAN, TO_DO)
def change(request: HttpRequest, pk: int) -> HttpResponse:
    row = rows.row_or_404(pk)
    service = row.service
    plan = BackupPlan.objects.filter(service=service).select_related("repository").first()
    may_set = holds(request.user, backup_plans.MAY_GO_FURTHER)
    given = request.POST if request.method == "POST" else None
    form = PlanForm(given, initial=_initial(service, plan), may_go_further=may_set)
    refusal, status = "", 200
    if request.method == "POST" and form.is_valid():
        try:
            changed = backup_plans.change(service, form.values(), asks(request))
        except Refused as error:
            refusal, status = told(request, error), error.status
        else:
            messages.success(request, "Changed. It counts from the next job on." if changed else "Nothing was different.")
            return redirect("service-backups", pk)
    context = {
        **rows.frame(row),
        "form": form,
        "plan": plan,
        "refusal": refusal,
        "modes": [(value, label, MODE_MEANS[BackupMode(value)]) for value, label in BackupMode.choices],
        "mode": form["mode"].value(),
        "who_sets_two": listed([role.lower() for role in roles_that_may(backup_plans.MAY_GO_FURTHER)], " or "),
        "proposed": _proposed(service),
        **_times(service, _asked_times(form)),
    }
    return render(request, "backups/plan.html", context, status=400 if form.errors else status)


@require_GET
@needs(rows.MAY_PLAN, TO_DO)
def times(request: HttpRequest, pk: int) -> HttpResponse:
    """When the next ones would be, for what is in the form now."""
    service = rows.row_or_404(pk).service
    return render(request, "backups/_times.html", {"service": service, **_times(service, request.GET)})


def _initial(service: Service, plan: BackupPlan | None) -> dict[str, Any]:
    shown = plan or BackupPlan(service=service)
    fields = [name for name in PlanForm.base_fields if name not in {"repository", "data_paths"}]
    found = {name: getattr(shown, name) for name in fields}
    place = plan.repository_id if plan else BackupRepository.objects.values_list("pk", flat=True).first()
    return {**found, "repository": place, "data_paths": "\n".join(service.data_paths)}


def _proposed(service: Service) -> Sequence[str]:
    """What the compose file named and is not in the list."""
    found = service.found if isinstance(service.found, dict) else {}
    folders = found.get("volume_folders", {})
    there = set(service.data_paths)
    return [str(path) for path in found.get("data_paths", ()) if not there & {path, folders.get(path, path)}]


def _asked_times(form: PlanForm) -> Mapping[str, Any]:
    return {name: str(form[name].value() or "") for name in ("cron", "rpo_hours", "scheduled")}


def _times(service: Service, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The next three, or why there are none."""
    if asked.get("scheduled") in {"", None, "False"}:
        return {"next_times": [], "no_times": "None by themselves: only when somebody asks, and before upgrades if that is set."}
    try:
        return {"next_times": _next(service, str(asked.get("cron", ""))[:200], str(asked.get("rpo_hours", ""))), "no_times": ""}
    except Invalid as error:
        return {"next_times": [], "no_times": str(error).removesuffix(" Nothing was changed.")}


def _next(service: Service, cron: str, rpo: str) -> Sequence[datetime]:
    now = timezone.now()
    checked = backup_schedule.checked_cron(cron, now)
    if not (rpo.isascii() and rpo.isdigit() and 0 < int(rpo[:9]) <= MOST_NUMBER):
        raise Invalid(f"Say in whole hours how old the last good backup may be at most, 1 to {MOST_NUMBER:,}.")
    when = When(checked, int(rpo), now)
    last = Backup.objects.filter(service=service, state=BackupState.GOOD).values_list("at", flat=True).first()
    return list(islice(_from(when, last, now), SHOWN_TIMES))


def _from(when: When, last_good: datetime | None, now: datetime) -> Iterator[datetime]:
    """Each as if the one before it went well. One that is due already comes now."""
    moment = last_good
    while (due := backup_schedule.due_at(when, moment)) is not None:
        moment = max(due, now)
        yield moment
