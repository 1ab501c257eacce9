"""Every part of the kit on one page, with invented data: to look at, and for the browser tests. Not served in production."""

import hashlib
from datetime import timedelta

from django import forms
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from portal.access import public
from portal.navigation import TrustLine
from portal.templatetags.known_good import ProofRow
from portal.templatetags.line import Mark, Segment, Window

_TONES = (
    ("ok", "Healthy"),
    ("excused", "Gate passes"),
    ("run", "Running"),
    ("wait", "Waits for review"),
    ("none", "Candidate"),
    ("off", "Deprecated"),
    ("undone", "Failed, undone"),
    ("warn", "4 days left"),
    ("stop", "Gate refuses"),
)
_LINES: tuple[tuple[str, tuple[tuple[float, float, str], ...], tuple[tuple[float, str], ...]], ...] = (
    ("healthy", ((0, 100, "ok"),), ()),
    ("probes fail", ((0, 40, "ok"), (40, 43, "fail"), (43, 100, "ok")), ()),
    ("down", ((0, 40, "ok"), (40, 44, "down"), (44, 100, "ok")), ()),
    ("changed by a job, paused", ((0, 39.4, "ok"), (39.4, 40.6, "pause"), (40.6, 100, "ok")), ((40, "deploy"),)),
    ("stopped on purpose", ((0, 40, "ok"), (40, 60, "off"), (60, 100, "ok")), ()),
    ("no samples", ((0, 40, "ok"), (40, 60, "none"), (60, 100, "ok")), ()),
    ("passes on an exception, then refused", ((0, 40, "excused"), (40, 100, "refused")), ((40, "end"),)),
    ("refused from the start; review due", ((0, 100, "refused"),), ((70, "review"),)),
)
_OUTPUT = """14:09:54 create rehearsal-418, no published ports
14:09:59 start
14:10:02 candidate: INFO serving on 0.0.0.0:8000
14:10:30 probe 2: healthy, 122 ms; watching for 15 s more"""


class ExampleForm(forms.Form):
    digest = forms.CharField(help_text="As the registry names it.")
    environment = forms.ChoiceField(choices=(("production", "Production"), ("staging", "Staging")))
    deprecate = forms.BooleanField(required=False, label="Deprecate the digest that runs now")
    reason = forms.CharField(max_length=300)

    def clean_digest(self) -> str:
        raise forms.ValidationError("A tag can move. Give the digest: sha256: and 64 characters from 0–9 and a–f.")


class RollbackForm(forms.Form):
    reason = forms.CharField(max_length=300, label="Reason, for the record")
    deprecate = forms.BooleanField(
        required=False, initial=True, label="Deprecate the digest that runs now", help_text="So that nobody deploys it again."
    )


def _digest(name: str) -> str:
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


@require_GET
@public
def kit(request: HttpRequest) -> HttpResponse:
    if not settings.DEBUG:
        raise Http404
    return every_part(request)


@require_GET
@public
def every_part(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    old, new, strange = _digest("build 1"), _digest("build 2"), _digest("build 3")
    window = Window(now - timedelta(hours=24), now)
    form = ExampleForm({"digest": "ghcr.io/acme/example:latest", "environment": "production"})
    context = {
        "tones": _TONES,
        "severities": ("Critical", "High", "Medium", "Low", "Unknown"),
        "old": old,
        "new": new,
        "lines": [(label, [Segment(*s) for s in segments], [Mark(*m) for m in marks]) for label, segments, marks in _LINES],
        "health": [
            window.segment(window.start, now - timedelta(hours=8), "ok"),
            window.segment(now - timedelta(hours=8), now - timedelta(hours=7.7), "fail"),
            window.segment(now - timedelta(hours=7.7), now, "ok"),
        ],
        "health_marks": [window.mark(now - timedelta(hours=16), "deploy")],
        "ticks": window.ticks(),
        "proof": [
            ProofRow("Container", strange, "inspected 09:12:30", same=False),
            ProofRow("Pin", old, "docker-compose.prod.yml", same=True),
            ProofRow("Ledger", old, "known good", same=True),
        ],
        "output": _OUTPUT,
        "fields": form,
        "confirm_form": RollbackForm(auto_id="confirm_%s"),
        "dialog_form": RollbackForm(auto_id="dialog_%s"),
        "now": now,
        "moments": [now - timedelta(seconds=36), now - timedelta(hours=2), now - timedelta(days=3), now + timedelta(days=4)],
        "started": now - timedelta(days=3, hours=4, minutes=10),
        "trust": (TrustLine("ok", "Trail intact to 12,408"), TrustLine("ok", "3 hosts, 4 workers answer")),
    }
    return render(request, "kit/page.html", context)
