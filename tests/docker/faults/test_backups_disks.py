"""Disks that are full, before and in the middle: the job ends with that reason, the service and its data are as they were."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatbot_service.models import Backup, JobState, Restore, RestoreState
from tests.docker.faults.data_stand import DataStand, data_stand, filled, mounted, own, tree_of, unmounted
from tests.docker.faults.stage import Stage

pytestmark = [pytest.mark.docker, pytest.mark.restic]

ENDED_BADLY = {JobState.FAILED, JobState.REFUSED}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system for backups."""
    folder = tmp_path_factory.mktemp("disk") / "small"
    mounted(folder, "24m")
    yield folder
    unmounted(folder)


@pytest.fixture(scope="module")
def keeping(stage: Stage, small: Path) -> Iterator[DataStand]:
    made = data_stand(stage, repositories=small)
    yield made
    made.clear()


def more(stand: DataStand, size: int) -> Path:
    file = stand.data / "more.bin"
    file.write_bytes(random.Random(size).randbytes(size))
    own(stand.data)
    return file


@pytest.mark.parametrize("mode", ["live", "paused"])
def test_a_repository_that_is_full_ends_a_backup_with_that_reason(keeping: DataStand, mode: str) -> None:
    good = keeping.aged(keeping.backed_up())
    (before,) = keeping.containers()
    added = more(keeping, 40_000_000)
    tree = tree_of(keeping.data)
    job = keeping.done(keeping.backup(mode))
    assert job.state in ENDED_BADLY
    assert "is full: no space is left on its disk" in job.error
    assert not Backup.objects.filter(job=job).exists()
    (after,) = keeping.containers()
    assert after.attrs["State"]["StartedAt"] == before.attrs["State"]["StartedAt"]
    keeping.serves()
    assert tree_of(keeping.data) == tree
    added.unlink()
    keeping.backed_up(mode)
    assert good.snapshot in keeping.snapshots()
    keeping.is_sound()


def test_a_repository_that_fills_up_while_the_service_is_paused_lets_it_go_on_at_once(keeping: DataStand, small: Path) -> None:
    keeping.backed_up()
    job = keeping.backup("paused")
    added = more(keeping, 1_000_000)
    with keeping.stopped_before(job, "take"):
        (one,) = keeping.containers()
        assert one.status == "paused"
        added.write_bytes(random.Random(5).randbytes(2_000_000))
        filler = filled(small, but=300_000)
    assert job.state in ENDED_BADLY
    assert "is full" in job.error
    keeping.serves()
    filler.unlink()
    keeping.backed_up("paused")
    assert keeping.snapshots() - keeping.on_record() == set(), "also what the failed one could not drop"
    keeping.is_sound()


@pytest.fixture(scope="module", params=["in", "at"])
def crowded(stage: Stage, request: pytest.FixtureRequest) -> Iterator[DataStand]:
    """Its data lie in a small file system, or are one."""
    made = data_stand(stage, disk=request.param)
    yield made
    made.clear()


def test_a_disk_that_fills_up_while_a_restore_is_staged_leaves_the_data_as_they_were(crowded: DataStand) -> None:
    added = more(crowded, 20_000_000)
    backup = crowded.backed_up()
    added.unlink()
    (crowded.data / "told.txt").write_text("newer")
    (before,) = crowded.containers()
    tree = tree_of(crowded.data)
    job = crowded.restore(backup)
    with crowded.stopped_before(job, "stage"):
        filler = filled(crowded.small_disk, but=8_000_000)
    filler.unlink()
    assert job.state in ENDED_BADLY
    assert "The disk is full that is restored to" in job.error
    assert tree_of(crowded.data) == tree
    (after,) = crowded.containers()
    assert after.attrs["State"]["StartedAt"] == before.attrs["State"]["StartedAt"]
    assert Restore.objects.get(job=job).state == RestoreState.FAILED
    crowded.nothing_left()
    free = shutil.disk_usage(crowded.small_disk).free
    assert free > 140_000_000, "what was staged takes no room any more"


def test_too_little_space_is_refused_before_anything_is_staged(crowded: DataStand) -> None:
    backup = crowded.backed_up()
    tree = tree_of(crowded.data)
    filler = filled(crowded.small_disk, but=60_000_000)
    job = crowded.done(crowded.restore(backup))
    filler.unlink()
    assert job.state == JobState.REFUSED
    assert job.error_code == "no-space"
    assert job.steps.get(key="stage").state == "waiting"
    assert tree_of(crowded.data) == tree
    crowded.nothing_left()
    crowded.serves()
