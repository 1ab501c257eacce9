"""Builds and pushes images with the docker command line: for the demo, the tests and the benchmarks.

The portal itself never builds: it deploys what was built elsewhere and approved.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy_records.errors import Broken

BUILD_TIMEOUT = 600.0
_PUSHED = re.compile(r"digest: (sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Builder:
    """`docker_host` empty: the DOCKER_HOST of the environment or the local socket."""

    docker_host: str = ""

    def build(self, context: Path, tag: str, *, target: str = "", args: Mapping[str, str] | None = None) -> None:
        options = [f"--build-arg={key}={value}" for key, value in (args or {}).items()]
        options += [f"--target={target}"] if target else []
        self._docker("build", "--quiet", *options, f"--tag={tag}", str(context))

    def push(self, reference: str) -> str:
        """The digest under which the registry now has it."""
        found = _PUSHED.search(self._docker("push", reference))
        if found is None:
            raise Broken(f"docker push {reference} named no digest.")
        return found[1]

    def has(self, reference: str) -> bool:
        try:
            self._docker("image", "inspect", "--format={{.Id}}", reference)
        except Broken:
            return False
        return True

    def forget(self, *references: str) -> None:
        """Removes names of images from the engine, so that the next use has to pull; what is still used stays."""
        for reference in references:
            if self.has(reference):
                self._docker("image", "rm", "--no-prune", reference)

    def _docker(self, *argv: str) -> str:
        # The classic builder needs no plugin and no image from outside.
        chosen = {"DOCKER_BUILDKIT": "0"} | ({"DOCKER_HOST": self.docker_host} if self.docker_host else {})
        try:
            done = subprocess.run(  # noqa: S603 - argv list, no shell
                ["docker", *argv],  # noqa: S607 - found on PATH as the person has it
                env=os.environ | chosen, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Broken(f"docker {argv[0]}: {error}") from error
        if done.returncode:
            raise Broken(f"docker {argv[0]} ended with {done.returncode}: {(done.stderr or done.stdout)[-500:].strip()}")
        return done.stdout
