"""Writing an exception down: a new draft or a changed one, with what it would excuse said beside it."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from chatbot_service.models import Service
from deploy_records import poam_listing
from deploy_records.errors import Invalid, Refused
from deploy_records.models import ImageDigest, PoamItem
from deploy_records.poam_items import MAY_REQUEST, terms_of
from deploy_records.rules import exception_life
from portal.access import actor_of, needs
from portal.pages import poam_form, poam_item
from portal.pages.asking import person_of, told
from portal.pages.poam_explaining import explained
from portal.pages.poam_form import ExceptionForm, Known


@require_http_methods(["GET", "POST"])
@needs(MAY_REQUEST, "Drafting an exception")
def new(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _save(request, None, ExceptionForm(request.POST, for_request=_asks(request)))
    form = ExceptionForm(initial=poam_form.prefilled(request.GET, person_of(request)))
    return _page(request, None, form, form.initial)


@require_http_methods(["GET", "POST"])
@needs(MAY_REQUEST, "Changing an exception")
def edit(request: HttpRequest, number: int) -> HttpResponse:
    item = poam_item.found(number)
    if item is None:
        raise Http404
    answer = exception_life.may_revise(name=item.name, state=item.state)
    if request.method == "POST":
        return _save(request, item, ExceptionForm(request.POST, for_request=_asks(request), before=terms_of(item)))
    if not answer.allowed:
        return render(request, "poam/refused.html", {"item": item, "refusal": answer.reason})
    form = ExceptionForm(initial=poam_form.as_typed(item))
    return _page(request, item, form, form.initial)


@require_GET
@needs(MAY_REQUEST, "Drafting an exception")
def explain(request: HttpRequest) -> HttpResponse:
    return render(request, "poam/_explained.html", {"lines": explained(request.GET)})


def _save(request: HttpRequest, item: PoamItem | None, form: ExceptionForm) -> HttpResponse:
    if not form.is_valid():
        return _page(request, item, form, request.POST, status=400)
    try:
        address = actor_of(request).address
        kept = poam_form.save(item, form, person_of(request), address, and_request=_asks(request))
    except Invalid as error:
        form.add_error(None, told(request, error))
        return _page(request, item, form, request.POST, status=error.status)
    except Refused as error:
        return _page(request, item, form, request.POST, refusal=told(request, error), status=error.status)
    said = "It waits for a security reviewer." if _asks(request) else "It is a draft, and excuses nothing until it is approved."
    messages.success(request, f"{kept.name} is kept. {said}")
    return redirect("poam-item", kept.number)


def _page(
    request: HttpRequest, item: PoamItem | None, form: ExceptionForm, typed: Any, *, refusal: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "item": item,
        "form": form,
        "refusal": refusal,
        "lines": explained(typed),
        "known": Known(
            list(ImageDigest.objects.order_by("repository").values_list("repository", flat=True).distinct()),
            list(Service.objects.order_by("name").values_list("name", flat=True).distinct()),
            poam_listing.owners(),
        ),
    }
    return render(request, "poam/form.html", context, status=status)


def _asks(request: HttpRequest) -> bool:
    """Which of the two buttons was pressed."""
    return "request" in request.POST
