"""What a backup could bring back to harm the host: devices, setuid and setgid programs, capabilities of files."""

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath

from chatbot_service.trees_paths import opened, shown
from deploy_records.errors import Broken

_MOST_LINES = 20
_CAPABILITY = "security.capability"


def make_harmless(staged: str, *, keep_setuid: bool) -> list[str]:
    """Setgid of folders stays: there it only hands down the group."""
    lines = [line for line in (_harmless(*entry, keep_setuid=keep_setuid) for entry in _suspects(staged)) if line]
    more = len(lines) - _MOST_LINES
    return [f"{shown(path)}: {what}" for path, what in lines[:_MOST_LINES]] + ([f"and {more} more"] if more > 0 else [])


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


def _harmless(path: str, kind: str, mode: int, *, keep_setuid: bool) -> tuple[str, str] | None:
    if kind != "f":
        _remove(path)
        return path, "a device, left out"
    if keep_setuid:
        return None
    bits = bool(mode & (stat.S_ISUID | stat.S_ISGID))
    capable = _CAPABILITY in os.listxattr(path, follow_symlinks=False)
    if not (bits or capable):
        return None
    _disarm(path)
    return path, " and ".join(["setuid or setgid taken off"] * bits + ["capabilities taken off"] * capable)


def _remove(path: str) -> None:
    """The folder keeps its time, so that it still compares as equal."""
    with opened(str(PurePosixPath(path).parent)) as folder:
        was = os.fstat(folder)
        os.unlink(PurePosixPath(path).name, dir_fd=folder)
        os.utime(folder, ns=(was.st_atime_ns, was.st_mtime_ns))


def _disarm(path: str) -> None:
    with opened(str(PurePosixPath(path).parent)) as folder:
        descriptor = os.open(PurePosixPath(path).name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        mode = os.fstat(descriptor).st_mode
        os.fchmod(descriptor, stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))
        with suppress(OSError):  # it has none
            os.removexattr(descriptor, _CAPABILITY)
    finally:
        os.close(descriptor)
