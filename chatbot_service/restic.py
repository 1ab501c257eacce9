"""The only caller of restic. What is run is in `restic_commands`, how in `restic_run`, what it says in `restic_output` and
`restic_words`.
"""

import json
import os
import re
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chatbot_service import restic_output as output
from chatbot_service.foreign_text import one_line
from chatbot_service.jobs.backup_ports import Checked, Measured, Node, NodesOf, Snapshot, Taken
from chatbot_service.jobs.ports import Say
from chatbot_service.restic_ahead import read_ahead
from chatbot_service.restic_binary import find_binary
from chatbot_service.restic_commands import (
    Place,
    add_key_argv,
    as_listed,
    backup_argv,
    check_argv,
    checked,
    config_argv,
    dump_argv,
    find_argv,
    find_blobs_argv,
    forget_argv,
    index_argv,
    indexes_argv,
    init_argv,
    key_names_argv,
    keys_argv,
    ls_argv,
    master_key_argv,
    packs_argv,
    pieces_argv,
    remove_key_argv,
    repair_index_argv,
    repair_packs_argv,
    restore_argv,
    snapshots_argv,
)
from chatbot_service.restic_key import quick_key, slow_key, write_key
from chatbot_service.restic_output import Said
from chatbot_service.restic_run import Runs, Tick
from chatbot_service.restic_words import NO_REPOSITORY, SOME_UNREADABLE, tells_of_damage
from deploy_records.errors import Broken, Refused

_PRUNE_TIMEOUT = 6 * 3600.0
_SAY_EVERY = 10.0
_TOLD_OF_PRUNING = re.compile(r"(?:total prune|remaining|to delete): ")
# Found in it; or a folder of it could not be read, which is told in between.
_IN_SNAPSHOT = re.compile(rb'(?:"snapshot":"|belongs to snapshot )([0-9a-f]{64})')
_LONGEST_FOUND = 100
_NO_BLOB = "0" * 64


class Restic:
    """The backups of one service, `Backups`. `host`: the name that is written into snapshots.

    `locks`: a folder that all workers of this host share. `Refused` when there is no restic, or none that is new enough.
    """

    def __init__(self, place: Place, host: str, locks: Path, cache: Path, binary: str = "") -> None:
        self._place = checked(place)
        self._host = host
        self._runs = Runs(place, find_binary(binary), locks, cache)

    # The repository

    def prepare(self) -> str:
        folder = self._place.folder
        if folder:
            _private_folder(self._place, folder)
        opened = self._runs.alone("cat config", config_argv())
        if opened.exit_code not in {0, NO_REPOSITORY}:
            raise self._runs.failed("cat config", opened)
        if opened.exit_code == NO_REPOSITORY:
            self._make(folder)
        slowly = " Its key opens slowly; that costs half a second in each step." if folder and not self._quicken(folder) else ""
        made = "made" if opened.exit_code else "there"
        return f"The repository {self._place.shown} is {made}.{slowly}"

    def _make(self, folder: Path | None) -> None:
        if folder and any((folder / "keys").glob("*")):
            raise Broken(f"The backup repository {self._place.shown} is damaged: its file config is gone. Nothing was changed.")
        done = self._runs.alone("init", init_argv())
        if done.exit_code:
            raise self._runs.failed("init", done)

    def _quicken(self, folder: Path) -> bool:
        """Whether the key opens as quickly as it can. Where that cannot be had, the ordinary one goes on to serve."""
        try:
            slow = slow_key(folder, self._place.password)
            return not slow or self._exchange_key(folder, slow)
        except (OSError, ValueError, KeyError, Refused, Broken):
            return False

    def _exchange_key(self, folder: Path, slow: str) -> bool:
        name, content = quick_key(json.loads(self._runs.reading("cat masterkey", master_key_argv())), self._place.password)
        write_key(folder, name, content)
        listed = self._runs.alone("key list", keys_argv(), hint=name)
        if not output.opened_by(name, listed.said.words):
            (folder / "keys" / name).unlink()
            return False
        return self._runs.alone("key remove", remove_key_argv(slow), hint=name).exit_code == 0

    def also_opens_with(self, password: str) -> None:
        """From now on; what opened it before goes on to."""
        with tempfile.NamedTemporaryFile("w", prefix="known-good-") as file:
            file.write(password)
            file.flush()
            self._change_key("key add", add_key_argv(file.name))

    def opens_with_nothing_else(self) -> None:
        """Takes all keys away but that of this place's own password."""
        listed = json.loads(self._runs.reading("key list", keys_argv()))
        own = [str(one["id"]) for one in listed if one.get("current")]
        names = self._runs.reading("list keys", key_names_argv()).decode().split()
        mine = [name for name in names if any(name.startswith(one) for one in own)]
        if len(mine) != 1:
            raise Broken(f"It is not clear which key opens {self._place.shown}. Its keys stay as they are.")
        for name in names:
            if name != mine[0]:
                self._change_key("key remove", remove_key_argv(name), hint=mine[0])

    def _change_key(self, what: str, argv: Sequence[str], *, hint: str = "") -> None:
        done = self._runs.alone(what, argv, hint=hint)
        if done.exit_code:
            raise self._runs.failed(what, done)

    def check(self, share: str, say: Say, timeout: float) -> Checked:
        self._runs.tidy()
        done = self._runs.alone("check", check_argv(share), timeout, _saying(say, "Checking the repository"))
        if not done.exit_code:
            return Checked()
        error = self._runs.failed("check", done)
        if isinstance(error, Refused) or not tells_of_damage(done.said.text):
            raise error
        short = any(len(name) < len(_NO_BLOB) for name in output.packs_named(done.said))
        return output.checked(done.said, self._runs.reading("list packs", packs_argv()).decode().split() if short else ())

    def damaged_by(self, packs: Sequence[str]) -> frozenset[str]:
        """With those of which a folder cannot be read or a piece is in no pack any more, whatever the packs."""
        resting = self._resting_on(packs)
        return resting | {one.id for one in self.snapshots() if one.id not in resting and not self._has_all_pieces(one.id)}

    def _has_all_pieces(self, snapshot: str) -> bool:
        try:
            self._runs.reading("stats", pieces_argv(snapshot))
        except Broken:
            return False
        return True

    def _resting_on(self, packs: Sequence[str]) -> frozenset[str]:
        try:
            return self._found(find_argv(packs) if packs else find_blobs_argv([_NO_BLOB]))
        except Broken:
            pass  # where the end of a pack is damaged that says what is in it, restic gives up
        try:
            return self._found(find_blobs_argv(sorted(self._blobs(frozenset(packs)))[:20_000] or [_NO_BLOB]))
        except Broken:
            return frozenset(snapshot.id for snapshot in self.snapshots())

    def _found(self, argv: Sequence[str]) -> frozenset[str]:
        found: set[str] = set()
        rest = b""
        for piece in self._runs.stream("find", argv):
            rest += piece
            found |= {match.decode() for match in _IN_SNAPSHOT.findall(rest)}
            rest = rest[-_LONGEST_FOUND:]
        return frozenset(found)

    def _blobs(self, packs: frozenset[str]) -> set[str]:
        blobs: set[str] = set()
        for index in self._runs.reading("list index", indexes_argv()).decode().split():
            blobs |= output.data_blobs(self._runs.reading("cat index", index_argv(index)), packs)
        return blobs

    def heal(self, packs: Sequence[str], say: Say) -> None:
        there = set(self._runs.reading("list packs", packs_argv()).decode().split())
        damaged, gone = [pack for pack in packs if pack in there], set(packs) - there
        if gone and not there:
            raise Refused(f"All data of the backup repository {self._place.shown} are gone. See whether its disk is mounted.")
        saying = _saying(say, "Taking out what is damaged")
        if damaged:
            self._runs.cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._runs.cache) as copies:
                self._mended("repair packs", repair_packs_argv(damaged), saying, copies)
        if gone:
            self._mended("repair index", repair_index_argv(), saying, "/")

    def _mended(self, what: str, argv: Sequence[str], tick: Tick, folder: str) -> None:
        done = self._runs.alone(what, argv, _PRUNE_TIMEOUT, tick, folder=folder)
        if done.exit_code:
            raise self._runs.failed(what, done)

    # Snapshots

    def take(self, paths: Sequence[str], tags: Sequence[str], measured: Measured, timeout: float) -> Taken:
        done = self._runs.alone("backup", backup_argv(self._host, paths, tags), timeout, _measuring(measured))
        if done.exit_code not in {0, SOME_UNREADABLE} or "snapshot_id" not in done.said.summary:
            raise self._runs.failed("backup", done)
        measured(done.said.measure)
        return output.taken(done.said)

    def snapshot(self, snapshot: str) -> Snapshot | None:
        return next((one for one in self._listed(snapshot) if one.id.startswith(snapshot)), None)

    def snapshots(self) -> list[Snapshot]:
        return self._listed()

    def _listed(self, snapshot: str = "") -> list[Snapshot]:
        return output.snapshots(self._runs.reading("snapshots", snapshots_argv(snapshot)))

    def nodes(self, snapshot: str, folder: str = "", *, deep: bool = True) -> Iterator[Node]:
        within = folder if deep else folder or "/"
        for line in _lines(self._runs.stream("ls", ls_argv(snapshot, within, deep=deep))):
            node = output.node(line)
            if node:
                yield node

    @contextmanager
    def ahead(self, snapshot: str, folders: Sequence[str]) -> Iterator[NodesOf]:
        with read_ahead(lambda folder: self._runs.stream("ls", ls_argv(snapshot, folder, deep=True)), folders) as read:

            def nodes(folder: str) -> Iterator[Node]:
                return (node for line in read.lines(folder) if (node := output.node(line)))

            yield nodes

    def restore(  # noqa: PLR0917 - as the protocol
        self, snapshot: str, paths: Sequence[str], into: str, measured: Measured, timeout: float, say: Say
    ) -> None:
        done = self._runs.alone("restore", restore_argv(snapshot, paths, into), timeout, _measuring(measured), reads=True)
        if done.exit_code or done.said.errors:
            raise self._runs.failed("restore", done)
        missing = [path for path in paths if not os.path.lexists(into + path)]
        if missing:
            raise Broken(f"Snapshot {snapshot[:8]} holds no {one_line(missing[0])}, or restic did not restore it.")
        measured(done.said.measure)
        summary = done.said.summary
        say(
            f"Restored {summary.get('files_restored', 0)} files and folders, {summary.get('bytes_restored', 0)} bytes, "
            "and compared the content of every file with the snapshot."
        )

    def forget(self, snapshots: Sequence[str], say: Say) -> None:
        if not snapshots:
            return
        done = self._runs.alone("forget", forget_argv(snapshots), _PRUNE_TIMEOUT, _saying(say, "Giving back space"))
        if done.exit_code:
            raise self._runs.failed("forget", done)
        for line in done.said.words:
            if _TOLD_OF_PRUNING.match(line):
                say(one_line(line))

    def tar(self, snapshot: str, path: str) -> Iterator[bytes]:
        """Names in it are whole paths. Pipes and sockets come as empty files, hard links as files: so restic writes them."""
        listed = as_listed(path.rstrip("/") or "/")
        node = next((node for node in self.nodes(snapshot, path, deep=False) if node.path == listed), None)
        if path != "/" and not node:
            raise Refused(f"Snapshot {snapshot[:8]} holds no {one_line(path)}.")
        stream = self._runs.stream("dump", dump_argv(snapshot, path))
        if node and node.type == "file":
            return _tar_of_file(node, path, stream)
        if node and node.type != "dir":
            raise Refused(f"{one_line(path)} is neither a file nor a folder. Download the folder that it is in.")
        return stream


def _tar_of_file(node: Node, path: str, content: Iterator[bytes]) -> Iterator[bytes]:
    """Restic writes a single file as it is."""
    header = tarfile.TarInfo(path.lstrip("/"))
    header.size, header.mode, header.uid, header.gid = node.size, node.mode, node.uid, node.gid
    header.mtime = int(node.mtime.timestamp())
    yield header.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    size = 0
    for piece in content:
        size += len(piece)
        yield piece
    if size != node.size:
        raise Broken(f"{one_line(path)} came with {size} bytes from the snapshot, not {node.size}.")
    yield b"\0" * (-size % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE)


def _lines(stream: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in stream:
        *whole, rest = (rest + piece).split(b"\n")
        yield from filter(None, whole)
    if rest:
        yield rest


def _private_folder(place: Place, folder: Path) -> None:
    """Those above it as well, where they are not there."""
    try:
        for one in [*reversed(folder.parents), folder]:
            if not one.is_dir():
                one.mkdir(mode=0o700)
    except OSError as error:
        raise Refused(
            f"The folder {place.shown} for backups cannot be made: {one_line(error.strerror or str(error))}. "
            "Choose another, or let the worker's user write there.",
            code="backup-repository",
        ) from error


def _measuring(measured: Measured) -> Tick:
    return lambda said: measured(said.measure)


def _saying(say: Say, what: str) -> Tick:
    begun = last = time.monotonic()

    def tick(_: Said) -> None:
        nonlocal last
        if time.monotonic() - last >= _SAY_EVERY:
            last = time.monotonic()
            say(f"{what}: {last - begun:.0f} s so far")

    return tick
