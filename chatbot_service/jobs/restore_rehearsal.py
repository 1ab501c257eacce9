"""rehearse: a backup restored into scratch, every file compared, the service booted on the copy with no network. And the
check of all backups.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import PurePosixPath
from typing import Any

from chatbot_service.jobs.backup import CHECK_TIMEOUT, take_out
from chatbot_service.jobs.backup_ports import Damaged, Kept
from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.converge import the_container
from chatbot_service.jobs.rehearsal import DOWN_TIMEOUT, candidate_of, rehearsal_project, wait_for_docker
from chatbot_service.jobs.restore import MARGIN, RESTORE_TIMEOUT, the_backup
from chatbot_service.jobs.step import Fenced, Step
from chatbot_service.jobs.switching import UP_TIMEOUT, entry_of, short, watch_probes
from chatbot_service.jobs.words import counted, size_of
from deploy_records.errors import Broken, Refused

SHARE_OF_A_CHECK = "10%"
Do = Callable[[JobContext], str]


def counts(do: Do) -> Do:
    """A step whose failure means that the rehearsal did not pass: it is on record as that."""

    @wraps(do)
    def noting(ctx: JobContext) -> str:
        try:
            return do(ctx)
        except Fenced:
            raise
        except (Refused, Broken) as error:
            number = ctx.memory.get("backup")
            if number:
                ctx.kept.rehearsed(number, {"passed": False, "problem": str(error)})
                if isinstance(error, Damaged):
                    ctx.kept.spoilt(number, "damaged", f"Found in a rehearsal: {error}")
            raise

    return noting


def choose(ctx: JobContext) -> str:
    asked = (ctx.task.asked or {}).get("backup")
    backup = the_backup(ctx) if asked else ctx.kept.last()
    if backup is None:
        raise Refused(f"{ctx.task.service} has no good backup yet, so there is nothing to rehearse. Back it up first.")
    ctx.memory.put("backup", backup.id)
    scratch = ctx.files.scratch()
    free = ctx.trees.free_bytes(scratch)
    wanted = backup.disk_bytes + MARGIN
    if free < wanted:
        raise Refused(f"Its copy takes {size_of(backup.disk_bytes)}, and {size_of(free)} are free at {scratch}. Free some.")
    return f"backup {backup.id}, {counted(backup.files, 'file')}, {size_of(backup.bytes)}"


def _rehearsed(ctx: JobContext) -> Kept:
    backup = ctx.kept.backup(ctx.memory.get("backup"))
    if backup is None:
        raise Broken("the backup is gone")
    return backup


def restore(ctx: JobContext) -> str:
    backup, begun = _rehearsed(ctx), ctx.now()
    ctx.backups.restore(backup.snapshot, backup.paths, ctx.files.scratch(), ctx.measured, RESTORE_TIMEOUT, ctx.say)
    took = ctx.now() - begun
    ctx.memory.put("restore_seconds", took)
    return f"every file compared by hash, in {took:.1f} s"


def compare(ctx: JobContext) -> str:
    backup, begun = _rehearsed(ctx), ctx.now()
    compared = 0
    for path in backup.paths:
        found = ctx.trees.differences(ctx.backups.nodes(backup.snapshot, path), ctx.files.scratch(), without_setuid=False)
        compared += found.compared
        if found.different:
            raise Broken(f"the copy differs from the snapshot in {found.different}: {'; '.join(found.examples[:5])}")
    ctx.memory.put("compare_seconds", ctx.now() - begun)
    return f"{compared:,} names, owners, modes, sizes and times"


def boot(ctx: JobContext) -> str:
    """The image that runs, on the copy, cut off from every network."""
    container = the_container(ctx)
    if container is None:
        return "there is no container yet, so no image to boot"
    rendered = ctx.compose.config(ctx.project)
    binds = copies(rendered, ctx.project.service, _rehearsed(ctx).paths, ctx.files.scratch(), where_volumes_lie(ctx))
    project = cut_off(
        rehearsal_project(rendered, _name(ctx), ctx.project.service, container.image_id, binds, joined=False, held=())
    )
    begun = ctx.now()
    ctx.compose.up_rendered(_name(ctx), ctx.project.directory, project, ctx.say, UP_TIMEOUT)
    found = ctx.engine.containers(_name(ctx), candidate_of(ctx.project.service))
    if not found:
        raise Broken("the rehearsal's container is gone")
    watch_probes(ctx, found[0], "on the copy")
    wait_for_docker(ctx, found[0])
    ctx.memory.put("boot_seconds", ctx.now() - begun)
    entry = entry_of(ctx, container)
    ctx.memory.put("digest", entry.digest if entry else "")
    return f"{short(entry.digest if entry else container.image_id)} was healthy on it after {ctx.now() - begun:.1f} s"


def where_volumes_lie(ctx: JobContext) -> Callable[[str], str]:
    return lambda name: ctx.engine.volume_path(ctx.project.name, name)


def copies(
    rendered: Mapping[str, Any], service: str, paths: tuple[str, ...], scratch: str, volume_path: Callable[[str], str]
) -> dict[str, str]:
    """Source of a mount, as the compose file has it → its copy below `scratch`."""
    found: dict[str, str] = {}
    for mount in rendered["services"][service].get("volumes", []):
        source = str(mount.get("source") or "")
        named = mount.get("type") == "volume" and source
        where = volume_path(source) if named else source
        if where in paths:
            found[source] = f"{scratch}{PurePosixPath(where)}"
    return found


def cut_off(project: dict[str, Any]) -> dict[str, Any]:
    """No network and no port, whatever the service has."""
    for one in project["services"].values():
        for key in ("ports", "networks", "expose", "extra_hosts", "dns"):
            one.pop(key, None)
        one["network_mode"] = "none"
    project.pop("networks", None)
    return project


def _name(ctx: JobContext) -> str:
    return f"kg-restored-{ctx.project.name[:40]}-{ctx.task.id}"


def tidy(ctx: JobContext) -> str:
    ctx.compose.down(_name(ctx), ctx.say, DOWN_TIMEOUT)
    ctx.files.remove_copies()
    return "container and copy"


def note(ctx: JobContext) -> str:
    backup = _rehearsed(ctx)
    facts = {key: ctx.memory.get(key) for key in ("restore_seconds", "compare_seconds", "boot_seconds")}
    facts = {key: value for key, value in facts.items() if value is not None or key == "boot_seconds"}
    told = {"passed": True, "files": backup.files, "bytes": backup.bytes, "digest": ctx.memory.get("digest") or ""}
    ctx.kept.rehearsed(backup.id, {**told, **facts})
    ctx.memory.put("result", {"backup": backup.id})
    return f"backup {backup.id} restores"


_GONE = "a snapshot that is on record is no longer in the repository"


def _gone(ctx: JobContext) -> list[str]:
    """Restic does not miss what nothing names any more."""
    there = {snapshot.id for snapshot in ctx.backups.snapshots()}
    return sorted({kept.snapshot for kept in ctx.kept.on_record()} - there)


def check(ctx: JobContext) -> str:
    """Structure of all backups of the service, and a share of the data; who is hit by what is found."""
    share = str((ctx.task.asked or {}).get("share") or SHARE_OF_A_CHECK)
    checked = ctx.backups.check(share, ctx.say, CHECK_TIMEOUT)
    ctx.memory.put("result", {"errors": list(checked.errors[:20]), "damaged_packs": list(checked.damaged_packs[:20])})
    gone = _gone(ctx)
    if checked.whole and not gone:
        ctx.kept.checked("")
        return f"structure is whole, {share} of the data read back"
    for error in checked.errors:
        ctx.say(error)
    hit = 0 if checked.whole else ctx.kept.damaged(sorted(ctx.backups.damaged_by(checked.damaged_packs)), checked.words)
    hit += ctx.kept.damaged(gone, _GONE) if gone else 0
    words = checked.words or _GONE
    ctx.kept.checked(words)
    cannot = (
        f"{counted(hit, 'backup')} cannot be restored any more; the others still can" if hit else "no backup on record is hit"
    )
    raise Broken(f"Damage found: {words}. {cannot}. {take_out(ctx, checked)}".strip())


CHOOSE = Step("choose", "Choose the backup, have the space", choose)
RESTORE = Step("restore", "Restore into scratch", counts(restore), tidy, "remove the copy")
COMPARE = Step("compare", "Compare it with the snapshot", counts(compare))
BOOT = Step("boot", "Boot the service on the copy, without network", counts(boot))
TIDY = Step("tidy", "Remove the copy", tidy)
NOTE = Step("note", "Note it down", note)
STEPS = (CHOOSE, RESTORE, COMPARE, BOOT, TIDY, NOTE)

CHECK = Step("check", "Check the repository", check)
CHECK_STEPS = (CHECK,)
