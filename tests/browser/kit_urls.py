"""The portal's URLs, the kit page, which production does not serve, and what htmx may get as an answer."""

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path
from django.utils.html import format_html

from deploy_records.errors import Refused
from portal import htmx, urls
from portal.access import public
from portal.pages.kit import every_part

_asked, _until = 0, 3


@public
def fragment(request: HttpRequest) -> HttpResponse:
    """A log that has grown since the last time, in a part that refreshes by itself until the third answer, or `again=20`."""
    global _asked, _until  # noqa: PLW0603 - one server, one page, one test
    if "again" in request.GET:
        _asked, _until = 0, int(request.GET["again"] or 3)
    _asked += 1
    lines = "\n".join(f"line {n}" for n in range(100 + _asked))
    trigger = 'hx-get="/kit/fragment/" hx-trigger="every 200ms" hx-swap="outerHTML"'
    status = htmx.STOP_POLLING if _asked >= _until else 200
    body = format_html(
        '<section id="live" {}><p id="count">{}</p><button id="held" type="button">Hold</button>'
        '<pre class="kg-log" id="log" tabindex="0">{}</pre></section>',
        trigger if status == 200 else "",
        _asked,
        lines,
    )
    return HttpResponse(body.replace("&quot;", '"'), status=status)


@public
def refuse(request: HttpRequest) -> HttpResponse:
    raise Refused("Upgrade 417 holds example since 14:05.")


urlpatterns: list[URLPattern | URLResolver] = [
    path("kit/", every_part),
    path("kit/fragment/", fragment),
    path("kit/refuse/", refuse),
    *urls.urlpatterns,
]
