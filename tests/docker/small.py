"""Small images, made in a second, that behave as the test needs; and a compose project that runs them."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from chatbot_service.building import Builder
from chatbot_service.jobs.pin import with_pin
from chatbot_service.jobs.ports import Project
from tests.docker.registries import PASSWORD, USERNAME, LocalRegistry

GOOD = "sleep 0.4; touch /tmp/well; echo ready"
NEVER_WELL = "echo waiting"
EXITS = "echo going; sleep 0.3; exit 3"
_DOCKERFILE = """
FROM {base}
ENV BUILD={build}
LABEL build={build}
USER 10001:10001
HEALTHCHECK --interval=1s --timeout=2s --start-period=2s --retries=2 CMD echo looked; test -f /tmp/well
CMD ["bash", "-c", {script}]
"""


@dataclass(frozen=True)
class SmallImage:
    repository: str
    digest: str
    id: str

    @property
    def reference(self) -> str:
        return f"{self.repository}@{self.digest}"


def make_image(folder: Path, base: str, registry: LocalRegistry, name: str, does: str) -> SmallImage:
    """In the registry only. `does` is what it does at its start; then it waits, and a SIGTERM ends it at once."""
    script = f"trap 'exit 0' TERM; {does}; while :; do sleep 0.1; done"
    context = folder / name
    context.mkdir()
    (context / "Dockerfile").write_text(_DOCKERFILE.format(base=base, build=name, script=json.dumps(script)))
    return _pushed(context, registry, name)


def make_data_image(folder: Path, registry: LocalRegistry) -> SmallImage:
    """In the registry only: one layer of random bytes, so that nothing local can stand in for it. It cannot run."""
    name = f"data-{uuid4().hex[:8]}"
    context = folder / name
    context.mkdir()
    (context / "data").write_bytes(os.urandom(300_000))
    (context / "Dockerfile").write_text("FROM scratch\nCOPY data /data\n")
    return _pushed(context, registry, name)


def _pushed(context: Path, registry: LocalRegistry, name: str) -> SmallImage:
    local = f"kg-small-{name}-{registry.port}"
    Builder().build(context, local)
    digest = registry.push(local, f"small/{name}")
    asked = subprocess.run(["docker", "image", "inspect", "--format={{.Id}}", local], capture_output=True, text=True, check=True)
    made = SmallImage(f"{registry.address}/small/{name}", digest, asked.stdout.strip())
    forget_image(made)
    return made


def log_in(registry: LocalRegistry) -> None:
    """The docker command line, so that it can push."""
    argv = ["docker", "login", "--username", USERNAME, "--password-stdin", registry.address]
    subprocess.run(argv, input=PASSWORD, text=True, check=True, capture_output=True)


def forget_image(image: SmallImage) -> None:
    """From the engine; the registry keeps it."""
    subprocess.run(["docker", "image", "rm", "--force", image.id], capture_output=True, check=False)


@dataclass(frozen=True)
class SmallProject:
    """A folder with a compose file whose service is `app`; `settings` are further lines of that service."""

    folder: Path
    name: str

    @property
    def as_project(self) -> Project:
        return Project(
            str(self.folder), self.name, ("docker-compose.yml", "docker-compose.prod.yml"), "docker-compose.prod.yml", "app"
        )

    def write(self, settings: str = "", env: Mapping[str, str] | None = None) -> None:
        self.folder.mkdir(exist_ok=True)
        lines = "".join(f"    {line}\n" for line in settings.splitlines())
        (self.folder / "docker-compose.yml").write_text(
            f"services:\n  app:\n    image: nowhere.invalid/app:1\n    init: true\n{lines}"
        )
        (self.folder / ".env").write_text("".join(f"{key}={value}\n" for key, value in (env or {}).items()))

    def pin(self, image: SmallImage) -> None:
        file = self.folder / "docker-compose.prod.yml"
        file.write_text(with_pin(file.read_text() if file.exists() else None, "app", image.reference))
