"""Places where backups go: what is set is shown as set; secrets are never shown again, the recovery key once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from chatbot_service import backup_places as places
from chatbot_service.backup_places import MAY_CHANGE, MAY_SEE_KEY, TO_DO, Wanted
from chatbot_service.backup_urls import has_password
from chatbot_service.models import BackupPlan, BackupRepository
from deploy_records.errors import Refused
from deploy_records.people import holds
from portal.access import needs
from portal.pages.asking import asks, told


class WriteOnly(forms.Textarea):
    """What was typed does not come back with a refused form either: typed once more is better than kept in a page."""

    def format_value(self, value: object) -> str | None:  # noqa: ARG002 - as Django calls it
        return None


class Address(forms.TextInput):
    """One with a password in it is refused, and does not come back."""

    def format_value(self, value: object) -> str | None:
        text = str(value or "")
        return None if has_password(text) else text


_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class PlaceForm(forms.Form):
    """Nothing secret that is stored is put into it. What the values must be is for `backup_places` to say."""

    name = forms.CharField(
        label="Name", help_text="Lower-case letters, digits, - and _. It stays as it is.", widget=forms.TextInput(attrs=_PLAIN),
        error_messages={"required": "Give it a name, for example offsite."},
    )  # fmt: skip
    url = forms.CharField(
        label="Address", widget=Address(attrs=_PLAIN), error_messages={"required": "Say where: /srv/backups, or s3:…"},
        help_text="A folder of the worker's host (/srv/backups), or as restic writes it: "
        "s3:https://host/bucket, sftp:user@host:/folder, rest:https://host:8000/.",
    )  # fmt: skip
    credentials = forms.CharField(
        label="Credentials", required=False,
        help_text="KEY=VALUE a line, for example AWS_ACCESS_KEY_ID=… Sealed at once; only workers open them. Never shown again.",
        widget=WriteOnly(attrs={"rows": 3, **_PLAIN}),
    )  # fmt: skip
    password = forms.CharField(
        label="Password of the repository", required=False, strip=False,
        help_text="Only for repositories that exist already. Left empty, one of 256 random bits is made.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )  # fmt: skip
    drop_credentials = forms.BooleanField(
        label="Take the credentials away", required=False, help_text="Workers then go there without any."
    )

    def __init__(self, *args: Any, kept: BackupRepository | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if kept:
            del self.fields["name"]
            self.fields[
                "password"
            ].help_text = "There is one. Leave this empty to keep it. Another one opens only what was made with it."
        if kept and kept.sealed_credentials:
            self.fields["credentials"].help_text = "There are some. Leave this empty to keep them."
        else:
            del self.fields["drop_credentials"]

    def wanted(self) -> Wanted:
        return Wanted(**{name: value for name, value in self.cleaned_data.items() if name != "name"})


@dataclass(frozen=True)
class Row:
    place: BackupRepository
    plans: Sequence[BackupPlan]


@require_GET
@needs(MAY_CHANGE, TO_DO)
def index(request: HttpRequest) -> HttpResponse:
    plans = Prefetch("plans", BackupPlan.objects.select_related("service__host").order_by("service__name"))
    kept = BackupRepository.objects.select_related("key_shown_to").prefetch_related(plans)
    rows = [Row(one, list(one.plans.all())) for one in kept]
    context = {"rows": rows, "unseen": sum(row.place.key_shown_at is None for row in rows)}
    return render(request, "backup_places/list.html", context)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@needs(MAY_CHANGE, TO_DO)
def add(request: HttpRequest) -> HttpResponse:
    form = PlaceForm(_posted(request))
    if request.method == "POST" and form.is_valid():
        try:
            kept = places.add(form.cleaned_data["name"], form.wanted(), asks(request))
        except Refused as error:
            form.add_error(None, told(request, error))
        else:
            messages.success(request, f"{kept.name} is added. Note its recovery key now: without it nothing there can be read.")
            return redirect("backup-repository-key", kept.pk)
    return render(request, "backup_places/edit.html", {"form": form, "kept": None}, status=400 if form.errors else 200)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@needs(MAY_CHANGE, TO_DO)
def change(request: HttpRequest, pk: int) -> HttpResponse:
    kept = get_object_or_404(BackupRepository, pk=pk)
    form = PlaceForm(_posted(request), kept=kept, initial={"url": kept.url})
    if request.method == "POST" and form.is_valid():
        try:
            changed = places.change(kept, form.wanted(), asks(request))
        except Refused as error:
            form.add_error(None, told(request, error))
        else:
            messages.success(
                request,
                f"{kept.name} is changed. Workers use it from their next job on." if changed else "Nothing was different.",
            )
            return redirect("backup-repositories")
    return render(request, "backup_places/edit.html", {"form": form, "kept": kept}, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@needs(MAY_CHANGE, TO_DO)
def forget(request: HttpRequest, pk: int) -> HttpResponse:
    kept = get_object_or_404(BackupRepository, pk=pk)
    plan = kept.plans.select_related("service__host").first()
    refusal, status = "", 200
    if request.method == "POST":
        try:
            places.forget(kept, asks(request))
        except Refused as error:
            refusal, status = told(request, error), error.status
        else:
            messages.success(request, f"{kept.name} is forgotten. What lies at {kept.url} was not touched.")
            return redirect("backup-repositories")
    context = {"place": kept, "plan": plan, "has_backups": kept.backups.exists(), "refusal": refusal}
    return render(request, "backup_places/forget.html", context, status=status)


class KeyForm(forms.Form):
    reason = forms.CharField(label="Reason, for the record", max_length=500, required=False)


@never_cache
@require_http_methods(["GET", "POST"])
@needs(MAY_SEE_KEY, "Seeing a recovery key")
@sensitive_variables("key")
def recovery_key(request: HttpRequest, pk: int) -> HttpResponse:
    kept = get_object_or_404(BackupRepository.objects.select_related("key_shown_to"), pk=pk)
    key, refusal, status = "", "", 200
    if request.method == "POST":
        try:
            key = places.recovery_key(kept, asks(request, request.POST.get("reason", "")))
        except Refused as error:
            refusal, status = told(request, error), error.status
    context = {
        "place": kept, "key": key, "refusal": refusal, "form": KeyForm(),
        "may_change": holds(request.user, MAY_CHANGE),
    }  # fmt: skip
    return render(request, "backup_places/key.html", context, status=status)


def _posted(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None
