"""Adding a service: name the project, see what a worker found there, choose one and how it is to be run."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from chatbot_service import dispatch, lights, services
from chatbot_service.models import Host, Job, JobState, Kind
from deploy_records.errors import Refused
from portal.access import needs
from portal.htmx import STOP_POLLING, go_to, wants_fragment
from portal.pages.asking import asks, told
from portal.pages.service_settings import SettingsForm
from portal.sentences.parts import counted, some

TO_DO = "Adding a service"
MOST_FILES = 10


class ProjectForm(forms.Form):
    """What a project may be is for the worker to say, which sees it."""

    host = forms.ModelChoiceField(Host.objects.none(), empty_label=None, label="Host")
    directory = forms.CharField(
        label="Folder of the Compose project", max_length=500, help_text="Its absolute path on the host.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "placeholder": "/srv/chatbot"}),
    )  # fmt: skip
    compose_files = forms.CharField(
        label="Compose files", max_length=1000, initial="docker-compose.yml",
        help_text="Names in that folder, in the order in which Compose takes them, separated by spaces. "
        "The file with the pin is added as the last one if it is not named.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip
    project_name = forms.CharField(
        label="Project name (may be empty)", max_length=63, required=False,
        help_text="Only if it is not the name of the folder: what follows -p when it is started by hand.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )  # fmt: skip

    def __init__(self, *args: Any, hosts: list[Host], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen: Any = self.fields["host"]
        chosen.queryset = Host.objects.filter(pk__in=[host.pk for host in hosts])
        if len(hosts) == 1:
            chosen.initial, chosen.widget = hosts[0].pk, forms.HiddenInput()

    def clean_compose_files(self) -> list[str]:
        files = services.keys_of(self.cleaned_data["compose_files"])
        if len(files) > MOST_FILES:
            raise forms.ValidationError(f"At most {MOST_FILES} files.")
        return files

    def clean_directory(self) -> str:
        directory = str(self.cleaned_data["directory"])
        if not directory.startswith("/"):
            raise forms.ValidationError("Give the whole path, from / on.")
        return directory if directory == "/" else directory.rstrip("/")


class WishForm(SettingsForm):
    """The rules are `services.add`'s; here the fields are only read."""

    field_order = ("name", "environment", "pin_file")

    name = forms.CharField(label="Name", max_length=63, help_text="As it is called here: lower-case letters, digits, - and _.")
    pin_file = forms.CharField(
        label="Pin file", max_length=104, initial="docker-compose.prod.yml",
        help_text="The portal writes the image's digest into it, and takes it as the last of the compose files.",
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
@needs("chatbot_service.add_service", TO_DO)
def add(request: HttpRequest) -> HttpResponse:
    hosts = list(Host.objects.all())
    form = ProjectForm(request.POST or None, hosts=hosts, initial={"directory": request.GET.get("directory", "")[:500]})
    refusal, status = "", 400 if form.errors else 200
    if form.is_valid():
        given = form.cleaned_data
        try:
            job = dispatch.inspect(
                given["host"], given["directory"], given["compose_files"], given["project_name"], asks(request)
            )
        except Refused as error:
            refusal, status = told(request, error), error.status
        else:
            return redirect("service-add-choose", job.pk)
    now = timezone.now()
    troubled = [
        (host, light)
        for host in hosts
        if not (light := lights.host(name=host.name, seen_at=host.seen_at, problem=host.problem, now=now)).good
    ]
    context = {"form": form, "hosts": hosts, "troubled": troubled, "refusal": refusal}
    return render(request, "services/add.html", context, status=status)


@require_http_methods(["GET", "POST"])
@needs("chatbot_service.add_service", TO_DO)
def choose(request: HttpRequest, pk: int) -> HttpResponse:
    job = get_object_or_404(Job.objects.with_people().filter(kind=Kind.INSPECT), pk=pk)
    if job.state != JobState.SUCCEEDED:
        return _not_read(request, job)
    if wants_fragment(request) and request.headers.get("HX-Target") == "reading":
        return go_to(request, reverse("service-add-choose", args=[pk]))
    found = _found(request, job)
    form = WishForm(request.POST if request.method == "POST" else None, initial=_initial(job, found))
    refusal, status = "", 200
    if request.method == "POST" and form.is_valid():
        try:
            started = services.put_under_management(job, _wish(request, form), asks(request))
        except Refused as error:
            refusal, status = told(request, error), error.status
        else:
            return redirect("job", started.pk)
    context = {
        "job": job,
        "services": job.result["services"],
        "operable": sum(not one["problems"] for one in job.result["services"]),
        "found": found,
        "said": _said(job),
        "met": sum(rule["met"] for rule in found["baseline"]) if found else 0,
        "form": form,
        "refusal": refusal,
    }
    return render(request, "services/choose.html", context, status=400 if form.errors else status)


def _not_read(request: HttpRequest, job: Job) -> HttpResponse:
    """Still being read, or it could not be."""
    name = job.host.name
    light = lights.host(name=name, seen_at=job.host.seen_at, problem="", now=timezone.now())
    context = {"job": job, "host_light": light, "waits": job.is_active}
    if not wants_fragment(request):
        return render(request, "services/reading.html", context)
    return render(request, "services/_reading.html", context, status=200 if job.is_active else STOP_POLLING)


def _found(request: HttpRequest, job: Job) -> dict[str, Any] | None:
    """The service that is looked at: the one asked for, else the first that can be managed."""
    there: list[dict[str, Any]] = job.result["services"]
    asked = request.POST.get("service") or request.GET.get("service", "")
    wanted = next((one for one in there if one["name"] == asked), None)
    return wanted or next((one for one in there if not one["problems"]), there[0] if there else None)


def _said(job: Job) -> str:
    there: list[dict[str, Any]] = job.result["services"]
    operable = sum(not one["problems"] for one in there)
    where = job.result["directory"]
    if not operable:
        which = "The one service" if len(there) == 1 else f"None of the {counted(len(there))} services"
        return f"{which} in {where} {'cannot' if len(there) == 1 else 'can'} be managed yet."
    able = "it" if len(there) == 1 else "all of them" if operable == len(there) else f"{counted(operable)} of them"
    return f"Found {some(len(there), 'service', 'services')} in {where}; {able} can be managed."


def _initial(job: Job, found: dict[str, Any] | None) -> dict[str, Any]:
    name = str(found["name"]).lower().replace(".", "-") if found else ""
    last = str(job.asked["files"][-1]) if len(job.asked["files"]) > 1 else ""
    return {"name": name} | ({"pin_file": last} if "prod" in last else {})


def _wish(request: HttpRequest, form: WishForm) -> services.Choice:
    return services.Choice(
        compose_service=request.POST.get("service", ""),
        name=form.cleaned_data["name"],
        pin_file=form.cleaned_data["pin_file"],
        **form.settings(),
    )
