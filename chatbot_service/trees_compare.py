"""What lies on the disk against what a snapshot says, entry by entry, while both are read."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from chatbot_service.foreign_text import one_line
from chatbot_service.jobs.backup_ports import Differences, Node
from chatbot_service.trees_paths import OWN_PREFIX

_MOST_EXAMPLES = 20
_NO_UTF8 = re.compile("[\udc80-\udcff]")
_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFBLK: "dev",
    stat.S_IFCHR: "chardev",
    stat.S_IFSOCK: "socket",
}
_NOT_RESTORED = ("dev", "chardev", "socket", "irregular")
_OTHER_TYPE = "another type"
_HAS_TIME = ("file", "dir")
_SET_ID = stat.S_ISUID | stat.S_ISGID
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class _Found:
    path: str
    stat: os.stat_result


@dataclass
class _Open:
    """`waiting`: what lies on the disk and was not met in the snapshot yet: folder → name → entries. Both names as restic
    prints them, so that several entries may have the same.
    """

    waiting: dict[str, dict[str, list[_Found]]] = field(default_factory=dict)
    shut: set[str] = field(default_factory=set)
    """Folders of the snapshot that are none on the disk."""
    compared: int = 0
    different: int = 0
    missing: int = 0
    extra: int = 0
    examples: list[str] = field(default_factory=list)

    def differs(self, path: str, what: str) -> None:
        self.different += 1
        if len(self.examples) < _MOST_EXAMPLES:
            self.examples.append(f"{one_line(path)}: {what}")

    def look_into(self, path: str, folder: str) -> None:
        names = self.waiting.setdefault(path.rstrip("/"), {})
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(OWN_PREFIX):
                    with suppress(FileNotFoundError):  # data in use may go while we look
                        found = _Found(entry.path, entry.stat(follow_symlinks=False))
                        names.setdefault(_as_printed(entry.name), []).append(found)


def differences(nodes: Iterator[Node], into: str, *, without_setuid: bool) -> Differences:
    """A folder comes before what is in it, as restic prints them. Devices and sockets may be missing.
    The portal's own folders are passed over.
    """
    so_far = _Open()
    for node in nodes:
        _compare(node, into.rstrip("/"), so_far, _SET_ID if without_setuid else 0)
    for path, names in so_far.waiting.items():
        for name, left in names.items():
            so_far.extra += len(left)
            for _ in left:
                so_far.differs(f"{path}/{name}", "is not in the backup")
    return Differences(so_far.compared, so_far.different, so_far.missing, so_far.extra, tuple(so_far.examples))


def _compare(node: Node, into: str, so_far: _Open, taken_off: int) -> None:
    so_far.compared += 1
    best = _counterpart(node, into, so_far, taken_off)
    if node.type == "dir":
        if best is None or not stat.S_ISDIR(best.stat.st_mode):
            so_far.shut.add(node.path)
        else:
            so_far.look_into(node.path, best.path)


def _counterpart(node: Node, into: str, so_far: _Open, taken_off: int) -> _Found | None:
    candidates = _candidates(node, into, so_far)
    if not candidates:
        if node.type not in _NOT_RESTORED:
            so_far.missing += 1
            so_far.differs(node.path, "is missing")
        return None
    looked = [(_difference(node, found.stat, taken_off), found) for found in candidates]
    what, best = min(looked, key=lambda pair: (_OTHER_TYPE in pair[0], len(pair[0])))
    candidates.remove(best)
    if what:
        so_far.differs(node.path, ", ".join(what))
    return best


def _candidates(node: Node, into: str, so_far: _Open) -> list[_Found]:
    folder, _, name = node.path.rpartition("/")
    names = so_far.waiting.get(folder)
    if names is not None:
        return names.get(name, [])
    if folder in so_far.shut:
        return []
    try:  # the topmost one
        return [_Found(into + node.path, os.lstat(into + node.path))]
    except OSError:
        return []


def _difference(node: Node, found: os.stat_result, taken_off: int) -> list[str]:
    if _TYPES.get(stat.S_IFMT(found.st_mode)) != node.type:
        return [_OTHER_TYPE]
    what = []
    mode = node.mode & ~taken_off if node.type == "file" else node.mode
    if stat.S_IMODE(found.st_mode) != mode and node.type != "symlink":
        what.append(f"mode {stat.S_IMODE(found.st_mode):04o} instead of {mode:04o}")
    if (found.st_uid, found.st_gid) != (node.uid, node.gid):
        what.append(f"owner {found.st_uid}:{found.st_gid} instead of {node.uid}:{node.gid}")
    if node.type == "file" and found.st_size != node.size:
        what.append(f"{found.st_size} bytes instead of {node.size}")
    if node.type in _HAS_TIME and _another_time(node, found):
        what.append("another time")
    return what


def _another_time(node: Node, found: os.stat_result) -> bool:
    """A year that a date cannot say is never told."""
    told = node.mtime != datetime.min.replace(tzinfo=UTC)
    return told and abs(found.st_mtime_ns // 1000 - (node.mtime - _BEGINNING) // _MICROSECOND) > 1


def _as_printed(name: str) -> str:
    return name if name.isascii() else _NO_UTF8.sub("\N{REPLACEMENT CHARACTER}", name)
