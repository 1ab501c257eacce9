"""A change of the environment on the real Compose and engine: arrives, or all is as before."""

import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from chatbot_service.compose import ComposeBinary
from chatbot_service.container_look import ContainerLook
from chatbot_service.engine import DockerEngine
from chatbot_service.environment_folder import EnvironmentFolder
from chatbot_service.jobs import configure, hardening_check
from chatbot_service.jobs.context import Task
from chatbot_service.jobs.operation_ports import OperationContext
from chatbot_service.jobs.step import Outcome, Step, run_steps
from chatbot_service.project import Folder
from tests.chatbot_service.fakes import FakeMemory, FakeRecords, World, without_backups
from tests.chatbot_service.operation_fakes import FakeOperation, Notes, seal, unseal
from tests.docker import small
from tests.docker.registries import LocalRegistry
from tests.docker.small import SmallImage, SmallProject

SECRET = 'sk-"planted" $ecret #4711'
SERVES = '[ "$MODE" = broken ] || touch /tmp/well; echo "mode $MODE"'
HARDENED = """env_file: [.env]
environment: {FIXED: by-the-file}
restart: always
user: "10001:10001"
cap_drop: [ALL]
security_opt: ["no-new-privileges:true"]
read_only: true
tmpfs: [/tmp]
cpus: 1
mem_limit: 256m
stop_grace_period: 1s"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, base_image: str, registry: LocalRegistry) -> Iterator[SmallImage]:
    name = f"configure-{uuid4().hex[:8]}"
    made = small.make_image(tmp_path_factory.mktemp("small"), base_image, registry, name, SERVES)
    yield made
    small.forget_image(made)


class Service:
    def __init__(self, folder: Path, image: SmallImage, engine_url: str) -> None:
        self.engine = DockerEngine(engine_url)
        self.small = SmallProject(folder / "project", f"kg-configure-{uuid4().hex[:8]}")
        self.project = self.small.as_project
        self.compose = ComposeBinary(docker_host=engine_url, locks=folder / "locks")
        self.env = self.small.folder / ".env"
        self.operation = FakeOperation(World())
        self.image = image
        self.said: list[str] = []
        self.small.write(HARDENED, {"MODE": "fine"})
        self.small.pin(image)
        self.engine.pull(image.repository, image.digest, "linux/amd64", None, self.said.append, 60)
        self.compose.up(self.project, self.said.append, 60)

    def run(self, steps: tuple[Step, ...], **asked: Any) -> tuple[Outcome, Notes]:
        notes = Notes()
        context = OperationContext(
            task=Task(1, "configure", "app", "here", self.project, self.image.repository, asked=asked),
            engine=self.engine, compose=self.compose,
            files=Folder(self.project.directory, self.project.pin_file, Path("/nowhere")),
            records=FakeRecords(World()), memory=FakeMemory(), say=self.said.append, pause=time.sleep, now=time.monotonic,
            looks=ContainerLook(self.engine), env_file=EnvironmentFolder(self.project.directory), operation=self.operation,
            seal=seal, unseal=unseal, fingerprint=str, **without_backups(),
        )  # fmt: skip
        return run_steps(steps, context, notes), notes

    def environment(self) -> dict[str, str]:
        (container,) = self.engine.containers(self.project.name, "app")
        assert container.running
        assert container.image == self.image.reference
        return ContainerLook(self.engine).environment(container.id)

    def remove(self) -> None:
        self.compose.down(self.project.name, self.said.append, 60)
        self.engine.close()


@pytest.fixture
def service(tmp_path: Path, image: SmallImage, engine_url: str) -> Iterator[Service]:
    made = Service(tmp_path, image, engine_url)
    yield made
    made.remove()


def test_a_change_arrives_with_its_quotes_and_dollars_and_the_file_keeps_mode_and_comments(service: Service) -> None:
    service.env.write_text("# ours\nMODE=fine # as ever\n")
    service.env.chmod(0o640)
    outcome, notes = service.run(configure.STEPS, set={"MODE": "better"}, sealed={"OPENROUTER_API_KEY": seal(SECRET)})
    assert outcome is Outcome.SUCCEEDED, notes.error
    environment = service.environment()
    assert (environment["MODE"], environment["OPENROUTER_API_KEY"]) == ("better", SECRET)
    assert service.env.read_text().startswith("# ours\nMODE=better # as ever\nOPENROUTER_API_KEY=")
    assert stat.S_IMODE(service.env.stat().st_mode) == 0o640
    assert SECRET not in repr([service.said, notes])


def test_a_change_with_which_it_is_never_healthy_is_undone_to_the_byte(service: Service) -> None:
    before = service.env.read_bytes()
    outcome, notes = service.run(configure.STEPS, set={"MODE": "broken"})
    assert outcome is Outcome.UNDONE
    assert "unhealthy" in str(notes.error)
    assert service.env.read_bytes() == before
    assert service.environment()["MODE"] == "fine"


def test_a_key_that_the_compose_file_fixes_is_refused_and_the_container_stays(service: Service) -> None:
    (before,) = service.engine.containers(service.project.name, "app")
    outcome, notes = service.run(configure.STEPS, set={"FIXED": "by-hand"})
    assert outcome is Outcome.UNDONE
    assert "FIXED does not reach the container" in str(notes.error)
    (after,) = service.engine.containers(service.project.name, "app")
    assert (after.id, after.started_at) == (before.id, before.started_at)


def test_a_link_in_the_place_of_the_file_is_not_followed(service: Service, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("MODE=fine\n")
    service.env.unlink()
    service.env.symlink_to(target)
    outcome, notes = service.run(configure.STEPS, set={"MODE": "other"})
    assert outcome is Outcome.UNDONE
    assert "link" in str(notes.error)
    assert target.read_text() == "MODE=fine\n"


def test_a_hardening_check_tells_what_compose_made_of_the_file(service: Service) -> None:
    outcome, notes = service.run(hardening_check.STEPS)
    assert outcome is Outcome.SUCCEEDED, notes.error
    (check,) = service.operation.checks
    verdicts = {row["rule"]: row["verdict"] for row in check["results"]}
    # The base image keeps the setuid programs of its distribution; all else is as it should be.
    assert {rule for rule, verdict in verdicts.items() if verdict != "ok"} == {"setuid_image"}
