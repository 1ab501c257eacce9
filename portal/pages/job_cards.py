"""The panels beside a job's steps: how the service was meanwhile, what was proved, what one can do now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.urls import reverse
from django.utils.safestring import SafeString

from chatbot_service import lights, usual
from chatbot_service.job_sight import ENDED_BADLY, JobSight
from chatbot_service.models import JobState, Kind
from deploy_records.models import LedgerState
from portal.health_lines import HealthLine, line_of
from portal.sentences import job_backups, job_operation
from portal.sentences.parts import said
from portal.templatetags.digest import short
from portal.templatetags.known_good import ProofRow
from portal.templatetags.line import Mark, Tick, Window
from portal.templatetags.moments import duration

_NEAR = 9.0
"""Ticks closer than this many percent would be written over each other."""
_LAST = 90.0
"""A word that begins farther to the right would stand beyond the panel."""
_OF_A_CONTAINER = frozenset({
    Kind.UPGRADE, Kind.ROLLBACK, Kind.START, Kind.STOP, Kind.RESTART, Kind.BACKUP, Kind.RESTORE, Kind.UNDO_RESTORE,
    Kind.CONFIGURE,
})  # fmt: skip


@dataclass(frozen=True)
class Meanwhile:
    line: HealthLine
    ticks: Sequence[Tick]
    tone: str
    word: str
    before: str
    after: str
    """What a change that succeeded led to; empty if it changed no digest."""
    now: str
    pause: str


@dataclass(frozen=True)
class Todo:
    icon: str
    title: SafeString
    why: str
    url: str
    permission: str = ""


@dataclass(frozen=True)
class WayBack:
    """If a change that succeeded turns out badly."""

    digest: str
    ready: bool
    seconds: float | None
    host: str
    url: str


@dataclass(frozen=True)
class Cards:
    meanwhile: Meanwhile | None
    proof: Sequence[ProofRow]
    proof_title: str
    todos: Sequence[Todo]
    way_back: WayBack | None


def cards_of(sight: JobSight) -> Cards:
    proof = _proof(sight)
    title = "Proof after the undo" if sight.proved_back or sight.job.state in ENDED_BADLY else "Proof"
    return Cards(_meanwhile(sight), proof, title, _todos(sight), _way_back(sight))


@dataclass(frozen=True)
class Kept:
    """Where to see what came of a job on backups."""

    word: str
    why: str
    url: str
    icon: str = "archive"


def kept_of(sight: JobSight) -> Kept | None:
    """From what the job row says alone."""
    job, service = sight.job, sight.service
    if job.state == JobState.SUCCEEDED and job.kind in job_operation.KINDS and service is not None:
        return Kept("See what was found", f"On the page of {service}", job_operation.page_of(job), "file-search")
    if job.state != JobState.SUCCEEDED or job.kind not in job_backups.KINDS or service is None:
        return None
    if job.kind == Kind.BROWSE:
        return Kept("See what was found", "In the backup", job_backups.files_of(job))
    number = job.result.get("backup")
    if job.kind == Kind.BACKUP and isinstance(number, int):
        return Kept(
            f"Open Backup {number}",
            "What it holds, how it was verified, what can be done with it",
            reverse("backup", args=[number]),
        )
    return Kept(f"Backups of {service}", "When the last good one was, and whether it is known to restore",
                reverse("service-backups", args=[service.pk]))  # fmt: skip


def _way_back(sight: JobSight) -> WayBack | None:
    job, service = sight.job, sight.service
    before = sight.entries.get(job.from_digest)
    if service is None or before is None or job.state != JobState.SUCCEEDED or job.kind != Kind.UPGRADE or not sight.is_last:
        return None
    if before.state != LedgerState.KNOWN_GOOD:
        return None
    times = usual.rollback_times()
    seconds = times.get(service.pk, times.get(0))
    url = reverse("service-rollback", args=[service.pk])
    return WayBack(before.digest, service.previous_local is not False, seconds, job.host.name, url)


def _meanwhile(sight: JobSight) -> Meanwhile | None:
    service = sight.service
    if service is None or not sight.runs or sight.job.kind not in _OF_A_CONTAINER:
        return None
    line = line_of(sight.runs, sight.held, over="the time around this job")
    window = Window(sight.runs[0].start, sight.runs[-1].end)
    marks = [*line.marks, *(Mark(place, "start") for place, _word in _moments(sight, window))]
    tone, word = _condition(sight)
    return Meanwhile(
        line=HealthLine(line.segments, marks, line.ticks, line.label, line.note),
        ticks=_ticks(sight, window),
        tone=tone,
        word=word,
        before=sight.from_digest or service.seen_digest,
        after=job_led_to(sight),
        now=service.seen_digest,
        pause="" if sight.pause is None or sight.job.state == JobState.STUCK else duration(sight.pause),
    )


def job_led_to(sight: JobSight) -> str:
    return sight.job.target_digest if sight.job.state == JobState.SUCCEEDED else ""


def _moments(sight: JobSight, window: Window) -> list[tuple[float, str]]:
    found = [(window.place(sight.job.created_at), "job")]
    if sight.undos and sight.undos[0].started_at:
        found.append((window.place(sight.undos[0].started_at), "undone"))
    return found


def _ticks(sight: JobSight, window: Window) -> list[Tick]:
    own = [Tick(place, word) for place, word in _moments(sight, window)]
    switched = next((step.started_at for step in sight.planned if step.key in {"switch", "stop"} and step.started_at), None)
    if switched and not sight.undos:
        own.append(Tick(window.place(switched), "switch" if sight.job.kind != Kind.STOP else "stop"))
    kept: list[Tick] = []
    for tick in own:
        if tick.at < _LAST and all(abs(tick.at - other.at) > _NEAR for other in kept):
            kept.append(tick)
    start = Tick(0, f"{window.start.astimezone(UTC):%H:%M}")
    others = [
        tick
        for tick in (start, *window.ticks())
        if tick.at < _LAST and all(abs(tick.at - other.at) > _NEAR * 1.5 for other in kept)
    ]
    apart: list[Tick] = []
    for tick in others:
        if not apart or tick.at - apart[-1].at > _NEAR * 1.5:
            apart.append(tick)
    return [*apart, *kept]


def _condition(sight: JobSight) -> tuple[str, str]:
    """Now while the job runs; once it has ended, how it was."""
    service = sight.service
    if sight.job.state == JobState.STUCK:
        return "stop", "Not proved"
    if service is not None and sight.job.is_active:
        on_purpose = sight.runs[-1].state == "stopped"
        light = lights.health(
            state=service.seen_state, seen_health=service.seen_health, seen_at=service.seen_at, now=sight.now,
            on_purpose=on_purpose,
        )  # fmt: skip
        return light.tone, light.word
    within = sight.runs_within
    if any(run.state == "down" for run in within):
        return "stop", "Was down"
    if sight.pause:
        return "ok", f"Paused {duration(sight.pause)} at most"
    if sight.was_well:
        return "ok", "Never down"
    return "none", "Not watched throughout" if sight.job.kind != Kind.STOP else "Stopped on purpose"


def _proof(sight: JobSight) -> Sequence[ProofRow]:
    """As it was found out: by the step that proves, by the undo, or by the last look at a service left alone."""
    job = sight.job
    if sight.proved and job.state == JobState.SUCCEEDED and job.target_digest:
        return _recorded(sight, job.target_digest, sight.proved.ended_at)
    if sight.proved_back and sight.from_digest:
        return _recorded(sight, sight.from_digest, sight.proved_back.ended_at)
    return _seen(sight) if job.state in ENDED_BADLY and not sight.touched else ()


def _recorded(sight: JobSight, digest: str, at: datetime | None) -> Sequence[ProofRow]:
    entry = sight.entries.get(digest)
    pin_file = sight.service.pin_file if sight.service else ""
    return (
        ProofRow("Container", digest, f"inspected {_clock(at)}", same=True),
        ProofRow("Pin", digest, pin_file, same=True),
        ProofRow("Ledger", digest, entry.get_state_display().lower() if entry else "its entry", same=True),
    )


def _seen(sight: JobSight) -> Sequence[ProofRow]:
    service, ended = sight.service, sight.job.ended_at
    if service is None or not sight.is_last or not ended or not service.seen_at or service.seen_at < ended:
        return ()
    expected, pinned = sight.from_digest, service.seen_pin.rpartition("@")[2]
    rows = [ProofRow("Container", service.seen_digest, f"seen {_clock(service.seen_at)}", service.seen_digest == expected)]
    if pinned:
        rows.append(ProofRow("Pin", pinned, service.pin_file, pinned == expected))
    return rows


def _clock(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%H:%M:%S} UTC" if at else ""


def _todos(sight: JobSight) -> Sequence[Todo]:
    job = sight.job
    if job.state not in {*ENDED_BADLY, JobState.REFUSED}:
        return ()
    found: list[Todo] = []
    failed = sight.failed
    if job.state == JobState.STUCK and sight.service:
        url = reverse("service-rollback", args=[sight.service.pk])
        title, why = said("Roll back to a known-good digest"), "It pins, switches and proves anew"
        found.append(Todo("arrow-back-up", title, why, url, "chatbot_service.rollback_service"))
    if failed and failed.output:
        found.append(Todo("file-text", said("Read the output of the failed step"), failed.name, f"#step-{failed.pk}"))
    entry = sight.entries.get(job.target_digest)
    if entry and job.state == JobState.FAILED:
        url = reverse("digest-deprecate", args=[entry.pk])
        title = said("Deprecate ", short(entry.digest))
        found.append(Todo("tag", title, "It keeps others from trying it again", url, "deploy_records.deprecate_digest"))
    if entry and job.state == JobState.REFUSED:
        found.append(Todo("fingerprint", said("See what would clear ", short(entry.digest)), "Its page in the ledger",
                          reverse("digest", args=[entry.pk])))  # fmt: skip
    found.append(Todo("file-certificate", said("See it in the audit trail"), "Who did what, and when",
                      f"{reverse('audit')}?about={job}".replace(" ", "+"), "deploy_records.view_auditevent"))  # fmt: skip
    return found
