"""What lies in the data paths, at a glance: GNU find walks them, once on each processor, which is twice as quick as Python."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from tempfile import TemporaryFile
from typing import IO

from chatbot_service.jobs.backup_ports import Survey
from chatbot_service.trees_paths import OWN_PREFIX, shown
from deploy_records.errors import Broken

_AT_ONCE = 2
_FEW_FOLDERS = 8
_LEVELS = 3
_CHUNK = 1 << 20
_RACY, _RACY_WHEN_COARSE = 30_000_000, 2_000_000_000
"""Nanoseconds. What changed later than this before a survey may change again without a later time; coarse are file systems
that keep whole seconds.
"""
_CLOCK_TICK = 0.01
"""Seconds. Linux stamps files with the time of the last tick."""
_MOST_EXAMPLES = 20
_OURS = OWN_PREFIX.encode()
_FIELDS = 3
_REST = r"%y%m %i %s %T@ %U %G %p\0"
_PRINTED = ("-links", "+1", "!", "-type", "d", "-printf", r"%C@\0%b:%D:%i\0" + _REST, "-o", "-printf", r"%C@\0%b\0" + _REST)
"""Three fields for each entry: its last change, its blocks (for one of several hard links also which file it is), the rest."""


@dataclass
class _Seen:
    files: int = 0
    blocks: int = 0
    linked: dict[bytes, int] = field(default_factory=dict)
    newest: bytes = b""
    digest: bytes = b""
    whole: bool = True


def survey(paths: Sequence[str]) -> Survey:
    """An entry that vanishes meanwhile or cannot be read makes the fingerprint empty."""
    began = time.time_ns()
    parts = _parts(paths)
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        seen = list(threads.map(_walk, parts))
    newest = _nanoseconds(max((part.newest for part in seen), default=b""))
    linked = {which: blocks for part in seen for which, blocks in part.linked.items()}
    racy = _RACY if newest % 1_000_000_000 else _RACY_WHEN_COARSE
    sure = newest < began - racy and all(part.whole for part in seen)
    everything = sha256(b"".join(part.digest for part in seen)).hexdigest()
    return Survey(
        files=sum(part.files for part in seen),
        disk_bytes=512 * (sum(part.blocks for part in seen) + sum(linked.values())),
        fingerprint=everything if sure else "",
        newest=newest,
    )


def changed_since(paths: Sequence[str], moment: float) -> tuple[int, tuple[str, ...]]:
    since = f"@{max(moment - _CLOCK_TICK, 0):.9f}"
    printed = ("!", "-type", "d", "-newerct", since, "-printf", r"%p\0")
    starts = [os.fsencode(path) for path in sorted(set(paths))]
    with TemporaryFile() as list_of_starts, _find(True, starts, list_of_starts, printed) as find:
        names = b"".join(_pieces(find)).split(b"\0")[:-1]
    return len(names), tuple(shown(os.fsdecode(name)) for name in names[:_MOST_EXAMPLES])


def _parts(paths: Sequence[str]) -> list[tuple[bool, list[bytes]]]:
    """Entries to begin at, each list with whether to go down from there. Folders are opened level by level until there are
    enough of them for all processors. Alike for trees that are alike: names are sorted, and find keeps a folder's order.
    """
    above: list[bytes] = []
    files: list[bytes] = []
    folders = [os.fsencode(path) for path in sorted(set(paths))]
    for _ in range(_LEVELS):
        if not 0 < len(folders) < _FEW_FOLDERS:
            break
        above += folders
        inside = [_inside(folder) for folder in folders]
        files += [file for found, _ in inside for file in found]
        folders = [inner for _, found in inside for inner in found]
    deep = [folders[place::_AT_ONCE] + files[place::_AT_ONCE] for place in range(_AT_ONCE)]
    return [*((True, starts) for starts in deep if starts), (False, above)]


def _inside(folder: bytes) -> tuple[list[bytes], list[bytes]]:
    """Its files and its folders. What is no folder, or cannot be read, has none: find will meet it all the same."""
    if os.path.islink(folder):  # noqa: PTH114 - bytes
        return [], []
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.path, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except OSError:
        return [], []

    kept = [(path, is_folder) for path, is_folder in found if not path.rpartition(b"/")[2].startswith(_OURS)]
    return [path for path, is_folder in kept if not is_folder], [path for path, is_folder in kept if is_folder]


def _walk(part: tuple[bool, list[bytes]]) -> _Seen:
    deep, starts = part
    seen, digest, rest = _Seen(), sha256(), b""
    with TemporaryFile() as list_of_starts:
        with _find(deep, starts, list_of_starts, _PRINTED) as find:
            for piece in _pieces(find):
                digest.update(piece)
                rest = _count(rest + piece, seen)
        seen.whole = find.returncode == 0
    seen.digest = digest.digest()
    return seen


def _find(deep: bool, starts: Sequence[bytes], listed: IO[bytes], printed: Sequence[str]) -> subprocess.Popen[bytes]:  # noqa: FBT001 - of a part
    """The starts go by a file: there may be more of them than an argument list holds."""
    listed.write(b"".join(start + b"\0" for start in starts))
    listed.seek(0)
    depth = () if deep else ("-maxdepth", "0")
    argv = ["find", "-P", "-files0-from", "-", *depth, "-name", f"{OWN_PREFIX}*", "-prune", "-o", *printed]
    spoken = {"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)}
    try:
        return subprocess.Popen(argv, stdin=listed, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=spoken)  # noqa: S603 - argv only
    except OSError as error:
        raise Broken(f"GNU find, which looks over data paths, cannot be started: {error.strerror}.") from error


def _pieces(find: subprocess.Popen[bytes]) -> Iterator[bytes]:
    if find.stdout:
        while piece := find.stdout.read(_CHUNK):
            yield piece


def _count(text: bytes, seen: _Seen) -> bytes:
    """Takes in whole entries; what is left of the last one."""
    fields = text.split(b"\0")
    whole = (len(fields) - 1) // _FIELDS * _FIELDS
    blocks = fields[1:whole:_FIELDS]
    seen.files += sum(not rest.startswith(b"d") for rest in fields[2:whole:_FIELDS])
    seen.newest = max(seen.newest, max(fields[0:whole:_FIELDS], default=b""))
    try:
        seen.blocks += sum(map(int, blocks))
    except ValueError:
        seen.blocks += sum(int(number) for number in blocks if b":" not in number)
        seen.linked.update(_hard_link(number) for number in blocks if b":" in number)
    return b"\0".join(fields[whole:])


def _hard_link(text: bytes) -> tuple[bytes, int]:
    blocks, _, which = text.partition(b":")
    return which, int(blocks)


def _nanoseconds(text: bytes) -> int:
    """Of find's seconds with ten decimal places."""
    seconds, _, fraction = text.partition(b".")
    return int(seconds or 0) * 1_000_000_000 + int(fraction[:9] or 0)
