"""restore: stage the backup beside the data and verify it, stop, swap, start, prove. What it replaced is kept for a while.

And its undo, which swaps the same things once more.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from chatbot_service.jobs.backup_ports import Damaged, Kept, NodesOf, Swap
from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.putting_back import FROM_STOP_TO_PROOF, remember, swaps_of
from chatbot_service.jobs.step import Fenced, Step
from chatbot_service.jobs.words import counted, size_of
from deploy_records.errors import Broken, Refused

RESTORE_TIMEOUT = 12 * 3600.0
MARGIN = 64 * 1000 * 1000
"""Bytes that stay free on the file system that is restored to: what runs there must be able to write meanwhile."""
NOTHING = "Nothing was changed."


def choose(ctx: JobContext) -> str:
    backup = the_backup(ctx)
    plan = ctx.kept.plan()
    roots = [path for path in backup.paths if plan is not None and path in plan.paths]
    asked = [str(path) for path in (ctx.task.asked or {}).get("paths") or ()]
    swaps = ctx.trees.plan_swaps(asked or roots, roots, ctx.task.id)
    if not swaps:
        raise Refused(f"Backup {backup.id} holds no data path that {ctx.task.service} still has. {NOTHING}", code="no-data")
    snapshot = ctx.backups.snapshot(backup.snapshot)
    if snapshot is None:
        why = "its snapshot is no longer in the repository"
        ctx.kept.spoilt(backup.id, "damaged", f"Found on a restore: {why}.")
        raise Refused(f"Backup {backup.id} cannot be restored: {why}. {NOTHING}", code="damaged")
    if snapshot.tree != backup.tree or f"service={ctx.task.service}" not in snapshot.tags:
        raise Refused(f"What the repository holds as backup {backup.id} is not what was taken then. {NOTHING}", code="damaged")
    _have_space(ctx, swaps, _size_of_chosen(ctx, backup, asked) if asked else backup.disk_bytes)
    remember(ctx, swaps)
    return f"backup {backup.id}, {counted(backup.files, 'file')}, {size_of(backup.bytes)}, over {counted(len(swaps), 'path')}"


def the_backup(ctx: JobContext) -> Kept:
    """As asked for; `Refused` when it cannot be relied on."""
    number = int((ctx.task.asked or {}).get("backup") or 0)
    backup = ctx.kept.backup(number)
    if backup is None:
        raise Refused(f"{ctx.task.service} has no backup {number}. {NOTHING}", code="no-such-backup")
    if backup.state in {"damaged", "forgotten"}:
        words = "is damaged" if backup.state == "damaged" else "is no longer kept"
        raise Refused(f"Backup {number} {words}. Choose another. {NOTHING}", code=backup.state)
    if backup.digest and ctx.records.entry(backup.digest) is None:
        raise Refused(f"Backup {number} was taken of a digest that is not in the ledger. {NOTHING}", code="unknown-digest")
    return backup


def _size_of_chosen(ctx: JobContext, backup: Kept, paths: list[str]) -> int:
    return sum(node.size for path in paths for node in ctx.backups.nodes(backup.snapshot, path))


def _have_space(ctx: JobContext, swaps: list[Swap], takes: int) -> None:
    """For all of it on each file system, as nobody wrote down how much is below which path."""
    wanted = takes + MARGIN
    for swap in swaps:
        free = ctx.trees.free_bytes(swap.target)
        if free < wanted:
            raise Refused(
                f"It takes {size_of(takes)}, and {size_of(free)} are free beside {swap.target}. "
                f"Free {size_of(wanted - free)} and try again. {NOTHING}",
                code="no-space",
            )


def stage(ctx: JobContext) -> str:
    """Contents are compared by hash; then, taken from the snapshot meanwhile, names, owners, modes, sizes and times."""
    backup, swaps = the_backup(ctx), swaps_of(ctx)
    with ctx.backups.ahead(backup.snapshot, [swap.target for swap in swaps]) as nodes:
        _restore(ctx, backup, swaps)
        only_read = [swap for swap in swaps if _is_only_read(ctx, swap.target)]
        notes = [note for swap in swaps for note in ctx.trees.harmless(swap, keep_setuid=swap in only_read)]
        for note in notes:
            ctx.say(note)
        compared = sum(_compared(ctx, swap, nodes, without_setuid=swap not in only_read) for swap in swaps)
    # From here on the inodes of what is staged are known, by which the swap is followed.
    ctx.memory.put("swaps", [_told(ctx.trees.seen(swap)) for swap in swaps])
    ctx.kept.restoring(swaps_of(ctx))
    return f"{compared:,} names as in the snapshot, contents compared by hash{f'; {notes[0]}' if notes else ''}"


def _restore(ctx: JobContext, backup: Kept, swaps: list[Swap]) -> None:
    try:
        for root, those in _by_root(ctx, swaps).items():
            ctx.backups.restore(backup.snapshot, [swap.target for swap in those], root, ctx.measured, RESTORE_TIMEOUT, ctx.say)
    except Damaged as error:
        ctx.kept.spoilt(backup.id, "damaged", f"Found on a restore: {error}")
        raise


def _is_only_read(ctx: JobContext, target: str) -> bool:
    """By the service. The baseline allows no setuid file where it can write."""
    rendered, folder = ctx.compose.config(ctx.project), PurePosixPath(target)
    mounts = rendered["services"].get(ctx.project.service, {}).get("volumes", [])
    mine = [mount for mount in mounts if folder.is_relative_to(_on_host(ctx, mount))]
    return bool(mine) and all(mount.get("read_only") for mount in mine)


def _on_host(ctx: JobContext, mount: Mapping[str, Any]) -> str:
    source = str(mount.get("source") or "-")
    return ctx.engine.volume_path(ctx.project.name, source) or "-" if mount.get("type") == "volume" else source


def _compared(ctx: JobContext, swap: Swap, nodes: NodesOf, *, without_setuid: bool) -> int:
    found = ctx.trees.differences(nodes(swap.target), swap.staged.removesuffix(swap.target), without_setuid=without_setuid)
    if found.different:
        raise Broken(f"what was staged differs from the snapshot in {found.different}: {'; '.join(found.examples[:5])}")
    return found.compared


def _by_root(ctx: JobContext, swaps: list[Swap]) -> dict[str, list[Swap]]:
    roots: dict[str, list[Swap]] = {}
    for swap in swaps:
        roots.setdefault(ctx.trees.staging_of(swap), []).append(swap)
    return roots


def discard(ctx: JobContext) -> str:
    """Of the old data nothing lies in the staging: whatever was swapped has been swapped back before this."""
    for swap in swaps_of(ctx):
        ctx.trees.discard(swap)
    return "what was staged is removed"


def _told(swap: Swap) -> dict[str, str]:
    return {"target": swap.target, "staged": swap.staged, "by": swap.by, "was": swap.was, "new": swap.new}


def not_restored(ctx: JobContext) -> str:
    ctx.kept.not_restored()
    return ""


def note_restored(ctx: JobContext) -> str:
    plan = ctx.kept.plan()
    ctx.kept.restored()
    ctx.memory.put("result", {"backup": (ctx.task.asked or {}).get("backup")})
    return f"what it replaced is kept for {plan.keep_replaced_hours if plan else 0} hours; until then it can be undone"


def choose_undo(ctx: JobContext) -> str:
    number, swaps = ctx.kept.restore_to_undo()
    # Seen from here the data of before the restore are what is staged.
    back = [replace(swap, was=swap.new, new=swap.was) for swap in swaps]
    ctx.memory.put("restore", number)
    remember(ctx, back)
    for then, now in zip(back, swaps_of(ctx), strict=True):
        if then.by == "rename" and then.new and now.new != then.new:
            raise Refused(f"What the restore replaced is no longer at {then.staged}. {NOTHING}", code="nothing-to-undo")
    return f"restore {number}, {counted(len(back), 'path')}"


def note_undone(ctx: JobContext) -> str:
    ctx.kept.undone()
    return "the data from before the restore are back"


def not_undone(ctx: JobContext) -> str:
    """On record it may be undone: by a worker that died right after it had noted that."""
    ctx.kept.not_undone()
    return ""


def clear_away(ctx: JobContext) -> str:
    """What had been restored; the service runs on the old data by now, whether or not this works."""
    try:
        return discard(ctx)
    except Fenced:
        raise
    except (Refused, Broken) as error:
        return f"what had been restored could not be removed: {error}"


CHOOSE = Step("choose", "Choose the backup, have the space", choose, not_restored, "note that it was not restored")
STAGE = Step("stage", "Put it beside the data and compare it", stage, discard, "remove what was staged")
NOTE = Step("note", "Note it down", note_restored, commits=True)
STEPS = (CHOOSE, STAGE, *FROM_STOP_TO_PROOF, NOTE)

CHOOSE_UNDO = Step("choose", "See what the restore replaced", choose_undo, not_undone, "note that it was not undone")
NOTE_UNDO = Step("note", "Note it down", note_undone, commits=True)
CLEAR = Step("clear", "Remove what had been restored", clear_away)
UNDO_STEPS = (CHOOSE_UNDO, *FROM_STOP_TO_PROOF, NOTE_UNDO, CLEAR)
