"""Real builds in a real registry, Compose services under management, and the record in a database of its own.

A stage is set once a run. Each stand on it is one service with its own project, folder and port.
"""

import itertools
import json
import os
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

import docker
from django.conf import settings
from django.contrib.auth.models import User
from docker.errors import APIError, NotFound

from chatbot_service import dispatch
from chatbot_service.building import Builder
from chatbot_service.dispatch import Request
from chatbot_service.jobs.pin import pinned_reference, with_pin
from chatbot_service.models import Host, Job, Service
from chatbot_service.wiring import ask_registry, compose_of, project_of
from deploy_records import deployments, ledger
from deploy_records.models import ImageDigest
from tests import factories
from tests.docker.faults import workers
from tests.docker.faults.own_database import OwnDatabase
from tests.docker.registries import LocalRegistry, free_port

SERVICE = "personal_chatbot"
REPOSITORY = "stage/personal-chatbot"
COMPOSE_FILES = ("docker-compose.yml", "docker-compose.prod.yml")
IMAGES = Path(__file__).parent.parent / "images"
# The guide's numbers are for people; a test waits for them hundreds of times.
QUICK = {"interval: 10s": "interval: 1s", "retries: 6": "retries: 3", "start_period: 20s": "start_period: 3s"}
_PROJECT, _NUMBER = "com.docker.compose.project", "com.docker.compose.container-number"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Build:
    """`reference`: repository:tag@digest, as it is pinned."""

    name: str
    repository: str
    digest: str
    image_id: str

    @property
    def reference(self) -> str:
        return f"{self.repository}:{self.name}@{self.digest}"


@dataclass
class Stage:
    registry: LocalRegistry
    database: OwnDatabase
    folder: Path
    base_image: str
    _known: dict[tuple[str, str], Build] = field(default_factory=dict)
    _local: dict[str, str] = field(default_factory=dict)
    _stands: list["Stand"] = field(default_factory=list)
    _free: SimpleQueue["Stand"] = field(default_factory=SimpleQueue)
    _building: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def operator(self) -> User:
        return factories.person("Operator", name="olga")

    @cached_property
    def release_manager(self) -> User:
        return factories.person("Release manager", name="rosa")

    @cached_property
    def host(self) -> Host:
        return factories.host("local")

    @cached_property
    def engine(self) -> docker.DockerClient:
        return docker.from_env(timeout=30)

    def build(self, name: str, *, fault: str = "", image: str = "", platform: str = "", repository: str = REPOSITORY) -> Build:
        """In the registry, not on the engine under its repository's name; registered by one, approved by the other.

        `image`: a folder of tests/docker/images; else the top-level Dockerfile with that fault.
        """
        where = f"{self.registry.address}/{repository}"
        with self._building:
            if (where, name) not in self._known:
                local = self._made_here(name, fault, image, platform)
                digest = self.registry.push(local, repository, name)
                found = Build(name, where, digest, self.engine.images.get(local).id or "")
                self._approve(found)
                self._known[where, name] = found
            return self._known[where, name]

    def _made_here(self, name: str, fault: str, image: str, platform: str) -> str:
        if name not in self._local:
            tag = f"known-good-stage/{self.registry.port}:{name}"
            if image:
                options = ["--platform", platform] if platform else []
                options += ["--build-arg", self._on_what(IMAGES / image), f"--label=build={name}"]
                argv = ["docker", "build", "--quiet", *options, "--tag", tag, str(IMAGES / image)]
                subprocess.run(argv, env=os.environ | {"DOCKER_BUILDKIT": "0"}, capture_output=True, check=True, timeout=120)
            else:
                args = {"BUILD": name, "FAULT": fault, "BASE_IMAGE": self.base_image}
                Builder().build(settings.BASE_DIR, tag, target=SERVICE, args=args)
            self._local[name] = tag
        return self._local[name]

    def _on_what(self, folder: Path) -> str:
        """The build argument by which an image stands on a good build, or has nothing to do with one."""
        if "FROM_IMAGE" in (folder / "Dockerfile").read_text():
            return f"FROM_IMAGE={self._made_here('good-1', '', '', '')}"
        return f"BASE_IMAGE={self.base_image}"

    def _approve(self, build: Build) -> None:
        resolved = ask_registry(f"{build.repository}:{build.name}", None)
        assert resolved.digest == build.digest
        entry = factories.scanned(ledger.register(resolved, self.operator))
        ledger.approve(entry, self.release_manager, "tried")

    def entry(self, build: Build) -> ImageDigest:
        return ImageDigest.objects.get(repository=build.repository, digest=build.digest)

    def stand(self, runs: Build, before: Build | None = None, *, host: Host | None = None, **fields: Any) -> "Stand":
        """A new one on which `runs` runs healthily, and `before` has run before."""
        made = Stand(self, f"kgs{next(_numbers)}-{uuid4().hex[:6]}", host or self.host)
        self._stands.append(made)
        made.set_up(runs, before, fields)
        return made

    @contextmanager
    def borrowed(self) -> Iterator["Stand"]:
        """One on which the builds good-1 and good-2 have both run well. After a failure it is not lent again."""
        try:
            stand = self._free.get_nowait()
        except Empty:
            stand = self.stand(self.build("good-1"), self.build("good-2"))
        yield stand
        self._free.put(stand)

    @contextmanager
    def for_one(self, **fields: Any) -> Iterator["Stand"]:
        """One on which good-1 runs, and good-2 did, for a single case that may spoil it; gone afterwards."""
        stand = self.stand(self.build("good-1"), self.build("good-2"), **fields)
        try:
            yield stand
        finally:
            stand.clear()

    def clear(self) -> None:
        for stand in self._stands:
            stand.clear()
        names = [name for image in self.engine.images.list() for name in image.tags if name.startswith(self._ours)]
        Builder().forget(*names)
        for name in self._local.values():
            with suppress(APIError):
                self.engine.images.remove(name, force=True)
        self.engine.close()

    @property
    def _ours(self) -> tuple[str, ...]:
        return (f"{self.registry.address}/", f"known-good.keep/{self.host.name}/kgs")


@dataclass(frozen=True)
class Sight:
    """What is there, seen past the portal. Digests, as far as they are of the stage's builds, else what was seen."""

    status: int
    build: str
    running: tuple[str, ...]
    pin: str
    deployed: str
    containers: tuple[str, ...]
    rehearsals: tuple[str, ...]
    left_in_folder: tuple[str, ...]
    copies: tuple[str, ...]


@dataclass
class Stand:
    stage: Stage
    name: str
    host: Host
    port: int = field(default_factory=free_port)
    service: Service = field(init=False)

    @property
    def folder(self) -> Path:
        return self.stage.folder / self.name

    @property
    def pin_file(self) -> Path:
        return self.folder / COMPOSE_FILES[1]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/health"

    @property
    def request(self) -> Request:
        return Request(self.stage.operator, "a fault is tried")

    def set_up(self, runs: Build, before: Build | None, fields: Mapping[str, Any]) -> None:
        self._lay_out(runs)
        given = {"environment": "staging", "watch_seconds": 1} | dict(fields)
        self.service = Service.objects.create(
            host=self.host, name=self.name, project_dir=str(self.folder), project_name=self.name,
            compose_files=list(COMPOSE_FILES), compose_service=SERVICE, repository=runs.repository,
            added_by=self.stage.operator, **given,
        )  # fmt: skip
        self.pull(runs)
        if before:
            self.pull(before)
            self._ran(before)
        self.up()
        self.run(dispatch.adopt(self.service, self.request))
        self._ran(runs)

    def _lay_out(self, runs: Build) -> None:
        self.folder.mkdir()
        shipped = settings.BASE_DIR / "chatbot_service" / "image" / "compose"
        for name in COMPOSE_FILES:
            shutil.copy(shipped / name, self.folder / name)
        text = (self.folder / COMPOSE_FILES[0]).read_text()
        for number, quick in QUICK.items():
            assert number in text
            text = text.replace(number, quick)
        (self.folder / COMPOSE_FILES[0]).write_text(text)
        (self.folder / ".env").write_text(f"CHATBOT_PORT={self.port}\n")
        self.pin(runs)
        for name in ("uploads", "exports"):
            data = self.folder / SERVICE / name
            data.mkdir(parents=True)
            (data / "kept.txt").write_text("data of the service")
            shutil.chown(data, 10001, 10001)

    def _ran(self, build: Build) -> None:
        entry = self.stage.entry(build)
        deployments.begin(self.host.name, self.name, entry, "adopted", by=self.stage.operator)
        deployments.healthy(self.host.name, self.name, entry)

    # By hand, as an operator would without the portal

    def edit(self, was: str, becomes: str) -> None:
        """The base compose file. What runs is not touched."""
        file = self.folder / COMPOSE_FILES[0]
        assert was in file.read_text()
        file.write_text(file.read_text().replace(was, becomes))

    def pull(self, build: Build) -> None:
        self.cli("pull", "--quiet", f"{build.repository}@{build.digest}")

    def pin(self, build: Build) -> None:
        self.pin_file.write_text(with_pin(self.pin_file.read_text(), SERVICE, build.reference))

    def up(self) -> None:
        compose_of(self.host).up(project_of(self.service), lambda _line: None, 60)

    def cli(self, *argv: str) -> str:
        where = ["--host", self.host.engine_url] if self.host.engine_url else []
        done = subprocess.run(["docker", *where, *argv], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    # Jobs

    def run(self, job: Job) -> Job:
        """By a worker, to its end."""
        assert workers.worker(job.pk).ends_with(120) == 0
        job.refresh_from_db()
        return job

    def upgrade(self, to: Build) -> Job:
        return dispatch.upgrade(self.service, to.digest, self.request)

    def rollback(self, to: Build | None = None, *, note: str = "") -> Job:
        return dispatch.rollback(self.service, to.digest if to else "", self.request, deprecate=bool(note), note=note)

    def pair(self) -> tuple[Build, Build]:
        """Of the builds good-1 and good-2 the one that runs, and the other."""
        where = self.service.repository.partition("/")[2]
        one, two = (self.stage.build(name, repository=where) for name in ("good-1", "good-2"))
        return (one, two) if self.look().running == (one.digest,) else (two, one)

    # Looking

    def look(self) -> Sight:
        status, build = self._asked()
        ours = self.containers()
        open_one = deployments.current(self.host.name, self.name)
        return Sight(
            status=status,
            build=build,
            running=tuple(self._digest(one) for one in ours if one.status == "running"),
            pin=(pinned_reference(self.pin_file.read_text(), SERVICE) or "").rpartition("@")[2],
            deployed=open_one.entry.digest if open_one else "",
            containers=tuple(str(one.name) for one in ours),
            rehearsals=tuple(self._rehearsals()),
            left_in_folder=tuple(sorted({p.name for p in self.folder.iterdir()} - {*COMPOSE_FILES, ".env", SERVICE})),
            copies=tuple(str(p) for n in self._job_numbers() for p in (settings.STATE_DIR / "rehearsals").glob(str(n))),
        )

    @cached_property
    def engine(self) -> docker.DockerClient:
        if not self.host.engine_url:
            return self.stage.engine
        return docker.DockerClient(self.host.engine_url, version="1.41", timeout=30)

    def _asked(self) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.address, timeout=5) as answer:  # noqa: S310 - its own address
                return answer.status, json.load(answer)["build"]
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""
        except OSError:
            return 0, ""

    def containers(self) -> list[Any]:
        return self._containers(self.name)

    def _containers(self, project: str) -> list[Any]:
        listed = self.engine.api.containers(all=True, filters={"label": f"{_PROJECT}={project}"})
        found = []
        for one in listed:
            with suppress(NotFound):
                found.append(self.engine.containers.get(one["Id"]))
        return found

    def _digest(self, container: Any) -> str:
        image_id = container.attrs["Image"]
        known = {build.image_id: build.digest for build in self.stage._known.values()}
        return str(known.get(image_id, image_id))

    def _rehearsals(self) -> Iterator[str]:
        """Containers and networks of any rehearsal of this stand."""
        begins = f"kg-rehearsal-{self.name}-"
        for one in self.engine.api.containers(all=True, filters={"label": _PROJECT}):
            if one["Labels"][_PROJECT].startswith(begins):
                yield str(one["Names"])
        for network in self.engine.api.networks(filters={"label": _PROJECT}):
            if network["Labels"][_PROJECT].startswith(begins):
                yield network["Name"]

    def _job_numbers(self) -> list[int]:
        return list(Job.objects.filter(service=self.service).values_list("pk", flat=True))

    def clear(self) -> None:
        with suppress(APIError, OSError):
            for kind in (self.name, *self._rehearsal_projects()):
                for one in self._containers(kind):
                    one.remove(force=True)
                for network in self.engine.networks.list(filters={"label": f"{_PROJECT}={kind}"}):
                    network.remove()
        if self.engine is not self.stage.engine:
            self.engine.close()

    def _rehearsal_projects(self) -> list[str]:
        return [f"kg-rehearsal-{self.name}-{number}" for number in self._job_numbers()]


def is_whole(stand: Stand, job: Job, *, on: Build) -> None:
    """What must hold after whatever happened: the service answers on `on`, all agree on it, and nothing is left over."""
    job.refresh_from_db()
    assert not job.is_active, f"{job} is {job.state}"
    seen = stand.look()
    assert (seen.status, seen.build) == (200, on.name)
    assert seen.running == (on.digest,)
    assert seen.pin == on.digest
    assert seen.deployed == on.digest
    assert seen.containers == (f"{stand.name}-{SERVICE}-1",)
    assert seen.rehearsals == ()
    assert seen.copies == ()
    assert seen.left_in_folder == ()
    stand.service.refresh_from_db()
    assert stand.service.seen_digest == on.digest
    assert not job.steps.filter(state="running").exists()
    assert job.ended_at is not None
