"""Renames that neither follow a link nor overwrite: renameat2 of Linux, and what comes closest where it is not supported."""

import ctypes
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass

from chatbot_service.trees_paths import identity

_NOREPLACE = 1
_EXCHANGE = 2
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTTY)
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Place:
    """A name in an open folder."""

    folder: int
    name: str

    def identity(self) -> str:
        return identity(self.name, self.folder)


def exchange(one: Place, other: Place) -> bool:
    """Whether the file system can; nothing has happened if not."""
    try:
        _renameat2(one, other, _EXCHANGE)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return False
    return True


def move(source: Place, target: Place) -> None:
    """FileExistsError if there is a target."""
    try:
        _renameat2(source, target, _NOREPLACE)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        if target.identity():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target.name) from error
        os.rename(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)


def _renameat2(source: Place, target: Place, flags: int) -> None:
    call: Callable[..., int] | None = getattr(_libc, "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(source.folder, os.fsencode(source.name), target.folder, os.fsencode(target.name), flags):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), source.name, None, target.name)
