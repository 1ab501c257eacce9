"""Owners, setuid files and sizes: within bounds, and without following a link out of the folder."""

import os
from pathlib import Path

import pytest

from chatbot_service import tree_walk
from chatbot_service.tree_walk import look_at_tree, size_of

OURS = (os.geteuid(), os.getegid())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data/sub").mkdir(parents=True)
    (tmp_path / "data/one").write_bytes(b"x" * 10_000)
    (tmp_path / "data/sub/two").write_bytes(b"y")
    return tmp_path


def test_every_entry_is_looked_at(root: Path) -> None:
    tree = look_at_tree(str(root), "/data", OURS)
    assert tree
    assert (tree.entries, tree.foreign, tree.set_id, tree.whole) == (3, 0, (), True)


def test_setuid_and_setgid_files_are_named_folders_are_not(root: Path) -> None:
    (root / "data/one").chmod(0o4755)
    (root / "data/sub/two").chmod(0o2755)
    (root / "data/sub").chmod(0o2755)
    tree = look_at_tree(str(root), "/data", OURS)
    assert tree
    assert set(tree.set_id) == {"/data/one", "/data/sub/two"}


def test_foreign_entries_are_counted(root: Path) -> None:
    tree = look_at_tree(str(root), "/data", (OURS[0] + 1, OURS[1]))
    assert tree
    assert (tree.foreign, tree.uid) == (3, OURS[0])


def test_a_link_on_the_way_or_inside_leads_nowhere(root: Path) -> None:
    (root / "way").symlink_to("/etc")
    (root / "data/out").symlink_to("/etc")
    assert look_at_tree(str(root), "/way/ssl", OURS) is None
    tree = look_at_tree(str(root), "/data", OURS)
    assert tree
    assert tree.entries == 4


def test_what_is_not_there_is_nothing(root: Path) -> None:
    assert look_at_tree(str(root), "/gone", OURS) is None


def test_a_mount_of_a_single_file_has_no_entries(root: Path) -> None:
    tree = look_at_tree(str(root), "/data/one", OURS)
    assert tree
    assert (tree.entries, tree.whole) == (0, True)


def test_too_many_entries_are_said_not_to_be_all(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_walk, "MOST_ENTRIES", 2)
    tree = look_at_tree(str(root), "/data", OURS)
    assert tree
    assert (tree.entries, tree.whole) == (2, False)


@pytest.mark.parametrize(("depth", "whole"), [(90, True), (300, False)])
def test_deep_folders_are_walked_to_a_bound_and_no_descriptor_is_left(root: Path, depth: int, whole: bool) -> None:
    deep = root / "data"
    for _ in range(depth):
        deep /= "d"
        deep.mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    tree = look_at_tree(str(root), "/data", OURS)
    assert tree
    assert tree.whole is whole
    assert tree.entries == (depth + 3 if whole else tree_walk.MOST_DEPTH + 4)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_very_many_folders_beside_each_other_take_no_more_descriptors(root: Path) -> None:
    for number in range(3000):
        (root / f"data/{number}").mkdir()
    tree = look_at_tree(str(root), "/data", OURS)
    assert tree
    assert (tree.entries, tree.whole) == (3003, True)


def test_sizes_are_those_on_the_disk(root: Path) -> None:
    with (root / "data/hole").open("wb") as hole:
        hole.truncate(1 << 30)
    os.link(root / "data/one", root / "data/again")
    found = size_of(str(root / "data"))
    assert (found.files, found.whole, found.problem) == (3, True, "")
    assert 10_000 < found.bytes < 100_000
    assert size_of(str(root / "data/one")).files == 1


def test_a_path_that_is_not_there_or_is_a_link_says_so(root: Path) -> None:
    (root / "link").symlink_to(root / "data")
    assert "No such file" in size_of(str(root / "gone")).problem
    assert not size_of(str(root / "link")).whole
