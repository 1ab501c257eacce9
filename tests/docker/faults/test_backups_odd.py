"""Odd files, very many and very large ones, through whole jobs: they come back as they were, or it is said what does not."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from chatbot_service.models import Backup, BackupState, JobState
from tests.docker.faults.data_stand import BRISK, DataStand, data_stand, own, tree_of
from tests.docker.faults.stage import Stage
from tests.docker.faults.workers import Rig
from tests.machine import restic_binary

pytestmark = [pytest.mark.docker, pytest.mark.restic]

NAMES = [
    b"with\nnewline", b"with 'quotes' \"both\"", b"latin-\xe9\xff", b"back\\slash*[glob]?", b" spaces ", b"-dash",
    b"tab\tand\x1b[31m", "Äpfel 🍏".encode(), "A\N{COMBINING DIAERESIS}pfel".encode(), b"x" * 255,
]  # fmt: skip


@pytest.fixture(scope="module")
def stand(stage: Stage) -> Iterator[DataStand]:
    made = data_stand(stage)
    yield made
    made.clear()


@pytest.fixture
def folder(stand: DataStand, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A data path of its own, which the service does not mount."""
    made = stand.folder / f"of-{len(request.node.name)}-{request.node.name[5:25]}"
    made.mkdir()
    stand.keeps(made)
    yield made
    stand.keeps(stand.data)
    shutil.rmtree(made)


def emptied(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def test_odd_names_links_pipes_and_attributes_come_back_as_they_were(stand: DataStand, folder: Path) -> None:
    for number, name in enumerate(NAMES):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text(f"content {number}")
    (folder / "to-nowhere").symlink_to("/nowhere/at all")
    (folder / "to-a-folder").symlink_to("deep")
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deep").chmod(0o2751)
    os.link(folder / "-dash", folder / "deep" / "hard link of -dash")
    os.mkfifo(folder / "pipe", 0o640)
    (folder / "empty").mkdir(mode=0o711)
    (folder / "closed").touch(mode=0)
    with suppress(OSError):
        os.setxattr(folder / "-dash", "user.note", b"kept")
        os.setxattr(folder / "deep", "user.note", b"of a folder")
    own(folder / "deep")
    (folder / "deep").chmod(0o2751)
    os.lchown(folder / "to-nowhere", 1234, 5678)
    os.utime(folder / " spaces ", ns=(10**18, 10**18 + 123456789))
    backup, kept = stand.backed_up("paused"), tree_of(folder)
    emptied(folder)
    (folder / "other").write_text("made since")
    became = tree_of(folder)
    job = stand.well(stand.restore(backup))
    assert tree_of(folder) == kept
    stand.well(stand.undo(job))
    assert tree_of(folder) == became
    stand.nothing_left()


def test_setuid_and_devices_do_not_come_back_and_that_is_said(stand: DataStand, folder: Path) -> None:
    tool, plain = folder / "tool", folder / "plain"
    for file, mode in ((tool, 0o6755), (plain, 0o755)):
        file.write_text("#!/bin/sh\n")
        file.chmod(mode)
    with suppress(PermissionError):
        os.mknod(folder / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    backup = stand.backed_up()
    emptied(folder)
    job = stand.well(stand.restore(backup))
    assert {path.name: path.stat().st_mode & 0o7777 for path in folder.iterdir()} == {"tool": 0o755, "plain": 0o755}
    said = job.steps.get(key="stage", is_undo=False).output
    assert f"{tool}: setuid or setgid taken off" in said
    assert "plain" not in said


def test_unreadable_files_make_a_backup_that_is_incomplete_and_does_not_count(
    stand: DataStand, folder: Path, tmp_path: Path
) -> None:
    (folder / "open.txt").write_text("for all")
    (folder / "secret.txt").write_text("for nobody")
    (folder / "secret.txt").chmod(0)
    shutil.chown(folder / "secret.txt", 4321, 4321)
    bare = tmp_path / "restic-without-root's-rights"
    bare.write_text(f'#!/bin/sh\nexec setpriv --bounding-set -all --inh-caps -all {restic_binary()} "$@"\n')
    bare.chmod(0o755)
    good_before = set(Backup.objects.filter(service=stand.service, state=BackupState.GOOD).values_list("pk", flat=True))
    job = stand.done(stand.backup("paused"), Rig(sets=(*BRISK, ("settings.RESTIC_BINARY", str(bare)))))
    assert job.state == JobState.FAILED
    assert "incomplete" in job.error
    assert "secret.txt" in job.error
    backup = Backup.objects.get(job=job)
    assert backup.state == BackupState.INCOMPLETE
    assert set(Backup.objects.filter(service=stand.service, state="good").values_list("pk", flat=True)) == good_before
    stand.serves()
    assert stand.snapshots() == stand.on_record(), "what was copied before the pause is gone"
    assert stand.backed_up().state == BackupState.GOOD


def test_a_hundred_thousand_small_files_come_back(stand: DataStand, folder: Path) -> None:
    for number in range(100):
        inner = folder / f"{number % 10}" / f"{number}"
        inner.mkdir(parents=True)
        descriptor = os.open(inner, os.O_RDONLY)
        for name in range(1000):
            made = os.open(f"{name}", os.O_WRONLY | os.O_CREAT, dir_fd=descriptor)
            os.write(made, b"%d" % (number * name))
            os.close(made)
        os.close(descriptor)
    backup, kept = stand.backed_up(), tree_of(folder)
    assert backup.files >= 100_000
    (folder / "3" / "13" / "7").write_text("spoilt")
    shutil.rmtree(folder / "4")
    stand.well(stand.restore(backup))
    assert tree_of(folder) == kept
    for left in stand.folder.glob(".known-good-restore-*"):
        shutil.rmtree(left)


def test_a_sparse_file_of_5_gb_comes_back_with_its_holes(stand: DataStand, folder: Path) -> None:
    sparse = folder / "sparse.img"
    with sparse.open("wb") as file:
        file.truncate(5_000_000_000)
        for place in (0, 1_234_567_890, 4_999_999_000):
            file.seek(place)
            file.write(os.urandom(1000))
    parts = {place: _part(sparse, place) for place in (0, 1_234_567_890, 4_999_999_000)}
    backup = stand.backed_up()
    assert backup.disk_bytes < 10_000_000, "it needs no more space than it takes"
    sparse.unlink()
    stand.well(stand.restore(backup))
    assert sparse.stat().st_size == 5_000_000_000
    assert sparse.stat().st_blocks * 512 < 50_000_000
    assert {place: _part(sparse, place) for place in parts} == parts


def _part(file: Path, place: int) -> bytes:
    with file.open("rb") as opened:
        opened.seek(place)
        return opened.read(1000)
