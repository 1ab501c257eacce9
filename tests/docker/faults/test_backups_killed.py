"""The worker is killed at any moment of a backup and of a restore: the job ends by itself, the service serves, the data are
wholly the old ones or wholly the restored ones, and the next backup works.
"""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatbot_service.models import Backup, BackupState, Job, JobState, Restore, RestoreState
from tests.docker.faults.ahead import Ahead, cases_to_come
from tests.docker.faults.data_stand import DataStand, data_stand, own, tree_of
from tests.docker.faults.stage import Stage

pytestmark = [pytest.mark.docker, pytest.mark.restic]

ROUNDS = 10


@dataclass(frozen=True)
class Kills:
    """`of`: a mode of backup, or what is restored."""

    kind: str
    of: str
    seed: int

    def __str__(self) -> str:
        return f"{self.kind} {self.of}, seed {self.seed}"

    @property
    def moments(self) -> list[float]:
        """Parts of the time that the job takes: one in each tenth, in any order."""
        chosen = random.Random(str(self))
        return chosen.sample([(number + chosen.random()) / ROUNDS for number in range(ROUNDS)], ROUNDS)


@dataclass
class Pace:
    """How long the job takes, as far as is known: the machine has other things to do as well."""

    seconds: float

    def play(self, stand: DataStand, job: Job, moment: float) -> "Round":
        begun = time.monotonic()
        made = played(stand, job, moment * self.seconds)
        if not made.hit:
            self.seconds = min(self.seconds, time.monotonic() - begun)
        return made


@dataclass(frozen=True)
class Round:
    moment: float
    hit: bool
    died_in: str
    state: str


BACKUPS = [Kills("backup", mode, seed) for seed, mode in enumerate(("live", "paused", "stopped"), 1)]
RESTORES = [Kills("restore", what, seed) for seed, what in enumerate(("a folder", "a folder and a volume", "chosen paths"), 11)]
UNDOS = [Kills("undo", "a folder and a volume", 21)]


@pytest.fixture(scope="module")
def killed(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Ahead[Kills, list[Round]]]:
    stage.build("keeper", image="keeper", repository="stage/keeper")

    def play(kills: Kills) -> list[Round]:
        stand = data_stand(stage, volume="volume" in kills.of)
        rounds = {"backup": backups_killed, "restore": restores_killed, "undo": undos_killed}[kills.kind](stand, kills)
        stand.clear()
        return rounds

    with Ahead(play, cases_to_come(request, Kills)) as ahead:
        yield ahead


def timed(act: Callable[[], object]) -> float:
    begun = time.monotonic()
    act()
    return time.monotonic() - begun


def played(stand: DataStand, job: Job, moment: float) -> Round:
    hit = stand.killed(job, moment)
    assert not job.is_active
    assert job.state in {JobState.SUCCEEDED, JobState.FAILED}, f"{job.error}\n{stand.told(job)}"
    died_in = job.steps.filter(error="The worker died here.").values_list("key", flat=True).first() or ""
    stand.serves()
    return Round(moment, hit, died_in, job.state)


def backups_killed(stand: DataStand, kills: Kills) -> list[Round]:
    stand.backed_up(kills.of)
    rounds = []
    _change(stand, "to see how long it takes")
    pace = Pace(timed(lambda: stand.backed_up(kills.of)))
    for number, moment in enumerate(kills.moments):
        _change(stand, f"round {number}")
        tree = tree_of(stand.data)
        job = stand.backup(kills.of)
        rounds.append(pace.play(stand, job, moment))
        assert tree_of(stand.data) == tree
        assert stand.snapshots() == stand.on_record(), f"{rounds[-1]}\n{stand.told(job)}"
        noted = Backup.objects.filter(job=job).first()
        assert job.state == JobState.FAILED or noted
        assert noted is None or (noted.state == BackupState.GOOD and noted.snapshot in stand.snapshots())
        stand.backed_up(kills.of)
        stand.is_sound()
    return rounds


def restores_killed(stand: DataStand, kills: Kills) -> list[Round]:
    paths = [stand.data, *([stand.in_volume] if stand.volume else [])]
    chosen = [stand.data / "sub-1", stand.data / "large.bin", stand.data / "told.txt"] if kills.of == "chosen paths" else []
    backup, kept = stand.backed_up(), tree_of(chosen or paths)
    pace = Pace(timed(lambda: stand.well(stand.restore(backup, *chosen))))
    rounds = []
    for number, moment in enumerate(kills.moments):
        for path in paths:
            _spoil(path, number)
        old, others = tree_of(chosen or paths), tree_of(stand.data / "sub-2")
        job = stand.restore(backup, *chosen)
        rounds.append(pace.play(stand, job, moment))
        _is_one_or_the_other(stand, job, old=old, new=kept, now=tree_of(chosen or paths))
        assert not chosen or tree_of(stand.data / "sub-2") == others
        stand.backed_up()
        stand.is_sound()
    return rounds


def undos_killed(stand: DataStand, kills: Kills) -> list[Round]:
    """Of a restore; the data are wholly those from before it or wholly what it restored, and it can be undone again."""
    paths = [stand.data, *([stand.in_volume] if stand.volume else [])]
    backup, kept = stand.backed_up(), tree_of(paths)
    pace = None
    rounds = []
    for number in range(ROUNDS + 1):
        for path in paths:
            _spoil(path, number)
        old = tree_of(paths)
        restored = stand.well(stand.restore(backup))
        assert tree_of(paths) == kept
        job = stand.undo(restored)
        if not pace:
            pace = Pace(timed(lambda job=job: stand.well(job)))  # type: ignore[misc]
            continue
        rounds.append(pace.play(stand, job, kills.moments[number - 1]))
        row = Restore.objects.get(job=restored)
        assert row.state == (RestoreState.UNDONE if job.state == JobState.SUCCEEDED else RestoreState.DONE), stand.told(job)
        assert tree_of(paths) == (old if job.state == JobState.SUCCEEDED else kept)
        if job.state == JobState.FAILED:
            stand.well(stand.undo(restored))
            assert tree_of(paths) == old
        stand.nothing_left()
    stand.backed_up()
    stand.is_sound()
    return rounds


def _change(stand: DataStand, words: str) -> None:
    """Enough that it takes a moment to copy."""
    (stand.data / "large.bin").write_bytes(random.Random(words).randbytes(3_000_000))
    (stand.data / "told.txt").write_text(words)


def _spoil(folder: Path, number: int) -> None:
    (folder / "told.txt").write_text(f"spoilt in round {number}")
    (folder / "sub-1" / "1.txt").unlink(missing_ok=True)
    (folder / f"new-{number}.txt").write_text("made since")
    own(folder)


def _is_one_or_the_other(stand: DataStand, job: Job, *, old: str, new: str, now: str) -> None:
    row = Restore.objects.get(job=job)
    assert now == (new if job.state == JobState.SUCCEEDED else old), f"{job.state}\n{stand.told(job)}"
    assert row.state == (RestoreState.DONE if job.state == JobState.SUCCEEDED else RestoreState.FAILED)
    stand.nothing_left()


def told(rounds: list[Round]) -> None:
    hits = [f"{one.died_in or 'between'} ({one.moment:.2f} s): {one.state}" for one in rounds if one.hit]
    print(f"\n{len(hits)} of {len(rounds)} killed: {'; '.join(hits)}")  # noqa: T201 - for who looks with -s
    assert len(rounds) == ROUNDS
    assert len(hits) >= ROUNDS - 4, "most were killed while they worked"


@pytest.mark.parametrize("case", BACKUPS, ids=str)
def test_killed_in_a_backup_the_service_is_as_it_was_and_the_next_backup_works(
    killed: Ahead[Kills, list[Round]], case: Kills
) -> None:
    told(killed.of(case).result())


@pytest.mark.parametrize("case", RESTORES, ids=str)
def test_killed_in_a_restore_the_data_are_wholly_the_old_or_wholly_the_restored(
    killed: Ahead[Kills, list[Round]], case: Kills
) -> None:
    told(killed.of(case).result())


@pytest.mark.parametrize("case", UNDOS, ids=str)
def test_killed_in_the_undo_of_a_restore_the_data_are_wholly_those_of_before_or_after(
    killed: Ahead[Kills, list[Round]], case: Kills
) -> None:
    told(killed.of(case).result())
