"""The image as it is built from the top-level Dockerfile, run under its own compose file on the engine."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatbot_service.building import Builder
from tests import machine
from tests.chatbot_service.image import chatbot
from tests.chatbot_service.image.chatbot import IMAGE, as_nobody_owns

pytestmark = pytest.mark.docker

ROOT = IMAGE.parents[1]
MUST_BE_CAUGHT = ROOT / "tests" / "docker" / "images"


def docker(*argv: str, **environment: str) -> str:
    done = subprocess.run(
        ["docker", *argv], capture_output=True, text=True, timeout=120, check=False, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def inspect(reference: str) -> dict[str, Any]:
    return dict(json.loads(docker("inspect", reference))[0])


class Builds:
    """Builds on demand, removed at the end."""

    def __init__(self) -> None:
        self._repository = f"known-good-test/chatbot-{uuid.uuid4().hex[:8]}"
        self._made: list[str] = []

    def build(self, build: str, fault: str = "") -> str:
        args = {"BASE_IMAGE": machine.BASE_IMAGE, "BUILD": build, "FAULT": fault}
        return self._keep(f"{build}{fault}", ROOT, target="personal_chatbot", args=args)

    def must_be_caught(self, name: str) -> str:
        return self._keep(name, MUST_BE_CAUGHT / name, args={"FROM_IMAGE": self.build("1")})

    def _keep(self, tag: str, context: Path, **how: Any) -> str:
        reference = f"{self._repository}:{tag}"
        if reference not in self._made:
            Builder().build(context, reference, **how)
            self._made.append(reference)
        return reference

    def forget(self) -> None:
        docker("rmi", "--force", *reversed(self._made))


@pytest.fixture(scope="module")
def builds() -> Iterator[Builds]:
    made = Builds()
    yield made
    made.forget()


class Project:
    """The compose template in a folder of its own."""

    def __init__(self, folder: Path, image: str) -> None:
        self.folder = folder
        self.port = chatbot.free_port()
        self._name = f"kgtest{uuid.uuid4().hex[:8]}"
        self._environment = {"CHATBOT_IMAGE": image, "CHATBOT_PORT": str(self.port)}
        shutil.copy(IMAGE / "compose" / "docker-compose.yml", folder)
        for name in ("uploads", "exports"):
            (folder / "personal_chatbot" / name).mkdir(parents=True)
            as_nobody_owns(folder / "personal_chatbot" / name)

    def compose(self, *argv: str) -> str:
        return docker("compose", "-p", self._name, "--project-directory", str(self.folder), *argv, **self._environment)

    @property
    def container(self) -> str:
        return self.compose("ps", "--all", "--quiet")

    def healthcheck(self, within: float = 10.0) -> str:
        give_up_at = time.monotonic() + within
        while True:
            done = subprocess.run(
                ["docker", "exec", self.container, "bash", "scripts/healthcheck.sh"],
                capture_output=True, text=True, timeout=20, check=False,
            )  # fmt: skip
            if done.returncode == 0 or time.monotonic() > give_up_at:
                return done.stdout.strip()
            time.sleep(0.1)


@pytest.fixture
def project(builds: Builds, tmp_path: Path) -> Iterator[Project]:
    one = Project(tmp_path, builds.build("1"))
    yield one
    one.compose("down", "--timeout", "1")


def test_the_image_says_what_it_is(builds: Builds) -> None:
    config = inspect(builds.build("1"))["Config"]
    assert config["User"] == "10001:10001"
    assert config["WorkingDir"] == "/app"
    assert config["Entrypoint"][:2] == ["tini", "--"]
    assert config["Healthcheck"]["Test"] == ["CMD", "bash", "scripts/healthcheck.sh"]
    assert config["Healthcheck"]["Retries"] == 6
    assert config["Labels"]["io.known-good.build"] == "1"
    assert config["Labels"]["io.known-good.fault"] == ""
    assert "BUILD_NAME=1" in config["Env"]


def test_it_holds_no_file_that_gains_rights(builds: Builds) -> None:
    found = docker(
        "run", "--rm", "--user=0", "--entrypoint=find", builds.build("1"), "/", "-xdev", "-perm", "/6000", "-type", "f"
    )
    assert found == ""


def test_nothing_of_the_app_can_be_changed_by_its_user(builds: Builds) -> None:
    find = ["/app", "-writable", "-not", "-path", "*/uploads", "-not", "-path", "*/exports"]
    assert docker("run", "--rm", "--entrypoint=find", builds.build("1"), *find) == ""


def test_two_builds_differ_in_their_last_layer_only(builds: Builds) -> None:
    one, two = (inspect(builds.build(build))["RootFS"]["Layers"] for build in ("1", "2"))
    assert one[:-1] == two[:-1]
    assert one[-1] != two[-1]


def test_it_serves_under_the_whole_baseline(project: Project) -> None:
    project.compose("up", "--detach")
    assert project.healthcheck() == "healthy"
    with urllib.request.urlopen(f"http://127.0.0.1:{project.port}/health", timeout=10) as answer:
        assert json.load(answer)["writable"] == {"uploads": True, "exports": True}
    host = inspect(project.container)["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    status = docker("exec", project.container, "cat", "/proc/self/status")
    assert "CapEff:\t0000000000000000" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_it_stops_at_once_and_in_order(project: Project) -> None:
    project.compose("up", "--detach")
    assert project.healthcheck() == "healthy"
    begun = time.monotonic()
    project.compose("stop")
    took = time.monotonic() - begun
    state = inspect(project.container)["State"]
    assert state["ExitCode"] == 0
    assert took < 2.0


def test_a_missing_folder_is_an_error_rather_than_one_of_roots(project: Project) -> None:
    (project.folder / "personal_chatbot" / "exports").rmdir()
    with pytest.raises(AssertionError, match="bind source path does not exist"):
        project.compose("up", "--detach")
    assert not (project.folder / "personal_chatbot" / "exports").exists()


def test_it_refuses_to_run_as_root(builds: Builds) -> None:
    with pytest.raises(AssertionError):
        docker("run", "--rm", "--user=0", builds.build("1"))


def test_a_bad_build_says_so(builds: Builds) -> None:
    labels = inspect(builds.build("3", "unhealthy"))["Config"]["Labels"]
    assert labels["io.known-good.fault"] == "unhealthy"
    with pytest.raises(AssertionError):
        docker("run", "--rm", builds.build("4", "exit"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no-healthcheck", {"Healthcheck": {"Test": ["NONE"]}}),
        ("root-user", {"User": "root"}),
        ("required-env", {"Labels": {"io.known-good.required-env": "CHATBOT_LICENCE"}}),
        ("ignores-sigterm", {"User": "10001:10001"}),
        ("out-of-memory", {"User": "10001:10001"}),
    ],
)
def test_each_image_that_must_be_caught_is_wrong_in_its_way(builds: Builds, name: str, expected: dict[str, Any]) -> None:
    config = inspect(builds.must_be_caught(name))["Config"]
    for key, value in expected.items():
        assert value == config[key] or value.items() <= config[key].items()


def test_an_image_for_another_processor_says_so(builds: Builds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_DEFAULT_PLATFORM", "linux/s390x")
    context = MUST_BE_CAUGHT / "other-platform"
    reference = f"known-good-test/other-platform:{uuid.uuid4().hex[:8]}"
    Builder().build(context, reference, args={"FROM_IMAGE": "unused"})
    monkeypatch.delenv("DOCKER_DEFAULT_PLATFORM")
    found = inspect(reference)
    docker("rmi", reference)
    assert (found["Os"], found["Architecture"]) == ("linux", "s390x")


def test_it_ends_hard_when_its_first_process_ignores_sigterm(builds: Builds) -> None:
    container = docker("run", "--detach", builds.must_be_caught("ignores-sigterm"))
    try:
        docker("exec", container, "bash", "-c", "for i in {1..50}; do bash scripts/healthcheck.sh && break; sleep 0.1; done")
        begun = time.monotonic()
        docker("stop", "--time=1", container)
        assert time.monotonic() - begun >= 1.0
        assert inspect(container)["State"]["ExitCode"] == 137
    finally:
        docker("rm", "--force", container)
