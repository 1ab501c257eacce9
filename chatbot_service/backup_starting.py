"""What people ask for with backups: each entrance asks the rules and starts the job, or says at once why not."""

from collections.abc import Sequence
from typing import Any

from django.utils import timezone

from chatbot_service import dispatch
from chatbot_service.backup_paths import is_plain
from chatbot_service.backup_urls import within
from chatbot_service.dispatch import Order, Request
from chatbot_service.models import Backup, BackupPlan, BackupState, Job, JobState, Kind, Restore, RestoreState, Service
from deploy_records import audit, lookup
from deploy_records.audit import Event, about
from deploy_records.errors import Invalid, NotAllowed, Refused
from deploy_records.models import LedgerState
from deploy_records.people import require
from deploy_records.rules.digest import shown
from deploy_records.rules.words import checked_words

MAY_AGREE = "chatbot_service.agree_to_restore"
MOST_PATHS = 100
_MOST_PATH = 4096
_MOST_WORDS = 500
NOTHING = "Nothing was changed."


def backup(service: Service, request: Request) -> Job:
    dispatch.may(Kind.BACKUP, request)
    return dispatch.start(backup_order(service, _plan(service)), request)


def backup_order(service: Service, plan: BackupPlan) -> Order:
    """The mode as it is now: the steps of the job are laid out by it."""
    return Order(Kind.BACKUP, service.host, service, asked={"mode": plan.mode})


def rehearse(service: Service, chosen: Backup | None, request: Request) -> Job:
    """Without a backup the newest good one."""
    dispatch.may(Kind.REHEARSE, request)
    _plan(service)
    if chosen is not None:
        _check_owner(chosen, service)
        _check_kept(chosen)
    wanted = chosen or Backup.objects.filter(service=service, state=BackupState.GOOD).first()
    if wanted is None:
        raise Refused(f"{service} has no good backup yet. Back it up first. {NOTHING}", code="no-such-backup")
    return dispatch.start(rehearsal_order(service, wanted.pk), request)


def rehearsal_order(service: Service, number: int) -> Order:
    """The backup by its number: it may lie elsewhere than where the plan keeps them now."""
    return Order(Kind.REHEARSE, service.host, service, asked={"backup": number})


def check(service: Service, request: Request) -> Job:
    """Looks through all that is kept of the service."""
    dispatch.may(Kind.CHECK, request)
    _plan(service)
    return dispatch.start(Order(Kind.CHECK, service.host, service), request)


def browse(chosen: Backup, path: str, request: Request, *, compare: bool = False) -> Job:
    """Lists one folder of it; `compare`: against what is there now."""
    return _look(Kind.BROWSE, chosen, path, request, {"compare": compare})


def download(chosen: Backup, path: str, request: Request) -> Job:
    return _look(Kind.DOWNLOAD, chosen, path, request, {})


def give_up(waiting: Job, why: str) -> None:
    """A download that nobody waits for any more: begun later, it would wait for its reader in vain."""
    with audit.changing():
        now, left = timezone.now(), Job.objects.filter(pk=waiting.pk, kind=Kind.DOWNLOAD, cancel_asked_at=None)
        ended = left.filter(state=JobState.QUEUED).update(
            state=JobState.CANCELLED, ended_at=now, cancel_asked_at=now, cancel_asked_by=waiting.by, error=why
        )
        if ended or left.filter(state=JobState.RUNNING).update(cancel_asked_at=now, cancel_asked_by=waiting.by):
            event = Event("job.cancel_asked", **about(waiting), job=waiting.pk, reason=why)
            audit.record(Request(waiting.by).actor, event)


def _look(kind: Kind, chosen: Backup, path: str, request: Request, more: dict[str, Any]) -> Job:
    dispatch.may(kind, request)
    _check_kept(chosen, incomplete=True)
    if path:
        _check_path(path, chosen.paths, f"{chosen} holds")
    service = chosen.service
    return dispatch.start(Order(kind, service.host, service, asked={"backup": chosen.pk, "path": path, **more}), request)


# Restores


def restore(
    chosen: Backup, paths: Sequence[str], request: Request, *, confirmed: str, service: Service | None = None,
    incomplete: bool = False,
) -> Job | Restore:  # fmt: skip
    """No `paths`: all data paths. `confirmed`: the service's name as the person typed it. `service`: the one that is meant,
    if that was said. `incomplete`: the person knows that this backup is, and wants what it has.

    The job; or, where a second person must agree, the restore that waits for one.
    """
    dispatch.may(Kind.RESTORE, request)
    asked = list(paths)
    _check_restore(chosen, asked, service or chosen.service, incomplete=incomplete)
    owner = chosen.service
    if confirmed.strip() != owner.name:
        typed = f"{shown(confirmed.strip())} was typed" if confirmed.strip() else "nothing was typed"
        raise Invalid(f"Type the name of the service, {owner.name}, to confirm; {typed}. {NOTHING}", code="not-confirmed")
    reason = checked_words("The reason", request.reason, most=_MOST_WORDS)
    with audit.changing():
        wanted = Restore(service=owner, backup=chosen, paths=asked, reason=reason, asked_by=request.person)
        return _ask(wanted, request) if _plan(owner).two_people else _begin(wanted, request)


def _ask(wanted: Restore, request: Request) -> Restore:
    waiting = Restore.objects.filter(service=wanted.service, state=RestoreState.ASKED).select_related("asked_by").first()
    if waiting is not None:
        who = waiting.asked_by.get_username()
        raise Refused(f"A restore that {who} asked for waits for a second person already. {NOTHING}", code="busy")
    wanted.state = RestoreState.ASKED
    wanted.save()
    told = {"restore": wanted.pk, "service": str(wanted.service), "paths": wanted.paths}
    audit.record(request.actor, Event("restore.asked", **about(wanted.backup), reason=wanted.reason, changes=told))
    return wanted


def _begin(wanted: Restore, request: Request) -> Job:
    wanted.state = RestoreState.STARTED
    wanted.save()
    service = wanted.service
    asked = {"backup": wanted.backup_id, "paths": wanted.paths, "restore": wanted.pk}
    job = dispatch.start(Order(Kind.RESTORE, service.host, service, asked=asked), request)
    Restore.objects.filter(pk=wanted.pk).update(job=job)
    return job


def agree(waiting: Restore, request: Request) -> Job:
    """The job runs in the name of who asked; this person's yes is on record beside it."""
    person = require(request.person, MAY_AGREE, "Agreeing to a restore")
    with audit.changing():
        found = _waiting(waiting)
        if _same_person(found, request):
            raise NotAllowed(f"You asked for this restore yourself; a second person has to agree. {NOTHING}", code="own-request")
        _check_restore(found.backup, found.paths, found.service, incomplete=True)
        asker = Request(found.asked_by, found.reason)
        dispatch.may(Kind.RESTORE, asker)
        found.decided_by, found.decided_at = person, timezone.now()
        found.decision_note = checked_words("The note", request.reason, most=_MOST_WORDS)
        _note_decision("restore.agreed", found, request)
        return _begin(found, asker)


def decline(waiting: Restore, request: Request, note: str = "") -> Restore:
    """Whoever may agree; and who asked, who takes it back by that."""
    with audit.changing():
        found = _waiting(waiting)
        if not _same_person(found, request):
            require(request.person, MAY_AGREE, "Declining a restore")
        found.state, found.decided_by, found.decided_at = RestoreState.DECLINED, request.person, timezone.now()
        found.decision_note = checked_words("The note", note or request.reason, most=_MOST_WORDS)
        found.save()
        _note_decision("restore.declined", found, request)
    return found


def undo_restore(done: Restore, request: Request) -> Job:
    """Puts back what the restore replaced, while that is kept."""
    dispatch.may(Kind.UNDO_RESTORE, request)
    with audit.changing():
        found = Restore.objects.select_related("service__host", "backup").get(pk=done.pk)
        why_not = why_not_undone(found)
        if why_not:
            raise Refused(f"{why_not} {NOTHING}", code="nothing-to-undo")
        service = found.service
        asked = {"backup": found.backup_id, "restore": found.pk}
        job = dispatch.start(Order(Kind.UNDO_RESTORE, service.host, service, asked=asked), request)
        Restore.objects.filter(pk=found.pk).update(undo_job=job)
    return job


def why_not_undone(found: Restore) -> str:
    """Why this restore cannot be undone now, in words; empty if it can."""
    if found.state == RestoreState.UNDONE:
        return "This restore was undone already."
    if found.state != RestoreState.DONE:
        return "This restore has changed nothing, so there is nothing to undo."
    over = found.replaced_until is None or found.replaced_until <= timezone.now()
    if over or found.replaced_removed_at is not None:
        until = f"{found.replaced_until:%-d %b %Y at %H:%M UTC}" if found.replaced_until else "its end"
        return f"What it replaced was kept until {until}. To go back, restore a backup of before."
    later = Restore.objects.filter(service=found.service_id, state=RestoreState.DONE, pk__gt=found.pk).first()
    return f"Restore {later.pk} came after it. Undo that one first." if later is not None else ""


# The rules


def _plan(service: Service) -> BackupPlan:
    plan = BackupPlan.objects.select_related("repository").filter(service=service).first()
    if plan is None:
        raise Refused(f"{service} has no backup plan. Set one up first. {NOTHING}", code="no-plan")
    if not service.data_paths:
        raise Refused(f"{service} has no data paths. Name one in its backup plan first. {NOTHING}", code="no-data")
    return plan


def _check_owner(chosen: Backup, service: Service) -> None:
    if chosen.service_id != service.pk:
        words = f"{chosen} is of {chosen.service}, not of {service}. One service's data are never put into another"
        raise Refused(f"{words}. {NOTHING}", code="other-service")


def _check_kept(chosen: Backup, *, incomplete: bool = False) -> None:
    chosen.refresh_from_db()
    if chosen.state == BackupState.DAMAGED:
        raise Refused(f"{chosen} is damaged: {chosen.why} Choose another. {NOTHING}", code="damaged")
    if chosen.state == BackupState.FORGOTTEN:
        raise Refused(f"{chosen} is no longer kept. Choose another. {NOTHING}", code="forgotten")
    if chosen.state == BackupState.INCOMPLETE and not incomplete:
        words = f"{chosen} is incomplete: {chosen.why} Choose another, or say that it is meant"
        raise Refused(f"{words}. {NOTHING}", code="incomplete")


def _check_restore(chosen: Backup, paths: Sequence[str], service: Service, *, incomplete: bool) -> None:
    _check_owner(chosen, service)
    _check_kept(chosen, incomplete=incomplete)
    _check_digest(chosen)
    service.refresh_from_db(fields=["data_paths"])
    if len(paths) > MOST_PATHS:
        raise Invalid(f"{len(paths)} paths were chosen; at most {MOST_PATHS} can be. Choose the folder around them. {NOTHING}")
    for path in paths or chosen.paths:
        _check_path(path, chosen.paths, f"{chosen} holds")
        _check_path(path, service.data_paths, f"{service} has now", "" if paths else " Choose the paths that are to be restored.")


def _check_digest(chosen: Backup) -> None:
    """Empty: what ran was in no ledger then either."""
    if not chosen.digest:
        return
    entry = lookup.find(chosen.service.repository, chosen.digest)
    if entry is None or entry.state == LedgerState.REVOKED:
        how = "which is no longer in the ledger" if entry is None else "which is revoked"
        words = f"{chosen} was taken while {chosen.digest[:19]}… ran, {how}: nothing that may run is known to read its data"
        raise Refused(f"{words}. Choose another. {NOTHING}", code="unknown-digest")


def _check_path(path: str, roots: Sequence[str], whose: str, hint: str = "") -> None:
    if len(path) > _MOST_PATH or not is_plain(path):
        raise Invalid(f"{shown(path)} is not a path: one is written whole, without . and .., like /srv/bot/uploads. {NOTHING}")
    if not any(within(path, root) for root in roots):
        raise Refused(f"{shown(path)} is outside the data paths that {whose}.{hint} {NOTHING}", code="outside")


def _waiting(asked: Restore) -> Restore:
    related = Restore.objects.select_related("service__host", "backup__service__host", "asked_by")
    found = related.get(pk=asked.pk)
    if found.state != RestoreState.ASKED:
        raise Refused(f"This restore no longer waits: {found.get_state_display().lower()}. {NOTHING}", code="decided")
    return found


def _same_person(found: Restore, request: Request) -> bool:
    """Two accounts with one address are one person."""
    me, asker = request.person, found.asked_by
    return me.pk == asker.pk or bool(me.email and me.email.casefold() == asker.email.casefold())


def _note_decision(action: str, found: Restore, request: Request) -> None:
    told = {"restore": found.pk, "service": str(found.service), "asked_by": found.asked_by.get_username()}
    audit.record(request.actor, Event(action, **about(found.backup), reason=found.decision_note, changes=told))
