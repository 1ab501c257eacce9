"""Backup, restore, their undo and rehearsal: whole jobs on real folders and the real restic."""

import io
import os
import random
import tarfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from chatbot_service import backup_clearing, dispatch
from chatbot_service.backup_records import JobBackups
from chatbot_service.job_sight import follow
from chatbot_service.models import (
    Backup,
    BackupMode,
    BackupState,
    JobState,
    Kind,
    Restore,
    RestoreRehearsal,
    RestoreState,
)
from tests.chatbot_service.data_stage import DataStage
from tests.chatbot_service.test_runner import WorkerDied

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage(tmp_path: Path) -> DataStage:
    made = DataStage(tmp_path)
    made.write("a.txt", "first")
    made.write("sub/b.txt", "second")
    return made


def settled(stage: DataStage) -> None:
    """The racy moment is over: what was just written may be trusted."""
    time.sleep(0.1)


def test_a_backup_is_on_record_with_what_it_holds_verified(stage: DataStage) -> None:
    backup = stage.backed_up()
    assert backup.state == BackupState.GOOD
    assert backup.files >= 2
    assert backup.bytes > 0
    assert backup.paths == [str(stage.data)]
    assert backup.digest == stage.old.digest
    assert backup.verified_at is not None
    snapshot = stage.restic().snapshot(backup.snapshot)
    assert snapshot is not None
    assert snapshot.tree == backup.tree
    assert f"service={stage.service.name}" in snapshot.tags
    assert f"digest={stage.old.digest}" in snapshot.tags


def test_compose_files_and_names_of_variables_are_kept_but_no_value(stage: DataStage) -> None:
    backup = stage.backed_up()
    held = {Path(node.path).name: node for node in stage.restic().nodes(backup.snapshot)}
    assert {"docker-compose.yml", "environment-names.txt"} <= set(held)
    assert ".env" not in held
    names = b"".join(stage.restic().tar(backup.snapshot, held["environment-names.txt"].path))
    assert b"OPENROUTER_API_KEY\nPORT\n" in names
    assert b"not-to-be-kept" not in names


def test_values_are_kept_where_the_plan_says_so(stage: DataStage) -> None:
    stage.plan(with_values=True)
    backup = stage.backed_up()
    assert any(node.path.endswith("/.env") for node in stage.restic().nodes(backup.snapshot))


def test_what_has_not_changed_is_not_copied_again(stage: DataStage) -> None:
    settled(stage)
    first, second = stage.backed_up(), stage.backed_up()
    assert second.unchanged
    assert second.snapshot == first.snapshot
    assert second.at > first.at
    assert second.verified_at == first.verified_at
    assert len(stage.restic().snapshots()) == 1


def test_what_has_changed_is_copied(stage: DataStage) -> None:
    settled(stage)
    first = stage.backed_up()
    stage.write("a.txt", "other")
    second = stage.backed_up()
    assert not second.unchanged
    assert second.snapshot != first.snapshot
    assert second.added_bytes < 100_000


def test_another_digest_that_runs_makes_another_snapshot(stage: DataStage) -> None:
    settled(stage)
    first = stage.backed_up()
    stage.world.run(stage.new)
    second = stage.backed_up()
    assert second.digest == stage.new.digest
    assert second.snapshot != first.snapshot


def test_a_service_is_paused_for_the_second_pass_only_and_goes_on(stage: DataStage) -> None:
    stage.plan(mode=BackupMode.PAUSED)
    stage.during("engine.pause", (stage.data / "late.txt").touch)
    backup = stage.backed_up(mode="paused")
    assert stage.world.containers
    assert [c.state(stage.world.now) for c in stage.world.containers.values()] == ["running"]
    assert any(node.path.endswith("late.txt") for node in stage.restic().nodes(backup.snapshot))
    assert [s.id for s in stage.restic().snapshots()] == [backup.snapshot], "the first pass is forgotten"


def test_a_stopped_service_is_started_again_and_serves(stage: DataStage) -> None:
    stage.plan(mode=BackupMode.STOPPED)
    backup = stage.backed_up(mode="stopped")
    assert stage.world.calls["engine.stop"] == 1
    assert stage.world.running_digest() == stage.old.digest
    assert backup.mode == BackupMode.STOPPED


def test_a_service_that_was_held_goes_on_when_copying_fails(stage: DataStage) -> None:
    stage.plan(mode=BackupMode.PAUSED)
    stage.during("engine.pause", (stage.repository_folder / "config").unlink)
    job = stage.run(stage.start(Kind.BACKUP, mode="paused"))
    assert job.state == JobState.FAILED
    assert [c.state(stage.world.now) for c in stage.world.containers.values()] == ["running"]
    assert not Backup.objects.exists()


def test_a_worker_that_dies_while_it_holds_the_service_leaves_it_running(stage: DataStage) -> None:
    stage.plan(mode=BackupMode.STOPPED)
    job = stage.start(Kind.BACKUP, mode="stopped")

    def die() -> None:
        raise WorkerDied

    stage.during("engine.start", die)
    with pytest.raises(WorkerDied):
        stage.run(job)
    stage.lapse(job)
    job = stage.run(job)
    assert job.state == JobState.FAILED
    assert stage.world.running_digest() == stage.old.digest
    assert stage.restic().snapshots() == [], "what no record tells of is dropped"


def dies_after(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """The worker, right after the record was told so; the next one lives."""
    told = getattr(JobBackups, what)

    def tells_and_dies(kept: JobBackups, *given: Any) -> None:
        monkeypatch.undo()
        told(kept, *given)
        raise WorkerDied

    monkeypatch.setattr(JobBackups, what, tells_and_dies)


def test_a_worker_that_dies_between_the_passes_leaves_no_snapshot_of_the_first(stage: DataStage) -> None:
    stage.plan(mode=BackupMode.PAUSED)
    job = stage.start(Kind.BACKUP, mode="paused")

    def die() -> None:
        raise WorkerDied

    stage.during("engine.pause", die)
    with pytest.raises(WorkerDied):
        stage.run(job)
    assert len(stage.restic().snapshots()) == 1
    stage.lapse(job)
    assert stage.run(job).state == JobState.FAILED
    assert stage.restic().snapshots() == []


def test_a_service_that_was_held_goes_on_before_what_was_copied_is_dropped(stage: DataStage) -> None:
    stage.plan(mode=BackupMode.PAUSED)
    stage.during("engine.pause", (stage.repository_folder / "config").unlink)
    job = stage.run(stage.start(Kind.BACKUP, mode="paused"))
    assert list(job.steps.filter(is_undo=True).order_by("position").values_list("key", flat=True)) == ["hold", "first-pass"]


@pytest.mark.parametrize("mode", ["live", "paused"])
def test_a_worker_that_dies_right_after_it_noted_a_backup_leaves_what_the_record_tells_of(
    stage: DataStage, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    stage.plan(mode=mode)
    job = stage.start(Kind.BACKUP, mode=mode)
    dies_after(monkeypatch, "taken")
    with pytest.raises(WorkerDied):
        stage.run(job)
    stage.lapse(job)
    stage.run(job)
    assert [one.id for one in stage.restic().snapshots()] == [Backup.objects.get().snapshot]


def test_a_worker_that_dies_right_after_it_noted_a_restore_leaves_none_on_record(
    stage: DataStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = stage.backed_up()
    stage.write("a.txt", "newer")
    wanted = stage.contents()
    job = stage.restore(backup)
    dies_after(monkeypatch, "restored")
    with pytest.raises(WorkerDied):
        stage.run(job)
    stage.lapse(job)
    assert stage.run(job).state == JobState.FAILED
    assert stage.contents() == wanted
    assert Restore.objects.get(job=job).state == RestoreState.FAILED
    assert not list(stage.project.glob(".known-good-*"))


def test_a_worker_that_dies_right_after_it_noted_an_undo_leaves_a_restore_that_can_be_undone(
    stage: DataStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, restored = stage.backed_up(), stage.contents()
    stage.write("a.txt", "newer")
    wanted = stage.contents()
    restoring = stage.run(stage.restore(backup))
    job = stage.undo(restoring)
    dies_after(monkeypatch, "undone")
    with pytest.raises(WorkerDied):
        stage.run(job)
    stage.lapse(job)
    assert stage.run(job).state == JobState.FAILED
    assert stage.contents() == restored
    assert Restore.objects.get().state == RestoreState.DONE
    assert stage.run(stage.undo(restoring)).state == JobState.SUCCEEDED
    assert stage.contents() == wanted


def test_a_data_path_that_is_gone_is_refused(stage: DataStage) -> None:
    stage.service.data_paths = [str(stage.project / "nowhere")]
    stage.service.save()
    job = stage.run(stage.start(Kind.BACKUP))
    assert job.state == JobState.REFUSED
    assert "nowhere" in job.error


def test_a_restore_brings_back_what_was_there_and_keeps_what_it_replaced(stage: DataStage) -> None:
    backup = stage.backed_up()
    before = stage.contents()
    stage.write("a.txt", "spoilt")
    stage.write("new.txt", "made since")
    job = stage.run(stage.restore(backup))
    assert job.state == JobState.SUCCEEDED, job.error
    assert stage.contents() == before
    assert stage.world.running_digest() == stage.old.digest
    restore = Restore.objects.get(job=job)
    assert restore.state == RestoreState.DONE
    assert restore.replaced_until is not None
    kept = Path(restore.swaps[0]["staged"])
    assert (kept / "new.txt").read_text() == "made since"


def test_a_restore_can_be_undone(stage: DataStage) -> None:
    backup = stage.backed_up()
    stage.write("a.txt", "newer")
    wanted = stage.contents()
    restored = stage.run(stage.restore(backup))
    undone = stage.run(stage.undo(restored))
    assert undone.state == JobState.SUCCEEDED, undone.error
    assert stage.contents() == wanted
    assert Restore.objects.get().state == RestoreState.UNDONE
    assert not list(stage.project.glob(".known-good-*")), "what had been restored is gone"


def test_chosen_paths_alone_are_restored(stage: DataStage) -> None:
    backup = stage.backed_up()
    stage.write("a.txt", "newer")
    stage.write("sub/b.txt", "spoilt")
    job = stage.run(stage.restore(backup, str(stage.data / "sub")))
    assert job.state == JobState.SUCCEEDED, job.error
    assert stage.contents() == {"a.txt": "newer", "sub/b.txt": "second"}


def test_a_path_outside_the_data_is_refused(stage: DataStage) -> None:
    backup = stage.backed_up()
    job = stage.run(stage.restore(backup, "/etc/passwd"))
    assert job.state == JobState.REFUSED
    assert stage.world.calls["engine.stop"] == 0


def test_a_restored_service_that_does_not_come_up_gets_its_old_data_back(stage: DataStage) -> None:
    backup = stage.backed_up()
    stage.write("a.txt", "newer")
    wanted = stage.contents()
    stage.world.fail("engine.start")
    job = stage.run(stage.restore(backup))
    assert job.state == JobState.FAILED
    assert stage.contents() == wanted
    assert stage.world.running_digest() == stage.old.digest
    assert Restore.objects.get(job=job).state == RestoreState.FAILED
    assert not list(stage.project.glob(".known-good-*"))


@pytest.mark.parametrize("call", ["engine.stop", "engine.start", "engine.probe", "engine.image"])
def test_a_worker_that_dies_in_a_restore_leaves_the_old_data_and_the_service_up(stage: DataStage, call: str) -> None:
    backup = stage.backed_up()
    stage.write("a.txt", "newer")
    wanted = stage.contents()
    job = stage.restore(backup)

    def die() -> None:
        raise WorkerDied

    stage.during(call, die)
    with pytest.raises(WorkerDied):
        stage.run(job)
    stage.lapse(job)
    job = stage.run(job)
    assert job.state == JobState.FAILED, job.error
    assert stage.contents() == wanted
    assert stage.world.running_digest() == stage.old.digest


def test_a_damaged_backup_is_found_on_restore_marked_and_refused_from_then_on(stage: DataStage) -> None:
    (stage.data / "large.bin").write_bytes(random.Random(4).randbytes(3_000_000))
    backup = stage.backed_up()
    for pack in (stage.repository_folder / "data").rglob("*"):
        if pack.is_file():
            spoil(pack)
    wanted = stage.contents()
    job = stage.run(stage.restore(backup))
    assert job.state == JobState.FAILED
    assert stage.contents() == wanted
    assert stage.world.calls["engine.stop"] == 0
    backup.refresh_from_db()
    assert backup.state == BackupState.DAMAGED
    again = stage.run(stage.restore(backup))
    assert again.state == JobState.REFUSED


def spoil(pack: Path) -> None:
    content = bytearray(pack.read_bytes())
    content[len(content) // 3] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(bytes(content))


def test_setuid_bits_do_not_come_back(stage: DataStage) -> None:
    tool = stage.write("tool", "#!/bin/sh\n")
    tool.chmod(0o4755)
    backup = stage.backed_up()
    tool.unlink()
    job = stage.run(stage.restore(backup))
    assert job.state == JobState.SUCCEEDED, job.error
    assert tool.stat().st_mode & 0o7777 == 0o755
    assert "tool" in job.steps.get(key="stage", is_undo=False).output


def test_setuid_bits_stay_where_the_service_can_only_read(stage: DataStage) -> None:
    stage.world.rendered["services"]["chatbot"]["volumes"][0]["read_only"] = True
    tool = stage.write("tool", "#!/bin/sh\n")
    tool.chmod(0o4755)
    backup = stage.backed_up()
    tool.unlink()
    job = stage.run(stage.restore(backup))
    assert job.state == JobState.SUCCEEDED, job.error
    assert tool.stat().st_mode & 0o7777 == 0o4755


def test_a_rehearsal_restores_compares_boots_and_leaves_nothing(stage: DataStage) -> None:
    backup = stage.backed_up()
    job = stage.run(stage.start(Kind.REHEARSE))
    assert job.state == JobState.SUCCEEDED, job.error
    passed = RestoreRehearsal.objects.get()
    assert passed.passed
    assert passed.backup == backup
    assert passed.boot_seconds is not None
    assert not (stage.folder / "scratch" / str(job.pk)).exists()
    backup.refresh_from_db()
    assert backup.rehearsed_at is not None


def test_a_rehearsal_of_a_damaged_backup_fails_and_says_so_on_record(stage: DataStage) -> None:
    backup = stage.backed_up()
    for pack in (stage.repository_folder / "data").rglob("*"):
        if pack.is_file():
            pack.unlink()
    job = stage.run(stage.start(Kind.REHEARSE))
    assert job.state == JobState.FAILED
    assert not RestoreRehearsal.objects.get().passed
    backup.refresh_from_db()
    assert backup.state == BackupState.DAMAGED


def test_a_check_finds_damage_and_names_the_backups_that_are_hit(stage: DataStage) -> None:
    (stage.data / "large.bin").write_bytes(random.Random(4).randbytes(3_000_000))
    stage.backed_up()
    job = stage.run(stage.start(Kind.CHECK, share="100%"))
    assert job.state == JobState.SUCCEEDED, job.error
    for pack in (stage.repository_folder / "data").rglob("*"):
        if pack.is_file():
            spoil(pack)
    job = stage.run(stage.start(Kind.CHECK, share="100%"))
    assert job.state == JobState.FAILED
    assert Backup.objects.get().state == BackupState.DAMAGED, job.error


def test_a_folder_of_a_backup_is_listed_and_compared_with_now(stage: DataStage) -> None:
    backup = stage.backed_up()
    top = stage.run(stage.start(Kind.BROWSE, backup=backup.pk, path=""))
    assert [entry["name"] for entry in top.result["entries"]] == [str(stage.data)]
    inside = stage.run(stage.start(Kind.BROWSE, backup=backup.pk, path=str(stage.data)))
    assert [entry["name"] for entry in inside.result["entries"]] == ["sub", "a.txt"]
    stage.write("new.txt")
    (stage.data / "sub" / "b.txt").unlink()
    stage.write("a.txt", "another length")
    os.utime(stage.data, (1, 1))
    for path, words in ((stage.data / "a.txt", "is no folder in"), (stage.data / "nothing", "is not in")):
        refused = stage.run(stage.start(Kind.BROWSE, backup=backup.pk, path=str(path)))
        assert refused.state == JobState.REFUSED
        assert words in refused.error
    compared = stage.run(stage.start(Kind.BROWSE, backup=backup.pk, compare=True))
    assert (compared.result["new"], compared.result["gone"]) == (1, 1)


def test_a_download_is_a_tar_of_the_path(stage: DataStage) -> None:
    backup = stage.backed_up()
    job = stage.run(stage.start(Kind.DOWNLOAD, backup=backup.pk, path=str(stage.data)))
    assert job.state == JobState.SUCCEEDED, job.error
    with tarfile.open(fileobj=io.BytesIO(stage.outlet.sent)) as tar:
        assert any(name.endswith("sub/b.txt") for name in tar.getnames())


def test_an_upgrade_backs_up_before_it_touches_the_service(stage: DataStage) -> None:
    job = stage.run(dispatch.upgrade(stage.service, stage.new.digest, stage.request))
    assert job.state == JobState.SUCCEEDED, job.error
    backup = Backup.objects.get(job=job)
    assert backup.digest == stage.old.digest
    assert "backup" in job.steps.get(key="backup", is_undo=False).note


@pytest.mark.parametrize("mode", ["live", "paused", "stopped"])
def test_an_upgrade_touches_the_service_from_its_backup_on_where_that_holds_it_still(mode: str, stage: DataStage) -> None:
    stage.plan(mode=mode)
    job = stage.run(dispatch.upgrade(stage.service, stage.new.digest, stage.request))
    assert job.state == JobState.SUCCEEDED, job.error
    first = job.steps.filter(touches=True, is_undo=False).order_by("position").first()
    assert first is not None
    assert first.key == ("pin" if mode == "live" else "backup")
    job.refresh_from_db()
    assert ("held_for" in job.facts) == (mode != "live")
    without = follow(job).pause
    job.facts["held_for"] = 7.0
    pause = follow(job).pause
    assert pause is not None
    assert without is not None
    assert pause.total_seconds() >= 7 > without.total_seconds()


def test_the_pause_of_a_backup_is_told_with_its_job(stage: DataStage) -> None:
    stage.plan(mode="paused")
    pause = follow(stage.backed_up(mode="paused").job).pause
    assert pause is not None
    assert pause.total_seconds() > 0
    assert follow(stage.run(stage.start(Kind.CHECK))).pause is None


def test_a_job_is_not_taken_for_the_backup_that_it_took(stage: DataStage) -> None:
    backup = stage.backed_up()
    assert str(backup) == f"Backup {backup.pk}"
    assert str(backup.job) == f"Backup job {backup.job_id}"


def test_an_upgrade_without_a_backup_that_the_plan_asks_for_does_not_go_on(stage: DataStage) -> None:
    stage.service.data_paths = [str(stage.project / "nowhere")]
    stage.service.save()
    job = stage.run(dispatch.upgrade(stage.service, stage.new.digest, stage.request))
    assert job.state == JobState.REFUSED
    assert stage.world.running_digest() == stage.old.digest


def test_a_check_misses_a_snapshot_that_was_taken_out_by_hand(stage: DataStage) -> None:
    backup = stage.backed_up()
    (stage.repository_folder / "snapshots" / backup.snapshot).unlink()
    job = stage.run(stage.start(Kind.CHECK))
    assert job.state == JobState.FAILED
    backup.refresh_from_db()
    assert backup.state == BackupState.DAMAGED


def test_what_a_restore_replaced_is_removed_when_its_time_is_over(stage: DataStage, settings: Any) -> None:
    settings.STATE_DIR = stage.folder / "state"
    job = stage.run(stage.restore(stage.backed_up()))
    staged = Path(Restore.objects.get(job=job).swaps[0]["staged"])
    assert backup_clearing.clear(stage.service.host.name) == 0
    assert staged.exists()
    Restore.objects.update(replaced_until=timezone.now() - timedelta(seconds=1))
    assert backup_clearing.clear(stage.service.host.name) == 1
    assert not list(stage.project.glob(".known-good-*"))
    assert stage.data.exists()
    assert backup_clearing.clear(stage.service.host.name) == 0
