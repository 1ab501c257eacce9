"""Backup and restore by the portal against `tar | zstd` and against bare restic, on 1 GB and on 100,000 small files.

Ratios are of medians of alternating rounds. A job's time is that of the whole job from the request to its end; a restore's
is also told without stopping, starting and waiting for the service, which bare restic does not do.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.utils import timezone

from chatbot_service import backup_starting
from chatbot_service.models import Backup, BackupPlan, BackupRepository, Job, Restore, Service
from chatbot_service.wiring import repository_of
from portal.demo.project import RUNTIME_UID
from tests.bench.kit.chatbot import SERVICE, Folder
from tests.bench.kit.client import Client
from tests.bench.kit.data import LARGE, SMALL, ByHand, Shape, change_some, fill, tar_zstd, timed
from tests.bench.kit.managed import Office, Ran, succeeded
from tests.bench.kit.pairs import builds, describe
from tests.bench.kit.report import Report, median, medians
from tests.bench.kit.stack import Say, Stack, free_port, run_beside_a_portal

FIRST, REPEAT, RESTORE = 1.15, 0.3, 1.2
MORE_DOWNTIME = 0.5
"""Seconds that a restore may be down beyond a stop and a start by hand."""
CHANGED = 0.01
STAGED = ("choose", "stage", "swap", "present", "note")
"""The steps of a restore that have to do with data."""
PAIRS_A_ROUND = 3


def run(pairs: int, say: Say) -> Report:
    return run_beside_a_portal(__name__, pairs, say)


def measure(stack: Stack, pairs: int, say: Say) -> Report:
    office, report = Office.open(), Report("backup")
    rounds = max(1, pairs // PAIRS_A_ROUND)
    describe(report, rounds)
    digest = builds(stack, office, "1", say)["1"]
    for shape in (LARGE, SMALL):
        bench = Bench.lay_out(stack, office, f"{stack.repository}:build-1@{digest}", shape, say)
        rows = []
        for number in range(1, rounds + 1):
            rows.append(bench.round(number))
            say(f"{shape.name}, round {number}: " + ", ".join(f"{key} {value:.2f} s" for key, value in rows[-1].items()))
        _report(report, shape.name, rows)
        bench.clear()
    return report


@dataclass(frozen=True)
class Bench:
    """One service whose uploads are the data, and tools by hand on the same data."""

    stack: Stack
    office: Office
    folder: Folder
    service: Service
    hand: ByHand

    @classmethod
    def lay_out(cls, stack: Stack, office: Office, reference: str, shape: Shape, say: Say) -> "Bench":
        name = f"{stack.name}-{shape.files}"
        folder = Folder(stack.folder / name, name, free_port(), 10)
        folder.lay_out(reference)
        say(f"writing {shape.files:,} files")
        fill(folder.path / SERVICE / "uploads", shape, RUNTIME_UID)
        folder.up()
        service = office.adopt(folder)
        BackupPlan.objects.filter(service=service).update(scheduled=False, rehearse_days=0)
        return cls(stack, office, folder, service, ByHand(stack.folder / "by-hand", stack.folder / "by-hand-cache"))

    @property
    def data(self) -> Path:
        return self.folder.path / SERVICE / "uploads"

    def round(self, number: int) -> dict[str, float]:
        """One of each; whoever comes first changes from round to round."""
        self._begin_anew(number)
        told: dict[str, float] = {"tar_zstd": timed(lambda: tar_zstd(self.data, self.stack.folder / "data.tar.zst"))}
        both: list[Callable[[], None]] = [lambda: self._first_by_hand(told), lambda: self._first_by_job(told)]
        for one in both if number % 2 else reversed(both):
            one()
        told["repeat_by_hand"] = timed(lambda: self.hand.backup(self.data))
        told["repeat"] = self._backup().whole
        change_some(self.data, CHANGED, number)
        told["changed_by_hand"] = timed(lambda: self.hand.backup(self.data))
        told["changed"] = self._backup().whole
        told["restore_by_hand"] = timed(lambda: self.hand.restore(self.stack.folder / "restored"))
        shutil.rmtree(self.stack.folder / "restored")
        self._restore(told)
        return told

    def _begin_anew(self, number: int) -> None:
        """Repositories in which nothing is yet. Making them is nobody's backup."""
        self.hand.make()
        shutil.rmtree(self.hand.cache, ignore_errors=True)
        place = BackupRepository.objects.create(
            name=f"round-{self.service.pk}-{number}", url=str(self.stack.folder / f"place-{self.service.pk}-{number}"),
            sealed_password=BackupRepository.objects.earliest("pk").sealed_password,
        )  # fmt: skip
        BackupPlan.objects.filter(service=self.service).update(repository=place)
        repository_of(Job(service=self.service, host=self.service.host, asked={})).prepare()

    def _first_by_hand(self, told: dict[str, float]) -> None:
        told["first_by_hand"] = timed(lambda: self.hand.backup(self.data))

    def _first_by_job(self, told: dict[str, float]) -> None:
        ran = self._backup()
        told["first"] = ran.whole
        told["first_copying"] = ran.steps["take"]

    def _backup(self) -> Ran:
        found: list[Ran] = []
        timed(lambda: found.append(run_job(lambda: backup_starting.backup(self.service, self.office.request))))
        return found[0]

    def _restore(self, told: dict[str, float]) -> None:
        backup = Backup.objects.filter(service=self.service).latest("pk")
        os.sync()
        with Client(self.folder.port) as client:
            ran = run_job(lambda: self._ask_for(backup))
        told["restore"] = ran.whole
        told["restore_data"] = sum(ran.steps[step] for step in STAGED)
        told |= {f"restore_step_{step}": took for step, took in ran.steps.items()}
        told["restore_downtime"] = client.outcome.downtime
        self._forget_replaced()
        with Client(self.folder.port) as client:
            self.folder.stop_and_start()
        told["stop_and_start_downtime"] = client.outcome.downtime

    def _ask_for(self, backup: Backup) -> Job:
        asked = backup_starting.restore(backup, [], self.office.request, confirmed=self.service.name)
        if not isinstance(asked, Job):
            raise TypeError("the plan asks for two people")
        return asked

    def _forget_replaced(self) -> None:
        """As the worker does when the time for an undo is over, and is told that it is done."""
        Restore.objects.filter(service=self.service).update(replaced_removed_at=timezone.now())
        for left in self.folder.path.joinpath(SERVICE).glob(".known-good-restore-*"):
            shutil.rmtree(left)

    def clear(self) -> None:
        self.folder.down()
        shutil.rmtree(self.folder.path)


def run_job(ask: Callable[[], Job]) -> Ran:
    begun = timezone.now()
    job = succeeded(ask())
    took = {step.key: step.took.total_seconds() for step in job.steps.all() if step.took}
    whole = ((job.ended_at or begun) - begun).total_seconds()
    return Ran(serving=0.0, proved=0.0, whole=whole, steps=took)


def _report(report: Report, name: str, rows: list[dict[str, float]]) -> None:
    middle = medians(rows)
    for key, value in middle.items():
        report.note(f"{name}_{key}_s", value)
        report.spread(f"{name}_{key}_s", [row[key] for row in rows])
    report.hold(f"{name}_first_ratio", middle["first"] / middle["first_by_hand"], FIRST)
    report.hold(f"{name}_repeat_ratio", middle["repeat"] / middle["tar_zstd"], REPEAT)
    report.note(f"{name}_repeat_to_restic_ratio", middle["repeat"] / middle["repeat_by_hand"])
    report.note(f"{name}_changed_ratio", middle["changed"] / middle["changed_by_hand"])
    report.hold(f"{name}_restore_ratio", middle["restore_data"] / middle["restore_by_hand"], RESTORE)
    more = median([row["restore_downtime"] - row["stop_and_start_downtime"] for row in rows])
    report.hold(f"{name}_restore_more_downtime_s", more, MORE_DOWNTIME)
