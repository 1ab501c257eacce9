"""What needs somebody, and whom: drift, what is down or stuck, signals, rollbacks that would fail, hosts, backups, approvals,
exceptions.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, Subquery, prefetch_related_objects
from django.utils import timezone

from chatbot_service import backup_needs, lights, readiness
from chatbot_service.models import READS_ONLY, HardeningCheck, HealthTransition, Host, Job, JobState, Service
from chatbot_service.need import Matter, Need
from chatbot_service.signals import needing
from deploy_records import reviews
from deploy_records.models import Approval, ImageDigest, LedgerState, PoamItem, PoamState
from deploy_records.models.poam import EXPIRED
from deploy_records.people import holds
from deploy_records.poam_items import MAY_APPROVE as MAY_EXCUSE
from deploy_records.poam_items import MAY_REQUEST, who
from deploy_records.poam_warnings import DAYS, answers_for
from deploy_records.rules.approval import Answer, Who, may_approve
from deploy_records.rules.exception_life import may_decide
from deploy_records.verdict import MAY_APPROVE

MOST_CANDIDATES = 50
MOST_REVIEWS = 50
MOST_EXCEPTIONS = 50

OPERATE = ("chatbot_service.rollback_service", "chatbot_service.operate_service")
HOSTS = ("chatbot_service.change_host", "chatbot_service.operate_service")
APPROVE = (MAY_APPROVE,)
EXCUSE = (MAY_EXCUSE,)
HARDEN = ("chatbot_service.check_hardening",)
EXCEPTIONS = (MAY_REQUEST, MAY_EXCUSE)


@dataclass(frozen=True)
class Needs:
    mine: Sequence[Need] = field(default_factory=tuple)
    others: Sequence[Need] = field(default_factory=tuple)


def read(person: User, hosts: Sequence[Host]) -> Needs:
    """In six queries, and a few more where approvals have to be looked at again."""
    now = timezone.now()
    services = _services()
    decisions = (*_of_reviews(person), *_of_candidates(person), *_of_exceptions(person, now))
    backups = backup_needs.read(person, [seen.service for seen in services], now)
    found = sorted([*_of_hosts(hosts, now), *_of_services(services, now), *needing.read(), *backups, *decisions], key=_urgency)
    return Needs([n for n in found if n.is_for(person)], [n for n in found if not n.is_for(person)])


def _urgency(need: Need) -> tuple[int, int, str]:
    return need.matter, need.order, need.title


def _of_hosts(hosts: Sequence[Host], now: datetime) -> Iterator[Need]:
    for host in hosts:
        light = lights.host(name=host.name, seen_at=host.seen_at, problem=host.problem, now=now)
        if not light.good:
            yield Need(Matter.HOST, f"{host.name}: {light.word.lower()}", light.note, HOSTS, host=host.pk)


@dataclass(frozen=True)
class _Seen:
    service: Service
    last_state: str
    """Of its health line."""
    running_state: str
    """Of the ledger entry that runs."""
    job: int
    job_state: str
    job_error: str
    target: int
    hardening_due: date | None


def _of_services(services: Sequence[_Seen], now: datetime) -> Iterator[Need]:
    for seen in services:
        if seen.job_state == JobState.STUCK:
            yield Need(Matter.STUCK, f"A job on {seen.service} is stuck", seen.job_error, OPERATE, job=seen.job)
        yield from _of_what_runs(seen, now)
        if seen.target and seen.service.previous_local is False:
            why = f"The image to go back to is no longer on {seen.service.host.name}."
            yield Need(Matter.NO_WAY_BACK, f"{seen.service} could not be rolled back", why, OPERATE, service=seen.service.pk)
        if seen.hardening_due and seen.hardening_due < timezone.localdate() and not seen.service.is_demo:
            why = f"It was due on {seen.hardening_due.isoformat()}: the baseline is checked every three months."
            title = f"Check the hardening of {seen.service} again"
            yield Need(Matter.HARDENING, title, why, HARDEN, hardening_of=seen.service.pk)


def _of_what_runs(seen: _Seen, now: datetime) -> Iterator[Need]:
    service, number = seen.service, seen.service.pk
    light = lights.health(
        state=service.seen_state, seen_health=service.seen_health, seen_at=service.seen_at, now=now,
        on_purpose=seen.last_state == "stopped",
    )  # fmt: skip
    busy = seen.job_state in {JobState.RUNNING, JobState.UNDOING}
    if light.tone == lights.STOP and not busy:
        matter = Matter.UNHEALTHY if light.word == "Unhealthy" else Matter.DOWN
        yield Need(matter, f"{service} is {light.word.lower()}", light.note, OPERATE, service.seen_since, service=number)
    if service.drift:
        yield Need(Matter.DRIFT, f"{service} drifted", f"It {service.drift}.", OPERATE, service.drift_since, service=number)
    elif seen.running_state in {LedgerState.DEPRECATED, LedgerState.REVOKED}:
        why = "Upgrade it or roll it back; nothing stops it until then."
        title = f"{service} runs a {seen.running_state} digest"
        yield Need(Matter.OUT_OF_USE, title, why, OPERATE, service=number)


def _services() -> list[_Seen]:
    last = HealthTransition.objects.filter(service=OuterRef("pk")).order_by("-at", "-id")
    runs = ImageDigest.objects.filter(repository=OuterRef("repository"), digest=OuterRef("seen_digest"))
    job = Job.objects.filter(service=OuterRef("pk")).exclude(kind__in=READS_ONLY).order_by("-created_at", "-id")
    check = HardeningCheck.objects.filter(service=OuterRef("pk"))
    found = readiness.with_facts(Service.objects.select_related("host")).annotate(
        last_state=Subquery(last.values("state")[:1]),
        running_state=Subquery(runs.values("state")[:1]),
        job=Subquery(job.values("pk")[:1]),
        job_state=Subquery(job.values("state")[:1]),
        job_error=Subquery(job.values("error")[:1]),
        hardening_due=Subquery(check.values("due_on")[:1]),
    )
    return [
        _Seen(
            one, one.last_state or "", one.running_state or "", one.job or 0, one.job_state or "", one.job_error or "",
            one.target or 0,  # type: ignore[attr-defined]  # annotated by with_facts
            one.hardening_due,
        )
        for one in found
    ]  # fmt: skip


def _of_reviews(person: User) -> Iterator[Need]:
    """Digests whose approvals no longer rest on what they rested on: whoever gave one renews it, or somebody else approves.
    A candidate is asked for anyway.
    """
    waiting = [one for one in reviews.waiting(MOST_REVIEWS) if one.entry.state != LedgerState.CANDIDATE]
    if not waiting:
        return
    entries = [one.entry for one in waiting]
    prefetch_related_objects(entries, "registered_by", "reinstated_by")
    counting = Approval.objects.filter(_is_me(person), entry__in=entries, ended_at=None, review_since=None)
    given = set(counting.values_list("entry", flat=True))
    for one in waiting:
        answer = _may_approve(who(person), one.entry, given=one.entry.pk in given, holds_role=holds(person, MAY_APPROVE))
        runs = f" It runs as {' and '.join(one.runs_on)}." if one.runs_on else ""
        yield Need(
            Matter.REVIEW, "Look again at", f"{one.because[:1].upper()}{one.because[1:]}{runs}", APPROVE, one.since,
            entry=one.entry.pk, digest=one.entry.digest, why_not_you="" if answer.allowed else answer.reason,
        )  # fmt: skip


def _is_me(person: User) -> Q:
    return Q(by=person) | Q(by__email__iexact=person.email) if person.email else Q(by=person)


def _of_candidates(person: User) -> Iterator[Need]:
    me = who(person)
    mine = Approval.objects.filter(_is_me(person), entry=OuterRef("pk"), ended_at=None, review_since=None)
    candidates = ImageDigest.objects.filter(state=LedgerState.CANDIDATE).select_related("registered_by", "reinstated_by")
    for entry in candidates.annotate(mine=Exists(mine))[:MOST_CANDIDATES]:
        answer = _may_approve(me, entry, given=entry.mine, holds_role=holds(person, MAY_APPROVE))
        label = f"{entry.tag}, r" if entry.tag else "R"
        yield Need(
            Matter.APPROVE, "Approve", f"{label}egistered by {entry.registered_by.get_username()}", APPROVE, entry.registered_at,
            entry=entry.pk, digest=entry.digest, why_not_you="" if answer.allowed else answer.reason,
        )  # fmt: skip


def _may_approve(me: Who, entry: ImageDigest, *, given: bool, holds_role: bool) -> Answer:
    by, again = entry.registered_by, entry.reinstated_by
    return may_approve(
        me,
        holds_role=holds_role,
        state=entry.state,
        registered_by=Who(by.pk, by.get_username(), by.email),
        offered_again_by=Who(again.pk, again.get_username(), again.email) if again else None,
        approved_by=[me] if given else [],
    )


def _of_exceptions(person: User, now: datetime) -> Iterator[Need]:
    """Requests to decide on, what rollbacks drafted, what ends within 14 days, and what has ended and is still open."""
    waits = Q(state=PoamState.REQUESTED) | Q(state=PoamState.APPROVED, extend_to__isnull=False)
    waits |= Q(state=PoamState.DRAFT, by_rollback__isnull=False)
    ending = Q(state=PoamState.APPROVED, expires_at__lte=now + timedelta(days=max(DAYS)))
    items = PoamItem.objects.filter(waits | ending).select_related("drafted_by", "requested_by", "extend_by")
    for item in items.order_by("expires_at", "pk")[:MOST_EXCEPTIONS]:
        if item.status_at(now) == EXPIRED:
            yield _lapsed(item, person)
        if item.status_at(now) == PoamState.DRAFT:
            yield _passed(item, person)
        elif item.extend_to is not None or item.status_at(now) == PoamState.REQUESTED:
            yield _to_decide(item, person)
        elif item.status_at(now) == PoamState.APPROVED:
            yield _ending(item, person, now)


def _lapsed(item: PoamItem, person: User) -> Need:
    ended = f"It ended on {item.expires_at.astimezone(UTC):%-d %b} and is still open"
    then = "the gate refuses what relies on it" if item.state == PoamState.APPROVED else "nobody had approved it"
    return Need(
        Matter.EXPIRED, f"{item.name} has expired", f"{ended}: {then}.", EXCEPTIONS,
        exception=item.number, why_not_you=_not_theirs(item, person),
    )  # fmt: skip


def _passed(item: PoamItem, person: User) -> Need:
    """Whoever asks for its approval cannot give it, so it is for all who look after exceptions."""
    why = f"{_excuses(item)}: rollback {item.by_rollback} went past what the gate warns of. Ask for its approval, or close it."
    return Need(
        Matter.PASSED, f"Look at {item.name}", why, EXCEPTIONS, item.created_at,
        exception=item.number, why_not_you=_not_theirs(item, person),
    )  # fmt: skip


def _ending(item: PoamItem, person: User, now: datetime) -> Need:
    days = (item.expires_at.astimezone(UTC).date() - now.astimezone(UTC).date()).days
    when = {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")
    why = f"{_excuses(item)}. From then on the gate refuses what relies on it."
    return Need(
        Matter.ENDS, f"{item.name} ends {when}", why, EXCEPTIONS,
        exception=item.number, why_not_you=_not_theirs(item, person), order=days,
    )  # fmt: skip


def _to_decide(item: PoamItem, person: User) -> Need:
    asked_by = item.extend_by or item.requested_by or item.drafted_by
    own = [who(one) for one in (item.drafted_by, item.requested_by, item.extend_by) if one is not None]
    answer = may_decide(who(person), holds_role=holds(person, MAY_EXCUSE), name=item.name, wrote_or_requested=own)
    what = "a later end of " if item.extend_to is not None else ""
    return Need(
        Matter.DECIDE, f"Decide on {what}{item.name}", f"{_excuses(item)}, asked for by {asked_by.get_username()}", EXCUSE,
        None if item.extend_to is not None else item.changed_at,
        exception=item.number, why_not_you="" if answer.allowed else answer.reason,
    )  # fmt: skip


def _excuses(item: PoamItem) -> str:
    ids = list(item.vulnerabilities)
    return f"{ids[0] if ids else 'Nothing named yet'}{f' and {len(ids) - 1} more' if len(ids) > 1 else ''}, {item.severity}"


def _not_theirs(item: PoamItem, person: User) -> str:
    """Security reviewers look after all of them, everybody else after their own."""
    if holds(person, MAY_EXCUSE) or answers_for(item, person):
        return ""
    return f"{item.owner or 'Nobody'} answers for it."
