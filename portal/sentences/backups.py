"""When was the last good backup, and is it known to restore?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.urls import reverse
from django.utils.safestring import SafeString

from chatbot_service.foreign_text import one_line
from chatbot_service.models import Backup, BackupMode, BackupPlan, BackupState, Restore, RestoreRehearsal, RestoreState
from chatbot_service.readiness import Readiness
from portal.sentences.job_backups import backup_link
from portal.sentences.parts import Answer, claim, full, listed, said, sentence, some, strong
from portal.templatetags.moments import NBSP, ago, count, duration, exact, size, unit

MODE_MEANS = {
    BackupMode.LIVE: "It runs on while it is read. A file that changes meanwhile is noticed and told.",
    BackupMode.PAUSED: "It is read once while it runs; then its container is paused, and what changed is read again. "
    "The copy is of one moment.",
    BackupMode.STOPPED: "It is read once while it runs; then it is stopped, what changed is read again, and it is started. "
    "For what only writes all its data when it ends.",
}
STATE_TONES = {
    BackupState.GOOD: "ok",
    BackupState.INCOMPLETE: "warn",
    BackupState.DAMAGED: "stop",
    BackupState.FORGOTTEN: "off",
}
RESTORE_TONES = {
    RestoreState.ASKED: "wait",
    RestoreState.DECLINED: "off",
    RestoreState.STARTED: "run",
    RestoreState.DONE: "ok",
    RestoreState.FAILED: "undone",
    RestoreState.UNDONE: "undone",
}
_A_WEEK = timedelta(days=6)


@dataclass(frozen=True)
class Known:
    """What the sentence about a service's backups is made of."""

    service: int
    has_data: bool
    plan: BackupPlan | None
    last_good: Backup | None
    last_rehearsal: RestoreRehearsal | None
    readiness: Readiness


def answer(known: Known) -> Answer:
    parts = (known.readiness.backup.light, known.readiness.rehearsal.light)
    tone = min(parts, key=lambda light: light.badness).tone
    if not known.has_data:
        return Answer("none", said("It keeps no data that is known, so there is nothing to back up."))
    return Answer(tone, said(_backup(known), _rehearsal(known), "."))


def _backup(known: Known) -> SafeString:
    light = known.readiness.backup.light
    rpo = f", RPO{NBSP}{unit(known.plan.rpo_hours, 'h')}" if known.plan else ""
    if known.last_good is None:
        return said(strong("There is no good backup yet"), rpo)
    told = said("Last good backup ", claim(ago(known.last_good.at), reverse("backup", args=[known.last_good.pk])), rpo)
    if light.good or known.plan is None:
        return told
    return said(told, ": ", strong(light.word[:1].lower() + light.word[1:]))


def _rehearsal(known: Known) -> SafeString:
    found = known.last_rehearsal
    if found is None:
        return said("; no restore has been ", claim("rehearsed", "#t-rehearsals"), " yet")
    link = claim("last rehearsal", reverse("job", args=[found.job_id]))
    if not found.passed:
        return said("; the ", link, " ", strong("failed"), " ", on_day(found.at))
    return said("; ", link, " passed ", on_day(found.at), " in ", duration(took(found)))


def on_day(at: datetime) -> SafeString:
    """`on Sunday` within a week, else the day."""
    utc, now = at.astimezone(UTC), datetime.now(UTC)
    if utc.date() == now.date():
        return said("today")
    if now - utc < _A_WEEK:
        return said("on ", f"{utc:%A}")
    return said("on ", exact(at, "day"))


def took(rehearsal: RestoreRehearsal) -> float:
    return round(rehearsal.restore_seconds + rehearsal.compare_seconds + (rehearsal.boot_seconds or 0), 1)


# One backup


def backup_answer(backup: Backup, entry_tag: str) -> Answer:
    state = BackupState(backup.state)
    tone = STATE_TONES[state]
    held = f"{_files(backup.files)}, {size(backup.bytes)}"
    if state == BackupState.FORGOTTEN:
        gone = said(backup, " is ", strong("no longer kept"), ". It held ", held, " as of ", exact(backup.at, "when"), ".")
        return Answer(tone, gone, said("Given up ", exact(backup.forgotten_at), " by the plan's keep rules."))
    if state == BackupState.DAMAGED:
        damaged = said(backup, " is ", strong("damaged"), " and cannot be restored: ", full(one_line(backup.why, 400)))
        return Answer(tone, damaged, said("Other backups may be whole: a check tells which."))
    holds = said(backup, " holds ", held, " as of ", exact(backup.at, "when"), " UTC")
    if state == BackupState.INCOMPLETE:
        return Answer(tone, said(holds, ", but ", strong("not all of it"), ": ", full(one_line(backup.why, 400))), _how(backup))
    return Answer(tone, said(holds, listed([*_proofs(backup)]) if list(_proofs(backup)) else "", "."), _ran(backup, entry_tag))


def _files(number: int) -> str:
    return f"{count(number)}{NBSP}file" if number == 1 else f"{count(number)}{NBSP}files"


def _proofs(backup: Backup) -> Iterator[SafeString]:
    if backup.verified_at:
        yield said(", ", claim("verified", "#t-verified"))
    if backup.rehearsed_at:
        yield said(claim("restored on trial", "#t-rehearsals"), " ", on_day(backup.rehearsed_at))
    if not backup.verified_at and not backup.rehearsed_at:
        yield said(", ", strong("not verified"))


def _ran(backup: Backup, tag: str) -> SafeString:
    paused = f", {_how_still(backup)} for {duration(backup.paused_seconds)}" if backup.paused_seconds else ""
    ran = said("Taken while ", tag, " ran", paused, ". ") if tag else said("")
    return said(ran, _how(backup))


def _how_still(backup: Backup) -> str:
    return "stopped" if backup.mode == BackupMode.STOPPED else "paused"


def _how(backup: Backup) -> SafeString:
    if backup.unchanged:
        return said("Nothing had changed since the backup before it, on whose snapshot it stands.")
    if backup.changed_meanwhile:
        return said(some(backup.changed_meanwhile, "file", "files"), " changed while being read.")
    return said("")


def refuses_restore(backup: Backup) -> str:
    """Why it cannot be restored, browsed or downloaded; empty if it can."""
    if backup.state == BackupState.DAMAGED:
        return "It is damaged: what would be restored is not what was kept. Choose another one."
    if backup.state == BackupState.FORGOTTEN:
        return "It is no longer kept: its files were given up by the plan's keep rules."
    return ""


# One restore


def restore_answer(restore: Restore) -> Answer:
    state = RestoreState(restore.state)
    link = backup_link(restore.backup)
    what = said("its data" if not restore.paths else some(len(restore.paths), "path", "paths"), " from ", link)
    service = claim(restore.service, reverse("service-backups", args=[restore.service_id]))
    who, when = restore.asked_by.get_username(), ago(restore.asked_at)
    asked = said(
        "Asked for by ", who, " ", when, ".", said(" Reason: “", one_line(restore.reason, 300), "”.") if restore.reason else ""
    )
    said_so = {
        RestoreState.ASKED: lambda: said(
            who, " asks to restore ", what, " into ", service, ". ", strong("A second person has to agree"), "."
        ),
        RestoreState.DECLINED: lambda: said("Declined", _by(restore), ": ", what, " was not restored into ", service, "."),
        RestoreState.STARTED: lambda: said("Restoring ", what, " into ", service, "."),
        RestoreState.DONE: lambda: said("Restored ", what, " into ", service, ". ", _undo_words(restore)),
        RestoreState.FAILED: lambda: said(strong("Not restored"), ". ", service, " has the data it had before."),
        RestoreState.UNDONE: lambda: said("Undone. ", service, " has again what the restore had replaced."),
    }[state]()
    return Answer(RESTORE_TONES[state], sentence(said_so), asked)


def _by(restore: Restore) -> SafeString:
    note = said(", “", one_line(restore.decision_note, 300), "”") if restore.decision_note else said("")
    return said(" by ", restore.decided_by.get_username(), note) if restore.decided_by else note


def can_be_undone(restore: Restore, now: datetime) -> bool:
    kept = restore.replaced_removed_at is None and restore.replaced_until is not None and restore.replaced_until > now
    return restore.state == RestoreState.DONE and kept


def _undo_words(restore: Restore) -> SafeString:
    if can_be_undone(restore, datetime.now(UTC)):
        return said("What was replaced is kept until ", exact(restore.replaced_until, "when"), ".")
    return said("What was replaced is no longer kept.")


# The plan


def plan_words(plan: BackupPlan, paths: int) -> list[tuple[str, SafeString]]:
    """What it does, then how, as facts."""
    return [
        ("What", said(some(paths, "data path", "data paths"), _values(plan))),
        ("When", when(plan)),
        ("How", said(plan.get_mode_display(), _pause(plan))),
        ("Where to", said(plan.repository.name)),
        ("Kept", keeps(plan)),
        ("Rehearsed", said(f"every {plan.rehearse_days} days" if plan.rehearse_days else "only when asked for")),
        ("A restore", _restores(plan)),
    ]


def _values(plan: BackupPlan) -> str:
    env = "with the values of the environment file" if plan.with_values else "names of the environment file, no values"
    return f", compose files, pin; {env}"


def _pause(plan: BackupPlan) -> str:
    return "" if plan.mode == BackupMode.LIVE else f", {duration(plan.longest_pause)} at most"


def when(plan: BackupPlan) -> SafeString:
    upgrade = "; before each upgrade" if plan.before_upgrade else ""
    if not plan.scheduled:
        return said("only when asked for", upgrade)
    if plan.cron:
        return said("by ", plan.cron, " (UTC)", upgrade)
    return said(f"so that the last one is never older than {unit(plan.rpo_hours, 'h')}", upgrade)


def keeps(plan: BackupPlan) -> SafeString:
    parts = [
        f"the last of each of {number} {name}"
        for number, name in ((plan.keep_daily, "days"), (plan.keep_weekly, "weeks"), (plan.keep_monthly, "months"))
        if number
    ]
    return said(listed(["all of the last 24 h", *parts]))


def _restores(plan: BackupPlan) -> SafeString:
    two = "takes a second person; " if plan.two_people else ""
    return said(two, f"can be undone for {unit(plan.keep_replaced_hours, 'h')}")


def will_restore(backup: Backup, paths: Sequence[str]) -> Answer:
    """Before it is asked for."""
    what = "All data" if not paths else sentence(said(some(len(paths), "path", "paths")))
    service = claim(backup.service, reverse("service", args=[backup.service_id]))
    put = said(
        what, " of ", service, " would be as of ", strong(exact(backup.at, "when")), " UTC, from ", backup_link(backup), "."
    )
    return Answer("warn", put, said("What is there now is replaced, and kept for a while so that it can be put back."))
