"""What is inside two folders changes places, for a target that is a mount point and cannot be renamed itself.

Three phases, each of which may end anywhere and be run again in either direction:
out (target → parked), in (staged → target), settle (parked → staged). A journal in the staging folder says which.
"""

import errno
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from chatbot_service.jobs.backup_ports import Swap
from chatbot_service.trees_paths import OWN_PREFIX, identity_of, opened, shown, staging_root
from chatbot_service.trees_rename import Place, move
from deploy_records.errors import Broken

_JOURNAL = f"{OWN_PREFIX}journal"
_PARKED = f"{OWN_PREFIX}parked"
_NOTHING, _OUT, _IN, _SETTLE, _DONE = range(5)


@dataclass(frozen=True)
class _Look:
    """What a folder has besides its entries. `attributes`: extended ones, as hexadecimal digits."""

    mode: int
    uid: int
    gid: int
    mtime: int
    attributes: dict[str, str]


@dataclass(frozen=True)
class _Journal:
    turn: int
    phase: int
    old: _Look
    new: _Look


_NO_JOURNAL = _Journal(0, _DONE, _Look(0, 0, 0, 0, {}), _Look(0, 0, 0, 0, {}))


def seen(swap: Swap) -> Swap:
    """The folders stay what they are when their contents change places, so `new` also says how often that has been done:
    device:inode:times.
    """
    staged = identity_of(swap.staged)
    journal = Contents(swap).journal()
    times = journal.turn - (journal.phase != _DONE)
    return replace(swap, was=identity_of(swap.target), new=f"{staged}:{times}" if staged else "")


class Contents:
    def __init__(self, swap: Swap) -> None:
        self._swap = swap
        self._root = staging_root(swap.staged)
        self._parked = f"{self._root}/{_PARKED}"
        self._turn = int(swap.new.rpartition(":")[2] or 0) + 1

    def swap(self) -> None:
        self._check_target()
        journal = self.journal()
        if journal.turn == self._turn - 1 and journal.phase == _DONE:
            journal = self._begin()
        self._check_turn(journal)
        forward = {_OUT: self._out, _IN: self._in, _SETTLE: self._settle}
        for phase in range(journal.phase, _DONE):
            forward[phase]()
            if phase == _SETTLE:
                _give(self._swap.target, journal.new)
                _give(self._swap.staged, journal.old)
            self._write(replace(journal, phase=phase + 1))

    def swap_back(self) -> bool:
        """Whether there was anything to do."""
        self._check_target()
        journal = self.journal()
        if journal.turn == self._turn - 1 and journal.phase == _DONE:
            return False
        self._check_turn(journal)
        backward = {_OUT: self._out_back, _IN: self._in_back, _SETTLE: self._settle_back}
        for phase in range(min(journal.phase, _SETTLE), _NOTHING, -1):
            self._write(replace(journal, phase=phase))
            backward[phase]()
        _give(self._swap.target, journal.old)
        _give(self._swap.staged, journal.new)
        self._write(replace(journal, turn=journal.turn - 1, phase=_DONE))
        return True

    def is_halfway(self) -> bool:
        return self.journal().phase != _DONE

    def _check_turn(self, journal: _Journal) -> None:
        if journal.turn != self._turn:
            raise Broken(f"{shown(self._swap.target)} was replaced once more in the meantime. Nothing was moved.")

    def _check_target(self) -> None:
        if identity_of(self._swap.target) != self._swap.was:
            raise Broken(f"{shown(self._swap.target)} is not mounted as it was. Mount it again; nothing more was moved.")

    def _begin(self) -> _Journal:
        if identity_of(self._swap.staged) != self._swap.new.rpartition(":")[0]:
            raise Broken(f"What is staged at {shown(self._swap.staged)} was replaced in the meantime. Nothing was moved.")
        if _own_names(self._swap.staged):
            raise Broken(f"The backup holds folders that are named {OWN_PREFIX}… like the portal's own. Nothing was moved.")
        journal = _Journal(self._turn, _OUT, _look(self._swap.target), _look(self._swap.staged))
        self._write(journal)
        return journal

    def _out(self) -> None:
        self._ensure(self._parked)
        _move_all(self._swap.target, self._parked)

    def _out_back(self) -> None:
        self._ensure(self._parked)
        _move_all(self._parked, self._swap.target)
        _in_folder_above(self._parked, lambda place: os.rmdir(place.name, dir_fd=place.folder))

    def _in(self) -> None:
        _move_all(self._swap.staged, self._swap.target)

    def _in_back(self) -> None:
        _move_all(self._swap.target, self._swap.staged)

    def _settle(self) -> None:
        self._ensure(self._parked)
        _move_all(self._parked, self._swap.staged)
        _in_folder_above(self._parked, lambda place: os.rmdir(place.name, dir_fd=place.folder))

    def _settle_back(self) -> None:
        self._ensure(self._parked)
        _move_all(self._swap.staged, self._parked)

    def _ensure(self, folder: str) -> None:
        with suppress(FileExistsError):
            _in_folder_above(folder, lambda place: os.mkdir(place.name, 0o700, dir_fd=place.folder))

    def journal(self) -> _Journal:
        try:
            with opened(self._root) as root:
                descriptor = os.open(_JOURNAL, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=root)
            with os.fdopen(descriptor) as file:
                kept: dict[str, Any] = json.load(file)
            return _Journal(int(kept["turn"]), int(kept["phase"]), _Look(**kept["old"]), _Look(**kept["new"]))
        except FileNotFoundError:
            return _NO_JOURNAL
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise Broken(f"The journal in {shown(self._root)} cannot be read. Nothing more was moved.") from error

    def _write(self, journal: _Journal) -> None:
        with opened(self._root) as root:
            new = f"{_JOURNAL}-new"
            how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with os.fdopen(os.open(new, how, 0o600, dir_fd=root), "w") as file:
                json.dump(asdict(journal), file)
                file.flush()
                os.fsync(file.fileno())
            os.rename(new, _JOURNAL, src_dir_fd=root, dst_dir_fd=root)
            os.fsync(root)


def _in_folder_above(path: str, act: Callable[[Place], None]) -> None:
    with opened(str(PurePosixPath(path).parent)) as above:
        act(Place(above, PurePosixPath(path).name))
        os.fsync(above)


def _move_all(source: str, target: str) -> None:
    """All but the portal's own folders."""
    with opened(source) as one, opened(target) as other:
        for name in os.listdir(one):  # noqa: PTH208 - of a descriptor
            if not name.startswith(OWN_PREFIX):
                move(Place(one, name), Place(other, name))
        os.fsync(one)
        os.fsync(other)


def _own_names(folder: str) -> bool:
    with opened(folder) as descriptor:
        return any(name.startswith(OWN_PREFIX) for name in os.listdir(descriptor))  # noqa: PTH208 - of a descriptor


def _look(folder: str) -> _Look:
    with opened(folder) as descriptor:
        is_now = os.fstat(descriptor)
        attributes = {name: os.getxattr(descriptor, name).hex() for name in _attributes(descriptor)}
    return _Look(is_now.st_mode & 0o7777, is_now.st_uid, is_now.st_gid, is_now.st_mtime_ns, attributes)


def _attributes(descriptor: int) -> list[str]:
    try:
        return os.listxattr(descriptor)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return []


def _give(folder: str, look: _Look) -> None:
    with opened(folder) as descriptor:
        os.fchown(descriptor, look.uid, look.gid)
        for name in set(_attributes(descriptor)) - set(look.attributes):
            os.removexattr(descriptor, name)
        for name, value in look.attributes.items():
            os.setxattr(descriptor, name, bytes.fromhex(value))
        os.fchmod(descriptor, look.mode)
        os.utime(descriptor, ns=(look.mtime, look.mtime))
        os.fsync(descriptor)
