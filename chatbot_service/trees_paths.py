"""Paths on the host: which may be backed up, and how they are opened so that no symbolic link leads elsewhere."""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from chatbot_service.foreign_text import one_line
from deploy_records.errors import Broken, Refused

OWN_PREFIX = ".known-good-"
_STAGING = re.compile(r"\.known-good-restore-[0-9]+")
SYSTEM = ("/proc", "/sys", "/dev", "/boot", "/run", "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_TOO_WIDE = ("/", "/home", "/media", "/mnt", "/opt", "/root", "/srv", "/tmp", "/var", "/var/lib", "/var/lib/docker")  # noqa: S108 - named, not used
_FOR_SERVICES = "demo"
"""The one folder below the state folder that holds a service's data."""
_OCTAL = re.compile(rb"\\([0-7]{3})")


def shown(path: str) -> str:
    """Bytes that are no UTF-8 become U+FFFD."""
    return one_line(os.fsencode(path).decode("utf-8", "replace"))


def below(path: str, folder: str) -> bool:
    """By name alone; a folder is below itself."""
    return PurePosixPath(path).is_relative_to(folder)


def plain(path: str) -> bool:
    return path.startswith("/") and "\0" not in path and os.path.normpath(path) == path and not path.startswith("//")


def staging_name(job: int) -> str:
    return f"{OWN_PREFIX}restore-{job}"


def staging_root(staged: str) -> str:
    """The folder `.known-good-restore-…` above it. `Broken` where there is none: then it is not ours to touch."""
    parts = PurePosixPath(staged).parts
    places = [place for place, part in enumerate(parts[:-1]) if _STAGING.fullmatch(part)]
    if not places or not plain(staged):
        raise Broken(f"{shown(staged)} does not lie in a folder {OWN_PREFIX}restore-… of the portal. Nothing was touched.")
    return str(PurePosixPath(*parts[: places[0] + 1]))


def problem(path: str, state: str) -> str:
    if not plain(path):
        return f"{shown(path)} is not an absolute path without `.` and `..`."
    if path in _TOO_WIDE or any(below(path, folder) for folder in SYSTEM):
        return f"{shown(path)} belongs to the operating system. Name a folder that holds nothing but data of the service."
    if below(state, path) or (below(path, state) and not below(path, f"{state}/{_FOR_SERVICES}")):
        return f"{shown(path)} overlaps with the portal's own folder {shown(state)}."
    if any(part.startswith(OWN_PREFIX) for part in PurePosixPath(path).parts):
        return f"{shown(path)} is not for data: names that begin with {OWN_PREFIX} are the portal's own."
    return _problem_there(path)


def _problem_there(path: str) -> str:
    try:
        there = os.lstat(path)
    except OSError as error:
        return f"{shown(path)} cannot be read: {error.strerror}."
    if os.path.realpath(path) != path:
        return f"{shown(path)} leads over a symbolic link. Name the real path, {shown(os.path.realpath(path))}."
    usual = stat.S_ISREG(there.st_mode) or stat.S_ISDIR(there.st_mode)
    return "" if usual else f"{shown(path)} is neither a file nor a folder."


@contextmanager
def opened(folder: str) -> Iterator[int]:
    """A descriptor, opened name by name. `Refused` when one of the names is a link; FileNotFoundError if it is missing."""
    descriptor = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in PurePosixPath(folder).parts[1:]:
            inner = _open_in(descriptor, name, folder)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _open_in(descriptor: int, name: str, folder: str) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
    except NotADirectoryError as error:  # also what Linux says of a link
        raise Refused(
            f"{shown(name)} in {shown(folder)} is a symbolic link or a file where a folder is needed. "
            "Nothing was written through it."
        ) from error


def identity(name: str, descriptor: int) -> str:
    """Device and inode of an entry, links not followed; empty if there is none."""
    try:
        there = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    except FileNotFoundError:
        return ""
    return f"{there.st_dev}:{there.st_ino}"


def identity_of(path: str) -> str:
    """As `identity`; empty also where there is no folder above."""
    try:
        with opened(str(PurePosixPath(path).parent)) as above:
            return identity(PurePosixPath(path).name, above)
    except FileNotFoundError:
        return ""


def mount_points() -> frozenset[str]:
    lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    return frozenset(os.fsdecode(_OCTAL.sub(lambda code: bytes([int(code[1], 8)]), line.split(b" ")[4])) for line in lines)
