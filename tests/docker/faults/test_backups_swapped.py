"""Killed in the very middle of a swap, by each way it is done; killed once more while that is undone; and what others do to
the data meanwhile.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatbot_service import dispatch
from chatbot_service.models import JobState, Kind, Restore, RestoreState
from tests.docker.faults import slowed, workers
from tests.docker.faults.ahead import Ahead, cases_to_come
from tests.docker.faults.data_stand import BRISK, WITHIN, DataStand, data_stand, own, tree_of
from tests.docker.faults.stage import Stage
from tests.docker.faults.workers import Rig

pytestmark = [pytest.mark.docker, pytest.mark.restic]

MOVES, EXCHANGES = "chatbot_service.trees_contents.move", "chatbot_service.trees_swap.exchange"
SLOWLY = {
    "exchange": ((EXCHANGES, slowed.exchange),),
    "moves": ((EXCHANGES, slowed.no_exchange), ("chatbot_service.trees_swap.move", slowed.move)),
    "contents": ((MOVES, slowed.move),),
}
LONGEST = {"exchange": 0.2, "moves": 0.35, "contents": 1.2}


@dataclass(frozen=True)
class Kill:
    way: str
    kind: str
    seed: int

    @property
    def rig(self) -> Rig:
        return Rig(sets=(*BRISK, *SLOWLY[self.way]))

    @property
    def moments(self) -> list[float]:
        chosen = random.Random(str(self))
        return [chosen.uniform(0, LONGEST[self.way]) for _ in range(4)]

    def __str__(self) -> str:
        return f"{self.kind} by {self.way}, seed {self.seed}"


KILLS = [Kill(way, kind, seed) for way, seed in (("exchange", 1), ("moves", 2), ("contents", 3)) for kind in ("restore", "undo")]


@pytest.fixture(scope="module")
def killed(stage: Stage, request: pytest.FixtureRequest) -> Iterator[Ahead[Kill, list[str]]]:
    stage.build("keeper", image="keeper", repository="stage/keeper")

    def play(kill: Kill) -> list[str]:
        stand = data_stand(stage, **({"disk": "at"} if kill.way == "contents" else {"volume": True}))
        ended = [played(stand, kill, number, moment) for number, moment in enumerate(kill.moments)]
        stand.clear()
        return ended

    with Ahead(play, cases_to_come(request, Kill)) as ahead:
        yield ahead


def played(stand: DataStand, kill: Kill, number: int, moment: float) -> str:
    """Killed in the swap, and every second time once more in the swap back."""
    paths = [stand.data, *([stand.in_volume] if stand.volume else [])]
    backup, kept = stand.backed_up(), tree_of(paths)
    for path in paths:
        (path / "told.txt").write_text(f"newer {number}")
        (path / f"new-{number}").mkdir()
        own(path)
    old = tree_of(paths)
    job = restored = stand.restore(backup)
    before, after = old, kept
    if kill.kind == "undo":
        stand.well(restored)
        job = stand.undo(restored)
        before, after = kept, old
    again = moment if number % 2 else None
    if stand.killed(job, moment, kill.rig, step="swap", again=again):
        assert job.state in {JobState.SUCCEEDED, JobState.FAILED}, f"{job.error}\n{stand.told(job)}"
    assert tree_of(paths) == (after if job.state == JobState.SUCCEEDED else before), f"{job.state}\n{stand.told(job)}"
    stand.serves()
    shown = stand.cat("/data/told.txt")
    assert shown == (stand.data / "told.txt").read_text(), "the container sees what is there"
    if kill.kind == "undo" and job.state == JobState.FAILED:
        stand.well(stand.undo(restored))
        assert tree_of(paths) == old
    stand.nothing_left()
    return f"{moment:.2f} s: {job.state}"


@pytest.mark.parametrize("case", KILLS, ids=str)
def test_killed_in_the_middle_of_a_swap_the_data_are_wholly_one_or_the_other(killed: Ahead[Kill, list[str]], case: Kill) -> None:
    ended = killed.of(case).result()
    assert len(ended) == len(case.moments)
    assert any("failed" in one for one in ended), "one at least was killed before the end"


@pytest.mark.parametrize("kind", ["backup", "restore", "stop"])
def test_killed_while_the_engine_stops_the_service_it_is_waited_for_and_it_serves_again(stage: Stage, kind: str) -> None:
    """The engine goes on stopping what looks as if it ran."""
    stand = data_stand(stage, lingers=2.5)
    job = {
        "backup": lambda: stand.backup("stopped"),
        "restore": lambda: stand.restore(stand.backed_up()),
        "stop": lambda: dispatch.lifecycle(Kind.STOP, stand.service, stand.request),
    }[kind]()
    assert stand.killed(job, 0.4, step="hold" if kind == "backup" else "stop")
    assert job.state == JobState.FAILED
    time.sleep(3)
    stand.serves()
    stand.clear()


@pytest.fixture(scope="module")
def stand(stage: Stage) -> Iterator[DataStand]:
    made = data_stand(stage)
    yield made
    made.clear()


@pytest.mark.parametrize("step", ["stage", "swap"])
def test_a_link_put_in_place_of_what_is_restored_is_never_followed(stand: DataStand, tmp_path: Path, step: str) -> None:
    backup = stand.backed_up()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "1.txt").write_text("somebody else's")
    others = tree_of(elsewhere)
    target, away = stand.data / "sub-1", stand.data / "away"
    job = stand.restore(backup, target)
    with stand.stopped_before(job, step, patience=1.0):
        target.rename(away)
        target.symlink_to(elsewhere)
    assert tree_of(elsewhere) == others
    assert not job.is_active
    stand.serves()
    assert job.state == JobState.SUCCEEDED or target.is_symlink(), "wholly what was restored, or left as it was found"
    if target.is_symlink():
        target.unlink()
        away.rename(target)
    else:
        away.rename(stand.data / f"away-{step}")
    assert "sub-1" in {path.name for path in stand.data.iterdir()}


def test_a_mount_point_is_restored_by_its_contents_and_that_is_undone(stage: Stage) -> None:
    stand = data_stand(stage, disk="at")
    backup, kept = stand.backed_up(), tree_of(stand.data)
    (stand.data / "told.txt").write_text("newer")
    became = tree_of(stand.data)
    job = stand.well(stand.restore(backup))
    row = Restore.objects.get(job=job)
    assert [swap["by"] for swap in row.swaps] == ["contents"]
    assert tree_of(stand.data) == kept
    assert stand.cat("/data/told.txt") == "as it was first"
    assert workers.worker(job.pk, Rig()).ends_with(WITHIN) == 0, "told again of a job that has ended: nothing happens"
    stand.well(stand.undo(job))
    assert tree_of(stand.data) == became
    assert stand.cat("/data/told.txt") == "newer"
    row.refresh_from_db()
    assert row.state == RestoreState.UNDONE
    stand.nothing_left()
    stand.clear()
