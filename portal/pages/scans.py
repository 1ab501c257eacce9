"""Scan reports: what came in, what it says, and what it changed."""

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET, require_http_methods

from deploy_records import scan_downloads, scans
from deploy_records.errors import Invalid, Refused
from deploy_records.models import ScanFinding, ScanReport
from deploy_records.scan_downloads import MAY_VIEW
from deploy_records.scanners import FORMATS
from deploy_records.scans import MAY_IMPORT
from portal.access import actor_of, needs
from portal.htmx import page_or_fragment
from portal.pages import asked, scans_choice, scans_finding, scans_list, scans_report
from portal.pages.asking import person_of, told
from portal.pages.scans_tabs import is_inner


@require_GET
@needs(MAY_VIEW, "Reading scan reports")
def index(request: HttpRequest) -> HttpResponse:
    context = {"list": scans_list.read(request), "formats": list(FORMATS.values())}
    return page_or_fragment(request, "scans/list.html", "scans/_list_alone.html", context)


@require_GET
@needs(MAY_VIEW, "Reading scan reports")
def report(request: HttpRequest, pk: int) -> HttpResponse:
    context = {"page": scans_report.read(request, _report(pk)), "offered": scans_choice.offered()}
    fragment = "scans/_inner.html" if is_inner(request, "evidence-rows") else "scans/_tabs.html"
    return page_or_fragment(request, "scans/report.html", fragment, context)


@require_GET
@needs(MAY_VIEW, "Reading scan reports")
def finding(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    one = get_object_or_404(ScanFinding.objects.select_related("report__file"), report=pk, pk=number)
    return render(request, "scans/finding.html", {"page": scans_finding.of_report(one)})


@require_GET
@needs(MAY_VIEW, "Reading scan reports")
def original(request: HttpRequest, pk: int) -> HttpResponse:
    """The file as it came; never shown by a browser as a page of ours."""
    taken = scan_downloads.download(_report(pk), person_of(request), address=actor_of(request).address)
    answer = StreamingHttpResponse(taken.pieces, content_type="application/octet-stream")
    answer["Content-Disposition"] = content_disposition_header(True, taken.name) or "attachment"
    answer["Content-Length"] = str(taken.size)
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Cache-Control"] = "no-store"
    return cast("HttpResponse", answer)  # what marks views knows no other


@require_http_methods(["GET", "POST"])
@needs(MAY_IMPORT, "Matching a scan report")
def match(request: HttpRequest, pk: int) -> HttpResponse:
    """A person chooses the digest of a report that names none."""
    one = _report(pk)
    if request.method != "POST":
        return _ask(request, one, scans_choice.prefilled(asked.number(request, "digest")))
    typed = request.POST.get("digest", "")[: scans_choice.LONGEST + 1]
    try:
        entry = scans_choice.chosen(typed)
        if entry is None:
            raise Invalid("Say which digest it is about: repository@sha256:… Nothing was changed.")
        made = scans.assign(one, entry, person_of(request), address=actor_of(request).address)
    except Refused as error:
        return _ask(request, one, typed, problem=told(request, error), status=error.status)
    messages.success(request, f"Matched. The report counts for {made.entry.digest[7:19]} of {made.entry.repository} now.")
    return redirect("scan", one.pk)


def _ask(request: HttpRequest, one: ScanReport, typed: str, *, problem: str = "", status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {"report": one, "digest": typed, "problem": problem, "offered": scans_choice.offered()}
    return render(request, "scans/match.html", context, status=status)


def _report(pk: int) -> ScanReport:
    return get_object_or_404(ScanReport.objects.select_related("file", "imported_by"), pk=pk)
