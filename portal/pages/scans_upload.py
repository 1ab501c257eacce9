"""Bringing scan reports in: several files at once, each told for itself; large ones are read by a worker meanwhile."""

from collections.abc import Sequence
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET, require_http_methods

from deploy_records import scan_imports, scans
from deploy_records.errors import Refused
from deploy_records.models import ImageDigest, ScanImport
from deploy_records.scanners import FORMATS
from deploy_records.scanners.reading import MOST_BYTES
from deploy_records.scans import MAY_IMPORT, Imported
from portal.access import actor_of, needs
from portal.bodies import takes_files
from portal.htmx import live, wants_fragment
from portal.pages import asked, scans_choice
from portal.pages.asking import person_of, told
from portal.pages.scans_outcomes import Outcome, imported, outcome_of

MOST_AT_ONCE = 2 * MOST_BYTES
MOST_FILES = 50


@require_http_methods(["GET", "POST"])
@needs(MAY_IMPORT, "Importing a scan report")
@takes_files(MOST_AT_ONCE, what=", in fewer files or packed with gzip")
def upload(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, scans_choice.prefilled(asked.number(request, "digest")))
    typed = request.POST.get("digest", "")[: scans_choice.LONGEST + 1]
    files = request.FILES.getlist("file")
    problem = _problem(files)
    if problem:
        return _page(request, typed, problem=problem, status=400)
    try:
        entry = scans_choice.chosen(typed)
    except Refused as error:
        return _refused_choice(request, typed, files, error)
    outcomes = [_receive(request, file, entry) for file in files]
    status = 400 if all(one.is_refused for one in outcomes) else 200
    if wants_fragment(request):
        return render(request, "scans/_outcomes.html", {"outcomes": outcomes}, status=status)
    return _page(request, typed, outcomes=outcomes, status=status)


@require_GET
@needs("deploy_records.view_scanreport", "Reading scan reports")
def progress(request: HttpRequest, pk: int) -> HttpResponse:
    """How far a worker is with a file: a page of its own, or the part of a page that is asked for again and again."""
    one = get_object_or_404(ScanImport.objects.select_related("report__file", "chosen"), pk=pk)
    outcome = outcome_of(one)
    if wants_fragment(request):
        return live(request, "scans/_outcome.html", {"one": outcome}, ended=one.is_over)
    return render(request, "scans/import.html", {"one": outcome})


def _receive(request: HttpRequest, file: "UploadedFile[Any]", entry: ImageDigest | None) -> Outcome:
    name = scans.shown_name(file.name or "")
    opened: Any = file.file
    try:
        done = scan_imports.receive(opened, name, person_of(request), chosen=entry, address=actor_of(request).address)
    except Refused as error:
        return Outcome(name, "stop", "Refused", told(request, error))
    return imported(done, name) if isinstance(done, Imported) else outcome_of(done)


def _problem(files: "Sequence[UploadedFile[Any]]") -> str:
    if not files:
        return "Choose at least one file first. Nothing was sent."
    if len(files) > MOST_FILES:
        return f"Send at most {MOST_FILES} files at once; these are {len(files)}. Nothing was stored."
    return ""


def _refused_choice(request: HttpRequest, typed: str, files: "Sequence[UploadedFile[Any]]", error: Refused) -> HttpResponse:
    words = told(request, error)
    if wants_fragment(request):
        refused = [Outcome(scans.shown_name(file.name or ""), "stop", "Refused", words) for file in files]
        return render(request, "scans/_outcomes.html", {"outcomes": refused}, status=error.status)
    return _page(request, typed, wrong_digest=words, status=error.status)


def _page(
    request: HttpRequest, typed: str, *, outcomes: Sequence[Outcome] = (), problem: str = "", wrong_digest: str = "",
    status: int = 200,
) -> HttpResponse:  # fmt: skip
    context = {
        "digest": typed,
        "offered": scans_choice.offered(),
        "outcomes": outcomes,
        "taken": sum(not one.is_refused for one in outcomes),
        "problem": problem,
        "wrong_digest": wrong_digest,
        "formats": list(FORMATS.values()),
        "most_bytes": MOST_BYTES,
        "most_megabytes": MOST_BYTES // 1024**2,
        "most_files": MOST_FILES,
    }
    return render(request, "scans/upload.html", context, status=status)
