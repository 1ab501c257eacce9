"""What the page of one service shows beside its row: the way back, last jobs, what happened today, what one may do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString

from chatbot_service import lights
from chatbot_service.board import Row
from chatbot_service.health.runs import PAUSE, UNKNOWN, WELL
from chatbot_service.models import LOOKS, Job, Kind
from deploy_records.models import Approval, Deployment, ImageDigest, Outcome
from deploy_records.people import Person, holds
from portal.pages.jobs import listed
from portal.pages.service_rows import shown
from portal.sentences import service as sentences
from portal.sentences.parts import claim, said
from portal.templatetags.moments import NBSP, duration

LAST_JOBS = 5
_MOST_EVENTS = 8
_WENT = {"unhealthy": "probes failed for", "down": "down for", "stopped": "stopped for", "paused": "paused for"}


@dataclass(frozen=True)
class Deed:
    """A button. `why_not`: what refuses it just now; the button then stays, and says so."""

    word: str
    url: str
    primary: bool = False
    dialog: bool = False
    why_not: str = ""
    in_menu: bool = False


@dataclass(frozen=True)
class Event:
    at: datetime
    said: SafeString


@dataclass(frozen=True)
class Column:
    """One digest of “running and previous”."""

    entry: ImageDigest | None
    deployment: Deployment | None
    approvals: Sequence[Approval]

    @property
    def ran(self) -> timedelta | None:
        one = self.deployment
        return one.ended_at - one.started_at if one and one.ended_at else None


def read(row: Row, person: Person) -> dict[str, Any]:
    service = row.service
    approvals = _approvals(row)
    running = [one for one in approvals if row.entry and one.entry_id == row.entry.pk]
    row_shown = shown(row)
    found = deeds(row, person)
    return {
        "row": row,
        "service": service,
        "answer": sentences.answer(row, running),
        "line": row_shown.line,
        "since": row_shown.since,
        "summary": _summary(row),
        "events": _events(row),
        "running": Column(row.entry, row.deployment, running),
        "previous": _previous(row, approvals),
        "jobs": [listed(job) for job in _last_jobs(service.pk)],
        "deeds": found,
        "has_menu": any(deed.in_menu for deed in found),
        "host_light": host_light(row),
        "usual_seconds": row.rollback_seconds,
        "data_paths": [path.removeprefix(f"{service.project_dir}/") for path in service.data_paths],
    }


def host_light(row: Row) -> lights.Light:
    host = row.service.host
    return lights.host(name=host.name, seen_at=host.seen_at, problem=host.problem, now=row.now)


def deeds(row: Row, person: Person) -> list[Deed]:
    """Only what a role of this person allows."""
    service = row.service
    busy = "It is a demo record, there is nothing to operate" if service.is_demo else holder(row.active_job)
    found = []
    if holds(person, "chatbot_service.upgrade_service"):
        found.append(Deed("Upgrade", reverse("service-upgrade", args=[service.pk]), primary=True, why_not=busy))
    if holds(person, "chatbot_service.rollback_service"):
        none = "" if row.target else "No other digest has run well here yet"
        found.append(Deed("Roll back", reverse("service-rollback", args=[service.pk]), dialog=True, why_not=busy or none))
    found += _deeds_on_data(row, person, busy)
    if holds(person, "chatbot_service.operate_service"):
        kinds = ("restart", "stop") if row.runs_something else ("start",)
        found += [
            Deed(kind.capitalize(), reverse("service-lifecycle", args=[service.pk, kind]), dialog=True, why_not=busy)
            for kind in kinds
        ]
    return [*found, *_in_menu(row, person)]


def _in_menu(row: Row, person: Person) -> Iterator[Deed]:
    """What is looked at rather than done; each is a tab as well."""
    number = [row.service.pk]
    if holds(person, "chatbot_service.look_into_service"):
        for word, name in (("Logs", "logs"), ("Triage", "triage"), ("Environment", "environment")):
            yield Deed(word, reverse(f"service-{name}", args=number), in_menu=True)
    if holds(person, "chatbot_service.check_hardening"):
        yield Deed("Hardening", reverse("service-hardening", args=number), in_menu=True)


def _deeds_on_data(row: Row, person: Person, busy: str) -> Iterator[Deed]:
    service = row.service
    no_data = "" if service.data_paths else "It keeps no data that is known"
    if holds(person, "chatbot_service.back_up_service"):
        yield Deed("Back up", reverse("service-back-up", args=[service.pk]), dialog=True, why_not=busy or no_data)
    if holds(person, "chatbot_service.restore_backup"):
        yield Deed("Restore", f"{reverse('service-backups', args=[service.pk])}#backups", why_not=busy or no_data)


def holder(job: Job | None) -> str:
    return f"{job} by {job.asked_by} holds it since {job.created_at:%H:%M:%S} UTC" if job else ""


def _approvals(row: Row) -> list[Approval]:
    entries = [entry.pk for entry in (row.entry, row.target) if entry]
    return list(Approval.objects.filter(entry__in=entries, ended_at=None).select_related("by"))


def _previous(row: Row, approvals: Sequence[Approval]) -> Column | None:
    if row.target is None:
        return None
    service = row.service
    ran = Deployment.objects.filter(host=service.host.name, service=service.name, entry=row.target)
    last = ran.filter(healthy_at__isnull=False).exclude(outcome=Outcome.UNDONE).first()
    return Column(row.target, last, [one for one in approvals if one.entry_id == row.target.pk])


def _last_jobs(service: int) -> list[Job]:
    """A look is none of the service's own."""
    return list(Job.objects.with_people().filter(service=service).exclude(kind__in=(Kind.BROWSE, *LOOKS))[:LAST_JOBS])


def _summary(row: Row) -> str:
    found = row.summary
    if found.share is None:
        return "not watched yet"
    parts = [f"{found.share:g}{NBSP}%", f"down {duration(found.down)}"]
    if found.failing:
        parts.append(f"probes failed for {duration(found.failing)}")
    if found.paused:
        parts.append(f"paused {duration(found.paused)} by jobs")
    return " · ".join(parts)


def _events(row: Row) -> Sequence[Event]:
    return sorted(_happened(row), key=lambda event: event.at)[-_MOST_EVENTS:]


def _happened(row: Row) -> Iterator[Event]:
    """What marks and deviations of the line mean, in words."""
    start = row.runs[0].start
    for held in row.touching:
        if held.touch.start >= start:
            paused = sum((r.length for r in row.runs if r.state == PAUSE and held.touch.holds(r.start)), start - start)
            pause = f"; paused {duration(paused)}" if paused else ""
            job = held.job
            who = f" by {job.asked_by}, {job.get_state_display().lower()}"
            yield Event(held.touch.start, said(claim(job, reverse("job", args=[job.pk])), who, pause))
    for run in row.runs:
        if run.state not in {WELL, PAUSE, UNKNOWN} and run.state in _WENT:
            yield Event(run.start, said(f"{_WENT[run.state]} {duration(run.length)}"))
