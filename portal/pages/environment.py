"""The environment of a service under its contract: what is set, valid, missing; changing it, and going back."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from chatbot_service import contract_file, operating, operation_records
from chatbot_service.environment_contract import Contract
from chatbot_service.jobs.catalogue import LOOK_INTO
from chatbot_service.models import EnvironmentContract, EnvironmentVersion, Service
from chatbot_service.operating import Proposal
from deploy_records.errors import Invalid, Refused
from deploy_records.paging import page_of
from deploy_records.people import holds
from portal.access import actor_of, needs
from portal.pages.asking import asks, person_of, told
from portal.pages.backup_rows import frame, row_or_404
from portal.pages.looks import WHATS, Panel, panel_of
from portal.pages.service_detail import holder

MAY_CONFIGURE = "chatbot_service.configure_service"
MAY_SET_CONTRACT = "chatbot_service.change_service"
TO_CHANGE = "Changing a service's environment"
SHOWN_FOR = 30 * 60
"""Seconds in which a preview can be applied."""
_SALT = "known-good.environment-proposal"
_SHOWN = 20
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


@require_GET
@needs(LOOK_INTO, "Looking at a service's environment")
def index(request: HttpRequest, pk: int) -> HttpResponse:
    row = row_or_404(pk)
    panel = panel_of(row.service, WHATS["environment"], request, auto=True)
    versions = EnvironmentVersion.objects.filter(service=row.service).select_related("by", "job").defer("sealed", "job__result")
    page = page_of(versions, "at", request.GET.get("at", ""), size=_SHOWN)
    context = {
        **frame(row, "environment"),
        "panel": panel,
        "tone": _tone(panel),
        "page": page,
        "newest": versions.values_list("number", flat=True).first(),
        "contract": EnvironmentContract.objects.filter(service=row.service).select_related("by").first(),
        "may_configure": holds(request.user, MAY_CONFIGURE),
        "may_set_contract": holds(request.user, MAY_SET_CONTRACT),
        "busy": _busy(row),
    }
    return render(request, "operation/environment.html", context)


def _tone(panel: Panel) -> str:
    if panel.shown is None:
        return "none"
    return "stop" if panel.shown["wrong"] else "warn" if panel.shown["waiting"] else "ok"


def _busy(row: Any) -> str:
    return "It is a demo record, there is nothing to operate" if row.service.is_demo else holder(row.active_job)


# Changing it


@dataclass(frozen=True)
class Field:
    """One key in the form. `value`: what is set, of a key that is no secret."""

    name: str
    type: str
    sensitive: bool
    required: bool
    present: bool
    value: str
    default: str
    description: str
    choices: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"key-{self.name}"

    @property
    def input_type(self) -> str:
        return "password" if self.sensitive else {"integer": "text", "url": "url"}.get(self.type, "text")


@require_http_methods(["GET", "POST"])
@needs(MAY_CONFIGURE, TO_CHANGE)
def change(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: the form. POST: what would change, masked. With the sealed proposal and a reason: the job."""
    row = row_or_404(pk)
    panel = panel_of(row.service, WHATS["environment"], request)
    refusal, status = "", 200
    if request.method == "POST":
        try:
            if "apply" in request.POST:
                proposal = _opened(request.POST.get("proposal", ""), row.service, request)
                return redirect("job", operating.configure(row.service, proposal, asks(request, _reason(request))).pk)
            return _previewed(request, row, panel, _proposed(request, row.service, panel))
        except Refused as error:
            refusal, status = told(request, error), error.status
        kept = _still_open(request, row.service) if "apply" in request.POST else None
        if kept is not None:
            return _previewed(request, row, panel, kept, refusal=refusal, status=status)
    context = {
        **frame(row, "environment"), "panel": panel, "fields": _fields(row.service, panel), "refusal": refusal,
        "busy": _busy(row),
    }  # fmt: skip
    return render(request, "operation/environment_change.html", context, status=status)


def _reason(request: HttpRequest) -> str:
    reason = request.POST.get("reason", "").strip()
    if not reason:
        raise Invalid("Say why, for the record: each version keeps it. Nothing was changed.")
    return reason


def _previewed(
    request: HttpRequest, row: Any, panel: Panel, proposal: Proposal, *, refusal: str = "", status: int = 200
) -> HttpResponse:
    changes = operating.preview(row.service, proposal, _known(panel))
    if not changes and not refusal:
        refusal = "These values are set already, so there is nothing to change."
    context = {
        **frame(row, "environment"), "changes": changes, "refusal": refusal, "looked": panel.at, "busy": _busy(row),
        "proposal": _sealed(proposal, row.service, request), "reason": request.POST.get("reason", ""),
    }  # fmt: skip
    return render(request, "operation/environment_preview.html", context, status=status)


def _fields(service: Service, panel: Panel) -> list[Field]:
    """Of the contract, then what is set beyond it."""
    contract = operation_records.contract_of(service)
    seen = {key.name: key for key in (panel.shown or {}).get("keys", ())}
    named = [key.name for key in contract.keys]
    return [_field(contract, name, seen.get(name)) for name in [*named, *(name for name in seen if name not in named)]]


def _field(contract: Contract, name: str, seen: Any) -> Field:
    key = contract.key(name)
    return Field(
        name, key.type.value if key else "", contract.is_sensitive(name), bool(key and key.required), bool(seen and seen.present),
        seen.value if seen else "", (key.default if key else "") or "", key.description if key else "not in the contract",
        key.choices if key else (),
    )  # fmt: skip


def _proposed(request: HttpRequest, service: Service, panel: Panel) -> Proposal:
    """An empty field leaves a key as it is; a tick takes it out."""
    given, values, unset = request.POST, {}, []
    for field in _fields(service, panel):
        typed = given.get(field.id, "")
        if given.get(f"out-{field.name}"):
            unset.append(field.name)
        elif typed and (field.sensitive or typed != field.value):
            values[field.name] = typed
    name, value = given.get("new-name", "").strip(), given.get("new-value", "")
    if name:
        if not _NAME.fullmatch(name) or not value:
            raise Invalid("Another key takes a name of letters, digits and _, and a value. Nothing was changed.")
        values[name] = value
    return operating.propose(service, values, unset, str((panel.shown or {}).get("revision", "")))


def _known(panel: Panel) -> Mapping[str, str | None]:
    """What is set, by the newest look; None where the value is not told."""
    shown = panel.shown or {}
    found: dict[str, str | None] = dict.fromkeys(shown.get("in_file", ()))
    return found | {key.name: None if key.sensitive else key.value for key in shown.get("keys", ()) if key.present}


def _sealed(proposal: Proposal, service: Service, request: HttpRequest) -> str:
    """Goes to the browser and back: signed, bound to service and person, its secret values encrypted."""
    return signing.dumps([service.pk, request.user.pk, proposal.as_asked()], salt=_SALT, compress=True)


def _opened(text: str, service: Service, request: HttpRequest) -> Proposal:
    try:
        of, by, kept = signing.loads(text, salt=_SALT, max_age=SHOWN_FOR)
    except signing.BadSignature as error:
        raise Refused("This preview is too old, or not one of yours. Enter the change anew. Nothing was changed.") from error
    if (of, by) != (service.pk, request.user.pk):
        raise Refused("This preview is of another service or another person. Enter the change anew. Nothing was changed.")
    return Proposal.of_asked(kept)


def _still_open(request: HttpRequest, service: Service) -> Proposal | None:
    try:
        return _opened(request.POST.get("proposal", ""), service, request)
    except Refused:
        return None


# Going back


@require_http_methods(["GET", "POST"])
@needs(MAY_CONFIGURE, TO_CHANGE)
def go_back(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    row = row_or_404(pk)
    versions = EnvironmentVersion.objects.filter(service=row.service).defer("sealed")
    refusal, status = "", 200
    if request.method == "POST":
        try:
            return redirect("job", operating.go_back(row.service, number, asks(request, _reason(request))).pk)
        except Refused as error:
            refusal, status = told(request, error), error.status
    context = {
        **frame(row, "environment"), "number": number, "refusal": refusal, "busy": _busy(row),
        "version": versions.filter(number=number).select_related("by").first(),
        "undone": versions.filter(number__gt=number).select_related("by")[:_SHOWN],
        "reason": request.POST.get("reason", ""),
    }  # fmt: skip
    return render(request, "operation/environment_back.html", context, status=404 if context["version"] is None else status)


# The contract


class ContractForm(forms.Form):
    text = forms.CharField(
        label="Contract, as YAML", required=False, strip=False, max_length=contract_file.MOST_BYTES,
        widget=forms.Textarea(attrs={"rows": 22, "spellcheck": "false", "class": "kg-code"}),
        help_text="Empty: the default contract again.",
    )  # fmt: skip
    file = forms.FileField(label="Or a file", required=False, help_text="Taken instead of the text.")

    def given(self) -> str:
        file = self.cleaned_data.get("file")
        if not file:
            return str(self.cleaned_data["text"])
        if file.size > contract_file.MOST_BYTES:
            raise Invalid(f"The contract is larger than {contract_file.MOST_BYTES // 1000} kB. Nothing was changed.")
        try:
            return str(file.read().decode())
        except UnicodeDecodeError as error:
            raise Invalid("The file is not text in UTF-8. Nothing was changed.") from error


@require_http_methods(["GET", "POST"])
@needs(MAY_SET_CONTRACT, "Changing an environment contract")
def contract(request: HttpRequest, pk: int) -> HttpResponse:
    row = row_or_404(pk)
    refusal, status = "", 200
    form = ContractForm(request.POST or None, request.FILES or None, initial={"text": _as_yaml(row.service)})
    if request.method == "POST" and form.is_valid():
        try:
            operation_records.set_contract(row.service, form.given(), person_of(request), actor_of(request).address)
        except Refused as error:
            refusal, status = told(request, error), error.status
        else:
            messages.success(request, "The contract is set. It holds from the next look and the next change on.")
            return redirect("service-environment", pk)
    context = {**frame(row, "environment"), "form": form, "refusal": refusal}
    return render(request, "operation/environment_contract.html", context, status=400 if form.errors else status)


def _as_yaml(service: Service) -> str:
    return contract_file.as_text(operation_records.contract_of(service))
