"""Which paths may hold data, what is described beside them, and where a restore is staged."""

import os
import re
from pathlib import Path

import pytest

from chatbot_service.trees import Folders
from chatbot_service.trees_paths import problem
from deploy_records.errors import Broken, Refused
from tests.chatbot_service.mounts import mounted


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


@pytest.fixture
def trees(state: Path) -> Folders:
    return Folders(state)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data/inner").mkdir(parents=True)
    (tmp_path / "data/file").write_text("x")
    return tmp_path / "data"


def test_folders_and_files_may_hold_data(trees: Folders, data: Path) -> None:
    assert [trees.problem(str(path)) for path in (data, data / "inner", data / "file")] == ["", "", ""]


def test_the_data_of_the_demonstration_may_lie_in_the_state_folder(trees: Folders, state: Path) -> None:
    (state / "demo/personal_chatbot").mkdir(parents=True)
    assert trees.problem(str(state / "demo/personal_chatbot")) == ""


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("{data}/gone", "cannot be read: No such file"),
        ("{data}/link", "Name the real path, {data}/inner"),
        ("{data}/link/deeper", "Name the real path, {data}/inner/deeper"),
        ("{data}/pipe", "neither a file nor a folder"),
        ("{data}/.known-good-restore-3", "the portal's own"),
        ("{data}/../data", "not an absolute path"),
        ("{data}/", "not an absolute path"),
        ("data", "not an absolute path"),
        ("", "not an absolute path"),
        ("/{data}", "not an absolute path"),
        ("{state}", "overlaps"),
        ("{state}/backups", "overlaps"),
        ("{above}", "overlaps"),
        ("/", "operating system"),
        ("/etc", "operating system"),
        ("/etc/ssl", "operating system"),
        ("/usr/local/lib", "operating system"),
        ("/proc/1", "operating system"),
        ("/sys", "operating system"),
        ("/dev/shm", "operating system"),
        ("/boot", "operating system"),
        ("/var", "operating system"),
        ("/var/lib/docker", "operating system"),
    ],
)
def test_what_cannot_be_backed_up_is_told_with_its_reason(trees: Folders, data: Path, state: Path, path: str, why: str) -> None:
    (data / "inner/deeper").mkdir()
    (data / "link").symlink_to("inner")
    os.mkfifo(data / "pipe")
    names = {"data": data, "state": state, "above": state.parent}
    assert why.format(**names) in trees.problem(path.format(**names))


def test_the_volumes_of_an_engine_may_hold_data() -> None:
    assert "operating system" not in problem("/var/lib/docker/volumes/chatbot_data/_data", "/srv/state")


def test_what_describes_a_service_is_kept_and_keeps_its_time_while_it_is_the_same(trees: Folders) -> None:
    folder = Path(trees.describe("local-my chatbot/ü", {"runs.txt": b"a", "names.txt": b"b"}))
    times = {file.name: file.stat().st_ctime_ns for file in folder.iterdir()}
    trees.describe("local-my chatbot/ü", {"runs.txt": b"a", "names.txt": b"new"})
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {"runs.txt": b"a", "names.txt": b"new"}
    assert (folder / "runs.txt").stat().st_ctime_ns == times["runs.txt"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_no_longer_describes_it_goes(trees: Folders) -> None:
    trees.describe("a", {"one": b"", "two": b""})
    assert [file.name for file in Path(trees.describe("a", {"two": b""})).iterdir()] == ["two"]


@pytest.mark.parametrize(("folder", "name"), [("..", "a"), ("", "a"), ("a", "../b"), ("a", "/b"), ("a", ".b")])
def test_a_description_stays_in_its_folder(trees: Folders, state: Path, folder: str, name: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(name))):
        trees.describe(folder, {name: b""})
    assert list(state.iterdir()) == []


def test_free_space_is_told_for_what_is_not_there_yet(trees: Folders, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk") as disk:
        assert trees.free_bytes(str(disk / "not/there/yet")) == 16 * 1024 * 1024


def test_a_staging_folder_is_made_empty_and_for_the_portal_only(trees: Folders, data: Path) -> None:
    one, other = trees.plan_swaps([str(data / "file"), str(data / "inner")], [str(data)], 5)
    root = Path(trees.staging_of(one))
    Path(one.staged).parent.mkdir(parents=True)
    Path(one.staged).write_text("restored")
    root.chmod(0o755)
    assert trees.staging_of(other) == str(root) == str(data.parent / ".known-good-restore-5")
    assert root.stat().st_mode & 0o7777 == 0o700
    assert Path(one.staged).exists(), "what is staged for another stays"
    trees.staging_of(one)
    assert not Path(one.staged).exists()


def test_a_staging_folder_of_somebody_else_is_refused(trees: Folders, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (swap,) = trees.plan_swaps([str(data)], [str(data)], 5)
    (data.parent / ".known-good-restore-5").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(Refused, match="somebody else"):
        trees.staging_of(swap)


def test_a_staging_folder_that_is_a_link_is_refused(trees: Folders, data: Path) -> None:
    (swap,) = trees.plan_swaps([str(data)], [str(data)], 5)
    (data.parent / ".known-good-restore-5").symlink_to(data)
    with pytest.raises(Refused, match="symbolic link"):
        trees.staging_of(swap)


def test_a_full_disk_is_told(trees: Folders, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", tmp_path / "image") as disk:
        (disk / "data").mkdir()
        (swap,) = trees.plan_swaps([str(disk / "data")], [str(disk)], 5)
        _use_up(disk)
        with pytest.raises(Broken, match="No space left"):
            trees.staging_of(swap)


def _use_up(disk: Path) -> None:
    for size in (1 << 20, 1 << 12, 1):
        try:
            for number in range(100_000):
                (disk / f"{size}-{number}").write_bytes(b"x" * size)
        except OSError:
            pass


def test_discard_removes_what_is_staged_without_following_links(trees: Folders, data: Path, tmp_path: Path) -> None:
    (swap,) = trees.plan_swaps([str(data)], [str(data)], 5)
    root = Path(trees.staging_of(swap))
    Path(swap.staged).mkdir(parents=True)
    Path(f"{swap.staged}/link").symlink_to(data)
    trees.discard(swap)
    assert not root.exists()
    assert (data / "file").exists()


def test_discard_leaves_what_is_staged_for_another(trees: Folders, data: Path) -> None:
    one, other = trees.plan_swaps([str(data / "file"), str(data / "inner")], [str(data)], 5)
    trees.staging_of(one)
    for swap in (one, other):
        Path(swap.staged).mkdir(parents=True)
    trees.discard(one)
    assert Path(other.staged).exists()
    trees.discard(other)
    assert {entry.name for entry in data.iterdir()} == {"file", "inner"}


def test_discard_does_not_mind_that_all_is_gone(trees: Folders, data: Path) -> None:
    (swap,) = trees.plan_swaps([str(data / "inner")], [str(data)], 5)
    trees.discard(swap)
    (data / "inner").rmdir()
    (data / "file").unlink()
    data.rmdir()
    trees.discard(swap)


def test_a_very_deep_tree_is_discarded(trees: Folders, data: Path) -> None:
    (swap,) = trees.plan_swaps([str(data)], [str(data)], 5)
    trees.staging_of(swap)
    Path(swap.staged).mkdir(parents=True)
    descriptor = os.open(swap.staged, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=descriptor)
        inner = os.open("deep", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    trees.discard(swap)
    assert sorted(data.parent.iterdir()) == sorted([data, data.parent / "state"])
