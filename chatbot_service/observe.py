"""What was seen of a service, written down for the pages: its state, transitions of its health, drift."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from chatbot_service.health import due
from chatbot_service.jobs.ports import ContainerFacts
from chatbot_service.models import ACTIVE, HealthTransition, Job, JobState, JobStep, Kind, Service, StepState
from deploy_records import audit, deployments, lookup

SERVED = "its own healthcheck passed three times in a row"
LONGEST_WITHOUT_A_LOOK = timedelta(seconds=90)
"""The watcher says every 30 s that it is there."""
DOCKER_CATCHES_UP = timedelta(minutes=5)
MOVING = (Kind.START, Kind.STOP, Kind.RESTART, Kind.UPGRADE, Kind.ROLLBACK)
HEALTH_OF = {"healthy": "healthy", "unhealthy": "unhealthy", "starting": "starting"}


@dataclass(frozen=True)
class Sight:
    """One look at a service. `digest`: of the ledger entry that runs, empty if it is not in the ledger."""

    state: str
    health: str
    digest: str
    image_id: str
    pin: str | None
    """The reference in the pin file; nothing if it was not looked at."""
    note: str = ""

    @classmethod
    def of(cls, container: ContainerFacts | None, digest: str, pin: str | None, note: str = "") -> Self:
        if container is None:
            return cls("missing", "none", "", "", pin, note)
        return cls(container.state, container.health, digest, container.image_id, pin, note)

    @property
    def condition(self) -> str:
        """One word for the health line: healthy, unhealthy, starting, stopped, down, paused or unknown."""
        if self.state == "running":
            return HEALTH_OF.get(self.health, "unknown")
        return self.state if self.state in {"paused", "unknown"} else "down"


def drift_of(service: Service, seen: Sight, deployed: str) -> str:
    """How what runs differs from the pin or the record, in words; empty when it does not."""
    if seen.state != "running":
        return ""
    pin = service.seen_pin if seen.pin is None else seen.pin
    if not seen.digest:
        return "what runs is not in the ledger" if deployed else ""
    if deployed and seen.digest != deployed:
        return f"runs {_short(seen.digest)}, the record says {_short(deployed)}: changed outside the portal"
    if not _names(pin, service.repository, seen.digest):
        return f"runs {_short(seen.digest)}, the pin names {_short(pin.rpartition('@')[2])}: changed outside the portal"
    return ""


def _names(pin: str, repository: str, digest: str) -> bool:
    """Whether a pin names this digest, or one platform of it. A pin by tag says nothing about digests."""
    _name, _at, pinned = pin.rpartition("@")
    return not pinned.startswith("sha256:") or pinned == digest or lookup.is_platform_of(repository, digest, pinned)


def _short(digest: str) -> str:
    return f"{digest.removeprefix('sha256:')[:4]}…"


def note(service_id: int, seen: Sight, *, by_job: bool = False, at: datetime | None = None) -> bool:
    """Brings the service's row up to date; a change of health becomes a transition, new or ended drift an event.

    False while a job is under way: drift and known good are not judged then, so the same sight has to be noted again.
    """
    moment = at or timezone.now()
    with audit.changing():  # the end of the trail first, then the row, as everywhere: else two writers wait crosswise
        service = Service.objects.select_related("host").select_for_update(of=("self",)).get(pk=service_id)
        condition = _condition(service, seen)
        busy = Job.objects.filter(service=service, state__in=ACTIVE).exists()
        deployed = deployments.current(service.host.name, service.name)
        judged = not busy and seen.state != "unknown"
        drift = drift_of(service, seen, deployed.entry.digest if deployed else "") if judged else service.drift
        fields: dict[str, Any] = {
            "seen_at": moment, "seen_state": seen.state, "seen_health": seen.health,
            "seen_digest": seen.digest, "seen_image_id": seen.image_id, "drift": drift,
        }  # fmt: skip
        if seen.pin is not None:
            fields["seen_pin"] = seen.pin[:600]
        if (seen.state, seen.health) != (service.seen_state, service.seen_health) or service.seen_since is None:
            fields["seen_since"] = moment
        if drift != service.drift:
            fields["drift_since"] = moment if drift else None
            _tell_of_drift(service, drift)
        Service.objects.filter(pk=service.pk).update(**fields)
        _note_gap(service, moment)
        _note_transition(service, condition, seen, moment, by_job=by_job or busy)
        if condition == "healthy" and deployed and deployed.entry.digest == seen.digest and not busy:
            _note_healthy(service, seen)
    return not busy


def _condition(service: Service, seen: Sight) -> str:
    """Down by a stop job is stopped, not down. A later job that did not touch it, or was undone, leaves that as it is."""
    return "stopped" if seen.condition == "down" and stopped_by_job(service.pk) else seen.condition


def stopped_by_job(service_id: int) -> bool:
    touching = JobStep.objects.filter(job=OuterRef("pk"), touches=True).exclude(state=StepState.WAITING)
    undone = Q(kind__in=(Kind.UPGRADE, Kind.ROLLBACK), state__in=(JobState.FAILED, JobState.CANCELLED))
    last = Job.objects.filter(Exists(touching), service=service_id, kind__in=MOVING).exclude(undone).first()
    return last is not None and last.kind == Kind.STOP and last.state in {JobState.RUNNING, JobState.SUCCEEDED}


def _note_gap(service: Service, moment: datetime) -> None:
    """While nobody looked, nobody knows: a watcher that was away leaves unknown, not what it saw last."""
    if service.seen_at is None or moment - service.seen_at < LONGEST_WITHOUT_A_LOOK:
        return
    last = HealthTransition.objects.filter(service=service).first()
    if last is not None and last.state != "unknown":
        at, words = max(service.seen_at, last.at), "nobody looked"
        HealthTransition.objects.create(service=service, at=at, state="unknown", note=words)
        due.change_at(service.pk, at, moment)


def _note_transition(service: Service, condition: str, seen: Sight, moment: datetime, *, by_job: bool) -> None:
    last = HealthTransition.objects.filter(service=service).first()
    if last is not None and last.digest == seen.digest and (last.state == condition or _starts_yet(last, condition, moment)):
        return
    words = seen.note or ("by a job" if by_job else "")
    at = max(moment, last.at) if last else moment
    HealthTransition.objects.create(service=service, at=at, state=condition, digest=seen.digest, note=words[:300])
    due.change_at(service.pk, at, timezone.now())


def _starts_yet(last: HealthTransition, condition: str, moment: datetime) -> bool:
    """Docker says starting until its first probe, one interval late; a job has seen it serve already."""
    served = last.state == "healthy" and last.note == SERVED
    return served and condition == "starting" and moment - last.at < DOCKER_CATCHES_UP


def served(service: Service, digest: str) -> None:
    """A job saw it answer: three passes of the container's own healthcheck."""
    HealthTransition.objects.create(service=service, at=timezone.now(), state="healthy", digest=digest, note=SERVED)


def _tell_of_drift(service: Service, drift: str) -> None:
    action = "service.drifted" if drift else "service.drift_ended"
    changes = {"drift": [service.drift, drift]}
    audit.record(audit.WATCHER, audit.Event(action, **audit.about(service), changes=changes))


def _note_healthy(service: Service, seen: Sight) -> None:
    """What was found running, or approved while it ran, becomes known good once it is seen healthy."""
    entry = lookup.find(service.repository, seen.digest)
    if entry is not None:
        deployments.healthy(service.host.name, service.name, entry, actor=audit.WATCHER)
