"""Who is told of signals: channels, and what became of each message. What is secret of a channel is never shown again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from chatbot_service.models import Channel, ChannelKind, Delivery, DeliveryState, SignalKind
from chatbot_service.signals import channels, sending
from chatbot_service.signals.channels import MAY_CHANGE, TO_DO, Wanted
from deploy_records.errors import Refused
from deploy_records.paging import page_of
from portal.access import needs
from portal.htmx import page_or_fragment
from portal.pages import asked
from portal.pages.asking import asks, told

_PLAIN = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
_MEANS = {
    ChannelKind.EMAIL: ("Addresses", "Separated by commas or spaces, at most 20.", "Say whom to write to."),
    ChannelKind.WEBHOOK: (
        "Address", "https://… Each message is a signed POST with JSON. Sealed at once, as it may hold a token.", "Say where to.",
    ),
}  # fmt: skip


class ChannelForm(forms.Form):
    """Nothing secret that is stored is put into it. What the values must be is for `channels` to say."""

    name = forms.CharField(
        label="Name", widget=forms.TextInput(attrs=_PLAIN), help_text="Lower-case letters, digits, - and _. It stays as it is.",
        error_messages={"required": "Give it a name, for example on-call."},
    )  # fmt: skip
    target = forms.CharField(label="Address", required=False, widget=forms.TextInput(attrs=_PLAIN))
    secret = forms.CharField(
        label="Secret", required=False, strip=False,
        help_text="At least 16 characters, known to the receiver. It signs each message (HMAC-SHA256). Never shown again.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )  # fmt: skip
    urgent_only = forms.BooleanField(label="Only urgent signals", required=False)
    tells_end = forms.BooleanField(label="Also tell when a signal has closed", required=False, initial=True)
    enabled = forms.BooleanField(label="Switched on", required=False, initial=True)
    kinds = forms.MultipleChoiceField(
        label="Which signals", required=False, choices=SignalKind.choices, help_text="None chosen: all of them.",
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip

    def __init__(self, *args: Any, kind: str, kept: Channel | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        target = self.fields["target"]
        target.label, target.help_text, target.error_messages["required"] = _MEANS[ChannelKind(kind)]
        if kept:
            del self.fields["name"]
        if kind == ChannelKind.EMAIL:
            del self.fields["secret"]
            target.required = True
        elif kept:
            target.help_text = f"There is one, at {kept.target}. Leave this empty to keep it."
            self.fields["secret"].help_text = "There is one. Leave this empty to keep it."

    def wanted(self) -> Wanted:
        return Wanted(**{name: value for name, value in self.cleaned_data.items() if name != "name"})


@dataclass(frozen=True)
class Row:
    channel: Channel

    @property
    def tells_of(self) -> str:
        """In words, for a cell."""
        names = [SignalKind(kind).label for kind in self.channel.kinds if kind in SignalKind.values]
        which = f"{len(names)} kinds" if len(names) > 2 else " and ".join(names) or "all"  # noqa: PLR2004 - two fit in a cell
        return f"{which}, urgent ones only" if self.channel.urgent_only else which


@require_GET
@needs(MAY_CHANGE, TO_DO)
def index(request: HttpRequest) -> HttpResponse:
    state = asked.one_of(request, "state", DeliveryState.values)
    found = Delivery.objects.select_related("channel", "signal")
    page = page_of(found.filter(state=state) if state else found, "created_at", request.GET.get("at", ""))
    rows: Sequence[Row] = [Row(one) for one in Channel.objects.all()]
    context = {
        "rows": rows,
        "on": sum(row.channel.enabled for row in rows),
        "page": page,
        "state": state,
        "states": DeliveryState.choices,
        "tries": sending.MOST_TRIES,
        "failed": Delivery.objects.filter(state=DeliveryState.FAILED).count(),
        "waiting": Delivery.objects.filter(state=DeliveryState.WAITING).count(),
    }
    return page_or_fragment(request, "notifications/list.html", "notifications/_deliveries.html", context)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@needs(MAY_CHANGE, TO_DO)
def add(request: HttpRequest) -> HttpResponse:
    kind = asked.one_of(request, "kind", ChannelKind.values) or ChannelKind.EMAIL
    form = ChannelForm(_posted(request), kind=kind)
    if request.method == "POST" and form.is_valid():
        try:
            kept = channels.add(form.cleaned_data["name"], kind, form.wanted(), asks(request))
        except Refused as error:
            form.add_error(None, told(request, error))
        else:
            messages.success(request, f"{kept.name} is added. Send a test message to see that it arrives.")
            return redirect("notifications")
    return _edit(request, form, ChannelKind(kind), None)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@needs(MAY_CHANGE, TO_DO)
def change(request: HttpRequest, pk: int) -> HttpResponse:
    kept = get_object_or_404(Channel, pk=pk)
    shown = {"kinds": kept.kinds, "urgent_only": kept.urgent_only, "tells_end": kept.tells_end, "enabled": kept.enabled}
    if kept.kind == ChannelKind.EMAIL:
        shown["target"] = kept.target
    form = ChannelForm(_posted(request), kind=kept.kind, kept=kept, initial=shown)
    if request.method == "POST" and form.is_valid():
        try:
            changed = channels.change(kept, form.wanted(), asks(request))
        except Refused as error:
            form.add_error(None, told(request, error))
        else:
            messages.success(request, f"{kept.name} is changed." if changed else "Nothing was different.")
            return redirect("notifications")
    return _edit(request, form, ChannelKind(kept.kind), kept)


@require_POST
@needs(MAY_CHANGE, TO_DO)
def test(request: HttpRequest, pk: int) -> HttpResponse:
    kept = get_object_or_404(Channel, pk=pk)
    channels.test(kept, asks(request))
    messages.success(request, f"A test message to {kept.name} is on its way. Its line below tells what became of it.")
    return redirect("notifications")


@require_http_methods(["GET", "POST"])
@needs(MAY_CHANGE, TO_DO)
def forget(request: HttpRequest, pk: int) -> HttpResponse:
    kept = get_object_or_404(Channel, pk=pk)
    if request.method == "POST":
        name = kept.name
        channels.forget(kept, asks(request))
        messages.success(request, f"{name} is forgotten. Nobody is told of anything by it.")
        return redirect("notifications")
    return render(request, "notifications/forget.html", {"channel": kept})


def _edit(request: HttpRequest, form: ChannelForm, kind: ChannelKind, kept: Channel | None) -> HttpResponse:
    context = {"form": form, "kept": kept, "kind": kind, "kinds": ChannelKind.choices}
    return render(request, "notifications/edit.html", context, status=400 if form.errors else 200)


def _posted(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None
