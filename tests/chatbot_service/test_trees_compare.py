"""What lies on the disk is told apart from what a snapshot says, in whatever it differs."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot_service.jobs.backup_ports import Node
from chatbot_service.trees_compare import _TYPES, _as_printed, differences

DATA = "/srv/data"
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def printed(path: bytes) -> str:
    """As Go's JSON: a byte with which no character of UTF-8 begins is U+FFFD."""
    text = ""
    while path:
        length = next((count for count in range(1, 5) if _is_utf8(path[:count])), 0)
        text += path[:length].decode() if length else "\ufffd"
        path = path[length or 1 :]
    return text


def _is_utf8(text: bytes) -> bool:
    try:
        return len(text.decode()) == 1
    except UnicodeDecodeError:
        return False


def node(path: Path, into: Path) -> Node:
    it = path.lstat()
    kind = _TYPES[it.st_mode & 0o170000]
    moment = BEGINNING + timedelta(microseconds=it.st_mtime_ns // 1000)
    size = it.st_size if kind == "file" else 0
    shown = printed(os.fsencode(path)[len(os.fsencode(into)) :])
    return Node(shown, kind, it.st_mode & 0o7777, it.st_uid, it.st_gid, size, moment)


def nodes(folder: Path, into: Path) -> Iterator[Node]:
    yield node(folder, into)
    for entry in sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else ():
        yield from nodes(entry, into)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data = Path(f"{tmp_path}{DATA}")
    (data / "inner").mkdir(parents=True)
    (data / "inner/file").write_text("file")
    (data / "inner/line\nbreak").write_text("x")
    (data / "program").write_text("#!")
    (data / "program").chmod(0o6755)
    (data / "link").symlink_to("nowhere")
    os.mkfifo(data / "pipe")
    for name in (b"\xff", b"\xfe", b"\xc3\xa4", b"\xe2\x82"):
        Path(os.fsdecode(bytes(data) + b"/" + name)).write_bytes(name * 3)
    return data


def test_equal_trees_do_not_differ(data: Path, tmp_path: Path) -> None:
    found = differences(iter(list(nodes(data, tmp_path))), str(tmp_path), without_setuid=False)
    assert (found.compared, found.different, found.examples) == (11, 0, ())


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda data: (data / "inner/file").write_text("longer"), "6 bytes instead of 4"),
        (lambda data: os.utime(data / "inner/file", (1, 1)), "another time"),
        (lambda data: os.utime(data / "inner", (1, 1)), "another time"),
        (lambda data: (data / "inner/file").chmod(0o600), "mode 0600 instead of 0644"),
        (lambda data: (data / "inner").chmod(0o2755), "mode 2755 instead of 0755"),
        (lambda data: ((data / "pipe").unlink(), (data / "pipe").touch()), "another type"),
        (lambda data: (data / "inner/line\nbreak").unlink(), "is missing"),
        (lambda data: (data / "inner/more").touch(), "is not in the backup"),
        (lambda data: Path(os.fsdecode(bytes(data) + b"/\xfd")).touch(), "is not in the backup"),
    ],
)
def test_every_difference_is_told(data: Path, tmp_path: Path, change: Callable[[Path], object], word: str) -> None:
    kept = list(nodes(data, tmp_path))
    change(data)
    found = differences(iter(kept), str(tmp_path), without_setuid=False)
    assert found.different
    assert any(word in example for example in found.examples)


def test_another_owner_is_told_also_of_links(data: Path, tmp_path: Path) -> None:
    kept = [replace(entry, uid=5, gid=6) if entry.type == "symlink" else entry for entry in nodes(data, tmp_path)]
    found = differences(iter(kept), str(tmp_path), without_setuid=False)
    assert found.examples == (f"{DATA}/link: owner {os.geteuid()}:{os.getegid()} instead of 5:6",)


def test_missing_and_extra_are_counted(data: Path, tmp_path: Path) -> None:
    kept = list(nodes(data, tmp_path))
    was = data.stat()
    (data / "link").rename(data / "other")
    os.utime(data, ns=(was.st_atime_ns, was.st_mtime_ns))
    found = differences(iter(kept), str(tmp_path), without_setuid=False)
    assert (found.different, found.missing, found.extra) == (2, 1, 1)


def test_names_that_are_printed_alike_are_compared_as_a_set(data: Path, tmp_path: Path) -> None:
    kept = list(nodes(data, tmp_path))
    alike = [place for place, entry in enumerate(kept) if entry.path.endswith("/\ufffd")]
    kept[alike[0]], kept[alike[1]] = kept[alike[1]], kept[alike[0]]
    assert not differences(iter(kept), str(tmp_path), without_setuid=False).different
    kept[alike[0]] = replace(kept[alike[0]], size=99)
    assert differences(iter(kept), str(tmp_path), without_setuid=False).different == 1


def test_setuid_that_was_taken_off_is_no_difference(data: Path, tmp_path: Path) -> None:
    kept = list(nodes(data, tmp_path))
    (data / "program").chmod(0o755)
    assert differences(iter(kept), str(tmp_path), without_setuid=False).different == 1
    assert differences(iter(kept), str(tmp_path), without_setuid=True).different == 0


def test_devices_and_sockets_may_be_missing(data: Path, tmp_path: Path) -> None:
    kept = list(nodes(data, tmp_path))
    gone = [Node(f"{DATA}/{kind}", kind, 0o600, 0, 0, 0, BEGINNING) for kind in ("dev", "chardev", "socket")]
    assert not differences(iter(kept + gone), str(tmp_path), without_setuid=False).different


def test_the_portals_own_folders_are_passed_over(data: Path, tmp_path: Path) -> None:
    (data / ".known-good-restore-3").mkdir()
    kept = [entry for entry in nodes(data, tmp_path) if ".known-good" not in entry.path]
    assert not differences(iter(kept), str(tmp_path), without_setuid=False).different


def test_a_single_file_is_compared(data: Path, tmp_path: Path) -> None:
    file = data / "inner/file"
    kept = [node(file, tmp_path)]
    assert differences(iter(kept), f"{tmp_path}/", without_setuid=False).compared == 1
    file.unlink()
    assert differences(iter(kept), str(tmp_path), without_setuid=False).missing == 1


def test_nothing_is_followed_over_a_link(data: Path, tmp_path: Path) -> None:
    kept = list(nodes(data, tmp_path))
    (data / "inner").rename(tmp_path / "elsewhere")
    (data / "inner").symlink_to(tmp_path / "elsewhere")
    assert differences(iter(kept), str(tmp_path), without_setuid=False).missing == 2


def test_at_most_twenty_examples_are_given(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    kept = [node(tmp_path / "data", tmp_path)]
    for number in range(30):
        (tmp_path / f"data/{number}").touch()
    found = differences(iter(kept), str(tmp_path), without_setuid=False)
    assert (found.extra, len(found.examples)) == (30, 20)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=12))
def test_python_and_go_replace_the_same_bytes(name: bytes) -> None:
    assert _as_printed(os.fsdecode(name)) == printed(name)


def test_two_thousand_entries_take_hundredths_of_a_second(tmp_path: Path) -> None:
    for folder in range(20):
        (tmp_path / f"data/{folder}").mkdir(parents=True)
        for number in range(100):
            (tmp_path / f"data/{folder}/{number}").touch()
    kept = list(nodes(tmp_path / "data", tmp_path))
    began = time.process_time()
    assert not differences(iter(kept), str(tmp_path), without_setuid=False).different
    assert time.process_time() - began < 0.2, "ten times of what is usual"
