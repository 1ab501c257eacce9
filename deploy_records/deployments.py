"""What ran where, from when to when. Hosts and services by their names, as they were."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Max, Q, QuerySet
from django.utils import timezone

from deploy_records import audit, ledger
from deploy_records.audit import Actor, Event
from deploy_records.errors import Refused
from deploy_records.models import Deployment, ImageDigest, LedgerState, Outcome


def begin(
    host: str, service: str, entry: ImageDigest, kind: str, *, by: User | None = None, job: int | None = None,
    reason: str = "", gate: dict[str, Any] | None = None, actor: Actor | None = None,
) -> Deployment:  # fmt: skip
    """Ends the open deployment as replaced and opens one. Safe to repeat: the same digest by the same job is one."""
    who = actor or (Actor.of(by) if by else audit.WORKER)
    with audit.changing():
        before = current(host, service)
        if before and before.entry_id == entry.pk and before.job == job and before.kind == kind:
            return before
        return _switch(before, Deployment(
            host=host, service=service, entry=entry, kind=kind, by=by, job=job, reason=reason, gate=gate or {},
        ), Outcome.REPLACED, "deployment.began", who)  # fmt: skip


def undo(host: str, service: str, *, job: int, back_to: ImageDigest | None, actor: Actor = audit.WORKER) -> Deployment | None:
    """Ends what this job opened as undone and opens one for what runs again, if that is known. The deployment that
    is open afterwards. Safe to repeat, and nothing happens if the job opened none.
    """
    with audit.changing():
        before = current(host, service)
        if before is None or before.job != job or before.kind == "undo":
            return before
        if back_to is None:
            _end(before, Outcome.UNDONE, "deployment.undone", "", actor)
            return None
        again = Deployment(host=host, service=service, entry=back_to, kind="undo", by=before.by, job=job)
        return _switch(before, again, Outcome.UNDONE, "deployment.undone", actor)


def end(host: str, service: str, *, reason: str = "", actor: Actor = audit.WORKER) -> Deployment | None:
    """Nothing of the service runs any more, and nothing follows. The deployment that ended; safe to repeat."""
    with audit.changing():
        before = current(host, service)
        if before is not None:
            _end(before, Outcome.REPLACED, "deployment.ended", reason, actor)
        return before


def healthy(host: str, service: str, entry: ImageDigest, *, job: int | None = None, actor: Actor = audit.WORKER) -> bool:
    """It has run healthy here; an approved digest becomes known good. Whether it is what is deployed. Safe to repeat."""
    if _is_noted_healthy(current(host, service), entry):  # asked at every look of the watcher: without the lock
        return True
    with audit.changing():
        now = current(host, service)
        if now is None or now.entry_id != entry.pk:
            return False
        if Deployment.objects.filter(pk=now.pk, healthy_at__isnull=True).update(healthy_at=_not_before(now.started_at)):
            audit.record(actor, Event("deployment.healthy", **_about(now), job=job))
        ledger.note_healthy(entry, actor=actor, job=job)
        return True


def _is_noted_healthy(now: Deployment | None, entry: ImageDigest) -> bool:
    if now is None or now.entry_id != entry.pk:
        return False
    return now.healthy_at is not None and now.entry.state != LedgerState.APPROVED


def current(host: str, service: str) -> Deployment | None:
    """What is deployed there now."""
    open_ones = Deployment.objects.filter(host=host, service=service, ended_at__isnull=True)
    return open_ones.select_related("entry", "by").first()


def known_good_targets(host: str, service: str, *, repository: str = "") -> QuerySet[ImageDigest]:
    """The digests that ran healthy here and are known good still; the one that ran last comes first."""
    ran_well = Q(
        deployments__host=host, deployments__service=service, deployments__healthy_at__isnull=False,
        deployments__outcome__in=(Outcome.RUNNING, Outcome.REPLACED),
    )  # fmt: skip
    found = ImageDigest.objects.filter(ran_well, state=LedgerState.KNOWN_GOOD)
    if repository:
        found = found.filter(repository=repository)
    return found.annotate(last_ran=Max("deployments__started_at", filter=ran_well)).order_by("-last_ran", "-id")


def previous_known_good(host: str, service: str, but_not: str, *, repository: str = "") -> ImageDigest | None:
    """The default target of a rollback: the last digest other than `but_not` of `known_good_targets`."""
    return known_good_targets(host, service, repository=repository).exclude(digest=but_not).first()


def _switch(before: Deployment | None, after: Deployment, outcome: Outcome, action: str, actor: Actor) -> Deployment:
    moment = _not_before(before.started_at) if before else timezone.now()
    if before is not None:
        _close(before, outcome, moment)
    after.started_at = moment
    after.save(force_insert=True)
    changes = {"digest": [before.entry.digest if before else None, after.entry.digest]}
    audit.record(actor, Event(action, **_about(after), reason=after.reason, job=after.job, changes=changes))
    return after


def _end(one: Deployment, outcome: Outcome, action: str, reason: str, actor: Actor) -> None:
    _close(one, outcome, _not_before(one.started_at))
    changes = {"digest": [one.entry.digest, None]}
    audit.record(actor, Event(action, **_about(one), reason=reason, job=one.job, changes=changes))


def _close(one: Deployment, outcome: Outcome, moment: datetime) -> None:
    changed = Deployment.objects.filter(pk=one.pk, ended_at__isnull=True).update(ended_at=moment, outcome=outcome)
    if changed != 1:
        raise Refused(f"Another job changed what runs as {one.service} on {one.host} in the same moment. Look again.")
    one.ended_at, one.outcome = moment, outcome


def _not_before(moment: datetime) -> datetime:
    """Now, unless the clock was set back meanwhile: then no earlier than `moment`."""
    return max(timezone.now(), moment)


def _about(one: Deployment) -> dict[str, Any]:
    return audit.about(one) | {"object_name": f"{one.service} on {one.host}"}
