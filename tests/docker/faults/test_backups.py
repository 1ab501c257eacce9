"""Backup, restore, undo and rehearsal as a whole, on a service that runs: it serves afterwards, and sees what was put back."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chatbot_service import backup_starting
from chatbot_service.models import Backup, Job, JobState, Kind, Restore, RestoreRehearsal, RestoreState
from tests.docker.faults.data_stand import BRISK, DataStand, data_stand, own, tree_of
from tests.docker.faults.stage import Stage
from tests.docker.faults.workers import Rig
from tests.machine import restic_binary

pytestmark = [pytest.mark.docker, pytest.mark.restic]


@pytest.fixture(scope="module")
def stand(stage: Stage) -> Iterator[DataStand]:
    """In a folder and in a named volume."""
    made = data_stand(stage, volume=True)
    yield made
    made.clear()


@pytest.fixture(scope="module")
def beating(stage: Stage) -> Iterator[DataStand]:
    """It writes all the time."""
    made = data_stand(stage, beats=True)
    yield made
    made.clear()


@dataclass
class Client:
    """Asks again and again. `gaps`: from the last answer before to the first one after, each longer than usual."""

    stand: DataStand
    gaps: list[float] = field(default_factory=list)

    @contextmanager
    def asking(self) -> Iterator[None]:
        over = threading.Event()
        asks = threading.Thread(target=self._ask, args=(over,))
        asks.start()
        try:
            yield
        finally:
            over.set()
            asks.join()

    def _ask(self, over: threading.Event) -> None:
        last, was_well = time.monotonic(), True
        while not over.is_set():
            begun = time.monotonic()
            if b"keeper" in self.stand._answer():
                if not was_well:
                    self.gaps.append(time.monotonic() - last)
                last, was_well = begun, True
            else:
                was_well = False
            time.sleep(0.005)

    @property
    def longest(self) -> float:
        return max(self.gaps, default=0.0)


def beats(text: bytes) -> list[tuple[int, float]]:
    found = [line.split() for line in text.decode().splitlines() if line.count(" ") == 1]
    return [(int(number), float(moment)) for number, moment in found]


def in_backup(stand: DataStand, backup: Backup, name: str) -> bytes:
    """A file of it, out of the archive that a download would be: one header, then the content."""
    archive = b"".join(stand.restic().tar(backup.snapshot, str(stand.data / name)))
    return archive[512 : 512 + int(archive[124:135], 8)]


@pytest.mark.parametrize("mode", ["paused", "stopped"])
def test_held_for_a_backup_nothing_is_lost_and_it_goes_on(beating: DataStand, mode: str) -> None:
    job = beating.backup(mode)
    beating.well(job)
    beating.serves()
    backup = Backup.objects.get(job=job)
    assert backup.mode == mode
    assert 0 < backup.paused_seconds < 10
    assert backup.changed_meanwhile > 0, "it has written since"
    held = job.steps.get(key="hold", is_undo=False).started_at
    first = job.steps.get(key="first-pass", is_undo=False).ended_at
    assert held
    assert first
    one, other = (beats(in_backup(beating, backup, name)) for name in ("beat-a", "beat-b"))
    now = beats((beating.data / "beat-a").read_bytes())
    assert one == now[: len(one)], "from the first line on, none left out"
    assert set(map(tuple, (line for line in now if line[1] < held.timestamp()))) <= set(one)
    assert any(first.timestamp() < moment for _number, moment in one), "with what was written between the passes"
    assert len(one) - len(other) in {0, 1}, "of one moment: first the one file is written, then the other"
    assert len(now) > len(one)
    beating.is_sound()


@pytest.mark.parametrize("mode", ["paused", "stopped"])
def test_a_copy_that_takes_longer_than_the_service_may_be_held_is_given_up_and_it_goes_on(
    beating: DataStand, tmp_path: Path, mode: str
) -> None:
    slow = tmp_path / "slow-restic"
    slow.write_text(f'#!/bin/sh\ncase "$*" in *"--tag backup"*) sleep 30;; esac\nexec {restic_binary()} "$@"\n')
    slow.chmod(0o755)
    beating.plan(longest_pause=1)
    client = Client(beating)
    with client.asking():
        job = beating.done(beating.backup(mode), Rig(sets=(*BRISK, ("settings.RESTIC_BINARY", str(slow)))))
    beating.plan(longest_pause=60)
    assert job.state == JobState.FAILED
    assert "did not end in 1 s" in job.error
    beating.serves()
    assert client.longest < 5
    assert beating.snapshots() == beating.on_record()


def test_a_live_backup_leaves_the_service_alone_and_counts_what_changed(beating: DataStand) -> None:
    (one,) = beating.containers()
    client = Client(beating)
    with client.asking():
        backup = beating.backed_up("live")
    assert client.gaps == []
    assert backup.paused_seconds == 0
    assert backup.changed_meanwhile >= 2
    assert backup.fingerprint == ""
    (other,) = beating.containers()
    assert other.attrs["State"]["StartedAt"] == one.attrs["State"]["StartedAt"]


def test_a_restore_serves_what_was_backed_up_and_its_undo_what_came_after(stand: DataStand) -> None:
    paths = [stand.data, stand.in_volume]
    backup, kept = stand.backed_up("stopped"), tree_of(paths)
    (stand.data / "told.txt").write_text("as it became")
    (stand.in_volume / "told.txt").unlink()
    (stand.in_volume / "new.txt").write_text("made since")
    became = tree_of(paths)
    client = Client(stand)
    with client.asking():
        restored = stand.well(stand.restore(backup), Rig())
    steps = {row.key: row for row in restored.steps.filter(is_undo=False)}
    took = {key: row.ended_at - row.started_at for key, row in steps.items() if row.ended_at and row.started_at}
    stop_start = sum(took[key].total_seconds() for key in ("stop", "start"))
    print(f"\ndowntime of a restore: {client.longest:.2f} s, of which stop and start took {stop_start:.2f} s")  # noqa: T201 - for who measures
    assert client.longest < stop_start + 2
    assert tree_of(paths) == kept
    assert stand.cat("/data/told.txt") == "as it was first"
    assert stand.cat("/box/told.txt") == "as it was first"
    assert stand.read("/box/told.txt") == b"as it was first"
    row = Restore.objects.get(job=restored)
    assert row.state == RestoreState.DONE
    assert tree_of([Path(swap["staged"]) for swap in row.swaps]) != tree_of(paths)
    assert (Path(row.swaps[0]["staged"]) / "told.txt").read_text() == "as it became"
    stand.nothing_left()
    stand.well(stand.undo(restored))
    assert tree_of(paths) == became
    assert stand.cat("/data/told.txt") == "as it became"
    assert stand.cat("/box/new.txt") == "made since"
    stand.nothing_left()
    stand.serves()


def test_chosen_paths_come_back_and_the_rest_stays(stand: DataStand) -> None:
    backup = stand.backed_up()
    (stand.data / "sub-1" / "1.txt").write_text("spoilt")
    (stand.data / "told.txt").write_text("newer")
    (stand.in_volume / "large.bin").unlink()
    job = stand.well(stand.restore(backup, stand.data / "sub-1", stand.in_volume / "large.bin"))
    assert stand.cat("/data/sub-1/1.txt").startswith("words 1 ")
    assert stand.cat("/data/told.txt") == "newer"
    assert (stand.in_volume / "large.bin").stat().st_size == 3_000_000
    stand.well(stand.undo(job))
    assert stand.cat("/data/sub-1/1.txt") == "spoilt"
    assert not (stand.in_volume / "large.bin").exists()
    stand.nothing_left()
    (stand.in_volume / "large.bin").write_bytes(b"there again")


def test_a_rehearsal_boots_on_the_copy_cut_off_from_every_network_and_leaves_nothing(stand: DataStand) -> None:
    backup = stand.backed_up()
    before = tree_of(stand.data)
    seen: list[tuple[str, list[str], str]] = []
    over = threading.Event()

    def watch() -> None:
        begins = f"kg-restored-{stand.name[:40]}-"
        while not over.is_set():
            for one in stand.engine.api.containers():
                if str(one["Labels"].get("com.docker.compose.project", "")).startswith(begins):
                    mounts = [mount.get("Source", "") for mount in one["Mounts"]]
                    seen.append((one["HostConfig"]["NetworkMode"], list(one["NetworkSettings"]["Networks"]), str(mounts)))
            time.sleep(0.02)

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        job = stand.well(backup_starting.rehearse(stand.service, backup, stand.request))
    finally:
        over.set()
        watching.join()
    passed = RestoreRehearsal.objects.get(job=job)
    assert passed.passed
    assert passed.boot_seconds
    assert seen
    assert {(mode, *networks) for mode, networks, _ in seen} == {("none", "none")}
    assert all(str(stand.data) + "'" not in re.sub(r"[^']*rehearsals[^']*", "", mounts) for _, _, mounts in seen)
    assert tree_of(stand.data) == before
    stand.nothing_left()
    stand.serves()


def test_an_upgrade_backs_up_before_it_pins(stand: DataStand) -> None:
    to = stand.stage.build("keeper-2", image="keeper", repository="stage/keeper")
    (stand.data / "told.txt").write_text("before the upgrade")
    own(stand.data)
    stand.plan(mode="paused", before_upgrade=True)
    job = stand.well(stand.upgrade(to))
    backup = Backup.objects.get(job=job)
    assert backup.digest == stand.stage.build("keeper", repository="stage/keeper").digest
    assert backup.paused_seconds > 0
    steps = {row.key: row for row in job.steps.filter(is_undo=False)}
    ended, pinned = steps["backup"].ended_at, steps["pin"].started_at
    assert ended
    assert pinned
    assert ended <= pinned
    assert in_backup(stand, backup, "told.txt") == b"before the upgrade"
    stand.serves()
    assert Job.objects.filter(service=stand.service, kind=Kind.UPGRADE).count() == 1
