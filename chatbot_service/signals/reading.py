"""The facts that the rules judge, read for all services with a fixed number of queries."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from django.db.models import Exists, OuterRef, Subquery

from chatbot_service import lights, readiness
from chatbot_service.health.blocks import STRETCH, Event, block_of, micros, unpack_events
from chatbot_service.health.runs import Change
from chatbot_service.health.standing import last_before
from chatbot_service.jobs.look_ports import Usage
from chatbot_service.jobs.ports import Healthcheck
from chatbot_service.models import (
    ACTIVE,
    READS_ONLY,
    HealthcheckDefinition,
    HealthEventBlock,
    HealthTransition,
    Job,
    JobStep,
    ResourceBlock,
    Service,
    SignalSight,
    StepState,
)
from chatbot_service.resource_blocks import start_of, unpacked
from chatbot_service.signals.facts import Facts, FailedPull, UsageFacts
from chatbot_service.signals.sight import REWRITES, Sight
from chatbot_service.touching import touching_jobs
from deploy_records.models import PoamItem, PoamState
from deploy_records.poam_warnings import DAYS
from deploy_records.rules.exceptions import shown

BACK = timedelta(hours=1)
SIGHT_HOLDS = timedelta(minutes=4)
"""What a worker saw longer ago than this says nothing about now."""
PULL_COUNTS = timedelta(days=1)
MOST_EXCEPTIONS = 500
USED_WITHIN, LEAST_SAMPLES = timedelta(minutes=20), 3
"""One every five minutes."""


@dataclass(frozen=True)
class Matter:
    """What signals are about: a service, or an exception by its number. `key` tells them apart for ever."""

    key: str
    about: str
    service: Service | None = None
    exception: int = 0


def services(now: datetime) -> Iterator[tuple[Matter, Facts]]:
    found = list(_services())
    numbers = [one.pk for one in found]
    changes, events, usages = _changes(numbers, now), _events(numbers, now), _usages(numbers, now)
    touching = touching_jobs([number for number in numbers if changes[number] or events[number]], now - BACK)
    checks = _healthchecks(one.pk for one in found if any(change.state == "starting" for change in changes[one.pk]))
    for one in found:
        number = one.pk
        seen = _sight(one, now)
        ready = readiness.told(one, now)
        late = ready.backup.light
        yield (
            Matter(f"service {number}", str(one), service=one),
            Facts(
                now=now,
                watched=one.seen_at is not None and now - one.seen_at <= lights.SEEN_WITHIN,
                changes=changes[number],
                touches=[held.touch for held in touching.get(number, ())],
                events=events[number],
                healthcheck=checks.get(number),
                log=seen.log.facts(now) if seen else None,
                usage=usages.get(number),
                failed_pull=_failed_pull(one, now),
                drift=one.drift,
                drift_since=one.drift_since,
                changed_files=seen.files.changed if seen and not one.rewriting else None,  # type: ignore[attr-defined]  # annotated
                backup_late=f"{late.word}: {late.note}" if late.tone in {lights.WARN, lights.STOP} else "",
                backup_facts=_backup_facts(one),
            ),
        )


def exceptions(now: datetime) -> Iterator[tuple[Matter, Facts]]:
    """Those that are approved, those about to end with a reason."""
    soon = now + timedelta(days=max(DAYS))
    for item in PoamItem.objects.filter(state=PoamState.APPROVED, expires_at__lte=soon).order_by("expires_at")[:MOST_EXCEPTIONS]:
        ended = item.expires_at <= now
        says = f"{item.name} {'ended' if ended else 'ends'} on {shown(item.expires_at)}."
        facts = (
            ("Excuses", ", ".join(item.vulnerabilities)[:200]),
            ("In", item.component),
            ("Answers for it", item.owner or "nobody"),
        )
        yield (
            Matter(f"exception {item.number}", item.name, exception=item.number),
            Facts(now, exception_ends=says, exception_facts=facts),
        )


def _services() -> Iterable[Service]:
    pulls = JobStep.objects.filter(
        job__service=OuterRef("pk"), key="image", is_undo=False, state__in=(StepState.DONE, StepState.FAILED)
    ).order_by("-ended_at", "-id")
    active = Job.objects.filter(service=OuterRef("pk"), state__in=ACTIVE).exclude(kind__in=READS_ONLY)
    later = Job.objects.filter(service=OuterRef("pk"), kind__in=REWRITES, ended_at__gt=OuterRef("signal_sight__looked_at"))
    kept = readiness.with_facts(Service.objects.filter(is_demo=False).select_related("host", "signal_sight"))
    return kept.annotate(
        pull_state=Subquery(pulls.values("state")[:1]),
        pull_job=Subquery(pulls.values("job")[:1]),
        pull_ended=Subquery(pulls.values("ended_at")[:1]),
        pull_error=Subquery(pulls.values("error")[:1]),
        rewriting=Exists(active) | Exists(later),
    )


def _sight(service: Service, now: datetime) -> Sight | None:
    kept: SignalSight | None = getattr(service, "signal_sight", None)
    if kept is None or kept.looked_at is None or not timedelta(minutes=-1) <= now - kept.looked_at <= SIGHT_HOLDS:
        return None
    return Sight.of(kept.kept)


def _changes(numbers: Iterable[int], now: datetime) -> dict[int, list[Change]]:
    since = now - BACK
    found: dict[int, list[Change]] = defaultdict(list)
    rows = HealthTransition.objects.filter(service__in=list(numbers), at__gte=since).order_by("at", "id")
    for number, at, state, digest in rows.values_list("service_id", "at", "state", "digest"):
        found[number].append(Change(at, state, digest))
    if found:
        for number, before in last_before(found, since).items():
            found[number].insert(0, Change(before.at, before.state, before.digest))
    return found


def _events(numbers: Iterable[int], now: datetime) -> dict[int, list[Event]]:
    since, until = micros(now - BACK), micros(now)
    rows = HealthEventBlock.objects.filter(
        service__in=list(numbers), start__gte=block_of(since), start__lt=block_of(until) + STRETCH
    )
    found: dict[int, list[Event]] = defaultdict(list)
    for number, start, data in rows.order_by("start").values_list("service_id", "start", "data").iterator():
        found[number] += [event for event in unpack_events(start, bytes(data)) if event.at >= since]
    return found


def _usages(numbers: Iterable[int], now: datetime) -> dict[int, UsageFacts]:
    """On average over the last samples, of those that have enough of them."""
    since = now - USED_WITHIN
    samples: dict[int, list[Usage]] = defaultdict(list)
    rows = ResourceBlock.objects.filter(service__in=list(numbers), start__gte=start_of(since)).order_by("start")
    for number, data in rows.values_list("service_id", "data"):
        samples[number] += [one for one in unpacked(bytes(data)) if since <= one.at <= now]
    return {number: _average(found) for number, found in samples.items() if len(found) >= LEAST_SAMPLES}


def _average(samples: Sequence[Usage]) -> UsageFacts:
    """A counter that is smaller than before belongs to another container: then nothing is known of its processors."""
    pairs = list(pairwise(samples))
    went_on = all(later.cpu_seconds >= before.cpu_seconds for before, later in pairs)
    length = (samples[-1].at - samples[0].at).total_seconds()
    cpus = (samples[-1].cpu_seconds - samples[0].cpu_seconds) / length if went_on and length > 0 else None
    memory = sum(one.memory for one in samples) / len(samples)
    return UsageFacts(memory, cpus, len(samples), f"{round(length / 60)} min")


def _healthchecks(numbers: Iterable[int]) -> dict[int, Healthcheck]:
    wanted = list(numbers)
    if not wanted:
        return {}
    last = HealthcheckDefinition.objects.filter(service=OuterRef("pk")).values("pk")[:1]
    pks = Service.objects.filter(pk__in=wanted).annotate(last=Subquery(last)).values("last")
    return {
        one.service_id: Healthcheck(tuple(one.test), one.interval, one.timeout, one.retries, one.start_period)
        for one in HealthcheckDefinition.objects.filter(pk__in=pks)
    }


def _failed_pull(service: Service, now: datetime) -> FailedPull | None:
    """The last time that an image was had, if that failed and is not long ago."""
    state, ended = service.pull_state, service.pull_ended  # type: ignore[attr-defined]  # annotated above
    if state != StepState.FAILED or ended is None or now - ended > PULL_COUNTS:
        return None
    return FailedPull(service.pull_job, service.pull_error or "no reason was told")  # type: ignore[attr-defined]  # as above


def _backup_facts(service: Service) -> tuple[tuple[str, str], ...]:
    good: datetime | None = service.good_at  # type: ignore[attr-defined]  # annotated by readiness.with_facts
    plan = getattr(service, "backup_plan", None)
    last = f"{good.astimezone(UTC):%F %T} UTC" if good else "none"
    return (("Last good backup", last), ("Recovery point objective", f"{plan.rpo_hours} h")) if plan else ()
