"""Runs the chatbot as the image does: a process of its own, without rights, from a folder laid out like /app."""

import contextlib
import functools
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

IMAGE = Path(__file__).parents[3] / "chatbot_service" / "image"
NOBODY = 10001
UP_WITHIN = 10.0


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines()]


@dataclass
class Chatbot:
    home: Path
    port: int
    log: Path
    process: subprocess.Popen[bytes]
    started: float = field(default_factory=time.monotonic)

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """A body that is not bytes goes as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        given = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            given = {"Content-Type": "application/json", **given}
        try:
            connection.request(method, path, body, given)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, response.read())
        finally:
            connection.close()

    def raw(self, sent: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(sent)
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while piece := connection.recv(65536):
                    received += piece
            return received

    def stop(self) -> float:
        """Seconds from SIGTERM to the end."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)
        return time.monotonic() - begun

    @property
    def said(self) -> str:
        return self.log.read_text()


def start(home: Path, **environment: str) -> Chatbot:
    """Without waiting: it may be meant to refuse."""
    for name in ("uploads", "exports"):
        folder = home / name
        if not folder.exists():
            folder.mkdir()
            as_nobody_owns(folder)
    port = int(environment.get("PORT") or free_port()) if environment.get("PORT", "1").isdigit() else free_port()
    environment = {
        "PATH": os.environ["PATH"], "HOST": "127.0.0.1", "PORT": str(port), "BUILD_NAME": "test", "LOG_LEVEL": "DEBUG",
        "UPLOADS_DIR": str(home / "uploads"), "EXPORTS_DIR": str(home / "exports"), **environment,
    }  # fmt: skip
    log = home / "log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [python(), "-E", "-s", "-S", "-m", "personal_chatbot"],
            cwd=laid_out(), env=environment, stdout=out, stderr=out, **without_rights(),
        )  # fmt: skip
    return Chatbot(home, port, log, process)


def wait_until_up(chatbot: Chatbot) -> None:
    give_up_at = time.monotonic() + UP_WITHIN
    while time.monotonic() < give_up_at and chatbot.process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", chatbot.port), timeout=1).close()
            return
        time.sleep(0.005)
    raise AssertionError(f"the chatbot did not start:\n{chatbot.said}")


@contextlib.contextmanager
def home_of_nobody() -> Iterator[Path]:
    """pytest's own folders are closed to other users."""
    home = Path(tempfile.mkdtemp(prefix="chatbot-"))
    as_nobody_owns(home)
    try:
        yield home
    finally:
        shutil.rmtree(home)


def as_nobody_owns(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)


def without_rights() -> dict[str, Any]:
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@functools.cache
def python() -> str:
    """The tests' own Python may lie in a home folder that nobody else can read."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            if subprocess.run([candidate, "-c", ""], check=False, cwd="/", **without_rights()).returncode == 0:
                return candidate
    raise AssertionError("no Python that a user without rights can run")


@functools.cache
def laid_out() -> Path:
    """As the Dockerfile copies it."""
    place = Path(tempfile.mkdtemp(prefix="chatbot-app-"))
    place.chmod(0o755)
    shutil.copytree(IMAGE / "app", place / "personal_chatbot", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(IMAGE / "scripts", place / "scripts")
    return place
