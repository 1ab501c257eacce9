"""Are the compose files as the last job left them? Their content is remembered by its hash; only workers of the host look."""

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

MOST_FILES = 20
MOST_BYTES = 1_000_000
MISSING, UNREADABLE = "missing", "unreadable"


@dataclass(frozen=True)
class FileSight:
    """`baseline`: the hashes at `since`, the end of the last job that counts, in seconds since 1970."""

    stamps: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    baseline: Mapping[str, str] = field(default_factory=dict)
    since: float = 0.0

    def look(self, folder: str, names: Iterable[str], job_ended: float) -> Self:
        """`job_ended`: when the last job ended that may have written them. What it left is what later looks compare with."""
        wanted = list(dict.fromkeys(names))[:MOST_FILES]
        stamps = {name: _stamp(Path(folder, name)) for name in wanted}
        hashes = {
            name: self.hashes[name]
            if name in self.hashes and stamps[name] and stamps[name] == self.stamps.get(name)
            else _hash(folder, name)
            for name in wanted
        }
        is_new = not self.baseline or job_ended > self.since or set(self.baseline) != set(wanted)
        return type(self)(stamps, hashes, hashes if is_new else self.baseline, job_ended if is_new else self.since)

    @property
    def changed(self) -> tuple[tuple[str, str], ...]:
        """The files that differ, each with how."""
        return tuple(
            (name, _how(self.baseline[name], now)) for name, now in self.hashes.items() if self.baseline.get(name, now) != now
        )

    def as_data(self) -> dict[str, Any]:
        return {"stamps": dict(self.stamps), "hashes": dict(self.hashes), "baseline": dict(self.baseline), "since": self.since}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(data.get("stamps", {}), data.get("hashes", {}), data.get("baseline", {}), data.get("since", 0.0))


def _how(before: str, now: str) -> str:
    if now == MISSING:
        return "is no longer there"
    if now == UNREADABLE:
        return "can no longer be read"
    return (
        f"SHA-256 {before[:12]}… became {now[:12]}…"
        if before not in {MISSING, UNREADABLE}
        else f"is there now, SHA-256 {now[:12]}…"
    )


def _stamp(file: Path) -> str:
    """Differs whenever the content may; empty for what is no plain file."""
    try:
        seen = file.lstat()
    except OSError:
        return ""
    return f"{seen.st_ino} {seen.st_size} {seen.st_mtime_ns} {seen.st_ctime_ns}" if stat.S_ISREG(seen.st_mode) else ""


def _hash(folder: str, name: str) -> str:
    """Of the first megabyte; larger files are refused by every job."""
    file = Path(folder, name)
    try:
        if not file.resolve().is_relative_to(Path(folder).resolve()):
            return UNREADABLE
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return MISSING
    except OSError:
        return UNREADABLE
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return UNREADABLE
        return hashlib.sha256(opened.read(MOST_BYTES)).hexdigest()
