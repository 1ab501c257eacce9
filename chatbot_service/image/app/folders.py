"""The two writable folders: flat, of plain files, bounded. Names are never paths and links are never followed."""

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .wire import PIECE, Refusal

FILE_BYTES = 10 * 1024 * 1024
FILES = 500
NAME_BYTES = 120
_UNFINISHED = ".unfinished-"
_FULL = {errno.ENOSPC, errno.EDQUOT}


class File(NamedTuple):
    name: str
    size: int
    modified: float


class Folder:
    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()

    def writable(self) -> bool:
        """Asked of the kernel, nothing is written: also right for a read-only mount."""
        return os.access(self._path, os.W_OK | os.X_OK)

    def files(self) -> list[File]:
        """Newest first."""
        with os.scandir(self._path) as entries:
            found = [
                File(entry.name, facts.st_size, facts.st_mtime)
                for entry in entries
                if not entry.name.startswith(".") and stat.S_ISREG((facts := entry.stat(follow_symlinks=False)).st_mode)
            ]
        return sorted(found, key=lambda file: (-file.modified, file.name))

    def open(self, name: str) -> tuple[int, int]:
        """A descriptor and the size. The caller closes it."""
        check_name(name)
        with self._opened() as folder:
            try:
                # NONBLOCK: a named pipe must not hold the thread.
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            except OSError as error:
                raise _missing(name) from error
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            os.close(descriptor)
            raise _missing(name)
        return descriptor, facts.st_size

    def add(self, name: str, pieces: Iterable[bytes]) -> int:
        """The whole file or nothing; an existing file is never replaced. Returns the bytes written."""
        check_name(name)
        with self._opened() as folder:
            self._room_for(name, folder)
            unfinished = f"{_UNFINISHED}{os.urandom(8).hex()}"
            try:
                written = _write(unfinished, pieces, folder)
                with self._lock:  # this process is the only writer: look and rename are one act
                    self._room_for(name, folder)
                    os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException as error:
                with contextlib.suppress(OSError):
                    os.unlink(unfinished, dir_fd=folder)
                if isinstance(error, OSError) and not isinstance(error, ConnectionError | TimeoutError):
                    raise _not_written(error) from error
                raise
        return written

    def remove(self, name: str) -> None:
        check_name(name)
        with self._opened() as folder:
            if not _is_file(name, folder):
                raise _missing(name)
            try:
                os.unlink(name, dir_fd=folder)
            except OSError as error:
                raise _not_written(error) from error

    def tidy(self) -> None:
        """Removes what an upload left that was cut off by a kill."""
        with contextlib.suppress(OSError), os.scandir(self._path) as entries:
            for entry in entries:
                if entry.name.startswith(_UNFINISHED):
                    os.unlink(entry.path)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _room_for(self, name: str, folder: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.stat(name, dir_fd=folder, follow_symlinks=False)
            raise Refusal(409, "There is a file of this name already. Remove it first or choose another name.")
        if sum(not entry.startswith(_UNFINISHED) for entry in os.listdir(folder)) >= FILES:
            raise Refusal(507, f"The folder holds {FILES} files already. Remove some first.")


def check_name(name: str) -> None:
    if not name or len(name.encode("utf-8", "replace")) > NAME_BYTES:
        raise Refusal(400, f"A file name has 1 to {NAME_BYTES} bytes.")
    if "/" in name or "\\" in name or name.startswith(".") or not name.isprintable() or name != name.strip():
        raise Refusal(400, "A file name has no slashes, no dot or blank at its start and no invisible characters.")


def _write(name: str, pieces: Iterable[bytes], folder: int) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o640, dir_fd=folder)
    try:
        written = 0
        for piece in pieces:
            left = memoryview(piece)
            while left:
                left = left[os.write(descriptor, left) :]
            written += len(piece)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return written


def pieces_of(descriptor: int, size: int) -> Iterable[bytes]:
    """Exactly `size` bytes, even if the file grows meanwhile; closes the descriptor."""
    try:
        while size > 0 and (piece := os.read(descriptor, min(PIECE, size))):
            size -= len(piece)
            yield piece
    finally:
        os.close(descriptor)


def _is_file(name: str, folder: int) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _missing(name: str) -> Refusal:
    return Refusal(404, f"There is no file {name} here.")


def _not_written(error: OSError) -> Refusal:
    if error.errno in _FULL:
        return Refusal(507, "The disk is full. Nothing was kept.")
    return Refusal(507, f"The folder cannot be written: {error.strerror}. Nothing was kept.")
