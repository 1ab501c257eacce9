"""Repositories with damage, runs that were killed: with the real restic, byte by byte."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

from chatbot_service.jobs.backup_ports import Measure
from chatbot_service.restic import Restic
from chatbot_service.restic_commands import Place
from deploy_records.errors import Broken, Refused
from tests import machine

pytestmark = pytest.mark.restic

PASSWORD = "correct-horse-battery-staple-0123456789-secret"


def unmeasured(_: Measure) -> None:
    pass


def unsaid(_: str) -> None:
    pass


@dataclass(frozen=True)
class Kept:
    """A repository with three snapshots, each of data that no other has, and which packs each brought."""

    folder: Path
    source: Path
    snapshots: tuple[str, ...]
    packs: tuple[tuple[str, ...], ...]

    def opened(self, scratch: Path) -> Restic:
        return Restic(Place(str(self.folder), PASSWORD), "host", scratch / "locks", scratch / "cache", machine.restic_binary())

    def pack(self, number: int, kind: str) -> Path:
        """Of the packs that a snapshot brought the one with the files' content or the one with names and folders."""
        files = sorted((self.folder / "data" / name[:2] / name for name in self.packs[number]), key=lambda f: f.stat().st_size)
        return files[-1 if kind == "content" else 0]


def packs_in(folder: Path) -> set[str]:
    return {path.name for path in (folder / "data").rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    scratch = tmp_path_factory.mktemp("made")
    source = scratch / "data"
    source.mkdir()
    empty = Kept(scratch / "repository", source, (), ())
    restic = empty.opened(scratch)
    restic.prepare()
    snapshots, packs = [], []
    for number in range(3):
        before = packs_in(empty.folder)
        for path in source.iterdir():
            path.unlink()
        (source / f"file {number}").write_bytes(os.urandom(400_000))
        snapshots.append(restic.take([str(source)], [], unmeasured, 60).snapshot)
        packs.append(tuple(packs_in(empty.folder) - before))
    return Kept(empty.folder, source, tuple(snapshots), tuple(packs))


@pytest.fixture
def kept(made: Kept, tmp_path: Path) -> Kept:
    shutil.copytree(made.folder, tmp_path / "repository")
    return Kept(tmp_path / "repository", made.source, made.snapshots, made.packs)


@pytest.fixture
def restic(kept: Kept, tmp_path: Path) -> Restic:
    """With an empty cache: what is damaged cannot be had from there."""
    return kept.opened(tmp_path)


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)


def restores(restic: Restic, kept: Kept, into: Path) -> list[bool]:
    """Of each snapshot whether it comes back."""
    came = []
    for snapshot in kept.snapshots:
        try:
            restic.restore(snapshot, [str(kept.source)], str(into / snapshot), unmeasured, 60, unsaid)
            came.append(True)
        except Broken:
            came.append(False)
    return came


# Damage


def test_a_whole_repository_has_no_errors_and_all_snapshots_come_back(restic: Restic, kept: Kept, tmp_path: Path) -> None:
    checked = restic.check("100%", unsaid, 60)
    assert (checked.whole, checked.errors, restic.damaged_by([])) == (True, (), frozenset())
    assert restores(restic, kept, tmp_path) == [True, True, True]


@pytest.mark.parametrize("kind", ["content", "names"])
def test_a_flipped_byte_is_found_and_only_the_snapshot_that_needs_it_is_lost(
    restic: Restic, kept: Kept, tmp_path: Path, kind: str
) -> None:
    pack = kept.pack(1, kind)
    flip(pack, 60)
    checked = restic.check("100%", unsaid, 60)
    assert checked.damaged_packs == (pack.name,)
    assert any("ciphertext verification failed" in error for error in checked.errors)
    assert restic.damaged_by(checked.damaged_packs) == {kept.snapshots[1]}
    assert restores(restic, kept, tmp_path) == [True, False, True]


def test_damage_in_content_is_not_found_without_reading_it_back(restic: Restic, kept: Kept) -> None:
    flip(kept.pack(1, "content"), 60)
    assert restic.check("", unsaid, 60).whole


def test_damaged_names_are_found_by_the_structure_alone(restic: Restic, kept: Kept) -> None:
    flip(kept.pack(1, "names"), 60)
    checked = restic.check("", unsaid, 60)
    assert checked.damaged_packs == (kept.pack(1, "names").name,)
    assert restic.damaged_by(()) == {kept.snapshots[1]}


def test_a_flipped_byte_at_the_end_of_a_pack_counts_as_damage_of_what_is_in_it(restic: Restic, kept: Kept) -> None:
    pack = kept.pack(1, "content")
    flip(pack, -10)
    checked = restic.check("100%", unsaid, 60)
    assert checked.damaged_packs == (pack.name,)
    assert restic.damaged_by(checked.damaged_packs) == {kept.snapshots[1]}


@pytest.mark.parametrize("share", ["", "100%"])
@pytest.mark.parametrize("kind", ["content", "names"])
def test_a_missing_pack_is_found_and_only_the_snapshot_that_needs_it_is_lost(
    restic: Restic, kept: Kept, tmp_path: Path, kind: str, share: str
) -> None:
    pack = kept.pack(2, kind)
    pack.unlink()
    checked = restic.check(share, unsaid, 60)
    assert checked.damaged_packs == (pack.name,)
    assert any("does not exist" in error for error in checked.errors)
    assert restic.damaged_by(checked.damaged_packs) == {kept.snapshots[2]}
    assert restores(restic, kept, tmp_path) == [True, True, False]


@pytest.mark.parametrize("how", ["flipped", "flipped at its end", "missing"])
@pytest.mark.parametrize("kind", ["content", "names"])
def test_healed_the_next_backup_copies_anew_what_was_lost_and_rests_on_nothing_damaged(
    restic: Restic, kept: Kept, tmp_path: Path, kind: str, how: str
) -> None:
    pack = kept.pack(2, kind)
    if how == "missing":
        pack.unlink()
    else:
        flip(pack, -10 if "end" in how else 60)
    restic.heal(restic.check("100%", unsaid, 60).damaged_packs, unsaid)
    lost = set() if "end" in how else {kept.snapshots[2]}  # at its end is what the index says as well
    assert restic.damaged_by(()) == lost
    taken = restic.take([str(kept.source)], [], unmeasured, 60)
    assert taken.unreadable == ()
    assert restic.damaged_by(()) <= lost, "names that were lost come again only if the folders above are as they were"
    assert restores(restic, kept, tmp_path)[:2] == [True, True]
    restic.restore(taken.snapshot, [str(kept.source)], str(tmp_path / "into"), unmeasured, 60, unsaid)
    restic.forget([kept.snapshots[2]], unsaid)
    assert restic.check("100%", unsaid, 60).whole
    assert not list((tmp_path / "cache").rglob("pack-*")), "no copy of what was damaged is left"


def test_healing_is_refused_when_all_packs_are_gone_as_that_is_a_disk_that_is_not_mounted(restic: Restic, kept: Kept) -> None:
    shutil.move(kept.folder / "data", kept.folder / "elsewhere")
    (kept.folder / "data").mkdir()
    with pytest.raises(Refused, match="See whether its disk is mounted"):
        restic.heal(kept.packs[2], unsaid)
    (kept.folder / "data").rmdir()
    shutil.move(kept.folder / "elsewhere", kept.folder / "data")
    assert restic.check("100%", unsaid, 60).whole


def test_a_missing_index_loses_the_snapshots_that_need_what_it_lists(restic: Restic, kept: Kept) -> None:
    next((kept.folder / "index").iterdir()).unlink()
    checked = restic.check("", unsaid, 60)
    assert any("not found in repository" in error for error in checked.errors)
    assert len(restic.damaged_by(checked.damaged_packs)) == 1


def test_a_damaged_index_loses_them_all_until_it_is_repaired(restic: Restic, kept: Kept) -> None:
    flip(next((kept.folder / "index").iterdir()), 50)
    checked = restic.check("", unsaid, 60)
    assert any("error loading index" in error for error in checked.errors)
    assert restic.damaged_by(checked.damaged_packs) == set(kept.snapshots)


def test_a_damaged_snapshot_file_is_found_and_the_others_are_still_listed(restic: Restic, kept: Kept) -> None:
    flip(kept.folder / "snapshots" / kept.snapshots[0], 50)
    assert any("failed to load snapshot" in error for error in restic.check("", unsaid, 60).errors)
    assert {one.id for one in restic.snapshots()} == set(kept.snapshots[1:])


def test_a_missing_snapshot_file_is_seen_in_the_list_alone(restic: Restic, kept: Kept) -> None:
    (kept.folder / "snapshots" / kept.snapshots[0]).unlink()
    assert restic.check("100%", unsaid, 60).whole
    assert restic.snapshot(kept.snapshots[0]) is None


@pytest.mark.parametrize("file", ["config", "keys"])
def test_damage_of_what_opens_the_repository_is_found_as_well(restic: Restic, kept: Kept, file: str) -> None:
    path = kept.folder / file
    flip(path if path.is_file() else next(path.iterdir()), 50)
    assert not restic.check("", unsaid, 60).whole
    with pytest.raises(Broken, match="is damaged"):
        restic.snapshots()


def test_a_download_of_what_is_damaged_is_broken_before_it_ends(restic: Restic, kept: Kept) -> None:
    flip(kept.pack(1, "content"), 60)
    with pytest.raises(Broken, match="damaged"):
        list(restic.tar(kept.snapshots[1], str(kept.source)))
    with pytest.raises(Broken, match="damaged"):
        list(restic.tar(kept.snapshots[1], f"{kept.source}/file 1"))
    assert b"".join(restic.tar(kept.snapshots[0], str(kept.source)))


def test_a_listing_of_what_is_damaged_is_broken(restic: Restic, kept: Kept) -> None:
    kept.pack(1, "names").unlink()
    with pytest.raises(Broken):
        list(restic.nodes(kept.snapshots[1]))
    assert list(restic.nodes(kept.snapshots[0]))


# Runs that were killed

WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from chatbot_service.restic import Restic
from chatbot_service.restic_commands import Place
restic = Restic(Place({url!r}, {password!r}), "host", Path({scratch!r}) / "locks", Path({scratch!r}) / "cache", {binary!r})
print("begins", flush=True)
restic.take([{data!r}], [], lambda measure: print("goes on", flush=True), 60)
"""


@pytest.fixture
def worker(kept: Kept, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """A process that takes a backup of so much that it can be killed meanwhile."""
    data = tmp_path / "large"
    data.mkdir()
    for number in range(6):
        (data / str(number)).write_bytes(os.urandom(40_000_000))
    text = WORKER.format(
        root=str(settings.BASE_DIR), url=str(kept.folder), password=PASSWORD, scratch=str(tmp_path),
        binary=machine.restic_binary(), data=str(data),
    )  # fmt: skip
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        started.append(subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def restic_of(process: subprocess.Popen[str], repository: Path) -> int:
    """The number of the restic that it runs, once that has its lock."""
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children and any(len(lock.name) == 64 for lock in (repository / "locks").iterdir()):
            return int(children[0])
        time.sleep(0.01)
    raise AssertionError("no restic was started")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_backup_leaves_no_lock_that_keeps_the_next_ones_waiting(
    worker: Callable[[], subprocess.Popen[str]], restic: Restic, kept: Kept
) -> None:
    process = worker()
    pid = restic_of(process, kept.folder)
    process.kill()
    begun = time.monotonic()
    restic.forget([kept.snapshots[0]], unsaid)
    assert time.monotonic() - begun < 8
    assert not alive(pid)
    assert list((kept.folder / "locks").iterdir()) == []
    assert restic.check("100%", unsaid, 60).whole


def test_a_run_that_hangs_is_waited_for_and_then_said(
    worker: Callable[[], subprocess.Popen[str]], restic: Restic, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbot_service.restic_run.LOCK_TIMEOUT", 0.3)
    process = worker()
    pid = restic_of(process, kept.folder)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(Broken, match=r"Another restic run .* has not ended"):
        restic.forget([kept.snapshots[0]], unsaid)
    assert len(restic.snapshots()) == 3
    os.kill(pid, signal.SIGKILL)


def test_a_lock_whose_number_another_process_has_by_now_is_taken_away(
    worker: Callable[[], subprocess.Popen[str]], restic: Restic, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held up as by another host: restic alone would wait half an hour."""
    process = worker()
    pid = restic_of(process, kept.folder)
    os.kill(pid, signal.SIGSTOP)
    process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr("chatbot_service.restic_run._taken", lambda _: True)
    monkeypatch.setattr("chatbot_service.restic_run._runs_restic", lambda _: False)
    restic.forget([kept.snapshots[0]], unsaid)
    assert len(restic.snapshots()) == 2
    os.kill(pid, signal.SIGKILL)


def test_a_lock_of_somebody_who_still_works_is_refused(
    worker: Callable[[], subprocess.Popen[str]], restic: Restic, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatbot_service.restic_run._taken", lambda _: True)
    monkeypatch.setattr("chatbot_service.restic_run.RETRY_LOCK", ("--retry-lock", "1s"))
    process = worker()
    pid = restic_of(process, kept.folder)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(Refused, match=rf"is locked by another restic run \(PID {pid} on "):
        restic.forget([kept.snapshots[0]], unsaid)
    os.kill(pid, signal.SIGKILL)


def test_no_secret_is_on_the_command_line_while_it_runs(worker: Callable[[], subprocess.Popen[str]], kept: Kept) -> None:
    process = worker()
    told = Path(f"/proc/{restic_of(process, kept.folder)}/cmdline").read_bytes()
    assert b"backup" in told
    assert PASSWORD.encode() not in told
    assert str(kept.folder).encode() not in told
