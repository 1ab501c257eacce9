"""Moving an entry of the ledger from state to state, and what a job found out about it."""

from typing import Any

from django.utils import timezone

from deploy_records import audit
from deploy_records.audit import Actor, Event, about
from deploy_records.errors import Refused
from deploy_records.models import Deployment, ImageDigest, LedgerState, Outcome


def note_healthy(entry: ImageDigest, *, actor: Actor = audit.WORKER, job: int | None = None) -> bool:
    """It has run healthy: approved becomes known good. Whether that changed anything; safe to repeat."""
    with audit.changing():
        return become_known_good(fresh(entry), actor, job)


def note_failure(entry: ImageDigest, why: str, *, actor: Actor = audit.WORKER, job: int | None = None) -> None:
    """Marks a digest with the job that was undone. Its state stays: what failed may have been the host."""
    with audit.changing():
        now = fresh(entry)
        kept = {LedgerState.DEPRECATED, LedgerState.REVOKED}
        note = now.note if now.state in kept else why[:2000]
        ImageDigest.objects.filter(pk=now.pk).update(failed_at=timezone.now(), note=note)
        audit.record(actor, Event("digest.failed", **about(now), reason=why[:2000], job=job))


def become_known_good(entry: ImageDigest, actor: Actor, job: int | None = None) -> bool:
    if entry.state != LedgerState.APPROVED:
        return False
    since = entry.known_good_at or timezone.now()
    move(entry, LedgerState.KNOWN_GOOD, actor, job=job, known_good_at=since)
    return True


def ran_healthy(entry: ImageDigest) -> bool:
    """Whether it ran healthy, and that since it was last offered again."""
    ran = Deployment.objects.filter(entry=entry, healthy_at__isnull=False).exclude(outcome=Outcome.UNDONE)
    return (ran.filter(healthy_at__gte=entry.reinstated_at) if entry.reinstated_at else ran).exists()


def move(
    entry: ImageDigest, to: LedgerState, actor: Actor, action: str = "",
    *, reason: str = "", job: int | None = None, **fields: Any,
) -> None:  # fmt: skip
    """Inside `audit.changing`. Changes the state if it still is what `entry` says, and writes the event."""
    changed = ImageDigest.objects.filter(pk=entry.pk, state=entry.state).update(state=to, **fields)
    if changed != 1:
        raise Refused("Somebody else changed this digest in the same moment. Look again. Nothing was changed.")
    changes = {"state": [entry.state, to.value]}
    audit.record(actor, Event(action or f"digest.{to.value}", **about(entry), reason=reason, job=job, changes=changes))
    for name, value in {"state": to.value, **fields}.items():
        setattr(entry, name, value)


def fresh(entry: ImageDigest) -> ImageDigest:
    return ImageDigest.objects.select_related("registered_by", "reinstated_by").get(pk=entry.pk)
