"""What jobs on backups need from the world. The real ones: `chatbot_service.restic.Restic`, `chatbot_service.trees.Folders`,
`chatbot_service.backup_records.JobBackups`.

All paths are absolute and of the host. Times are seconds; moments are aware and UTC.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from chatbot_service.jobs.ports import Say
from deploy_records.errors import Broken


@dataclass(frozen=True)
class Measure:
    """How far a long act is. A total of 0 is not known yet; `seconds_left` is nothing until it can be told."""

    bytes_done: int = 0
    bytes_total: int = 0
    files_done: int = 0
    files_total: int = 0
    seconds_left: float | None = None


Measured = Callable[[Measure], None]
"""Takes how far it is; shown live, not kept. Raises `Cancelled` or `Fenced` when the job must end."""


# The repository


class Damaged(Broken):
    """What is kept cannot be read back as it was written."""


@dataclass(frozen=True)
class Taken:
    """`unreadable`: what restic could not read, each with why, at most 100. `added`: bytes the repository grew by."""

    snapshot: str
    files: int
    bytes: int
    added: int
    began: datetime
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Snapshot:
    """As restic has it, whole IDs. `tree` is its hash over all names, owners, modes and contents."""

    id: str
    tree: str
    at: datetime
    paths: tuple[str, ...]
    tags: tuple[str, ...]
    host: str


@dataclass(frozen=True)
class Node:
    """One entry of a snapshot. `path` as restic prints it: bytes that are no UTF-8 are U+FFFD each.

    `type`: file, dir, symlink, fifo, dev, chardev, socket, irregular. `mode`: permissions with setuid, setgid and sticky as
    in `stat`, without the type. `size` of files only.
    """

    path: str
    type: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: datetime


NodesOf = Callable[[str], Iterator[Node]]
"""What is below a folder, itself included."""


@dataclass(frozen=True)
class Checked:
    """`errors` in restic's words, at most 50; `damaged_packs`: IDs of files of the repository that are gone or broken."""

    errors: tuple[str, ...] = ()
    damaged_packs: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        return not self.errors and not self.damaged_packs

    @property
    def words(self) -> str:
        """What is wrong, in restic's words, short."""
        count = len(self.damaged_packs)
        packs = [f"{count} {'file' if count == 1 else 'files'} of the repository {'is' if count == 1 else 'are'} damaged or gone"]
        return "; ".join([*(packs if count else []), *self.errors[:3]])


class Backups(Protocol):
    """The restic repository of one service. One run at a time; stale locks of dead runs are taken away.

    Raises `Refused` for what a person can mend (full, unreachable, wrong password or credentials, no restic), told apart
    in words; `Broken` for damage and the rest. Whatever it is, the password and the credentials are in no message.
    """

    def prepare(self) -> str:
        """Makes the repository if it is not there; what it did, in words."""

    def take(self, paths: Sequence[str], tags: Sequence[str], measured: Measured, timeout: float) -> Taken: ...
    def snapshot(self, snapshot: str) -> Snapshot | None: ...
    def snapshots(self) -> list[Snapshot]: ...
    def check(self, share: str, say: Say, timeout: float) -> Checked:
        """Structure always; `share` of the data read back as restic has it: "", "5%", "1G" or "100%"."""

    def damaged_by(self, packs: Sequence[str]) -> frozenset[str]:
        """IDs of the snapshots that need one of these packs, or something else that is gone."""

    def heal(self, packs: Sequence[str], say: Say) -> None:
        """Takes these damaged packs out, what is intact in them excepted: the next `take` then copies anew what was lost and
        is still there, instead of resting on it.
        """

    def nodes(self, snapshot: str, folder: str = "", *, deep: bool = True) -> Iterator[Node]:
        """Below `folder`, itself included; the whole snapshot without it. Not `deep`: the folder's own entries only."""

    def ahead(self, snapshot: str, folders: Sequence[str]) -> AbstractContextManager[NodesOf]:
        """Begins at once to read what is below each of the folders, while other things are done with the snapshot."""

    def restore(  # noqa: PLR0917 - a restore has this many facts
        self, snapshot: str, paths: Sequence[str], into: str, measured: Measured, timeout: float, say: Say
    ) -> None:
        """Puts `paths` below `into`, each at `into` + its whole path, and compares every file with the snapshot by hash.

        Owners, modes, times, links, holes and extended attributes as kept. `Damaged` when what is kept cannot be read,
        `Broken` when anything is missing or differs.
        """

    def forget(self, snapshots: Sequence[str], say: Say) -> None:
        """Takes them out and gives back the space that only they needed."""

    def tar(self, snapshot: str, path: str) -> Iterator[bytes]:
        """That path of the snapshot as a tar archive, in pieces. `Broken` when it ends early."""


# The data on the host


@dataclass(frozen=True)
class Survey:
    """`fingerprint`: SHA-256 over names, types, sizes, owners, modes, times and inodes of all of it, sorted; empty when it
    cannot be relied on, as something changed too shortly before. `newest`: the youngest change, nanoseconds since 1970.
    """

    files: int
    disk_bytes: int
    fingerprint: str
    newest: int


@dataclass(frozen=True)
class Swap:
    """One thing to be replaced. `staged` lies on the same file system. `was`, `new`: device:inode, empty: nothing there.

    `by`: "rename" exchanges the two; "contents" moves what is inside, for a `target` that is a mount point.
    After the swap what was replaced lies at `staged`.
    """

    target: str
    staged: str
    by: str
    was: str = ""
    new: str = ""


@dataclass(frozen=True)
class Differences:
    """`missing`: in the snapshot only; `extra`: on the host only; `different`: all three together.
    `examples`: at most 20, each a path and what differs.
    """

    compared: int
    different: int = 0
    missing: int = 0
    extra: int = 0
    examples: tuple[str, ...] = ()


class Trees(Protocol):
    """`chatbot_service.trees.Folders`. Follows no symbolic link; removes and moves only what carries the portal's own names,
    `.known-good-…`, besides the targets of a swap.
    """

    def problem(self, path: str) -> str:
        """Why a data path cannot be backed up or restored (missing, a link, below the portal's own folders), or empty."""

    def survey(self, paths: Sequence[str]) -> Survey:
        """Quick: 100,000 files in about half a second."""

    def changed_since(self, paths: Sequence[str], moment: float) -> tuple[int, tuple[str, ...]]:
        """How many files were made, changed or renamed since `moment` (seconds since 1970), and at most 20 of them."""

    def describe(self, folder: str, files: dict[str, bytes]) -> str:
        """Keeps these small files (name → content) in a folder of the portal's own named `folder`; writes only what
        differs, so that what is unchanged keeps its time. Returns its path.
        """

    def free_bytes(self, path: str) -> int:
        """On the file system where that path is or would be."""

    def plan_swaps(self, paths: Sequence[str], roots: Sequence[str], job: int) -> list[Swap]:
        """How `paths`, each a root (a data path) or below one, will be replaced. Nothing is changed, nothing is staged.

        Where the folder above a path is gone, the topmost one that is gone is replaced. `Refused` if a path is outside the
        roots, is or leads over a link, or can be replaced neither way.
        """

    def staging_of(self, swap: Swap) -> str:
        """The folder to restore into so that the swap's target arrives at `staged`: made, empty, for the portal only."""

    def harmless(self, swap: Swap, *, keep_setuid: bool) -> list[str]:
        """Of what is staged takes away devices, setuid and setgid bits of files and file capabilities; what, in words."""

    def differences(self, nodes: Iterator[Node], into: str, *, without_setuid: bool) -> Differences:
        """Compares types, owners, modes, sizes and times of what lies below `into` with a snapshot's entries."""

    def seen(self, swap: Swap) -> Swap:
        """With `was` and `new` as they are now. To be remembered before `swap`."""

    def swap(self, swap: Swap) -> None:
        """Safe to repeat; knows by inode (or its journal) how far it was. `Broken` if the target is not what it was."""

    def swap_back(self, swap: Swap) -> str:
        """The old one back, what was restored goes to `staged`; safe to repeat and when nothing was swapped."""

    def discard(self, swap: Swap) -> None:
        """Removes what lies at `staged` and its staging folder; never the target."""


# The way out


class Outlet(Protocol):
    """`chatbot_service.sending.Socket`."""

    def send(self, pieces: Iterator[bytes], measured: Measured) -> int:
        """Waits for whoever asked, and hands over all pieces; how many bytes. `Refused` when nobody comes for a minute."""


# The record


@dataclass(frozen=True)
class Plan:
    """How the service is backed up: as `models.BackupPlan`. `paths` are its data paths on the host."""

    paths: tuple[str, ...]
    mode: str = "live"
    longest_pause: float = 60.0
    with_values: bool = False
    before_upgrade: bool = True
    keep_replaced_hours: int = 72


@dataclass(frozen=True)
class Kept:
    """A backup on record. `verified` in words, empty if not."""

    id: int
    snapshot: str
    tree: str
    state: str
    paths: tuple[str, ...]
    digest: str
    fingerprint: str
    files: int
    bytes: int
    disk_bytes: int
    at: datetime
    verified: str = ""
    verified_at: datetime | None = None


class BackupRecords(Protocol):
    """`chatbot_service.backup_records.JobBackups`: reads and writes rows, each write with its audit event."""

    def plan(self) -> Plan | None:
        """Nothing: the service has no plan, or no data."""

    def last(self) -> Kept | None:
        """The newest good one of the service in the place where its plan puts them now."""

    def backup(self, number: int) -> Kept | None:
        """Of this service only."""

    def taken(self, facts: dict[str, Any]) -> int:
        """Notes a backup; `facts` are fields of `models.Backup`, moments as such. Its number."""

    def noted(self) -> str:
        """The snapshot of the backup that this job has noted; empty if it has noted none."""

    def verified(self, number: int, how: str) -> None: ...
    def spoilt(self, number: int, state: str, why: str) -> None:
        """`state`: incomplete or damaged."""

    def damaged(self, snapshots: Sequence[str], why: str) -> int:
        """Marks all backups that rest on one of them; how many."""

    def on_record(self) -> list[Kept]:
        """All that should still be in the repository, the newest first; damaged ones are not among them."""

    def to_forget(self) -> list[Kept]:
        """What the plan no longer keeps: never what a rollback or an open restore may need, nor the last good one."""

    def forgotten(self, numbers: Sequence[int]) -> None: ...
    def checked(self, problem: str) -> None:
        """The whole repository was looked at; `problem` in words, empty: none found."""

    def rehearsed(self, number: int, facts: dict[str, Any]) -> None:
        """`facts` are fields of `models.RestoreRehearsal`."""

    def restoring(self, swaps: Sequence[Swap]) -> None: ...
    def restored(self) -> None: ...
    def not_restored(self) -> None:
        """Also when it was on record as restored: then a worker died before it had ended."""

    def restore_to_undo(self) -> tuple[int, list[Swap]]:
        """Number and swaps of the restore that this job undoes. `Refused` when what it replaced is gone."""

    def undone(self) -> None: ...
    def not_undone(self) -> None: ...
