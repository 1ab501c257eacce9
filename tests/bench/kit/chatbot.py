"""The reference service for benchmarks: its builds in a registry, its project folders, and operating it by hand."""

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from chatbot_service.building import Builder
from chatbot_service.compose import find_binary
from chatbot_service.jobs.context import SmokeTest
from deploy_records.errors import Broken
from portal.demo import project as demo
from tests.bench.kit.stack import Stack

SERVICE = "personal_chatbot"
FILES = ("docker-compose.yml", "docker-compose.prod.yml")
UP_WITHIN = 180.0
_PAGE_ANSWERS = r"""
exec 3<>/dev/tcp/127.0.0.1/8000
printf 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
IFS= read -r -t 5 line <&3 && [[ $line == *' 200 '* ]]
"""
SMOKE_TEST = SmokeTest("the chat page answers", ("bash", "-c", _PAGE_ANSWERS.strip()))


def build_and_push(stack: Stack, number: str) -> str:
    """The digest in the registry of build 1 or 2 (good) or 3 (never becomes healthy)."""
    builder, reference = Builder(), f"{stack.repository}:build-{number}"
    args = {"BUILD": number, "FAULT": demo.BUILDS[number]}
    if builder.has(demo.LOCAL_BASE):
        args["BASE_IMAGE"] = demo.LOCAL_BASE
    builder.build(settings.BASE_DIR, reference, target=SERVICE, args=args)
    return builder.push(reference)


@dataclass(frozen=True)
class Folder:
    """A Compose project of the service. `name` is its project name; `interval` that of its healthcheck, in seconds."""

    path: Path
    name: str
    port: int
    interval: int

    def lay_out(self, reference: str) -> None:
        self.path.mkdir(parents=True)
        for name in FILES:
            shutil.copy(demo.IMAGE_FILES / "compose" / name, self.path / name)
        compose = self.path / FILES[0]
        compose.write_text(compose.read_text().replace("interval: 10s", f"interval: {self.interval}s"))
        self.pin(reference)
        (self.path / ".env").write_text(f"CHATBOT_PORT={self.port}\n")
        for name in ("uploads", "exports"):
            data = self.path / SERVICE / name
            data.mkdir(parents=True)
            os.chown(data, demo.RUNTIME_UID, demo.RUNTIME_GID)

    def pin(self, reference: str) -> None:
        file = self.path / FILES[1]
        file.write_text(re.sub(r"image: \S+", f"image: {reference}", file.read_text()))

    def up(self) -> None:
        """As a person types it, but without the docker command in between, which would only make it slower."""
        binary = find_binary(settings.COMPOSE_BINARY)
        files = [part for name in FILES for part in ("-f", name)]
        argv = [binary, "-p", self.name, *files, "up", "-d", "--wait"]
        done = subprocess.run(argv, cwd=self.path, capture_output=True, text=True, timeout=UP_WITHIN, check=False)
        if done.returncode:
            raise Broken(f"docker compose up -d --wait ended with {done.returncode}: {done.stderr[-500:].strip()}")

    def switch_by_hand(self, reference: str) -> float:
        """Seconds from writing the digest to the end of `up -d --wait`."""
        begun = time.monotonic()
        self.pin(reference)
        self.up()
        return time.monotonic() - begun

    def stop_and_start(self) -> None:
        binary = find_binary(settings.COMPOSE_BINARY)
        for deed in ("stop", "start"):
            argv = [binary, "-p", self.name, *(part for name in FILES for part in ("-f", name)), deed]
            subprocess.run(argv, cwd=self.path, capture_output=True, timeout=UP_WITHIN, check=False)
        time.sleep(2)  # it answers by then

    def down(self) -> None:
        binary = find_binary(settings.COMPOSE_BINARY)
        argv = [binary, "-p", self.name, "-f", FILES[0], "down", "--timeout", "2"]
        subprocess.run(argv, cwd=self.path, capture_output=True, timeout=UP_WITHIN, check=False)
