"""What htmx asks for beyond a page: a fragment, the end of polling, a new address."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django_htmx.http import HttpResponseClientRedirect

STOP_POLLING = 286
"""htmx swaps the answer in and asks no more."""


def wants_fragment(request: HttpRequest) -> bool:
    """Whether only a part of the page is asked for; going back in history asks for the whole."""
    htmx: Any = getattr(request, "htmx", None)
    return bool(htmx and not htmx.boosted and not htmx.history_restore_request)


def page_or_fragment(request: HttpRequest, page: str, fragment: str, context: Mapping[str, Any]) -> HttpResponse:
    """The page includes the fragment; htmx gets the fragment alone."""
    return render(request, fragment if wants_fragment(request) else page, dict(context))


def live(request: HttpRequest, fragment: str, context: Mapping[str, Any], *, ended: bool) -> HttpResponse:
    """A fragment that is polled. Once `ended`, polling stops with it."""
    response = render(request, fragment, dict(context))
    if ended:
        response.status_code = STOP_POLLING
    return response


def load_anew(response: HttpResponse) -> HttpResponse:
    """The browser loads the whole page again: more of it than the fragment says something else now."""
    response["HX-Refresh"] = "true"
    return response


def go_to(request: HttpRequest, url: str) -> HttpResponse:
    """Redirect after a deed, with htmx or without."""
    return HttpResponseClientRedirect(url) if getattr(request, "htmx", None) else HttpResponseRedirect(url)
