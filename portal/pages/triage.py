"""Something is wrong with a service: everything that can be known of it on one page, and as one file for a ticket."""

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from chatbot_service import resource_history, triage
from chatbot_service.jobs.catalogue import LOOK_INTO
from chatbot_service.models import LOOKS, Job, Kind, Service, Signal
from deploy_records import audit
from portal import resource_lines
from portal.access import actor_of, needs
from portal.pages.backup_rows import frame, row_or_404
from portal.pages.jobs import listed
from portal.pages.looks import TO_LOOK, WHATS, begin, panel_of
from portal.pages.runbook import for_service
from portal.sentences import service as sentences
from portal.templatetags.known_good import ProofRow

ORDER = ("healthcheck", "connections", "resources", "log", "environment")
_LAST_JOBS = 5
_MOST_SIGNALS = 10


@require_GET
@needs(LOOK_INTO, TO_LOOK)
def index(request: HttpRequest, pk: int) -> HttpResponse:
    row = row_or_404(pk)
    service = row.service
    jobs = Job.objects.with_people().filter(service=service).exclude(kind__in=(Kind.BROWSE, *LOOKS)).defer("result")
    samples = resource_history.of(service, timezone.now() - resource_history.SHOWN)
    context = {
        **frame(row, "triage"),
        "answer": sentences.answer(row, ()),
        "panels": [panel_of(service, WHATS[slug], request) for slug in ORDER],
        "proof": proof_of(row),
        "resources": resource_lines.shown(samples),
        "jobs": [listed(job) for job in jobs[:_LAST_JOBS]],
        "runbook": for_service(row),
        "signals": Signal.objects.filter(service=service, closed_at=None)[:_MOST_SIGNALS],
    }
    return render(request, "operation/triage.html", context)


def proof_of(row: Any) -> list[ProofRow]:
    """What runs, what is pinned, what is on record: one digest, or a difference."""
    service = row.service
    expected, pinned = row.entry.digest if row.entry else service.seen_digest, service.seen_pin.rpartition("@")[2]
    state = row.entry.get_state_display().lower() if row.entry else "not in the ledger"
    rows = [ProofRow("Container", service.seen_digest, service.seen_state or "not seen", bool(service.seen_digest))]
    if pinned:
        rows.append(ProofRow("Pin", pinned, service.pin_file, pinned == service.seen_digest))
    if expected:
        rows.append(ProofRow("Ledger", expected, state, row.entry is not None and expected == service.seen_digest))
    return rows if service.seen_digest else []


@require_POST
@needs(LOOK_INTO, TO_LOOK)
def run_all(request: HttpRequest, pk: int) -> HttpResponse:
    """All looks at once; what refuses says why, the others go on."""
    service = get_object_or_404(Service.objects.select_related("host"), pk=pk)
    refused = dict.fromkeys(words for slug in ORDER if (words := begin(request, service, WHATS[slug])))
    for words in refused:
        messages.error(request, words)
    return redirect("service-triage", pk)


@require_POST
@needs(LOOK_INTO, "Making a triage bundle")
def bundle(request: HttpRequest, pk: int) -> HttpResponse:
    """A file for a ticket, without a secret in it. That it was made is on record."""
    row = row_or_404(pk)
    found = triage.gather(row.service, timezone.now())
    as_json = request.POST.get("form") == "json"
    with audit.changing():
        event = audit.Event("triage.bundled", **audit.about(row.service), changes={"form": [None, "json" if as_json else "text"]})
        audit.record(actor_of(request), event)
    text = json.dumps(found, indent=2, ensure_ascii=False) if as_json else triage.as_text(found)
    kind = "application/json" if as_json else "text/plain"
    answer = HttpResponse(text, content_type=f"{kind}; charset=utf-8")
    name = f"triage-{row.service.name}-{timezone.now():%Y%m%d-%H%M%S}.{'json' if as_json else 'txt'}"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
