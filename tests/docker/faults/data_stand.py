"""A stand whose service keeps data on the host: what backups and restores are tried on."""

import hashlib
import os
import random
import shutil
import signal
import stat
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings

from chatbot_service import backup_starting
from chatbot_service.backup_places import place_of
from chatbot_service.models import Backup, BackupPlan, BackupRepository, Job, Restore, RestoreState
from chatbot_service.restic import Restic
from chatbot_service.secrets import seal
from tests.docker.faults import workers
from tests.docker.faults.stage import SERVICE, Build, Stage, Stand
from tests.docker.faults.workers import Rig, Worker
from tests.machine import restic_binary

PASSWORD = "0123456789abcdef" * 4
OWNER = 10001
WITHIN = 60.0
# The product's pauses are for services that take seconds; here they would be most of each of a hundred rounds.
BRISK = (("chatbot_service.jobs.switching.PROBE_EVERY", 0.05), ("chatbot_service.jobs.switching.FIRST_PROBE_AFTER", 0.05))
QUICKLY = Rig(sets=BRISK)
_COMPOSE = """\
services:
  {service}:
    image: nowhere.invalid/keeper
    init: true
    ports: ["127.0.0.1:{port}:8080"]
    stop_grace_period: 5s
    environment: {{BEATS: "{beats}", LINGERS: "{lingers}"}}
    volumes: ["{data}:/data"{volume}]
{volumes}"""


def data_stand(stage: Stage, **how: Any) -> "DataStand":
    made = DataStand(stage, f"kgs-data-{next(_numbers)}-{os.urandom(3).hex()}", stage.host, **how)
    stage._stands.append(made)
    made.set_up(stage.build("keeper", image="keeper", repository="stage/keeper"), None, {})
    return made


def _counted() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


_numbers = _counted()


@dataclass
class DataStand(Stand):
    """`volume`: it has a named volume as well. `beats`: it writes all the time. `lingers`: seconds it takes to stop.

    `repositories`: the folder for its backups. `disk`: its data are a small file system ("at") or lie in one ("in").
    """

    volume: bool = False
    beats: bool = False
    lingers: float = 0
    repositories: Path | None = None
    disk: str = ""

    @property
    def data(self) -> Path:
        return self.folder / ("disk/data" if self.disk == "in" else "data")

    @property
    def small_disk(self) -> Path:
        return self.data if self.disk == "at" else self.folder / "disk"

    @property
    def in_volume(self) -> Path:
        return Path(self.cli("volume", "inspect", "--format={{.Mountpoint}}", f"{self.name}_box"))

    @cached_property
    def kept_in(self) -> BackupRepository:
        url = str(self.repositories or self.stage.folder / "repositories")
        return BackupRepository.objects.create(name=self.name, url=url, sealed_password=seal(PASSWORD))

    @property
    def repository_folder(self) -> Path:
        return Path(self.kept_in.url) / self.host.name / self.name

    def set_up(self, runs: Build, before: Build | None, fields: Mapping[str, Any]) -> None:
        super().set_up(runs, before, {"data_paths": [str(self.data)], **fields})
        if self.volume:
            self.fill(self.in_volume)
        self.keeps(self.data, *([self.in_volume] if self.volume else []))
        BackupPlan.objects.update_or_create(service=self.service, defaults={"repository": self.kept_in})

    def _lay_out(self, runs: Build) -> None:
        self.folder.mkdir()
        if self.disk:
            mounted(self.small_disk, "160m")
        self.fill(self.data)
        named = {"volume": ', "box:/box"', "volumes": "volumes: {box: {}}\n"} if self.volume else {"volume": "", "volumes": ""}
        text = _COMPOSE.format(
            service=SERVICE, data=self.data, port=self.port, beats="1" if self.beats else "", lingers=self.lingers or "", **named
        )
        (self.folder / "docker-compose.yml").write_text(text)
        (self.folder / ".env").write_text("SOME_SECRET=not to be kept\n")
        self.pin_file.write_text(f"services:\n  {SERVICE}:\n    image: {runs.reference}\n")

    def fill(self, folder: Path) -> None:
        """Small files in folders, and one that takes a moment to copy; all of the service's user."""
        seeded = random.Random(7)
        for number in range(60):
            file = folder / f"sub-{number % 5}" / f"{number}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"words {number} " * seeded.randrange(1, 200))
        (folder / "large.bin").write_bytes(seeded.randbytes(3_000_000))
        (folder / "told.txt").write_text("as it was first")
        own(folder)

    def keeps(self, *paths: Path) -> None:
        self.service.data_paths = [str(path) for path in paths]
        self.service.save(update_fields=["data_paths"])

    def plan(self, **fields: Any) -> None:
        BackupPlan.objects.filter(service=self.service).update(**fields)

    # Jobs

    def done(self, job: Job, rig: Rig = QUICKLY) -> Job:
        """By a worker, to its end, whatever that is."""
        assert workers.worker(job.pk, rig).ends_with(240) == 0
        job.refresh_from_db()
        assert not job.is_active, f"{job} is {job.state}"
        return job

    def well(self, job: Job, rig: Rig = QUICKLY) -> Job:
        self.done(job, rig)
        assert job.state == "succeeded", f"{job.error}\n{self.told(job)}"
        return job

    def told(self, job: Job) -> str:
        steps = job.steps.order_by("position").values_list("name", "state", "note", "error", "output")
        return "\n".join(" | ".join(part for part in step if part) for step in steps)

    def backup(self, mode: str = "live") -> Job:
        self.plan(mode=mode)
        return backup_starting.backup(self.service, self.request)

    def backed_up(self, mode: str = "live", rig: Rig = QUICKLY) -> Backup:
        return Backup.objects.get(job=self.well(self.backup(mode), rig))

    def aged(self, backup: Backup) -> Backup:
        """As if it had been taken on another day: of one day the last one alone is kept."""
        days = Backup.objects.filter(service=self.service).count()
        Backup.objects.filter(pk=backup.pk).update(at=backup.at - timedelta(days=days))
        return backup

    def restore(self, backup: Backup, *paths: Path | str) -> Job:
        asked = [str(path) for path in paths]
        job = backup_starting.restore(backup, asked, self.request, confirmed=self.name)
        assert isinstance(job, Job)
        return job

    def undo(self, restored: Job) -> Job:
        return backup_starting.undo_restore(Restore.objects.get(job=restored), self.request)

    @contextmanager
    def stopped_before(self, job: Job, step: str, **rig: Any) -> Iterator[None]:
        """Its worker stands still before that step, and goes on to the end of the job afterwards."""
        stops = Rig(step, signal=signal.SIGSTOP, **({"sets": BRISK} | rig))
        with workers.worker(job.pk, stops) as worker:
            _until(lambda: _is_stopped(worker), worker)
            yield
            worker.send(signal.SIGCONT)
            assert worker.ends_with(WITHIN) == 0
        job.refresh_from_db()

    def killed(self, job: Job, after: float, rig: Rig = QUICKLY, step: str = "", again: float | None = None) -> bool:
        """Its worker is killed so many seconds after it took the job, or began that step; the next one ends it.

        `again`: the next one is killed as well, so long after it began to undo that step. Whether it was hit.
        """
        with workers.worker(job.pk, rig) as worker:
            _until(lambda: not Job.objects.filter(pk=job.pk, state="queued").exists(), worker)
            _until(lambda: not step or job.steps.filter(key=step).exclude(state="waiting").exists(), worker)
            worker.process.join(after)
            worker.process.kill()
            hit = worker.ends_with(WITHIN) != 0
        job.refresh_from_db()
        if job.is_active and again is not None:
            with workers.comes_back(job.pk, rig) as worker:
                _until(lambda: job.steps.filter(key=step, is_undo=True).exists(), worker)
                worker.process.join(again)
                worker.process.kill()
                worker.ends_with(WITHIN)
            job.refresh_from_db()
        if job.is_active:
            assert hit, f"{job} was left by its worker"
            assert workers.comes_back(job.pk, rig).ends_with(WITHIN) == 0
            job.refresh_from_db()
        return hit

    # Looking

    def restic(self) -> Restic:
        """Without a cache of anybody: what is seen is what is there."""
        apart = self.stage.folder / "apart" / self.name
        return Restic(place_of(self.kept_in, self.service), self.host.name, apart, apart / "cache", restic_binary())

    def snapshots(self) -> set[str]:
        return {one.id for one in self.restic().snapshots()}

    def on_record(self) -> set[str]:
        return set(Backup.objects.filter(service=self.service).exclude(state="forgotten").values_list("snapshot", flat=True))

    def is_sound(self, share: str = "") -> None:
        """The repository: structure as restic checks it, no lock of a dead run, no snapshot that no record tells of."""
        checked = self.restic().check(share, lambda _line: None, 120)
        assert checked.whole, checked.words
        assert self.snapshots() == self.on_record()

    def read(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{quote(path)}", timeout=5) as answer:
            return bytes(answer.read())

    def cat(self, path: str) -> str:
        """As the container sees it."""
        return self.cli("exec", f"{self.name}-{SERVICE}-1", "cat", path)

    def serves(self) -> None:
        """Up, exactly one, not paused, answering."""
        (one,) = self.containers()
        assert one.status == "running", one.status
        ends = time.monotonic() + 5
        while b"keeper" not in self._answer():
            assert time.monotonic() < ends, "it does not answer"
            time.sleep(0.02)

    def _answer(self) -> bytes:
        with suppress(OSError):
            return self.read("/health")
        return b""

    def left_over(self) -> set[str]:
        """Folders of the portal's own that no restore on record explains."""
        kept = Restore.objects.filter(service=self.service, state=RestoreState.DONE)
        staged = [Path(swap["staged"]) for one in kept for swap in one.swaps]
        explained = {part for path in staged for part in path.parts}
        places = {Path(path) for path in self.service.data_paths} | {Path(path).parent for path in self.service.data_paths}
        found = {entry.name for place in places if place.is_dir() for entry in place.iterdir()}
        return {name for name in found if name.startswith(".known-good-")} - explained

    def nothing_left(self) -> None:
        assert self.left_over() == set()
        assert not [p for n in self._job_numbers() for p in (settings.STATE_DIR / "rehearsals").glob(str(n))]
        assert self._of_rehearsals() == []

    def _of_rehearsals(self) -> list[str]:
        """Containers and networks."""
        begins = f"kg-restored-{self.name[:40]}-"
        containers = self.engine.api.containers(all=True)
        names = [str(one["Labels"].get("com.docker.compose.project", "")) for one in containers]
        names += [network["Name"] for network in self.engine.api.networks()]
        return [name for name in names if name.startswith(begins)]

    def clear(self) -> None:
        super().clear()
        if self.disk and self.small_disk.is_mount():
            unmounted(self.small_disk)
        if self.volume:
            self.cli("volume", "rm", "--force", f"{self.name}_box")


def mounted(folder: Path, size: str) -> None:
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)


def unmounted(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", folder], check=False)


def filled(disk: Path, but: int) -> Path:
    """A file that takes all the space there is, but so many bytes."""
    free = os.statvfs(disk)
    file = disk / "filler"
    with file.open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, free.f_bavail * free.f_frsize - but)
    return file


def _until(so: Callable[[], bool], worker: Worker) -> None:
    ends = time.monotonic() + WITHIN
    while not so():
        assert time.monotonic() < ends
        assert worker.process.is_alive()
        time.sleep(0.005)


def _is_stopped(worker: Worker) -> bool:
    return Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def own(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, OWNER, OWNER)


def tree_of(paths: Path | Sequence[Path]) -> str:
    """A hash over all that is below: names, types, modes, owners, times, contents, links, attributes, holes left aside.

    The portal's own folders are passed over, and so is the time of a mount point, in which they come and go.
    """
    told = hashlib.sha256()
    for top in [paths] if isinstance(paths, Path) else paths:
        linked: dict[int, bytes] = {}
        for path in _below(os.fsencode(top)):
            told.update(repr(_look(path, linked)).encode())
    return told.hexdigest()


def _below(top: bytes) -> Iterator[bytes]:
    yield top
    if stat.S_ISDIR(os.lstat(top).st_mode):
        for name in sorted(os.listdir(top)):  # noqa: PTH208 - bytes
            if not name.startswith(b".known-good-"):
                yield from _below(top + b"/" + name)


def _look(path: bytes, linked: dict[int, bytes]) -> tuple[Any, ...]:
    found = os.lstat(path)
    kind = stat.S_IFMT(found.st_mode)
    content: Any = None
    if stat.S_ISREG(kind):
        with open(path, "rb") as file:  # noqa: PTH123 - bytes
            content = hashlib.file_digest(file, "sha256").hexdigest()
    if stat.S_ISLNK(kind):
        content = os.readlink(path)  # noqa: PTH115 - bytes
    names = os.listxattr(path, follow_symlinks=False)
    attributes = [(name, os.getxattr(path, name, follow_symlinks=False)) for name in sorted(names)]
    time_of = 0 if stat.S_ISLNK(kind) or os.path.ismount(path) else found.st_mtime_ns
    first = linked.setdefault(found.st_ino, path) if found.st_nlink > 1 and not stat.S_ISDIR(kind) else b""
    return path, kind, found.st_mode, found.st_uid, found.st_gid, time_of, content, attributes, first
