"""A target with what is staged for it, on a real file system, for each way of replacing it."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chatbot_service import trees_rename
from chatbot_service.trees import Folders
from tests.chatbot_service.mounts import mounted

WAYS = ("exchange", "no exchange", "plain renames", "nothing there", "file", "contents")
Picture = dict[str, Any]


def without(*flags: int) -> Callable[..., None]:
    real = trees_rename._renameat2

    def renameat2(source: trees_rename.Place, target: trees_rename.Place, how: int) -> None:
        if how in flags:
            raise OSError(errno.EINVAL, "Invalid argument")
        real(source, target, how)

    return renameat2


def fill(folder: Path, word: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "same name").write_text(word)
    (folder / f"only {word}\n\"'").write_text(word)
    (folder / "link").symlink_to(word)
    Path(os.fsdecode(bytes(folder) + b"/\xff\xfe")).write_text(word)
    (folder / "inner").mkdir(mode=0o2750)
    (folder / "inner" / word).write_text(word)
    os.link(folder / "same name", folder / "inner" / "hard link")
    os.mkfifo(folder / "pipe")
    os.setxattr(folder, "user.word", word.encode())
    folder.chmod(0o2755 if word == "old" else 0o700)
    os.utime(folder, ns=(1, 10**18 if word == "old" else 10**18 + 7))


def picture(path: Path) -> Picture:
    if not path.exists():
        return {}
    return {str(entry.relative_to(path)): _facts(entry) for entry in (path, *path.rglob("*")) if not _own(entry, path)}


def _own(entry: Path, path: Path) -> bool:
    return any(part.startswith(".known-good-") for part in entry.relative_to(path).parts)


def _facts(entry: Path) -> tuple[Any, ...]:
    is_now = entry.lstat()
    said = entry.readlink() if entry.is_symlink() else entry.read_bytes() if entry.is_file() else b""
    word = os.getxattr(entry, "user.word") if "user.word" in os.listxattr(entry, follow_symlinks=False) else b""
    return is_now.st_mode, is_now.st_uid, is_now.st_mtime_ns, said, word


class Scene:
    """A target with what is staged for it, before anything is swapped."""

    def __init__(self, folder: Path, way: str) -> None:
        self.trees = Folders(folder / "state")
        self.target = folder / "data"
        if way == "file":
            self.target.write_text("old")
        elif way != "nothing there":
            fill(self.target, "old")
        (plan,) = self.trees.plan_swaps([str(self.target)], [str(self.target)], 7)
        self.trees.staging_of(plan)
        self.staged = Path(plan.staged)
        self.staged.parent.mkdir(parents=True)
        if way == "file":
            self.staged.write_text("new")
        else:
            fill(self.staged, "new")
        self.swap = self.trees.seen(plan)
        self.old, self.new = picture(self.target), picture(self.staged)

    def turn_round(self) -> None:
        """What comes after a restore: its undo, which swaps the same things once more."""
        self.trees.swap(self.swap)
        self.swap = self.trees.seen(replace(self.swap, was=self.swap.new, new=self.swap.was))
        self.old, self.new = self.new, self.old

    def is_swapped(self) -> bool:
        return (picture(self.target), picture(self.staged)) == (self.new, self.old)

    def is_untouched(self) -> bool:
        return (picture(self.target), picture(self.staged)) == (self.old, self.new)


@contextmanager
def scene(way: str) -> Iterator[Scene]:
    folder = Path(tempfile.mkdtemp(prefix="known-good-trees-")).resolve()
    try:
        with pytest.MonkeyPatch.context() as patch:
            if way in {"no exchange", "plain renames"}:
                patch.setattr(trees_rename, "_renameat2", without(2) if way == "no exchange" else without(1, 2))
            if way == "contents":
                with mounted(folder / "data"):
                    yield Scene(folder, way)
            else:
                yield Scene(folder, way)
    finally:
        shutil.rmtree(folder)
