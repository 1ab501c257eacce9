"""Registries: how workers sign in there. What is set is shown as set; the values are never shown again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from chatbot_service import registries
from chatbot_service.models import RegistryLogin
from chatbot_service.registries import MAY_CHANGE, TO_DO, Authority, Wanted
from deploy_records.errors import Invalid
from portal.access import actor_of, needs
from portal.pages.asking import told


@dataclass(frozen=True)
class Row:
    registry: RegistryLogin
    authorities: Sequence[Authority]


class RegistryForm(forms.Form):
    """Nothing that is stored is put into it. What the values must be is for `registries` to say."""

    registry = forms.CharField(
        label="Registry", help_text="As in image references: ghcr.io, or registry.example.org:5000.",
        error_messages={"required": "Name the registry, for example ghcr.io."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip
    username = forms.CharField(
        label="User name", required=False, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )
    password = forms.CharField(
        label="Password or token", required=False, strip=False,
        help_text="Sealed at once; only workers open it. It is never shown again.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )  # fmt: skip
    ca = forms.CharField(
        label="Certificate of its authority", required=False,
        help_text="PEM. Only for a registry whose certificate the system does not trust by itself.",
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "autocomplete": "off"}),
    )  # fmt: skip
    drop_login = forms.BooleanField(label="Take the login away", required=False, help_text="Workers then ask without one.")
    drop_ca = forms.BooleanField(
        label="Take the certificate away", required=False, help_text="The system's authorities count then."
    )

    def __init__(self, *args: Any, kept: RegistryLogin | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if kept:
            del self.fields["registry"]
            stays = "There is one. Leave this empty to keep it."
            self.fields["username"].help_text = stays if kept.sealed_password else ""
            self.fields["ca"].help_text = stays if kept.ca_certificate else self.fields["ca"].help_text
        if not (kept and kept.sealed_password):
            del self.fields["drop_login"]
        if not (kept and kept.ca_certificate):
            del self.fields["drop_ca"]

    def wanted(self) -> Wanted:
        return Wanted(**{name: value for name, value in self.cleaned_data.items() if name != "registry"})


@require_GET
@needs(MAY_CHANGE, TO_DO)
def index(request: HttpRequest) -> HttpResponse:
    rows = [Row(one, _authorities(one)) for one in RegistryLogin.objects.all()]
    return render(request, "registries/list.html", {"rows": rows})


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@needs(MAY_CHANGE, TO_DO)
def add(request: HttpRequest) -> HttpResponse:
    return _edit(request, None)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@needs(MAY_CHANGE, TO_DO)
def change(request: HttpRequest, pk: int) -> HttpResponse:
    return _edit(request, get_object_or_404(RegistryLogin, pk=pk))


@require_http_methods(["GET", "POST"])
@needs(MAY_CHANGE, TO_DO)
def forget(request: HttpRequest, pk: int) -> HttpResponse:
    kept = get_object_or_404(RegistryLogin, pk=pk)
    if request.method == "POST":
        registries.forget(kept, request.user, address=actor_of(request).address)
        messages.success(request, f"{kept.registry} is forgotten. Workers ask it without a login from now on.")
        return redirect("registries")
    return render(request, "registries/forget.html", {"registry": kept})


def _edit(request: HttpRequest, kept: RegistryLogin | None) -> HttpResponse:
    form = RegistryForm(_posted(request), kept=kept)
    if request.method == "POST" and form.is_valid():
        name = kept.registry if kept else form.cleaned_data["registry"]
        try:
            saved = registries.save(name, form.wanted(), request.user, address=actor_of(request).address)
        except Invalid as error:
            form.add_error(None, told(request, error))
        else:
            messages.success(request, f"{saved.registry} is set. Workers use it from their next job on.")
            return redirect("registries")
    return render(request, "registries/edit.html", {"form": form, "kept": kept}, status=400 if form.errors else 200)


def _authorities(kept: RegistryLogin) -> Sequence[Authority]:
    return registries.authorities(kept.ca_certificate) if kept.ca_certificate else ()


def _posted(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None
