"""What the real restic restores passes the comparison, is swapped in, and can be swapped back."""

import os
import socket
from pathlib import Path

import pytest

from chatbot_service.jobs.backup_ports import Measure, Swap
from chatbot_service.restic import Restic
from chatbot_service.restic_commands import Place
from chatbot_service.trees import Folders
from tests import machine
from tests.chatbot_service.mounts import mounted

pytestmark = pytest.mark.restic


def unmeasured(_: Measure) -> None:
    pass


def unsaid(_: str) -> None:
    pass


@pytest.fixture
def restic(tmp_path: Path) -> Restic:
    place = Place(str(tmp_path / "backups/host/chatbot"), "correct-horse-battery-staple-0123456789", {})
    made = Restic(place, "host", tmp_path / "locks", tmp_path / "cache", machine.restic_binary())
    made.prepare()
    return made


@pytest.fixture
def trees(tmp_path: Path) -> Folders:
    return Folders(tmp_path / "state")


def plant(data: Path) -> None:
    (data / "inner").mkdir(parents=True)
    for name in (b"new\nline", b"quote \" '", b"*?[a]\\", b"\xff", b"\xfe", b"caf\xe9", "ü".encode(), b"\xe2\x82", b" ", b"-x"):
        Path(os.fsdecode(bytes(data) + b"/inner/" + name)).write_bytes(name)
    (data / "program").write_text("#!")
    (data / "program").chmod(0o4755)
    (data / "shared").mkdir()
    (data / "shared").chmod(0o3777)
    if os.geteuid() == 0:
        os.chown(data / "shared", 1234, 4321)
    os.link(data / "program", data / "shared/hard link")
    (data / "link").symlink_to("inner/nowhere")
    os.mkfifo(data / "pipe")
    with (data / "sparse").open("wb") as sparse:
        sparse.truncate(50_000_000)
    os.setxattr(data / "sparse", "user.word", b"x")
    os.utime(data / "inner", ns=(1, 1_234_567_890_987_654_321))
    os.utime(data / "link", ns=(5, 6), follow_symlinks=False)


def staged(trees: Folders, restic: Restic, data: Path) -> tuple[Swap, str]:
    snapshot = restic.take([str(data)], ["service=chatbot"], unmeasured, 60).snapshot
    (swap,) = trees.plan_swaps([str(data)], [str(data)], 3)
    root = trees.staging_of(swap)
    restic.restore(snapshot, [swap.target], root, unmeasured, 60, unsaid)
    return swap, snapshot


def test_what_restic_restores_is_equal_and_harmless(trees: Folders, restic: Restic, tmp_path: Path) -> None:
    data = tmp_path / "data"
    plant(data)
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(str(data / "socket"))
    swap, snapshot = staged(trees, restic, data)
    into = swap.staged.removesuffix(swap.target)
    whole = trees.differences(restic.nodes(snapshot, swap.target), into, without_setuid=False)
    assert (whole.compared, whole.different, whole.examples) == (18, 0, ())
    told = trees.harmless(swap, keep_setuid=False)
    assert told in ([f"{data}/{name}: setuid or setgid taken off"] for name in ("program", "shared/hard link"))
    assert trees.differences(restic.nodes(snapshot, swap.target), into, without_setuid=True).different == 0
    assert trees.differences(restic.nodes(snapshot, swap.target), into, without_setuid=False).different == 2


def test_the_data_as_they_are_now_are_compared_with_a_snapshot(trees: Folders, restic: Restic, tmp_path: Path) -> None:
    data = tmp_path / "data"
    plant(data)
    snapshot = restic.take([str(data)], [], unmeasured, 60).snapshot
    assert trees.differences(restic.nodes(snapshot, str(data)), "", without_setuid=False).different == 0
    assert trees.differences(restic.nodes(snapshot), "/", without_setuid=False).missing == 0
    (data / "inner/ü").unlink()
    now = trees.differences(restic.nodes(snapshot, str(data)), "", without_setuid=False)
    assert (now.missing, now.extra) == (1, 0)


@pytest.mark.parametrize("is_mount", [False, True])
def test_a_restore_brings_back_what_was_and_its_undo_what_came_after(
    trees: Folders, restic: Restic, tmp_path: Path, is_mount: bool
) -> None:
    data = tmp_path / "data"
    with mounted(data if is_mount else tmp_path / "elsewhere", tmp_path / "image"):
        plant(data)
        swap, snapshot = staged(trees, restic, data)
        (data / "inner/ü").write_text("changed")
        (data / "later").touch()
        swap = trees.seen(swap)
        trees.swap(swap)
        assert trees.differences(restic.nodes(snapshot, str(data)), "", without_setuid=False).examples == ()
        trees.swap_back(swap)
        assert (data / "inner/ü").read_text() == "changed"
        assert (data / "later").exists()
        trees.discard(swap)
        assert not list(tmp_path.rglob(".known-good-*"))
