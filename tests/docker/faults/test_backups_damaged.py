"""Damage in a repository is found, marked and said; what is hit is not restored, all else is. And what is never restored."""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatbot_service import backup_starting
from chatbot_service.dispatch import Order, start
from chatbot_service.models import Backup, BackupState, Job, JobState, Kind, Restore, RestoreRehearsal, RestoreState
from deploy_records.errors import Refused
from tests.docker.faults.data_stand import DataStand, data_stand, own, tree_of
from tests.docker.faults.stage import Stage

pytestmark = [pytest.mark.docker, pytest.mark.restic]


@pytest.fixture(scope="module")
def stand(stage: Stage) -> Iterator[DataStand]:
    made = data_stand(stage)
    yield made
    made.clear()


def packs(stand: DataStand) -> set[Path]:
    return {path for path in (stand.repository_folder / "data").rglob("*") if path.is_file()}


def with_its_own_pack(stand: DataStand, name: str) -> tuple[Backup, Path]:
    """A backup of data that no other has, and the pack which holds their content."""
    before = packs(stand)
    (stand.data / f"{name}.bin").write_bytes(random.Random(name).randbytes(1_500_000))
    own(stand.data)
    backup = stand.backed_up()
    (stand.data / f"{name}.bin").unlink()
    return backup, max(packs(stand) - before, key=lambda path: path.stat().st_size)


def flip(pack: Path) -> None:
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(content)


def is_refused(stand: DataStand, backup: Backup) -> None:
    backup.refresh_from_db()
    assert backup.state == BackupState.DAMAGED
    assert backup.why
    with pytest.raises(Refused) as refused:
        stand.restore(backup)
    assert refused.value.code == "damaged"


def restores(stand: DataStand, backup: Backup, tree: str) -> None:
    stand.well(stand.restore(backup))
    assert tree_of(stand.data) == tree
    stand.serves()


def test_a_flipped_byte_is_found_by_a_rehearsal_and_a_missing_pack_by_a_check(stand: DataStand) -> None:
    good, tree = stand.aged(stand.backed_up()), tree_of(stand.data)
    flipped, pack = with_its_own_pack(stand, "flipped")
    stand.aged(flipped)
    flip(pack)
    job = stand.done(backup_starting.rehearse(stand.service, flipped, stand.request))
    assert job.state == JobState.FAILED
    assert not RestoreRehearsal.objects.get(job=job).passed
    is_refused(stand, flipped)
    restores(stand, good, tree)

    missing, pack = with_its_own_pack(stand, "missing")
    pack.unlink()
    job = stand.done(backup_starting.check(stand.service, stand.request))
    assert job.state == JobState.FAILED
    assert "Damage found" in job.error
    is_refused(stand, missing)
    good.refresh_from_db()
    assert good.state == BackupState.GOOD
    restores(stand, good, tree)
    stand.nothing_left()


def test_damage_that_nobody_has_found_yet_ends_a_restore_before_the_service_is_touched(stand: DataStand) -> None:
    hit, pack = with_its_own_pack(stand, "unknown")
    flip(pack)
    tree = tree_of(stand.data)
    (before,) = stand.containers()
    job = stand.done(stand.restore(hit))
    assert job.state == JobState.FAILED
    assert tree_of(stand.data) == tree
    (after,) = stand.containers()
    assert after.attrs["State"]["StartedAt"] == before.attrs["State"]["StartedAt"]
    is_refused(stand, hit)
    stand.nothing_left()


@pytest.mark.parametrize("how", ["flip", "unlink"])
def test_after_damage_was_found_the_next_backup_is_whole_again(stage: Stage, how: str) -> None:
    """Also of the very data whose copy is damaged."""
    stand = data_stand(stage)
    stand.backed_up()
    pack = max(packs(stand), key=lambda path: path.stat().st_size)
    flip(pack) if how == "flip" else pack.unlink()
    job = stand.done(start(Order(Kind.CHECK, stand.host, stand.service, asked={"share": "100%"}), stand.request))
    assert job.state == JobState.FAILED
    tree = tree_of(stand.data)
    backup = stand.backed_up()
    (stand.data / "large.bin").unlink()
    restores(stand, backup, tree)
    stand.clear()


# What is never restored


def ordered(stand: DataStand, backup: Backup, *paths: str) -> Job:
    """Past the rules of the entrance, as a forged order would be."""
    restore = Restore.objects.create(
        service=stand.service, backup=backup, paths=list(paths), state=RestoreState.STARTED, asked_by=stand.stage.operator
    )
    asked = {"backup": backup.pk, "paths": list(paths), "restore": restore.pk}
    job = start(Order(Kind.RESTORE, stand.host, stand.service, asked=asked), stand.request)
    Restore.objects.filter(pk=restore.pk).update(job=job)
    return stand.done(job)


def untouched(stand: DataStand, job: Job, tree: str) -> None:
    assert job.state == JobState.REFUSED, f"{job.state}: {job.error}"
    assert "Nothing was changed" in job.error
    assert not job.steps.filter(touches=True).exclude(state="waiting").exists()
    assert tree_of(stand.data) == tree
    stand.nothing_left()


@pytest.mark.parametrize(
    "path", ["/etc", "/etc/passwd", "{data}/../../..", "{parent}", "{data}-other", "{data}/sub-1/../../.env"]
)
def test_a_path_outside_the_data_is_refused_by_the_entrance_and_by_the_job(stand: DataStand, path: str) -> None:
    backup, tree = stand.backed_up(), tree_of(stand.data)
    asked = path.format(data=stand.data, parent=stand.folder)
    with pytest.raises(Refused):
        stand.restore(backup, asked)
    untouched(stand, ordered(stand, backup, asked), tree)


def test_a_backup_of_another_service_is_refused_by_the_entrance_and_by_the_job(stand: DataStand, stage: Stage) -> None:
    other = data_stand(stage)
    backup, tree = other.backed_up(), tree_of(stand.data)
    with pytest.raises(Refused) as refused:
        backup_starting.restore(backup, [], stand.request, confirmed=other.name, service=stand.service)
    assert refused.value.code == "other-service"
    untouched(stand, ordered(stand, backup), tree)
    # A row that names the other's snapshot, in a repository that holds it.
    mine = stand.backed_up()
    shared = other.restic().snapshot(backup.snapshot)
    assert shared
    Backup.objects.filter(pk=mine.pk).update(snapshot=shared.id, tree=shared.tree, repository=other.kept_in)
    job = ordered(stand, mine)
    assert job.state in {JobState.REFUSED, JobState.FAILED}
    assert not job.steps.filter(touches=True).exclude(state="waiting").exists()
    assert tree_of(stand.data) == tree
    other.clear()


def test_a_backup_of_a_digest_that_is_not_in_the_ledger_is_refused_by_the_entrance_and_by_the_job(stand: DataStand) -> None:
    backup, tree = stand.backed_up(), tree_of(stand.data)
    Backup.objects.filter(pk=backup.pk).update(digest=f"sha256:{hashlib.sha256(b'nobody knows it').hexdigest()}")
    backup.refresh_from_db()
    with pytest.raises(Refused) as refused:
        stand.restore(backup)
    assert refused.value.code == "unknown-digest"
    untouched(stand, ordered(stand, backup), tree)
