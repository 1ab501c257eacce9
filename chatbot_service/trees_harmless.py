"""What a backup could bring back to harm the host: devices, setuid and setgid programs, capabilities of files."""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import PurePosixPath

from chatbot_service.trees_paths import opened, shown
from deploy_records.errors import Broken

_MOST_LINES = 20
_CAPABILITY = "security.capability"
_SET_ID = stat.S_ISUID | stat.S_ISGID


def make_harmless(staged: str, *, keep_setuid: bool, target: str = "") -> list[str]:
    """Told with paths below `target`. Setgid of folders stays: there it only hands down the group."""
    acts = ((path, _harmless(path, kind, mode, keep_setuid=keep_setuid)) for path, kind, mode in _suspects(staged))
    lines = [f"{shown((target or staged) + path.removeprefix(staged))}: {what}" for path, what in acts if what]
    more = len(lines) - _MOST_LINES
    return lines[:_MOST_LINES] + ([f"and {more} more"] if more > 0 else [])


def _suspects(staged: str) -> Iterator[tuple[str, str, int]]:
    """Devices and plain files: path, type as find has it, mode."""
    types = ("(", "-type", "b", "-o", "-type", "c", "-o", "-type", "f", ")")
    argv = ["find", "-P", staged, "-xdev", *types, "-printf", r"%y\0%m\0%p\0"]
    spoken = {"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)}
    found = subprocess.run(argv, capture_output=True, env=spoken, check=False)  # noqa: S603 - argv only
    if found.returncode:
        raise Broken(f"What is staged at {shown(staged)} cannot be looked through: {shown(os.fsdecode(found.stderr))}")
    fields = iter(found.stdout.split(b"\0")[:-1])
    for kind, mode, path in zip(fields, fields, fields, strict=True):
        yield os.fsdecode(path), kind.decode(), int(mode, 8)


def _harmless(path: str, kind: str, mode: int, *, keep_setuid: bool) -> str:
    """What was done, in words."""
    if kind != "f":
        _remove(path)
        return "a device, left out"
    if keep_setuid:
        return ""
    return _disarm(path) if mode & _SET_ID or _CAPABILITY in os.listxattr(path, follow_symlinks=False) else ""


def _remove(path: str) -> None:
    """The folder keeps its time, so that it still compares as equal."""
    with opened(str(PurePosixPath(path).parent)) as folder:
        was = os.fstat(folder)
        os.unlink(PurePosixPath(path).name, dir_fd=folder)
        os.utime(folder, ns=(was.st_atime_ns, was.st_mtime_ns))


def _disarm(path: str) -> str:
    """Nothing was left to do where it has another name, by which it was met before."""
    with opened(str(PurePosixPath(path).parent)) as folder:
        descriptor = os.open(PurePosixPath(path).name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        capable = _CAPABILITY in os.listxattr(descriptor)
        if mode & _SET_ID:
            os.fchmod(descriptor, mode & ~_SET_ID)
        if capable:
            os.removexattr(descriptor, _CAPABILITY)
    finally:
        os.close(descriptor)
    return " and ".join(["setuid or setgid taken off"] * bool(mode & _SET_ID) + ["capabilities taken off"] * capable)
