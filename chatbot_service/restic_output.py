"""What restic prints with --json, as facts. Pure."""

import json
import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chatbot_service.foreign_text import one_line
from chatbot_service.jobs.backup_ports import Checked, Measure, Node, Snapshot, Taken

MOST_UNREADABLE = 100
MOST_ERRORS = 50
_MOST_SAID = 100
_WHOLE = 64  # hex digits of SHA-256
_SETUID, _SETGID, _STICKY = 1 << 23, 1 << 22, 1 << 20
_FRACTION = re.compile(r"\.(\d{1,6})\d*")
_RETRY = re.compile(r"returned error, retrying after")
_RETRIED = re.compile(r"operation successful after")
_SKIPPED = re.compile(r" does not exist, skipping$")
_MADE_UP_FOR = re.compile(
    r"not found in the repository index; storing the file again$|tree [0-9a-f]{64} is not known; the repository could be damaged"
)
_ADVICE = re.compile(r"\s*(?:The repository|restic repair|Damaged pack files can be)")
_PACK_IN = re.compile(
    r"\bpack ([0-9a-f]{64})|<data/([0-9a-f]{8,64})>|\bfrom ([0-9a-f]{8,64}) failed|data/[0-9a-f]{2}/([0-9a-f]{64})"
)


@dataclass
class Said:
    """Line by line what one run said. Bounded, however long it goes on."""

    measure: Measure = field(default_factory=Measure)
    summary: dict[str, Any] = field(default_factory=dict)
    errors: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_SAID))
    """Errors on single files and objects, newest last, each what it is about and why."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Path → why."""
    words: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_SAID))
    """The rest, the last of it."""
    exit_message: str = ""
    retries: int = 0
    """In a row, without success."""

    def hear(self, line: str) -> None:
        message = _message(line)
        match message.get("message_type"):
            case "status":
                self.measure = _measure(message)
            case "summary" | "initialized":
                self.summary = message
                self.measure = _measured_in_all(message)
            case "error":
                self._error(message)
            case "exit_error":
                self.exit_message = str(message.get("message", ""))
            case _:
                self._word(line)

    def _error(self, message: dict[str, Any]) -> None:
        inner = message.get("error")
        text = str(inner.get("message", "")) if isinstance(inner, dict) else str(message.get("message", ""))
        item = str(message.get("item", ""))
        if _MADE_UP_FOR.search(text):  # what an earlier backup has lost is no error of this one, which reads it anew
            self.words.append(text)
            return
        self.errors.append(text if not item or item in text else f"{item}: {text}")
        if message.get("during") in {"archival", "scan"} and len(self.unreadable) < MOST_UNREADABLE:
            self.unreadable.setdefault(item, one_line(self.errors[-1], 500))

    def _word(self, line: str) -> None:
        if _RETRY.search(line):
            self.retries += 1
        elif _RETRIED.search(line):
            self.retries = 0
        elif _SKIPPED.search(line) and len(self.unreadable) < MOST_UNREADABLE:
            self.unreadable.setdefault(line, one_line(line.removesuffix(", skipping"), 500))
        if line.strip():
            self.words.append(line)

    @property
    def text(self) -> str:
        """All that may tell why it failed; what counts most comes first."""
        return "\n".join([self.exit_message, *self.errors, *self.words])


def taken(said: Said) -> Taken:
    summary = said.summary
    return Taken(
        snapshot=str(summary["snapshot_id"]),
        files=int(summary["total_files_processed"]),
        bytes=int(summary["total_bytes_processed"]),
        added=int(summary.get("data_added_packed", summary["data_added"])),
        began=moment(summary["backup_start"]),
        unreadable=tuple(said.unreadable.values()),
    )


def snapshots(output: bytes) -> list[Snapshot]:
    return [
        Snapshot(
            id=row["id"],
            tree=row["tree"],
            at=moment(row["time"]),
            paths=tuple(row["paths"]),
            tags=tuple(row.get("tags") or ()),
            host=row.get("hostname", ""),
        )
        for row in json.loads(output) or []
    ]


def node(line: bytes) -> Node | None:
    """Nothing for what is no entry."""
    row = json.loads(line)
    if row.get("message_type", row.get("struct_type")) != "node":
        return None
    mode = int(row.get("mode", 0))
    special = (0o4000 if mode & _SETUID else 0) | (0o2000 if mode & _SETGID else 0) | (0o1000 if mode & _STICKY else 0)
    return Node(
        path=row["path"],
        type=row["type"],
        mode=mode & 0o777 | special,
        uid=int(row.get("uid", 0)),
        gid=int(row.get("gid", 0)),
        size=int(row.get("size", 0)),
        mtime=moment(row["mtime"]),
    )


def moment(text: str) -> datetime:
    """Restic tells nanoseconds; years that we cannot tell become the nearest we can."""
    try:
        return datetime.fromisoformat(_FRACTION.sub(lambda found: f".{found[1]:0<6}", text)).astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)


def checked(said: Said, there: Iterable[str]) -> Checked:
    """`there`: names of all packs, as some errors tell only how a name begins."""
    errors = [one_line(error) for error in said.errors if error.strip() and not _ADVICE.match(error)]
    named = packs_named(said)
    damaged = {name for name in named if len(name) == _WHOLE} | {name for name in there if name.startswith(_beginnings(named))}
    return Checked(tuple(errors[:MOST_ERRORS]) or (one_line(said.exit_message),), tuple(sorted(damaged)))


def packs_named(said: Said) -> set[str]:
    """Names of damaged packs, or how they begin."""
    found = [found for error in said.errors if "not referenced" not in error for found in _PACK_IN.findall(error)]
    return {next(filter(None, groups)) for groups in found} | set(said.summary.get("broken_packs") or ())


def _beginnings(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if len(name) < _WHOLE)


def opened_by(key: str, lines: Iterable[str]) -> bool:
    """Whether `key list` says that it was this key."""
    listed: list[dict[str, Any]] = next((json.loads(line) for line in lines if line.startswith("[")), [])
    return any(row.get("id") == key and row.get("current") for row in listed)


def data_blobs(index: bytes, packs: frozenset[str]) -> set[str]:
    """The pieces that an index says are in these packs."""
    listed = json.loads(index).get("packs") or []
    return {blob["id"] for pack in listed if pack["id"] in packs for blob in pack["blobs"]}


def _message(line: str) -> dict[str, Any]:
    if not line.startswith("{"):
        return {}
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _measured_in_all(row: dict[str, Any]) -> Measure:
    size = int(row.get("total_bytes_processed", row.get("bytes_restored", 0)))
    files = int(row.get("total_files_processed", row.get("total_files", 0)))
    return Measure(size, size, files, files, 0.0)


def _measure(row: dict[str, Any]) -> Measure:
    left = row.get("seconds_remaining")
    return Measure(
        bytes_done=int(row.get("bytes_done", row.get("bytes_restored", 0))),
        bytes_total=int(row.get("total_bytes", 0)),
        files_done=int(row.get("files_done", row.get("files_restored", 0))),
        files_total=int(row.get("total_files", 0)),
        seconds_left=float(left) if left is not None else None,
    )
