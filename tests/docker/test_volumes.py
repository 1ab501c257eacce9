"""Where the real engine keeps the volumes of a Compose project."""

import subprocess
from collections.abc import Iterator
from uuid import uuid4

import pytest

from chatbot_service.engine import DockerEngine

pytestmark = pytest.mark.docker


@pytest.fixture
def project() -> Iterator[str]:
    name = f"kg-volumes-{uuid4().hex[:8]}"
    volumes = {f"{name}_data": (name, "data"), f"{name}-external": ("", ""), f"{name}-other": (f"{name}-other", "other")}
    for volume, (owner, key) in volumes.items():
        labels = [f"--label=com.docker.compose.project={owner}", f"--label=com.docker.compose.volume={key}"] if owner else []
        subprocess.run(["docker", "volume", "create", *labels, volume], check=True, capture_output=True)
    yield name
    subprocess.run(["docker", "volume", "rm", *volumes], check=True, capture_output=True)


def test_a_volume_is_found_by_its_name_in_the_project_and_an_external_one_by_its_own(project: str, engine_url: str) -> None:
    engine = DockerEngine(engine_url)
    try:
        assert engine.volume_path(project, "data").endswith(f"/{project}_data/_data")
        assert engine.volume_path(project, f"{project}-external").endswith(f"/{project}-external/_data")
        assert engine.volume_path(project, f"{project}-other") == ""
        assert engine.volume_path(project, "nothing") == ""
    finally:
        engine.close()
