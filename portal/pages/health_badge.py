"""A service's health as a small picture for other pages: for who is signed in, or for anybody who knows a public address."""

import hashlib

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_cache_control
from django.views.decorators.http import require_GET, require_POST

from chatbot_service import badges
from chatbot_service.health import everywhere, history
from chatbot_service.lights import Light
from chatbot_service.models import PublicBadge, Service
from portal.access import needs, public
from portal.health_charts import percent
from portal.pages import asked
from portal.pages.asking import asks
from portal.pages.health_service import LOOK, service_or_404

DAYS = {"7": 7, "30": 30, "90": 90}
FOR_US, FOR_ALL = 30, 60
"""Seconds a badge may be kept."""
_COLOURS = {"ok": "#17764a", "excused": "#17764a", "warn": "#8f5300", "stop": "#b3232f"}
_OTHER = "#5b6372"
_NARROW, _WIDE, _USUAL = frozenset("iljtfr.,:;|'! -"), frozenset("mwMW%@_"), 6.6


@require_GET
@needs(LOOK, "Reading the health of a service")
def of_service(request: HttpRequest, pk: int) -> HttpResponse:
    return _answer(request, service_or_404(pk), private=True, max_age=FOR_US)


@public
@require_GET
def of_all(request: HttpRequest, token: str) -> HttpResponse:
    found = PublicBadge.objects.select_related("service__host").filter(token=token).first()
    if found is None:
        raise Http404
    answer = _answer(request, found.service, public=True, max_age=FOR_ALL)
    answer["Cross-Origin-Resource-Policy"] = "cross-origin"
    request.session.accessed = False  # who asks makes no difference, so caches may keep one for all
    return answer


@require_POST
@needs(badges.MAY_CHANGE, "Making a badge public")
def make_public(request: HttpRequest, pk: int) -> HttpResponse:
    badges.make_public(service_or_404(pk), asks(request))
    messages.success(request, "The badge is public. Whoever knows its address sees how healthy the service is, and nothing else.")
    return redirect("service-health", pk)


@require_POST
@needs(badges.MAY_CHANGE, "Taking a public badge back")
def make_private(request: HttpRequest, pk: int) -> HttpResponse:
    badges.make_private(service_or_404(pk), asks(request))
    messages.success(request, "The badge is not public any more. Its old address shows nothing, and will not again.")
    return redirect("service-health", pk)


def _answer(request: HttpRequest, service: Service, **caching: bool | int) -> HttpResponse:
    drawn = draw(service, DAYS[asked.one_of(request, "days", DAYS) or "30"])
    etag = f'"{hashlib.sha256(drawn.encode()).hexdigest()[:32]}"'
    answer = HttpResponse(drawn, content_type="image/svg+xml; charset=utf-8", headers={"ETag": etag})
    patch_cache_control(answer, **caching)
    return get_conditional_response(request, etag=etag, response=answer) or answer


def draw(service: Service, days: int) -> str:
    """Three queries."""
    now = timezone.now()
    light = everywhere.light_now(service, now)
    totals = history.shares([service.pk], days, now).get(service.pk)
    name, words = service.name, _words(light, percent(totals.share) if totals else "")
    left, right = width_of(name), width_of(words)
    context = {
        "name": name, "words": words, "title": f"{name}: {words}{f', over {days} days' if totals else ''}",
        "left": left, "right": right, "whole": left + right, "name_at": left / 2, "words_at": left + right / 2,
        "name_width": left - 12, "words_width": right - 12, "colour": _COLOURS.get(light.tone, _OTHER),
    }  # fmt: skip
    return render_to_string("health/badge.svg", context)


def _words(light: Light, share: str) -> str:
    return f"{light.word.lower()} {share}".strip()


def width_of(text: str) -> int:
    """About as wide as it is drawn; the picture then makes it fit."""
    return 12 + round(sum(3.6 if one in _NARROW else 9.6 if one in _WIDE else _USUAL for one in text))
