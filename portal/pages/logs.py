"""The log of a service: its end, a stretch of time, what holds certain words, and what comes while one looks on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from chatbot_service import operating
from chatbot_service.jobs.catalogue import LOOK_INTO
from chatbot_service.jobs.look_ports import LogQuery
from chatbot_service.models import Job, JobState, Kind, Service
from deploy_records.errors import Invalid, Refused
from portal.access import needs
from portal.htmx import STOP_POLLING, wants_fragment
from portal.pages import asked
from portal.pages.asking import asks, told
from portal.pages.backup_rows import frame, row_or_404
from portal.templatetags.log_lines import as_text
from portal.templatetags.moments import count, size

TO_READ = "Reading a service's log"
MOST_FOLLOWED = 300
"""Looks until following pauses by itself: about ten minutes of a page that nobody may be reading any more."""
MOST_LINES_SHOWN = 5000
_SHORT = "%Y-%m-%d %H:%M"
_FORMS = ("%Y-%m-%d %H:%M:%S", _SHORT, "%Y-%m-%d")
_AGO = {"15m": timedelta(minutes=15), "1h": timedelta(hours=1), "6h": timedelta(hours=6), "1d": timedelta(days=1)}
_ENDED = {
    "lines": "as many lines as are shown at once",
    "bytes": "as much of the log as is read at once",
    "time": "as long as one look may take",
}


class LogForm(forms.Form):
    """Moments are UTC, as everywhere in the record. What they may be is for `operating` to say."""

    tail = forms.TypedChoiceField(
        label="Lines",
        coerce=int,
        choices=[(n, f"{n:,}") for n in (100, 500, 1000, 5000)],
        initial=500,
        required=False,
        empty_value="500",
    )
    since = forms.CharField(label="From (UTC)", max_length=30, required=False)
    until = forms.CharField(label="To (UTC)", max_length=30, required=False)
    words = forms.CharField(label="Words", max_length=operating.MOST_WORDS, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("since", "until"):
            self.fields[name].widget.attrs |= {"placeholder": "YYYY-MM-DD hh:mm", "autocomplete": "off"}

    def query(self) -> LogQuery:
        given = self.cleaned_data
        since, until = moment_of(given["since"]), moment_of(given["until"])
        return LogQuery(tail=int(given["tail"]), since=since, until=until, words=given["words"])


def moment_of(text: str) -> datetime | None:
    """`2026-01-31 12:00`, a day alone, or how long ago: `15m`, `1h`, `6h`, `1d`."""
    text = text.strip().removesuffix("Z").removesuffix("UTC").strip().replace("T", " ")
    if not text:
        return None
    if text in _AGO:
        return timezone.now().replace(second=0, microsecond=0) - _AGO[text]
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise Invalid("A moment is written as 2026-01-31 12:00, in UTC, or as how long ago: 15m, 1h, 6h, 1d.")


@require_http_methods(["GET", "POST"])
@needs(LOOK_INTO, TO_READ)
def index(request: HttpRequest, pk: int) -> HttpResponse:
    """A look is asked for by POST; `?look=N` shows it."""
    row = row_or_404(pk)
    service, job, refusal, status = row.service, _asked_for(request, pk), "", 200
    form = LogForm(request.POST) if request.method == "POST" else LogForm(_initial(job))
    if request.method == "POST":
        try:
            begun = operating.logs(service, _query(form), asks(request))
        except Refused as error:
            refusal, status = told(request, error), error.status
        else:
            here = reverse("service-logs", args=[pk], query={"look": begun.pk})
            if not wants_fragment(request):
                return redirect(here)
            return render(
                request,
                "operation/_log_page.html",
                {"service": service, **_shown(begun)},
            )
    in_place = wants_fragment(request)
    context = {"service": service, "form": form, "refusal": refusal, "in_place": in_place, **_shown(job)}
    if in_place:
        ended = request.method == "GET" and (job is None or not job.is_active)
        return render(request, "operation/_log_page.html", context, status=STOP_POLLING if ended else 200)
    begins = request.method == "GET" and job is None and not service.is_demo
    return render(request, "operation/logs.html", {**context, **frame(row, "logs"), "begins": begins}, status=status)


def _query(form: LogForm) -> LogQuery:
    if not form.is_valid():
        raise Invalid("; ".join(str(error) for errors in form.errors.values() for error in errors))
    return form.query()


def _asked_for(request: HttpRequest, service: int) -> Job | None:
    number = asked.number(request, "look")
    return Job.objects.filter(pk=number, service=service, kind=Kind.LOG).first() if number else None


def _initial(job: Job | None) -> dict[str, Any]:
    if job is None:
        return {"tail": 500}
    given = job.asked
    return {"tail": given.get("tail", 500), "since": _short(given.get("since")), "until": _short(given.get("until")),
            "words": given.get("words", "")}  # fmt: skip


def _short(text: object) -> str:
    return f"{datetime.fromisoformat(str(text)).astimezone(UTC):%Y-%m-%d %H:%M:%S}" if text else ""


def _shown(job: Job | None) -> dict[str, Any]:
    result = job.result if job and job.state == JobState.SUCCEEDED else {}
    lines = result.get("lines", [])
    is_open = bool(result.get("cursor")) and job is not None and not job.asked.get("until")
    return {
        "job": job,
        "is_under_way": job is not None and job.is_active,
        "failed": job if job is not None and not job.is_active and job.state != JobState.SUCCEEDED else None,
        "gone": job is not None and job.state == JobState.SUCCEEDED and not result,
        "lines": lines,
        "left_out": left_out(result),
        "can_follow": is_open,
        "follow": _Follow(str(result.get("cursor", "")), job.asked.get("words", "") if job else "", 0, len(lines)),
    }


def left_out(result: Mapping[str, Any]) -> list[str]:
    """In words, what of the log is not shown, and why."""
    found = []
    if result.get("dropped"):
        found.append(f"{count(int(result['dropped']))} earlier lines are left out. Ask for more lines, or for less time.")
    if result.get("ended") in _ENDED:
        found.append(f"Reading ended after {_ENDED[result['ended']]}, {size(int(result.get('read_bytes') or 0))} of it.")
    cut = sum(1 for line in result.get("lines", ()) if line[3])
    if cut:
        found.append(f"{count(cut)} very long line{'s are' if cut > 1 else ' is'} cut.")
    return found


@require_GET
@needs(LOOK_INTO, TO_READ)
def text(_request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """What a look saw, as a file."""
    job = get_object_or_404(Job, pk=number, service=pk, kind=Kind.LOG)
    if not job.result:
        raise Http404
    name = f"{job.service.name if job.service else 'log'}-{job.created_at:%Y%m%d-%H%M%S}.log"
    answer = HttpResponse(as_text(job.result.get("lines", ())), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


# Following


@dataclass(frozen=True)
class _Follow:
    """Where following stands: from which line on, how often it has looked, how many lines the page holds."""

    after: str
    words: str
    looks: int
    lines: int

    @property
    def is_over(self) -> str:
        """Why it pauses by itself; empty if it goes on."""
        if self.lines >= MOST_LINES_SHOWN:
            return f"The page holds {count(self.lines)} lines, as many as it takes. Read the log anew."
        return "Paused: nobody has touched this page for a while." if self.looks >= MOST_FOLLOWED else ""


@require_http_methods(["GET", "POST"])
@needs(LOOK_INTO, TO_READ)
def follow(request: HttpRequest, pk: int) -> HttpResponse:
    """POST looks for what came since; GET `?look=N` asks what that saw. One look at a time, two seconds apart."""
    service = get_object_or_404(Service.objects.select_related("host"), pk=pk)
    given = request.POST if request.method == "POST" else request.GET
    now = _Follow(given.get("after", ""), given.get("words", ""), _whole(given.get("looks")), _whole(given.get("lines")))
    if not wants_fragment(request):
        return redirect("service-logs", pk)
    if request.method == "POST":
        return _look_on(request, service, now)
    job = Job.objects.filter(pk=asked.number(request, "look") or 0, service=service, kind=Kind.FOLLOW, by=request.user.pk).first()
    if given.get("paused") or job is None:
        return _follow_answer(request, service, now, paused="Paused.")
    if job.is_active:
        return _follow_answer(request, service, now, job=job)
    if job.state != JobState.SUCCEEDED:
        return _follow_answer(request, service, now, paused=f"Paused: {job.error}")
    lines = job.result.get("lines", [])
    then = _Follow(str(job.result.get("cursor") or now.after), now.words, now.looks + 1, now.lines + len(lines))
    return _follow_answer(request, service, then, lines=lines, paused=then.is_over)


def _look_on(request: HttpRequest, service: Service, now: _Follow) -> HttpResponse:
    try:
        job = operating.follow(service, now.after, now.words, asks(request))
    except Refused as error:
        return _follow_answer(request, service, now, paused=told(request, error))
    return _follow_answer(request, service, now, job=job)


def _follow_answer(
    request: HttpRequest, service: Service, follow: _Follow, *, job: Job | None = None, lines: Any = (), paused: str = ""
) -> HttpResponse:
    context = {"service": service, "follow": follow, "looking": job, "lines": lines, "paused": paused}
    return render(request, "operation/_follow.html", context)


def _whole(text: object) -> int:
    return int(text) if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 9 else 0  # noqa: PLR2004 - no large number is meant
