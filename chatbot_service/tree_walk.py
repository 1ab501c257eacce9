"""Owners and setuid files below a folder, and how much is in it: without following links, within bounds."""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from chatbot_service.foreign_text import cut, neutral
from chatbot_service.jobs.look_ports import DataSize, Tree

MOST_ENTRIES = 200_000
MOST_SECONDS = 10.0
MOST_DEPTH = 100
_MOST_NAMED = 20
_BLOCK = 512
_SET_ID = stat.S_ISUID | stat.S_ISGID


@dataclass
class _Bounds:
    """Shared by all folders of one look."""

    entries: int = field(default_factory=lambda: MOST_ENTRIES)
    ends: float = field(default_factory=lambda: time.monotonic() + MOST_SECONDS)
    whole: bool = True

    def allow(self) -> bool:
        self.entries -= 1
        if self.entries < 0 or (self.entries % 256 == 0 and time.monotonic() > self.ends):
            self.whole = False
        return self.whole


def look_at_tree(root: str, at: str, owner: tuple[int, int]) -> Tree | None:
    """What lies at `at` below `root`, as far as it is of the same file system. Nothing if it cannot be opened."""
    bounds = _Bounds()
    try:
        descriptor = _opened(root, at)
    except OSError:
        return None
    top = os.fstat(descriptor)
    entries, foreign = 0, 0
    set_id: list[str] = []
    for path, found in _walk(descriptor, top.st_dev, bounds):
        entries += 1
        foreign += (found.st_uid, found.st_gid) != owner
        if stat.S_ISREG(found.st_mode) and found.st_mode & _SET_ID and len(set_id) < _MOST_NAMED:
            set_id.append(cut(neutral(str(PurePosixPath(at, path))), 200))
    return Tree(at, top.st_uid, top.st_gid, entries, foreign, tuple(set_id), bounds.whole)


def size_of(path: str) -> DataSize:
    """Bytes as they lie on the disk: holes count nothing, a file with two names counts once."""
    bounds, seen = _Bounds(), set[int]()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        return DataSize(path, 0, 0, whole=False, problem=error.strerror or "it cannot be opened")
    top = os.fstat(descriptor)
    if not stat.S_ISDIR(top.st_mode):
        os.close(descriptor)
        return DataSize(path, top.st_blocks * _BLOCK, 1, whole=True)
    total, files = top.st_blocks * _BLOCK, 0
    for _, found in _walk(descriptor, top.st_dev, bounds):
        if found.st_nlink > 1 and not stat.S_ISDIR(found.st_mode):
            if found.st_ino in seen:
                continue
            seen.add(found.st_ino)
        total += found.st_blocks * _BLOCK
        files += not stat.S_ISDIR(found.st_mode)
    return DataSize(path, total, files, bounds.whole)


def _opened(root: str, at: str) -> int:
    """Part by part: a link on the way, made in a container, would lead out of it."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in PurePosixPath(at).parts[1:]:
        try:
            below = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor


def _walk(descriptor: int, device: int, bounds: _Bounds, path: str = "", depth: int = 0) -> Iterator[tuple[str, os.stat_result]]:
    """Closes `descriptor`. Folders are opened by their descriptor, so that nothing swapped meanwhile leads elsewhere."""
    try:
        below: list[str] = []
        for name, found in _of_folder(descriptor, bounds):
            if found.st_dev != device:
                continue
            yield f"{path}{name}", found
            if stat.S_ISDIR(found.st_mode):
                below.append(name)
        for name in below:
            opened = _opened_below(descriptor, name, bounds, depth)
            if opened is not None:
                yield from _walk(opened, device, bounds, f"{path}{name}/", depth + 1)
    finally:
        os.close(descriptor)


def _opened_below(descriptor: int, name: str, bounds: _Bounds, depth: int) -> int | None:
    """What has gone meanwhile is no loss; what may not be looked at, or lies too deep, is."""
    if not bounds.whole or depth >= MOST_DEPTH:
        bounds.whole = False
        return None
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor)
    except FileNotFoundError:
        return None
    except OSError:
        bounds.whole = False
        return None


def _of_folder(descriptor: int, bounds: _Bounds) -> Iterator[tuple[str, os.stat_result]]:
    try:
        listing = os.scandir(descriptor)
    except NotADirectoryError:
        return  # a mount of a single file
    with listing:
        for entry in listing:
            if not bounds.allow():
                return
            with suppress(FileNotFoundError):  # it may go while we look
                yield entry.name, entry.stat(follow_symlinks=False)
