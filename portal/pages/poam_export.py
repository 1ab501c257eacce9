"""Exceptions as a file: what the list shows, in one of the forms that other tools and auditors read."""

from collections.abc import Callable

from django import forms
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from deploy_records import poam_exporting
from deploy_records.errors import Invalid, Refused
from deploy_records.models import ImageDigest
from deploy_records.poam_exporting import Written
from deploy_records.poam_files.exports import FORMS
from deploy_records.poam_files.workbook import Header
from deploy_records.poam_items import MAY_VIEW
from deploy_records.rules.component import Place
from deploy_records.rules.digest import parse_digest, parse_repository
from portal.access import actor_of, needs
from portal.pages import poam_list
from portal.pages.asking import person_of, told
from portal.pages.poam_limits import limits_now
from portal.pages.poam_list import ALL

_SAID = {
    "poam": "the canonical file for .security/poam.yaml; importing it again changes nothing",
    "trivyignore": "what Trivy need not report, each with its end; save it as .trivyignore.yaml",
    "grype": "what Grype need not report; its rules have no end of their own; save it as .grype.yaml",
    "vex": "what is known of each vulnerability, for tools that read CycloneDX",
    "fedramp": "sheets Open and Closed, columns A to AE",
    "oscal": "the same for tools that read OSCAL",
}
_PLAIN = {"autocomplete": "off", "spellcheck": "false"}


class ExportForm(forms.Form):
    form = forms.ChoiceField(
        label="Form", initial="poam", widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
        error_messages={"required": "Choose a form."},
        choices=[(name, f"{known.title}: {_SAID[name]}") for name, known in FORMS.items()],
    )  # fmt: skip
    repository = forms.CharField(
        label="For scans of the repository", required=False, max_length=400,
        help_text="Ignore files for Trivy and Grype hold only what counts in the place that is scanned. Empty: only what counts "
        "everywhere.",
        widget=forms.TextInput(attrs={**_PLAIN, "list": "poam-repositories"}),
    )  # fmt: skip
    digest = forms.CharField(label="… of the digest", required=False, max_length=71, widget=forms.TextInput(attrs=_PLAIN))
    service = forms.CharField(label="… as the service", required=False, max_length=100, widget=forms.TextInput(attrs=_PLAIN))
    csp = forms.CharField(label="Provider", required=False, max_length=200, help_text="For the head of the FedRAMP workbook.")
    system_name = forms.CharField(label="System name", required=False, max_length=200, help_text="For the workbook and OSCAL.")
    impact_level = forms.CharField(label="Impact level", required=False, max_length=40)

    def clean_repository(self) -> str:
        return _parsed(self.cleaned_data["repository"].strip(), parse_repository)

    def clean_digest(self) -> str:
        return _parsed(self.cleaned_data["digest"].strip(), parse_digest)

    def place(self) -> Place:
        """After it was found valid."""
        kept = self.cleaned_data
        return Place(kept["repository"], frozenset(one for one in (kept["digest"],) if one), kept["service"])

    def header(self) -> Header:
        kept = self.cleaned_data
        return Header(kept["csp"], kept["system_name"], kept["impact_level"])


@require_http_methods(["GET", "POST"])
@needs(MAY_VIEW, "Exporting exceptions")
def export(request: HttpRequest) -> HttpResponse:
    filters = poam_list.filters_of(request)
    rows = poam_list.matching(filters, timezone.now(), otherwise=ALL)
    form = ExportForm(_posted(request), initial={"form": request.GET.get("form", "poam"), "repository": _repository(request)})
    if request.method == "POST" and form.is_valid():
        try:
            written = poam_exporting.export(
                form.cleaned_data["form"], rows, person_of(request), address=actor_of(request).address, place=form.place(),
                header=form.header(), limits=limits_now(),
            )  # fmt: skip
        except Refused as error:
            form.add_error(None, told(request, error))
        else:
            return _download(written)
    context = {
        "form": form,
        "filters": filters,
        "number": rows.count(),
        "repositories": list(ImageDigest.objects.order_by("repository").values_list("repository", flat=True).distinct()),
    }
    return render(request, "poam/export.html", context, status=400 if form.errors else 200)


def _download(written: Written) -> HttpResponse:
    """Browsers change a name that begins with a dot, so it goes without; the page says how to save it."""
    answer = HttpResponse(written.data, content_type=written.content_type)
    answer["Content-Disposition"] = f'attachment; filename="{written.file_name.lstrip(".")}"'
    answer["Cache-Control"] = "no-store"
    return answer


def _parsed(text: str, parse: Callable[[str], str]) -> str:
    try:
        return parse(text) if text else ""
    except Invalid as error:
        raise forms.ValidationError(str(error)) from error


def _repository(request: HttpRequest) -> str:
    return request.GET.get("repository", "")[:400]


def _posted(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None
