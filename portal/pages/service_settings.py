"""How a service is operated, changed after it was added. What it is, its project and repository, stays."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from chatbot_service import services
from chatbot_service.models import Environment, Rehearsal, Service
from deploy_records.errors import Refused
from portal.access import needs
from portal.pages.asking import asks, told


class SettingsForm(forms.Form):
    """The rules are the record's; here the fields are only read. Adding a service asks the same."""

    environment = forms.ChoiceField(
        choices=Environment.choices, label="Environment", help_text="Which gate policy it is judged by."
    )
    watch_seconds = forms.IntegerField(
        label="Watch for, in seconds", initial=30, help_text="How long a job stays responsible after the switch."
    )
    rehearsal = forms.ChoiceField(
        choices=Rehearsal.choices, label="Rehearse a candidate", initial=Rehearsal.ISOLATED,
        help_text="On the project's networks it can reach the project's other services, databases too.",
    )  # fmt: skip
    required_env = forms.CharField(
        label="Keys that must have a value", max_length=4000, required=False, widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Names of environment variables. An upgrade is refused while one of them is empty.",
    )  # fmt: skip
    smoke_tests = forms.CharField(
        label="Smoke tests", max_length=8000, required=False, widget=forms.Textarea(attrs={"rows": 3}),
        help_text="One a line, run inside the container after a switch. For example: "
        "answers: curl -fsS http://127.0.0.1:8000/health",
    )  # fmt: skip

    endpoints = forms.CharField(
        label="Addresses it must reach", max_length=4000, required=False, widget=forms.Textarea(attrs={"rows": 2}),
        help_text="One a line, with http:// or https://, tried by Triage from inside the container. None: its model API.",
    )  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """Raises `Invalid` for what cannot be read."""
        given = self.cleaned_data
        return {
            "environment": given["environment"],
            "watch_seconds": given["watch_seconds"],
            "rehearsal": given["rehearsal"],
            "required_env": services.keys_of(given["required_env"]),
            "smoke_tests": services.smoke_tests_of(given["smoke_tests"]),
            "endpoints": given["endpoints"].split(),
        }


@require_http_methods(["GET", "POST"])
@needs("chatbot_service.change_service", "Changing a service's settings")
def change(request: HttpRequest, pk: int) -> HttpResponse:
    service = get_object_or_404(Service.objects.select_related("host"), pk=pk)
    now = services.settings_of(service)
    initial = {
        "environment": now.environment, "watch_seconds": now.watch_seconds, "rehearsal": now.rehearsal,
        "required_env": "\n".join(now.required_env), "smoke_tests": services.smoke_tests_in_lines(now.smoke_tests),
        "endpoints": "\n".join(now.endpoints),
    }  # fmt: skip
    form = SettingsForm(request.POST if request.method == "POST" else None, initial=initial)
    refusal, status = "", 200
    if request.method == "POST" and form.is_valid():
        try:
            changed = services.change(service, services.Settings(**form.settings()), asks(request))
        except Refused as error:
            refusal, status = told(request, error), error.status
        else:
            messages.success(request, "Changed. It counts from the next job on." if changed else "Nothing was different.")
            return redirect("service", pk)
    context = {"service": service, "form": form, "refusal": refusal}
    return render(request, "services/settings.html", context, status=400 if form.errors else status)
