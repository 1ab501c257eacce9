"""What only the real Compose can show: its own words, its .env file, and a worker that dies in the middle of a switch."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from chatbot_service.compose import ComposeBinary, find_binary
from chatbot_service.engine import DockerEngine
from chatbot_service.jobs import adoption
from deploy_records.errors import Broken, Refused
from tests.docker import small
from tests.docker.registries import LocalRegistry
from tests.docker.small import SmallImage, SmallProject

ROOT = Path(__file__).parents[2]
SECRET = "sk-or-v1-never-to-be-seen"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory, base_image: str, registry: LocalRegistry) -> Iterator[list[SmallImage]]:
    folder, engine = tmp_path_factory.mktemp("small"), DockerEngine()
    made = [small.make_image(folder, base_image, registry, f"compose-{number}", small.GOOD) for number in (1, 2)]
    for image in made:
        engine.pull(image.repository, image.digest, "linux/amd64", None, ignore, 60)
    yield made
    for image in made:
        small.forget_image(image)
    engine.close()


@pytest.fixture
def compose(tmp_path: Path, engine_url: str) -> ComposeBinary:
    return ComposeBinary(docker_host=engine_url, locks=tmp_path / "locks")


@pytest.fixture
def engine(engine_url: str) -> Iterator[DockerEngine]:
    opened = DockerEngine(engine_url)
    yield opened
    opened.close()


@pytest.fixture
def project(tmp_path: Path, images: list[SmallImage], compose: ComposeBinary) -> Iterator[SmallProject]:
    made = SmallProject(tmp_path / "app", f"kg-compose-{uuid4().hex[:8]}")
    made.write()
    made.pin(images[0])
    yield made
    compose.down(made.name, ignore, 60)


def ignore(_: str) -> None: ...


def test_compose_is_found_and_new_enough() -> None:
    assert find_binary().endswith("docker-compose")


def test_a_rendered_project_is_what_adoption_reads(
    compose: ComposeBinary, project: SmallProject, images: list[SmallImage]
) -> None:
    project.write(
        f'environment: {{OPENROUTER_API_KEY: "{SECRET}"}}\nuser: "10001:10001"\nmem_limit: 512m\ncpus: 0.5\n'
        "healthcheck: {test: [CMD, 'true'], interval: 10s, timeout: 3s, retries: 6, start_period: 20s}\n"
        "volumes: ['./uploads:/app/uploads', 'data:/data']"
    )
    file = project.folder / "docker-compose.yml"
    file.write_text(file.read_text() + "volumes: {data: {}}\n")
    found = adoption.find(compose.config(project.as_project), str(project.folder))
    service = adoption.chosen(found, "app")
    assert service["digest"] == images[0].digest
    assert service["env_keys"] == ["OPENROUTER_API_KEY"]
    assert service["healthcheck"]["start_period"] == 20.0
    assert service["data_paths"] == [f"{project.folder}/uploads", "data"]
    assert service["limits"] == {"cpus": "0.5", "memory": "512 MiB"}
    assert SECRET not in str(found)


def test_a_password_that_a_variable_brings_into_a_healthcheck_is_not_kept(compose: ComposeBinary, project: SmallProject) -> None:
    project.write('healthcheck: {test: "redis-cli -a ${PASSWORD} ping", retries: "${TRIES}"}\nports: ["${PORT}:80"]')
    (project.folder / ".env").write_text(f"PASSWORD={SECRET}\nTRIES=4\nPORT=18123\n")
    rendered, written = compose.config(project.as_project), compose.config(project.as_project, filled_in=False)
    found = adoption.find(rendered, str(project.folder), written=written)
    check = adoption.chosen(found, "app")["healthcheck"]
    assert check["test"] == ["CMD-SHELL", "redis-cli -a ${PASSWORD} ping"]
    assert check["retries"] == 4
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("settings", "env", "words"),
    [
        (f"environment: {{KEY: '{SECRET}${{x{{'}}", "", "services.app.environment.KEY has a $"),
        ("", f'KEY="{SECRET}\n', ".env cannot be read at line"),
        ("", f"KEY {SECRET}\n", ".env cannot be read at line 1"),
        (f"environment: {{KEY: '${{MISSING:?{SECRET}}}'}}", "", "The variable MISSING has no value"),
        ("env_file: nowhere.env", "", "nowhere.env is missing"),
        ("ports: [x]", "", "cannot be used"),
        (f"environment: [KEY: '{SECRET}']", "", "cannot be used"),
        (f"healthcheck: {{interval: {SECRET}}}", "", "cannot be used"),
        (f"no_such_setting: {SECRET}", "", "Additional property no_such_setting is not allowed"),
        (f"environment: {{A: '{SECRET}', A: x}}", "", "The key A is there twice"),
        (f"environment: '{SECRET}", "", "cannot be used"),
    ],
)
def test_a_project_out_of_order_is_refused_without_showing_a_value(
    compose: ComposeBinary, project: SmallProject, settings: str, env: str, words: str
) -> None:
    project.write(settings)
    (project.folder / ".env").write_text(env)
    said: list[str] = []
    with pytest.raises(Refused) as at_reading:
        compose.config(project.as_project)
    with pytest.raises(Refused) as at_switching:
        compose.up(project.as_project, said.append, 30)
    assert words in str(at_reading.value)
    assert SECRET not in f"{at_reading.value} {at_switching.value} {said}"


def test_a_service_that_is_not_there_is_refused(compose: ComposeBinary, project: SmallProject) -> None:
    there = project.as_project
    with pytest.raises(Refused, match="There is no service nope"):
        compose.up(type(there)(there.directory, there.name, there.files, there.pin_file, "nope"), ignore, 30)


def test_a_secret_with_a_dollar_in_it_is_not_told_by_the_warning(compose: ComposeBinary, project: SmallProject) -> None:
    project.write("environment: {KEY: 'sk-a$hidden7'}")
    told: list[str] = []
    compose.up(project.as_project, told.append, 30)
    assert any("variable … is not set" in line for line in told)
    assert "hidden7" not in " ".join(told)


def test_the_projects_own_settings_do_not_make_up_do_more(
    compose: ComposeBinary, project: SmallProject, engine: DockerEngine, images: list[SmallImage]
) -> None:
    """A .env file could ask Compose to remove other containers, or to take other files and another name."""
    compose.up(project.as_project, ignore, 30)
    compose.up_rendered(project.name, str(project.folder), {"services": {"other": {"image": images[1].reference}}}, ignore, 30)
    evil = {
        "COMPOSE_REMOVE_ORPHANS": "1",
        "COMPOSE_PROJECT_NAME": "evil",
        "COMPOSE_FILE": "/evil.yml",
        "DOCKER_HOST": "tcp://evil:1",
    }
    project.write(env=evil)
    compose.up(project.as_project, ignore, 30)
    assert {seen.service for seen in engine.states() if seen.project == project.name} == {"app", "other"}
    assert "evil" not in {seen.project for seen in engine.states()}


def test_an_engine_that_is_not_there_is_broken(project: SmallProject, tmp_path: Path) -> None:
    nowhere = ComposeBinary(docker_host=f"unix://{tmp_path}/none.sock", locks=tmp_path / "locks")
    with pytest.raises(Broken, match="the engine does not answer"):
        nowhere.up(project.as_project, ignore, 30)


WORKER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from chatbot_service.compose import ComposeBinary
from chatbot_service.jobs.ports import Project
compose = ComposeBinary(docker_host={url!r}, locks=Path({locks!r}))
project = Project({directory!r}, {name!r}, ("docker-compose.yml", "docker-compose.prod.yml"), "docker-compose.prod.yml", "app")
print("begins", flush=True)
compose.up(project, lambda line: None, 60)
"""


def test_a_switch_ends_well_whenever_its_worker_is_killed(
    compose: ComposeBinary, project: SmallProject, images: list[SmallImage], engine: DockerEngine, engine_url: str, tmp_path: Path
) -> None:
    compose.up(project.as_project, ignore, 30)
    text = WORKER.format(
        root=str(ROOT), url=engine_url, locks=str(tmp_path / "locks"), directory=str(project.folder), name=project.name
    )
    chance = random.Random(7)
    for turn in range(1, 7):
        project.pin(images[turn % 2])
        with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) as worker:
            assert worker.stdout
            worker.stdout.readline()
            time.sleep(chance.uniform(0.02, 0.5))
            worker.kill()
        compose.settle(project.as_project)
        compose.up(project.as_project, ignore, 30)
        (container,) = engine.containers(project.name, "app")
        assert (container.name, container.running, container.image_id) == (f"{project.name}-app-1", True, images[turn % 2].id)
