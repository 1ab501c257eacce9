"""browse and download: what is in a backup, how it differs from now, and the backup itself as a tar archive."""

from typing import Any

from chatbot_service.foreign_text import one_line
from chatbot_service.jobs.backup_ports import Kept, Node
from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.restore import the_backup
from chatbot_service.jobs.step import Step
from chatbot_service.jobs.words import counted, size_of
from deploy_records.errors import Refused

MOST_ENTRIES = 2000


def read(ctx: JobContext) -> str:
    backup = the_backup(ctx)
    asked = ctx.task.asked or {}
    return _compare(ctx, backup) if asked.get("compare") else _list(ctx, backup, str(asked.get("path") or ""))


def _list(ctx: JobContext, backup: Kept, path: str) -> str:
    """One folder; without a path the data paths themselves."""
    listed = _entries(ctx, backup, path)
    if path and not any(node.path == path and node.type == "dir" for node in listed):
        what = "is no folder in" if listed else "is not in"
        raise Refused(
            f"“{one_line(path, 300)}” {what} backup {backup.id}. Go back to the folder above it.", code="no-such-folder"
        )
    found = [node for node in listed if node.path != path]
    found.sort(key=lambda node: (node.type != "dir", node.path))
    shown = [_told(node, whole=not path) for node in found[:MOST_ENTRIES]]
    ctx.memory.put("result", {"path": path, "entries": shown, "more": max(0, len(found) - MOST_ENTRIES)})
    return f"{counted(len(found), 'name')} in {path or 'the backup'}"


def _entries(ctx: JobContext, backup: Kept, path: str) -> list[Node]:
    if path:
        return list(ctx.backups.nodes(backup.snapshot, path, deep=False))
    tops = [next(iter(ctx.backups.nodes(backup.snapshot, top, deep=False)), None) for top in backup.paths]
    return [top for top in tops if top is not None]


def _told(node: Node, *, whole: bool) -> dict[str, Any]:
    return {
        "name": node.path if whole else node.path.rpartition("/")[2], "type": node.type, "size": node.size,
        "mtime": node.mtime.isoformat(), "mode": node.mode, "uid": node.uid, "gid": node.gid,
    }  # fmt: skip


def _compare(ctx: JobContext, backup: Kept) -> str:
    """The data paths as they are now against the backup, by names, types, sizes, owners, modes and times."""
    compared = different = missing = extra = 0
    examples: list[str] = []
    for path in backup.paths:
        found = ctx.trees.differences(ctx.backups.nodes(backup.snapshot, path), "", without_setuid=False)
        compared, different = compared + found.compared, different + found.different
        missing, extra = missing + found.missing, extra + found.extra
        examples += found.examples
    changed = different - missing - extra
    ctx.memory.put(
        "result",
        {"compare": True, "new": extra, "gone": missing, "changed": changed, "same": compared - changed - missing,
         "examples": examples[:60]},
    )  # fmt: skip
    return f"since then {extra:,} new, {changed:,} changed, {missing:,} gone"


def send(ctx: JobContext) -> str:
    backup = the_backup(ctx)
    path = str((ctx.task.asked or {}).get("path") or "/")
    sent = ctx.outlet.send(ctx.backups.tar(backup.snapshot, path), ctx.measured)
    ctx.memory.put("result", {"backup": backup.id, "bytes": sent})
    return f"{size_of(sent)} sent"


READ = Step("read", "Read it", read)
SEND = Step("send", "Send it", send)
BROWSE_STEPS = (READ,)
DOWNLOAD_STEPS = (SEND,)
