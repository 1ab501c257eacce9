"""What jobs on backups do, and what came of them."""

from collections.abc import Callable, Sequence

from django.urls import reverse
from django.utils.safestring import SafeString

from chatbot_service.foreign_text import one_line
from chatbot_service.job_sight import JobSight
from chatbot_service.models import Backup, BackupState, Job, Kind, Restore, RestoreRehearsal
from portal.sentences.parts import claim, full, said, some, strong
from portal.templatetags.moments import duration, exact, size

KINDS = frozenset({Kind.BACKUP, Kind.RESTORE, Kind.UNDO_RESTORE, Kind.REHEARSE, Kind.CHECK, Kind.BROWSE, Kind.DOWNLOAD})
NOUN = {
    Kind.BACKUP: "backup", Kind.RESTORE: "restore", Kind.UNDO_RESTORE: "undo of the restore",
    Kind.REHEARSE: "rehearsal of a restore", Kind.CHECK: "check of the backups", Kind.BROWSE: "look into the backup",
    Kind.DOWNLOAD: "download",
}  # fmt: skip


DOING = {
    "survey": "Seeing what has changed",
    "first-pass": "Copying the data while it runs",
    "hold": "Holding it still",
    "take": "Copying the data",
    "go-on": "Letting it go on",
    "verify": "Verifying what was copied",
    "judge": "Seeing whether it is whole",
    "tidy": "Tidying up",
    "choose": "Choosing the backup",
    "stage": "Putting it beside the data",
    "restore": "Restoring into scratch",
    "compare": "Comparing it with the snapshot, file by file",
    "stop": "Stopping the service",
    "swap": "Swapping the data",
    "start": "Starting the service",
    "serving": "Waiting until it serves",
    "present": "Seeing that the data are there",
    "boot": "Starting the service on the copy",
    "clear": "Removing what had been restored",
    "check": "Checking what is kept",
    "read": "Looking into the backup",
    "send": "Sending it",
    "note": "Noting it down",
    "look": "Seeing what is to be kept",
}
IN_STEP = {
    "look": "while seeing what is to be kept",
    "survey": "while seeing what had changed",
    "first-pass": "while copying the data",
    "hold": "while holding it still",
    "take": "while copying the data",
    "verify": "in the verification",
    "choose": "before anything was restored",
    "stage": "while putting it beside the data",
    "restore": "while restoring into scratch",
    "compare": "in the comparison with the snapshot",
    "stop": "while stopping the service",
    "swap": "while swapping the data",
    "start": "while starting the service",
    "serving": "while waiting until it served",
    "boot": "while starting the service on the copy",
    "check": "in what was found",
    "send": "while it was sent",
}
PAST = {
    "look": "what is to be kept was looked at",
    "survey": "what had changed was looked at",
    "first-pass": "the data were copied while it ran",
    "hold": "it was held still",
    "take": "the data were copied",
    "go-on": "it went on",
    "verify": "what was copied was verified",
    "choose": "the backup was chosen, with space for it",
    "stage": "it was put beside the data",
    "restore": "it was restored into scratch",
    "compare": "it was compared with the snapshot",
    "stop": "it was stopped",
    "swap": "the data were swapped",
    "start": "it was started",
    "serving": "it answered",
    "present": "the data were there",
    "boot": "the service came up on the copy",
    "note": "it was noted down",
}
PUT_BACK = {
    "hold": "it went on",
    "take": "what was copied was dropped",
    "stage": "what was staged is removed",
    "restore": "the copy is removed",
    "stop": "it was started again",
    "swap": "the old data are back",
    "start": "it was stopped for the swap back",
    "choose": "it is on record that nothing was restored",
}


def backup_link(backup: Backup) -> SafeString:
    return claim(backup, reverse("backup", args=[backup.pk]))


def _service(sight: JobSight) -> SafeString:
    service = sight.service
    return claim(service, reverse("service-backups", args=[service.pk])) if service else said(sight.job.host)


def _taken_by(job: Job) -> Backup | None:
    return job.backups.first()


def _backed_up(sight: JobSight) -> SafeString:
    backup = _taken_by(sight.job)
    if backup is None:
        return said("Backed up. ", _service(sight), " keeps what it had.")
    if backup.unchanged:
        return said(
            "Nothing had changed in ", _service(sight), ": ", backup_link(backup), " stands on the snapshot of the one before."
        )
    verified = said(", and ", strong("that is verified")) if backup.verified_at else said("")
    kept = f"{some(backup.files, 'file', 'files')}, {size(backup.bytes)}"
    added = f", {size(backup.added_bytes)} of it new" if backup.added_bytes < backup.bytes else ""
    why = said(" ", strong("It is not complete"), ": ", full(one_line(backup.why, 300)))
    missing = why if backup.state != BackupState.GOOD else said("")
    return said(backup_link(backup), " of ", _service(sight), " holds ", kept, added, verified, ".", missing)


def _restore_of(job: Job) -> Restore | None:
    found: Restore | None = Restore.objects.filter(job=job).select_related("backup").first()
    return found


def _restored(sight: JobSight) -> SafeString:
    restore = _restore_of(sight.job)
    since = exact(sight.job.serving_at or sight.job.ended_at, "time")
    if restore is None:
        return said("Restored. ", _service(sight), " has its data back since ", since, ".")
    what = "its data" if not restore.paths else some(len(restore.paths), "path", "paths")
    until = said(" What was replaced is kept until ", claim(exact(restore.replaced_until, "when"), _page(restore)), ".")
    kept = until if restore.replaced_until else said("")
    back = said(what, " as of ", exact(restore.backup.at, "when"), ", from ", backup_link(restore.backup))
    return said("Restored. ", _service(sight), " has ", back, ", since ", since, ".", kept)


def _page(restore: Restore) -> str:
    return reverse("restore", args=[restore.pk])


def _restore_undone(sight: JobSight) -> SafeString:
    return said("Undone. ", _service(sight), " has again what the restore had replaced.")


def _rehearsed(sight: JobSight) -> SafeString:
    found: RestoreRehearsal | None = sight.job.restore_rehearsals.select_related("backup").first()
    if found is None:
        return said("Rehearsed. The newest backup of ", _service(sight), " restores.")
    compared = f": {some(found.files, 'file', 'files')}, {size(found.bytes)}, each as it was kept"
    if not found.passed:
        return said(
            backup_link(found.backup), " ", strong("does not restore as it should"), ": ", full(one_line(found.problem, 400))
        )
    booted = f". {sight.service} came up healthy on the copy" if found.boot_seconds is not None else ""
    in_all = found.restore_seconds + found.compare_seconds + (found.boot_seconds or 0)
    return said(backup_link(found.backup), " ", strong("restores"), compared, booted, ". All of it took ", duration(in_all), ".")


def _checked(sight: JobSight) -> SafeString:
    return said("Checked. What is kept of ", _service(sight), " is whole.")


def _looked_into(sight: JobSight) -> SafeString:
    url = files_of(sight.job)
    return said("Read. ", claim("See what was found", url), ".") if url else said("Read.")


def files_of(job: Job) -> str:
    """The page that shows what a look into a backup found; empty where the job does not say into which."""
    number = job.asked.get("backup")
    if not isinstance(number, int):
        return ""
    name = "backup-compare" if job.asked.get("compare") else "backup-files"
    return reverse(name, args=[number], query={"path": str(job.asked.get("path", ""))})


def _sent(sight: JobSight) -> SafeString:
    return said("Sent. What was asked for of a backup of ", _service(sight), " has been downloaded.")


DONE: dict[Kind, Callable[[JobSight], SafeString]] = {
    Kind.BACKUP: _backed_up,
    Kind.RESTORE: _restored,
    Kind.UNDO_RESTORE: _restore_undone,
    Kind.REHEARSE: _rehearsed,
    Kind.CHECK: _checked,
    Kind.BROWSE: _looked_into,
    Kind.DOWNLOAD: _sent,
}


def deed(job: Job) -> SafeString:
    """In a few words for a list; without a query."""
    result, asked = job.result, job.asked
    if job.kind == Kind.BACKUP and result.get("backup"):
        return said(f"backup {result['backup']}", _size_of(result.get("bytes")))
    if asked.get("backup"):
        path = str(asked.get("path", ""))
        return said(f"of backup {asked['backup']}", f", {one_line(path, 60)}" if path else "")
    return said("")


def _size_of(octets: object) -> str:
    return f", {size(octets)}" if isinstance(octets, int) else ""


def if_it_fails(sight: JobSight) -> Sequence[str]:
    """What would hold then, for a job that touches the service at some step."""
    if sight.job.kind == Kind.BACKUP:
        return ("The service goes on, at the latest when the longest pause is over. ", "Backups that are there stay as they are.")
    if not sight.touched:
        return ("The service and its data stay as they are.",)
    return ("The old data are back in their place and the service runs on them before the job ends.",)
