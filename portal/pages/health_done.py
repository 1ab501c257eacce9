"""What was done to a service within a span, and what happened to its container: marks on the axis of its health, and a list."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.safestring import SafeString

from chatbot_service.health.history import History
from chatbot_service.models import Job, JobState, Kind, Service
from chatbot_service.touching import Held
from portal.sentences.parts import claim, said, some
from portal.templatetags.columns import LaneMark
from portal.templatetags.line import Window
from portal.templatetags.moments import ago

MOST_JOBS = 600
_LISTED = 8
_FEW_BACKUPS = 3
_NEAR = 0.5
"""Marks of one kind that are closer than this, in percent, are drawn as one."""
_KINDS = {
    Kind.ADOPT: "deploy", Kind.UPGRADE: "deploy", Kind.ROLLBACK: "deploy",
    Kind.START: "restart", Kind.STOP: "restart", Kind.RESTART: "restart",
    Kind.BACKUP: "backup", Kind.RESTORE: "restore", Kind.UNDO_RESTORE: "restore",
    Kind.CONFIGURE: "configure",
}  # fmt: skip
WORDS = {
    "deploy": "upgraded or rolled back",
    "restart": "started or stopped by a job",
    "backup": "backed up",
    "restore": "restored",
    "configure": "configured",
    "start": "started again by itself",
}
_BESIDE = timedelta(seconds=5)
"""An engine tells of a start a moment after the job that wanted it."""


@dataclass(frozen=True)
class Done:
    at: datetime
    kind: str
    job: Job | None = None
    words: str = ""
    tone: str = ""

    @property
    def said(self) -> SafeString:
        """Only when asked for: of hundreds of backups most are only drawn."""
        if self.job is None:
            return said(self.words)
        how = "" if self.job.state == JobState.SUCCEEDED else f", {self.job.get_state_display().lower()}"
        return said(claim(self.job, reverse("job", args=[self.job.pk])), f" by {self.job.asked_by}{how}")


def read(history: History, held: Sequence[Held]) -> list[Done]:
    """Oldest first. One query."""
    found = [*_jobs(history.service, history.start, history.end, held), *_starts(history, held)]
    return sorted(found, key=lambda one: one.at)


def _jobs(service: Service, start: datetime, end: datetime, held: Sequence[Held]) -> Iterator[Done]:
    jobs = Job.objects.filter(service=service, kind__in=list(_KINDS), created_at__gte=start, created_at__lt=end)
    known = jobs.exclude(state__in=(JobState.QUEUED, JobState.REFUSED)).select_related("by").order_by("-created_at", "-id")
    touched = {one.job.pk: one.touch.start for one in held}
    for job in known.defer("facts", "result", "asked")[:MOST_JOBS]:
        yield Done(touched.get(job.pk) or job.started_at or job.created_at, _KINDS[Kind(job.kind)], job)


def _starts(history: History, held: Sequence[Held]) -> Iterator[Done]:
    """Starts of its container that no job asked for; exact to a bucket."""
    for piece in history.pieces:
        starts = piece.bucket.restarts
        if not starts or any(_meets(one, piece.start, piece.end) for one in held):
            continue
        why = f", after {some(piece.bucket.ooms, 'kill', 'kills')} for want of memory" if piece.bucket.ooms else ""
        words = f"Its container was started {_times(starts)} by no job{why}"
        yield Done(piece.start, "start", words=words, tone="warn")


def _meets(held: Held, start: datetime, end: datetime) -> bool:
    touch = held.touch
    return touch.start - _BESIDE < end and (touch.end is None or touch.end + _BESIDE > start)


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")


def marks(done: Iterable[Done], window: Window) -> list[LaneMark]:
    """Those of one kind that would cover each other are one."""
    last: dict[str, float] = {}
    found = []
    for one in done:
        place = window.place(one.at)
        if place - last.get(one.kind, -1.0) >= _NEAR:
            last[one.kind] = place
            found.append(LaneMark(place, one.kind))
    return found


@dataclass(frozen=True)
class Told:
    """`lines`: the latest, oldest first. `more`: how many are left out. `backups`: in one line if there are many."""

    lines: Sequence[Done]
    more: int
    backups: SafeString
    kinds: Sequence[tuple[str, str]]


def told(done: Sequence[Done]) -> Told:
    backups = [one for one in done if one.kind == "backup"]
    many = len(backups) > _FEW_BACKUPS
    listed = [one for one in done if one.kind != "backup"] if many else list(done)
    summed = said(f"Backed up {_times(len(backups))}, last ", ago(backups[-1].at)) if many else SafeString("")
    kinds = [(kind, words) for kind, words in WORDS.items() if any(one.kind == kind for one in done)]
    return Told(listed[-_LISTED:], max(0, len(listed) - _LISTED), summed, kinds)
