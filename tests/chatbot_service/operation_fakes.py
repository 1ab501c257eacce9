"""What jobs of day-2 operation are tried against, besides the world of `fakes`: an environment file that Compose reads, looks."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

from chatbot_service import contract_file, env_file
from chatbot_service.environment_contract import Change, Contract
from chatbot_service.jobs.hardening import Excuse
from chatbot_service.jobs.look_ports import (
    Capabilities,
    DataSize,
    HealthcheckRun,
    LogLine,
    LogPage,
    LogQuery,
    Mount,
    Process,
    RawHealthcheck,
    Standing,
    Tree,
    Usage,
)
from chatbot_service.jobs.operation_ports import KeptVersion, OperationContext
from chatbot_service.jobs.ports import ProbeResult, Say
from chatbot_service.jobs.reach import Endpoint, Reach, Stage
from chatbot_service.jobs.step import Step
from tests.chatbot_service.fakes import (
    NEVER_HEALTHY,
    REPOSITORY,
    FakeCompose,
    FakeContainer,
    FakeMemory,
    FakeRecords,
    World,
    job_context,
)

BREAKS_IT = "breaks-it"
"""A value of MODE with which the service never becomes healthy."""
OURS = (10001,) * 4
WELL = Process(7, "python3", OURS, OURS, (), Capabilities(), no_new_privileges=True, seccomp=2)
MOUNTS = (
    Mount("/", "overlay", read_only=True),
    Mount("/tmp", "tmpfs", read_only=False),
    Mount("/app/uploads", "ext4", read_only=False),
)
TREES = (
    Tree("/", 0, 0, 9000, 8000, (), whole=True),
    Tree("/tmp", 0, 0, 1, 0, (), whole=True),
    Tree("/app/uploads", 10001, 10001, 3, 0, (), whole=True),
)
DIGEST = "sha256:" + "a" * 64
HARDENED = Standing(
    image=f"{REPOSITORY}@{DIGEST}", image_id="sha256:b", privileged=False, read_only_root=True, host_namespaces=frozenset(),
    security_options=("no-new-privileges:true",), engine_sockets=(), cpus=1, memory=1 << 30, pids=128,
    check=RawHealthcheck(("CMD", "true"), 10, 3, 6, 20), processes=(WELL, replace(WELL, pid=1, name="tini")),
    mounts=MOUNTS, trees=TREES, seen_from="the host",
)  # fmt: skip


class EnvironmentCompose(FakeCompose):
    """Reads the environment file as Compose does. `fixed`: keys to which the compose file itself gives a value."""

    def __init__(self, world: World, file: "FakeEnvironmentFile") -> None:
        super().__init__(world)
        self._file = file
        self.fixed: dict[str, str] = {}
        self.port_key = ""
        """A key that the compose file uses for the published port."""
        self.made_with: dict[str, dict[str, str]] = {}

    def config(self, project: Any, *, filled_in: bool = True) -> dict[str, Any]:
        rendered = super().config(project, filled_in=filled_in)
        found = env_file.values(self._file.text or "")
        service = rendered["services"][project.service]
        service["environment"] = {key: value.replace("$", "$$") for key, value in {**found, **self.fixed}.items()}
        if self.port_key in found:
            service["ports"][0]["published"] = found[self.port_key]
        return rendered

    def up(self, project: Any, say: Say, timeout: float) -> None:
        wanted = self._environment(project)
        for container in self._ours(project):
            if self.made_with.get(container.id, wanted) != wanted:
                container.reference += " with another environment"  # so that it is made anew
        super().up(project, say, timeout)
        for container in self._ours(project):
            if container.id not in self.made_with:
                self.made_with[container.id] = wanted
                if wanted.get("MODE") == BREAKS_IT:
                    container.image = replace(container.image, behaviour=NEVER_HEALTHY)

    def _environment(self, project: Any) -> dict[str, str]:
        given = self.config(project)["services"][project.service]["environment"]
        return {key: value.replace("$$", "$") for key, value in given.items()}

    def _ours(self, project: Any) -> list[FakeContainer]:
        return [c for c in self.world.containers.values() if (c.project, c.service) == (project.name, project.service)]


@dataclass
class FakeEnvironmentFile:
    world: World
    text: str | None = None

    def read(self) -> str | None:
        with self.world.call("env_file.read"):
            return self.text

    def write(self, text: str | None) -> None:
        with self.world.call("env_file.write"):
            self.text = text


@dataclass
class FakeLooks:
    world: World
    compose: EnvironmentCompose
    stands: Standing = HARDENED
    page: LogPage = field(default_factory=lambda: LogPage((LogLine("2026-01-01T00:00:00.000000000Z", "stdout", ()),)))
    reaches: dict[str, Reach] = field(default_factory=dict)
    asked: list[LogQuery] = field(default_factory=list)

    def standing(self, container_id: str) -> Standing:
        with self.world.call("looks.standing"):
            return self.stands

    def log(self, container_id: str, query: LogQuery) -> LogPage:
        with self.world.call("looks.log"):
            self.asked.append(query)
            return self.page

    def healthcheck(self, container_id: str) -> HealthcheckRun:
        with self.world.call("looks.healthcheck"):
            passes = self.world.passes(self.world.containers[container_id])
            return HealthcheckRun(("CMD", "check"), "10001:10001", 3.0, ProbeResult(0 if passes else 1, "said", 0.05))

    def reach(self, container_id: str, endpoint: Endpoint, timeout: float) -> Reach:
        with self.world.call("looks.reach"):
            well = Reach(endpoint.url, (Stage("dns", ok=True), Stage("tcp", ok=True), Stage("http", ok=True)), "a test", 200)
            return self.reaches.get(endpoint.url, well)

    def usage(self, container_id: str) -> Usage:
        with self.world.call("looks.usage"):
            at = datetime.fromtimestamp(1_700_000_000 + self.world.now, UTC)
            return Usage(at, self.world.now / 4, 2, 100 << 20, 1 << 30, 3, 1000, 2000, 3000, 4000)

    def sizes(self, paths: Sequence[str]) -> tuple[DataSize, ...]:
        return tuple(DataSize(path, 4096, 1, whole=True) for path in paths)

    def environment(self, container_id: str) -> dict[str, str]:
        with self.world.call("looks.environment"):
            return self.world.containers[container_id].image.facts.env | self.compose.made_with.get(container_id, {})


@dataclass
class FakeOperation:
    world: World
    has: Contract = field(default_factory=contract_file.default)
    may_keep: tuple[Excuse, ...] = ()
    checks: list[dict[str, Any]] = field(default_factory=list)
    versions: list[tuple[KeptVersion, tuple[Change, ...], bool, int | None]] = field(default_factory=list)

    def today(self) -> date:
        return date(2026, 1, 31)

    def excuses(self) -> tuple[Excuse, ...]:
        return self.may_keep

    def hardening_checked(self, results: Sequence[dict[str, Any]], *, passed: bool, due_on: date, digest: str) -> None:
        with self.world.call("operation.hardening_checked"):
            self.checks.append({"results": list(results), "passed": passed, "due_on": due_on, "digest": digest})

    def contract(self) -> Contract:
        return self.has

    def version(self, number: int) -> KeptVersion | None:
        kept = [version for version, *_ in self.versions]
        return next((v for v in reversed(kept) if number in {0, v.number}), None)

    def keep_version(self, sealed: str, changes: Sequence[Change], *, found: bool, went_back_to: int | None = None) -> int:
        with self.world.call("operation.keep_version"):
            number = len(self.versions) + 1
            self.versions.append((KeptVersion(number, sealed), tuple(changes), found, went_back_to))
            return number


@dataclass
class Notes:
    """`step.Report` that keeps what it was told."""

    error: Exception | None = None
    said: list[str] = field(default_factory=list)

    def begin(self, step: Step) -> None: ...

    def done(self, step: Step, note: str) -> None:
        self.said.append(note)

    def failed(self, step: Step, error: Exception) -> None:
        self.error = error

    def begin_undo(self, step: Step) -> None: ...

    def undone(self, step: Step, note: str) -> None:
        self.said.append(note)

    def undo_failed(self, step: Step, error: Exception) -> None:
        self.error = error


def seal(text: str) -> str:
    """Not a secret's keeper, but nothing of the text can be read in it."""
    return text.encode().hex()


def unseal(sealed: str) -> str:
    return bytes.fromhex(sealed).decode()


@dataclass
class Scene:
    """A service that runs, with an environment file."""

    world: World
    records: FakeRecords
    file: FakeEnvironmentFile
    compose: EnvironmentCompose
    looks: FakeLooks
    operation: FakeOperation
    memory: FakeMemory

    @classmethod
    def running(cls, text: str | None = "PORT=8000\n") -> "Scene":
        world = World()
        file = FakeEnvironmentFile(world, text)
        compose = EnvironmentCompose(world, file)
        image = world.add_image("one")
        records = FakeRecords(world)
        records.know(image, "known-good")
        world.run(image)
        compose.made_with[world.the_container().id] = compose._environment(world.project)
        return cls(world, records, file, compose, FakeLooks(world, compose), FakeOperation(world), FakeMemory())

    def context(self, asked: dict[str, Any] | None = None, pause: Callable[[float], None] | None = None) -> OperationContext:
        task: dict[str, Any] = {"kind": "configure", "asked": copy.deepcopy(asked)}
        usual = job_context(self.world, self.records, memory=self.memory, pause=pause, **task)
        ports = vars(usual) | {"compose": self.compose}
        return OperationContext(
            **ports, looks=self.looks, env_file=self.file, operation=self.operation, seal=seal, unseal=unseal,
            fingerprint=lambda text: str(hash(text)),
        )  # fmt: skip
