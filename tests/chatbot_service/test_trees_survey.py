"""A survey is equal exactly if nothing changed, and says nothing when that cannot be told."""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatbot_service import trees_survey
from chatbot_service.trees_survey import changed_since, survey

SETTLED = 1.1
CHANGES: dict[str, Callable[[Path], object]] = {
    "written": lambda tree: (tree / "a/file").write_text("other"),
    "written with the same size and time": lambda tree: _rewrite(tree / "a/file"),
    "emptied": lambda tree: (tree / "a/file").write_text(""),
    "made": lambda tree: (tree / "b/deep/new").write_text(""),
    "removed": lambda tree: (tree / "a/file").unlink(),
    "renamed": lambda tree: (tree / "a/file").rename(tree / "a/other"),
    "moved": lambda tree: (tree / "a/file").rename(tree / "b/file"),
    "replaced by its copy": lambda tree: _replace(tree / "a/file"),
    "mode changed": lambda tree: (tree / "a/file").chmod(0o600),
    "mode of a folder changed": lambda tree: (tree / "b/deep").chmod(0o700),
    "owner changed": lambda tree: os.chown(tree / "a/file", os.getuid(), os.getgid()),
    "touched": lambda tree: (tree / "a/file").touch(),
    "linked": lambda tree: os.link(tree / "a/file", tree / "a/linked"),
    "link turned": lambda tree: _turn(tree / "link"),
    "attribute set": lambda tree: os.setxattr(tree / "a/file", "user.word", b"x"),
    "folder made": lambda tree: (tree / "b/new").mkdir(),
    "the top changed": lambda tree: tree.chmod(0o711),
}


def _rewrite(file: Path) -> None:
    was = file.stat()
    file.write_text("FILE")
    os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))


def _replace(file: Path) -> None:
    shutil.copy2(file, file.with_name("copy"))
    file.with_name("copy").replace(file)


def _turn(link: Path) -> None:
    link.unlink()
    link.symlink_to("b")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return plant(tmp_path / "tree")


def plant(tree: Path) -> Path:
    (tree / "a").mkdir(parents=True)
    (tree / "a/file").write_text("file")
    (tree / "b/deep/er").mkdir(parents=True)
    (tree / "b/deep/er/line\nbreak \"'").write_text("x" * 10_000)
    Path(os.fsdecode(bytes(tree) + b"/b/\xff\xc3")).write_text("not UTF-8")
    (tree / "link").symlink_to("a")
    os.mkfifo(tree / "pipe")
    return tree


def at_rest() -> None:
    time.sleep(SETTLED)


def test_what_is_at_rest_is_told_apart_from_every_single_change(tmp_path: Path) -> None:
    trees = {what: plant(tmp_path / str(number)) for number, what in enumerate(CHANGES)}
    at_rest()
    before = {what: survey([str(tree)]).fingerprint for what, tree in trees.items()}
    assert all(before.values())
    assert before == {what: survey([str(tree)]).fingerprint for what, tree in trees.items()}
    for what, change in CHANGES.items():
        change(trees[what])
    at_rest()
    after = {what: survey([str(tree)]).fingerprint for what, tree in trees.items()}
    assert all(after.values())
    assert [what for what in CHANGES if before[what] == after[what]] == []


@settings(max_examples=15, deadline=None)
@given(
    names=st.sets(st.binary(min_size=1, max_size=8).filter(lambda name: not {0, 47} & set(name) and name not in {b".", b".."})),
    parts=st.integers(1, 3),
)
def test_whatever_the_names_are_a_survey_is_the_same_twice_and_counts_all(names: set[bytes], parts: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(trees_survey, "_RACY", -(10**18))
        patch.setattr(trees_survey, "_AT_ONCE", parts)
        for name in names:
            Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(name)
        once, twice = survey([folder]), survey([folder])
        assert once == twice
        assert (once.files, bool(once.fingerprint)) == (len(names), True)


def test_what_changed_a_moment_ago_has_no_fingerprint_yet(tree: Path) -> None:
    assert survey([str(tree)]).fingerprint == ""


def test_what_cannot_be_found_has_no_fingerprint(tree: Path) -> None:
    at_rest()
    assert survey([str(tree)]).fingerprint
    assert survey([str(tree), str(tree / "gone")]).fingerprint == ""


def test_files_space_and_the_youngest_change_are_told(tree: Path) -> None:
    files = [entry for entry in tree.rglob("*") if entry.is_symlink() or not entry.is_dir()]
    everything = [tree, *tree.rglob("*")]
    seen = survey([str(tree)])
    assert seen.files == len(files)
    assert seen.disk_bytes == sum(entry.lstat().st_blocks * 512 for entry in everything)
    assert seen.newest == max(entry.lstat().st_ctime_ns for entry in everything)


def test_hard_links_take_their_space_once_and_holes_take_none(tmp_path: Path) -> None:
    (tmp_path / "folders").mkdir()
    (tmp_path / "first").write_bytes(b"x" * 1_000_000)
    once = survey([str(tmp_path)]).disk_bytes
    for number in range(20):
        (tmp_path / f"folders/{number}").mkdir()
        os.link(tmp_path / "first", tmp_path / f"folders/{number}/link")
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(5_000_000_000)
    assert once <= survey([str(tmp_path)]).disk_bytes < once + 20 * 8192


def test_the_portals_own_folders_do_not_count(tree: Path) -> None:
    files = survey([str(tree)]).files
    for folder in (tree, tree / "a"):
        (folder / ".known-good-restore-1").mkdir()
        (folder / ".known-good-restore-1/kept").write_text("x")
    assert survey([str(tree)]).files == files
    assert changed_since([str(tree)], 0)[0] == files


def test_a_single_file_can_be_surveyed(tree: Path) -> None:
    assert survey([str(tree / "a/file")]).files == 1


def test_a_link_is_not_followed(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tree)
    assert survey([str(tmp_path / "link")]).files == 1


def test_more_folders_than_an_argument_list_holds(tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}").mkdir()
    for number in range(3000):
        (tmp_path / f"{number}-{'x' * 200}").touch()
    assert survey([str(tmp_path)]).files == 3000


def test_what_was_made_changed_or_renamed_since_is_told(tree: Path) -> None:
    time.sleep(0.05)
    moment = time.time()
    time.sleep(0.05)
    assert changed_since([str(tree)], moment) == (0, ())
    (tree / "a/file").chmod(0o600)
    (tree / "b/new\nline").touch()
    (tree / "link").rename(tree / "renamed")
    count, names = changed_since([str(tree)], moment)
    assert (count, set(names)) == (3, {str(tree / name) for name in ("a/file", "b/new line", "renamed")})


def test_at_most_twenty_changes_are_named(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / str(number)).touch()
    count, names = changed_since([str(tmp_path)], 0)
    assert (count, len(names)) == (30, 20)


def test_sockets_are_counted(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(str(tmp_path / "socket"))
        assert survey([str(tmp_path)]).files == 1
