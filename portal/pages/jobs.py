"""Jobs: what is each doing, is the service up, what if it fails?"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from chatbot_service import again, dispatch
from chatbot_service.job_sight import JobSight, follow
from chatbot_service.jobs.catalogue import KINDS
from chatbot_service.models import ACTIVE, LOOKS, UNRECORDED, Job, JobState, JobStep, Kind, Service, StepState
from deploy_records import poam_drafting
from deploy_records.errors import Refused
from deploy_records.models import PoamItem
from deploy_records.paging import Page, page_of
from deploy_records.people import holds
from portal.access import needs
from portal.htmx import STOP_POLLING, page_or_fragment
from portal.pages import asked, job_cards
from portal.pages.asking import asks, told
from portal.pages.job_cards import cards_of
from portal.pages.service_rows import tone_of
from portal.sentences import exceptions
from portal.sentences import job as sentences
from portal.sentences.job_text import as_text
from portal.sentences.parts import Answer
from portal.sentences.story import Line, boundary, if_it_fails, story

LOOK = "chatbot_service.view_job"


@require_GET
@needs(LOOK, "Reading jobs")
def index(request: HttpRequest) -> HttpResponse:
    return page_or_fragment(request, "jobs/list.html", "jobs/_list.html", {"list": read_list(request)})


@require_GET
@needs(LOOK, "Reading jobs")
def job(request: HttpRequest, pk: int) -> HttpResponse:
    return render(request, "jobs/page.html", _context(request, follow(_job(pk))))


@require_GET
@needs(LOOK, "Reading jobs")
def progress(request: HttpRequest, pk: int) -> HttpResponse:
    """What changes on the page of a job while it runs; once it has ended, all of it, and no more polling."""
    context = _context(request, follow(_job(pk)))
    context |= {
        "says_anew": request.GET.get("said") != context["said_mark"],
        "acts_anew": request.GET.get("acts") != context["acts_mark"],
        "polled": True,
    }
    if context["sight"].job.is_active:
        return render(request, "jobs/_progress.html", context)
    response = render(request, "jobs/_ended.html", context, status=STOP_POLLING)
    response["HX-Retarget"] = "#job-body"
    return response


@require_POST
@needs("chatbot_service.cancel_job", "Cancelling a job")
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    job = _job(pk)
    try:
        dispatch.cancel(job, asks(request))
    except Refused as error:
        return _not_done(request, pk, error)
    return redirect("job", pk)


@require_POST
@needs(LOOK, "Starting a job again")
def run_again(request: HttpRequest, pk: int) -> HttpResponse:
    """The same, asked for by this person: the permission is that of the kind."""
    try:
        started = again.start_again(_job(pk), asks(request))
    except Refused as error:
        return _not_done(request, pk, error)
    return redirect("job", started.pk)


def _not_done(request: HttpRequest, pk: int, error: Refused) -> HttpResponse:
    """The page of the job as it is now, and above it why nothing was done."""
    messages.error(request, told(request, error))
    return render(request, "jobs/page.html", _context(request, follow(_job(pk))), status=error.status)


def _job(pk: int) -> Job:
    return get_object_or_404(Job.objects.with_people().select_related("cancel_asked_by"), pk=pk)


@dataclass(frozen=True)
class ShownStep:
    """A step as it is drawn. `state`: as the kit's steps have it."""

    row: JobStep
    state: str
    usual: float | None
    undo: str
    output: str
    note: str


def _context(request: HttpRequest, sight: JobSight) -> dict[str, Any]:
    answer = sentences.answer(sight)
    all_output = request.GET.get("output") == "all"
    steps = [_step(sight, row, all_output=all_output) for row in sight.steps]
    cards = cards_of(sight)
    may_repeat = _may_repeat(request, sight)
    may_cancel = sight.can_be_cancelled and holds(request.user, "chatbot_service.cancel_job")
    return {
        "sight": sight,
        "job": sight.job,
        "answer": answer,
        "before": [step for step in steps if not step.row.touches],
        "after": [step for step in steps if step.row.touches],
        "boundary": boundary(sight),
        "has_output": any(step.output for step in sight.steps),
        "all_output": all_output,
        "story": _story(sight),
        "if_it_fails": if_it_fails(sight),
        "cards": cards,
        "may_cancel": may_cancel,
        "may_repeat": may_repeat,
        "may_roll_back": holds(request.user, "chatbot_service.rollback_service"),
        "passed": _passed(sight),
        "todos": [todo for todo in cards.todos if not todo.permission or holds(request.user, todo.permission)],
        "all_the_same": all(row.same for row in cards.proof),
        "from_tag": _tag(sight, sight.from_digest),
        "to_tag": _tag(sight, sight.job.target_digest),
        "as_text": "" if sight.job.is_active else as_text(sight, answer),
        "result_entry": sight.entries.get(str(sight.job.result.get("digest", ""))),
        "kept_of": job_cards.kept_of(sight),
        "said_mark": _mark(answer),
        "acts_mark": f"{may_cancel:d}{may_repeat:d}{cards.way_back is not None:d}",
    }


@dataclass(frozen=True)
class ShownException:
    """One that waits for what a rollback went past."""

    item: PoamItem
    excuses: str
    status: exceptions.Shown
    drafted_here: bool


def _passed(sight: JobSight) -> Sequence[ShownException]:
    if sight.job.kind != Kind.ROLLBACK:
        return ()
    return [
        ShownException(
            item, exceptions.vulnerabilities(item) or "what blocks", exceptions.status_of(item, sight.now),
            drafted_here=item.by_rollback == sight.job.pk,
        )
        for item in poam_drafting.of_rollback(sight.job.pk)
    ]  # fmt: skip


def _tag(sight: JobSight, digest: str) -> str:
    entry = sight.entries.get(digest)
    return entry.tag if entry else ""


def _story(sight: JobSight) -> Sequence[Line]:
    badly = sight.job.state in {JobState.FAILED, JobState.CANCELLED, JobState.STUCK}
    return story(sight) if badly and sight.number else ()


def _mark(answer: Answer) -> str:
    """Of the sentence: the live region is written again only when it says something else."""
    return hashlib.sha256(f"{answer.tone}{answer.said}{answer.sub}".encode()).hexdigest()[:16]


def _step(sight: JobSight, row: JobStep, *, all_output: bool) -> ShownStep:
    is_open = row.state in {StepState.RUNNING, StepState.FAILED} or all_output
    state = _state(sight, row)
    return ShownStep(
        row=row,
        state=state,
        usual=None if row.is_undo or state == StepState.SKIPPED else sight.usual.of(row.key),
        undo=f"{row.undo_name}" if sight.job.is_active and not row.is_undo else "",
        output=row.output if is_open else "",
        note=row.error if row.state == StepState.FAILED else "",
    )


def _state(sight: JobSight, row: JobStep) -> str:
    if row.is_undo and row.state == StepState.DONE:
        return "undone"
    if row.state == StepState.WAITING and not sight.job.is_active:
        return "skipped"
    return row.state


def _may_repeat(request: HttpRequest, sight: JobSight) -> bool:
    """Only what can be started again, and only to whom it would not be refused."""
    kind = KINDS[sight.job.kind]
    return not sight.job.is_active and again.makes_sense(sight.job) and holds(request.user, kind.permission)


@dataclass(frozen=True)
class ListedJob:
    job: Job
    tone: str
    deed: str
    took: timedelta | None


@dataclass(frozen=True)
class JobList:
    rows: Sequence[ListedJob]
    page: Page[Job]
    services: Sequence[Service]
    kinds: Sequence[tuple[str, str]]
    states: Sequence[tuple[str, str]]
    kind: str
    state: str
    service: int | None
    active: int
    total: int

    @property
    def filters(self) -> int:
        return sum(map(bool, (self.kind, self.state, self.service)))


def read_list(request: HttpRequest) -> JobList:
    kind = asked.one_of(request, "kind", Kind.values)
    state = asked.one_of(request, "state", (*JobState.values, "active"))
    service = asked.number(request, "service")
    page = page_of(_matching(kind, state, service), "created_at", request.GET.get("at", ""))
    return JobList(
        rows=[listed(job) for job in page.rows],
        page=page,
        services=list(Service.objects.select_related("host")),
        kinds=[(value, words) for value, words in Kind.choices if value not in UNRECORDED],
        states=JobState.choices,
        kind=kind,
        state=state,
        service=service,
        active=_matching("", "active", None).count(),
        total=_matching("", "", None).count(),
    )


def listed(job: Job) -> ListedJob:
    return ListedJob(job, tone_of(job), sentences.deed(job), job.took)


def _matching(kind: str, state: str, service: int | None) -> "Any":
    """Looks are many and change nothing: they are listed when they are asked for. Their results may be large."""
    rows = Job.objects.with_people().exclude(kind__in=LOOKS)
    if kind in LOOKS:
        rows = Job.objects.with_people().filter(kind=kind).defer("result")
    elif kind:
        rows = rows.filter(kind=kind)
    if state:
        rows = rows.filter(state__in=ACTIVE) if state == "active" else rows.filter(state=state)
    return rows.filter(service=service) if service else rows
