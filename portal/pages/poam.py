"""What is excused, until when, and who answers for it: the list, one exception, and all that is done to it."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from deploy_records import audit, poam
from deploy_records.errors import Invalid, Refused
from deploy_records.models import PoamGrant, PoamItem, PoamMilestone
from deploy_records.poam_files import moments
from deploy_records.poam_items import MAY_REQUEST, MAY_VIEW
from deploy_records.rules.terms import MOST_TITLE
from deploy_records.rules.words import MOST_CHARACTERS
from portal.access import actor_of, needs
from portal.htmx import page_or_fragment
from portal.pages import poam_deeds, poam_item, poam_list
from portal.pages.asking import person_of, told
from portal.pages.poam_deeds import Deed


@require_GET
@needs(MAY_VIEW, "Reading the exceptions")
def index(request: HttpRequest) -> HttpResponse:
    return page_or_fragment(request, "poam/list.html", "poam/_list_alone.html", {"list": poam_list.read(request)})


@require_GET
@needs(MAY_VIEW, "Reading the exceptions")
def item(request: HttpRequest, number: int) -> HttpResponse:
    return _show(request, _item(number))


def _deed_view(deed: Deed) -> Callable[..., HttpResponse]:
    @require_http_methods(["GET", "POST"])
    @needs(deed.permission, deed.to_do)
    def view(request: HttpRequest, number: int) -> HttpResponse:
        return _ask_and_do(request, number, deed)

    return view


approve = _deed_view(poam_deeds.APPROVE)
reject = _deed_view(poam_deeds.REJECT)
request_approval = _deed_view(poam_deeds.REQUEST)
take_back = _deed_view(poam_deeds.TAKE_BACK)
extend = _deed_view(poam_deeds.EXTEND)
approve_extension = _deed_view(poam_deeds.APPROVE_EXTENSION)
reject_extension = _deed_view(poam_deeds.REJECT_EXTENSION)
mitigate = _deed_view(poam_deeds.MITIGATE)
close = _deed_view(poam_deeds.CLOSE)


class CommentForm(forms.Form):
    text = forms.CharField(
        label="Comment", strip=False, error_messages={"required": "Write the comment first."},
        widget=forms.Textarea(attrs={"rows": 3, "maxlength": MOST_CHARACTERS}),
    )  # fmt: skip


class MilestoneForm(forms.Form):
    """What a title may be is for the record to say."""

    title = forms.CharField(
        label="What will be done", error_messages={"required": "Say what will be done by then."},
        widget=forms.TextInput(attrs={"maxlength": MOST_TITLE, "autocomplete": "off"}),
    )  # fmt: skip
    due = forms.CharField(
        label="Due", help_text="YYYY-MM-DD", error_messages={"required": "Say by when, as YYYY-MM-DD."},
        widget=forms.TextInput(attrs={"placeholder": "YYYY-MM-DD", "autocomplete": "off"}),
    )  # fmt: skip
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def clean_due(self) -> Any:
        try:
            return moments.parse_day(self.cleaned_data["due"])
        except Invalid as error:
            raise forms.ValidationError(str(error)) from error


@require_POST
@needs(MAY_REQUEST, "Commenting on an exception")
def comment(request: HttpRequest, number: int) -> HttpResponse:
    found = _item(number)
    form = CommentForm(request.POST, auto_id="comment-%s")
    if form.is_valid():
        try:
            poam.comment(found, person_of(request), form.cleaned_data["text"], address=actor_of(request).address)
        except Invalid as error:
            form.add_error("text", told(request, error))
        else:
            return redirect(f"{_address(number)}#comments")
    return _show(request, found, comment_form=form)


@require_POST
@needs(MAY_REQUEST, "Adding a milestone")
def add_milestone(request: HttpRequest, number: int) -> HttpResponse:
    found = _item(number)
    form = MilestoneForm(request.POST, auto_id="milestone-%s")
    if form.is_valid():
        given, address = form.cleaned_data, actor_of(request).address
        try:
            poam.add_milestone(found, given["title"], given["due"], person_of(request), address=address, seen=given["seen"] or 0)
        except Invalid as error:
            form.add_error("title", told(request, error))
        except Refused as error:
            return _refused(request, found, told(request, error), given["title"], status=error.status)
        else:
            return redirect(f"{_address(number)}#milestones")
    return _show(request, found, milestone_form=form)


@require_POST
@needs(MAY_REQUEST, "Marking a milestone")
def milestone_done(request: HttpRequest, number: int, pk: int) -> HttpResponse:
    return _mark(request, number, pk, poam.complete)


@require_POST
@needs(MAY_REQUEST, "Marking a milestone")
def milestone_open(request: HttpRequest, number: int, pk: int) -> HttpResponse:
    return _mark(request, number, pk, poam.reopen)


def _mark(request: HttpRequest, number: int, pk: int, mark: Callable[..., PoamMilestone]) -> HttpResponse:
    found = _item(number)
    milestone = get_object_or_404(PoamMilestone, pk=pk, item=found)
    try:
        mark(milestone, person_of(request), address=actor_of(request).address)
    except Refused as error:
        return _refused(request, found, told(request, error), status=error.status)
    return redirect(f"{_address(number)}#milestones")


def _show(
    request: HttpRequest, found: PoamItem, *, comment_form: CommentForm | None = None, milestone_form: MilestoneForm | None = None
) -> HttpResponse:  # fmt: skip
    page = poam_item.read(found, person_of(request))
    context = {
        "page": page,
        "item": found,
        "comment_form": comment_form or CommentForm(auto_id="comment-%s"),
        "milestone_form": milestone_form or MilestoneForm(initial={"seen": found.version}, auto_id="milestone-%s"),
    }
    return render(request, "poam/item.html", context, status=400 if comment_form or milestone_form else 200)


def _ask_and_do(request: HttpRequest, number: int, deed: Deed) -> HttpResponse:
    found, person = _item(number), person_of(request)
    form = deed.form(found, _posted(request))
    context = {"item": found, "deed": deed, "form": form, "explanation": deed.explain(found)}
    if request.method != "POST":
        why_not = _why_not(found, person, deed)
        return _refused(request, found, why_not) if why_not else render(request, "poam/confirm.html", context)
    if not form.is_valid():
        return render(request, "poam/confirm.html", context, status=400)
    try:
        messages.success(request, _do(request, deed, found, person, form))
    except Invalid as error:
        form.add_error("words" if deed.label else None, told(request, error))
        return render(request, "poam/confirm.html", context, status=error.status)
    except Refused as error:
        return _refused(request, found, told(request, error), request.POST.get("words", ""), status=error.status)
    return redirect("poam-item", number)


def _do(request: HttpRequest, deed: Deed, found: PoamItem, person: User, form: poam_deeds.DeedForm) -> str:
    """Judged and done under one lock, so that a second press of the same button is not told to look again."""
    given = form.given(actor_of(request).address)
    with audit.changing():
        if deed is poam_deeds.APPROVE and _approved_by(found, person, given.seen):
            return "You approved it a moment ago. That stands; nothing was added."
        return deed.act(found, person, given)


def _approved_by(found: PoamItem, person: User, seen: int) -> bool:
    now = PoamItem.objects.get(pk=found.pk)
    return now.version == seen + 1 and PoamGrant.objects.filter(item=found, by=person, until=now.expires_at).exists()


def _why_not(found: PoamItem, person: User, deed: Deed) -> str:
    if not deed.fits(found):
        return f"{found.name} is {found.state}, and this is not for an exception in that state. Nothing was changed."
    answer = deed.answer(found, person)
    return "" if answer.allowed else answer.reason


def _refused(request: HttpRequest, found: PoamItem, refusal: str, words: str = "", *, status: int = 200) -> HttpResponse:
    return render(request, "poam/refused.html", {"item": found, "refusal": refusal, "words": words}, status=status)


def _address(number: int) -> str:
    return reverse("poam-item", args=[number])


def _item(number: int) -> PoamItem:
    found = poam_item.found(number)
    if found is None:
        raise Http404
    return found


def _posted(request: HttpRequest) -> QueryDict | None:
    return request.POST if request.method == "POST" else None
