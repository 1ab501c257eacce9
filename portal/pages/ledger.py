"""The ledger: which digests are known, and which may run; and the page of one digest with all that is done to it."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from chatbot_service import dispatch
from chatbot_service.models import Host
from deploy_records import audit, verdict
from deploy_records.errors import Invalid, Refused
from deploy_records.models import DigestFinding, ImageDigest
from deploy_records.people import holds
from deploy_records.rules.policy import ENVIRONMENTS
from portal.access import actor_of, needs
from portal.htmx import page_or_fragment, wants_fragment
from portal.pages import asked, deeds, dossier, dossier_findings, ledger_list, scans_finding
from portal.pages.asking import asks, person_of, told
from portal.pages.deeds import Deed
from portal.pages.scans_tabs import is_inner


@require_GET
@needs("deploy_records.view_imagedigest", "Reading the ledger")
def index(request: HttpRequest) -> HttpResponse:
    return page_or_fragment(request, "ledger/list.html", "ledger/_list.html", {"list": ledger_list.read(request)})


@require_GET
@needs("deploy_records.view_imagedigest", "Reading the ledger")
def digest(request: HttpRequest, pk: int) -> HttpResponse:
    entry = _entry(pk)
    if wants_fragment(request):
        return _evidence(request, entry)
    person = person_of(request)
    read = dossier.read(entry, person, asked.one_of(request, "environment", ENVIRONMENTS))
    evidence = dossier_findings.read(request, entry, read.case)
    context = {"dossier": read, "entry": entry, "offers": _offers(read, person), "page": evidence}
    return render(request, "ledger/detail.html", context)


@require_GET
@needs("deploy_records.view_imagedigest", "Reading the ledger")
def finding(request: HttpRequest, pk: int, fingerprint: str) -> HttpResponse:
    """One finding of a digest, with all that its reports say of it."""
    rows = DigestFinding.objects.filter(entry=pk, fingerprint=fingerprint).select_related("finding", "entry")
    one = rows.first()
    if one is None:
        raise Http404
    environment = asked.one_of(request, "environment", ENVIRONMENTS) or ENVIRONMENTS[0]
    case = verdict.case_of(one.entry, environment=environment)
    return render(request, "scans/finding.html", {"page": scans_finding.of_digest(one, case)})


@require_http_methods(["GET", "POST"])
@needs("deploy_records.register_digest", "Registering a digest")
def register(request: HttpRequest) -> HttpResponse:
    hosts = list(Host.objects.all())
    form = RegisterForm(_posted(request), hosts=hosts, initial={"reference": request.GET.get("reference", "")[:512]})
    if request.method == "POST" and form.is_valid():
        try:
            job = dispatch.resolve(form.cleaned_data["host"], form.cleaned_data["reference"], asks(request))
        except Invalid as error:
            form.add_error("reference", told(request, error))
        else:
            return redirect("job", job.pk)
    return render(request, "ledger/register.html", {"form": form, "hosts": hosts}, status=400 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@needs("deploy_records.approve_digest", "Approving a digest")
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    read = dossier.read(_entry(pk), person_of(request))
    return _ask_and_do(request, pk, _to_approve(read))


@require_http_methods(["GET", "POST"])
@needs("deploy_records.approve_digest", "Withdrawing an approval")
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    return _ask_and_do(request, pk, deeds.WITHDRAW)


@require_http_methods(["GET", "POST"])
@needs("deploy_records.deprecate_digest", "Deprecating a digest")
def deprecate(request: HttpRequest, pk: int) -> HttpResponse:
    return _ask_and_do(request, pk, deeds.DEPRECATE)


@require_http_methods(["GET", "POST"])
@needs("deploy_records.deprecate_digest", "Offering a digest again")
def offer_again(request: HttpRequest, pk: int) -> HttpResponse:
    return _ask_and_do(request, pk, deeds.OFFER_AGAIN)


@require_http_methods(["GET", "POST"])
@needs("deploy_records.revoke_digest", "Revoking a digest")
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    return _ask_and_do(request, pk, deeds.REVOKE)


class RegisterForm(forms.Form):
    """What a reference must be is for dispatch and the record to say."""

    reference = forms.CharField(
        label="Image",
        error_messages={"required": "Name the image: repository:tag, or repository@sha256:…"},
        help_text="repository:tag, which a worker looks up now; or repository@sha256:… What is registered is the digest.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    host = forms.ModelChoiceField(
        Host.objects.none(), empty_label=None, label="Host", help_text="Its worker asks the registry, with the login set for it."
    )

    def __init__(self, *args: Any, hosts: list[Host], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen: Any = self.fields["host"]
        chosen.queryset = Host.objects.filter(pk__in=[host.pk for host in hosts])
        if len(hosts) == 1:
            chosen.initial, chosen.widget = hosts[0].pk, forms.HiddenInput()


@dataclass(frozen=True)
class Offer:
    """A deed that the person's role allows. `why_not`: the rule that refuses it to this person now."""

    deed: Deed
    form: deeds.DeedForm
    explanation: str
    why_not: str = ""


def _to_approve(read: dossier.Dossier) -> Deed:
    return deeds.to_approve(renewing=read.approvals.may_renew, comment_required=read.comment_required)


def _offers(read: dossier.Dossier, person: User) -> dict[str, Offer]:
    """Only deeds that the person's roles allow; with the reason where a rule would refuse it."""
    offered: list[Deed] = []
    if holds(person, "deploy_records.approve_digest"):
        if read.approvals.mine:
            offered.append(deeds.WITHDRAW)
        if read.can_be_approved and (not read.approvals.mine or read.approvals.may_renew):
            offered.append(_to_approve(read))
    if holds(person, "deploy_records.deprecate_digest"):
        if read.can_be_taken_out:
            offered.append(deeds.DEPRECATE)
        elif read.entry.state == "deprecated":
            offered.append(deeds.OFFER_AGAIN)
    if holds(person, "deploy_records.revoke_digest") and read.entry.state != "revoked":
        offered.append(deeds.REVOKE)
    answer = read.approvals.answer
    why_not = "" if answer.allowed else answer.reason.removesuffix("Nothing was changed.").strip()
    return {
        deed.name.removeprefix("digest-").replace("-", "_"): Offer(
            deed, deed.form(read.entry), deed.explain(read.entry), why_not if deed.name == deeds.APPROVE.name else ""
        )
        for deed in offered
    }


def _evidence(request: HttpRequest, entry: ImageDigest) -> HttpResponse:
    """A tab, or what stands below its filters."""
    context = {"entry": entry, "page": dossier_findings.read(request, entry)}
    inner = is_inner(request, "evidence-rows")
    return render(request, "ledger/_evidence_inner.html" if inner else "ledger/_evidence.html", context)


def _ask_and_do(request: HttpRequest, pk: int, deed: Deed) -> HttpResponse:
    entry, person = _entry(pk), person_of(request)
    form = deed.form(entry, _posted(request))
    context = {"entry": entry, "deed": deed, "form": form, "explanation": deed.explain(entry)}
    if request.method != "POST":
        return render(request, "ledger/confirm.html", context)
    try:
        messages.success(request, _do(request, deed, entry, person))
    except Invalid as error:
        form.is_valid()
        form.add_error("words", told(request, error))
        return render(request, "ledger/confirm.html", context, status=error.status)
    except Refused as error:
        context |= {"refusal": told(request, error), "words": request.POST.get("words", "")}
        return render(request, "ledger/refused.html", context, status=error.status)
    return redirect("digest", pk)


def _do(request: HttpRequest, deed: Deed, entry: ImageDigest, person: User) -> str:
    """Judged and done under one lock, so that what was seen is what is decided on."""
    with audit.changing():
        entry = _entry(entry.pk)
        said = deed.repeated(entry, person)
        if said:
            return said
        deeds.refuse_stale(deed, entry, request.POST.get("seen", ""))
        return deed.act(entry, person, request.POST.get("words", ""), actor_of(request).address)


def _entry(pk: int) -> ImageDigest:
    return get_object_or_404(ImageDigest.objects.select_related("registered_by", "reinstated_by"), pk=pk)


def _posted(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None
