"""Light, dark, or as the system: a cookie, so that the first byte of a page already knows."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from portal.access import signed_in
from portal.templatetags.known_good import THEMES

_A_YEAR = 365 * 86400


@require_POST
@signed_in
def appearance(request: HttpRequest) -> HttpResponse:
    target = request.POST.get("next", "")
    known = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    response = HttpResponseRedirect(target if known else "/")
    chosen = request.POST.get("theme", "")
    if chosen in THEMES:
        response.set_cookie("theme", chosen, max_age=_A_YEAR, samesite="Lax", secure=request.is_secure(), httponly=True)
    else:
        response.delete_cookie("theme", samesite="Lax")
    return response
