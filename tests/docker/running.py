"""The whole portal as `manage.py run` starts it, with state of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

READY_WITHIN = 60.0
_NOT_INHERITED = ("KG_", "DJANGO_", "DATABASE_", "REDIS_")


@dataclass
class RunningPortal:
    state: Path
    chosen: dict[str, str]
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_INHERITED)}
        compose = {"KG_COMPOSE_BINARY": os.environ["KG_COMPOSE_BINARY"]} if "KG_COMPOSE_BINARY" in os.environ else {}
        return clean | compose | {"KG_STATE_DIR": str(self.state)} | self.chosen

    @property
    def log(self) -> str:
        return (self.state / "run.log").read_text()

    def start(self) -> None:
        with (self.state / "run.log").open("wb") as log:
            argv = [sys.executable, "manage.py", "run"]
            self._process = subprocess.Popen(argv, cwd=settings.BASE_DIR, env=self.environment, stdout=log, stderr=log)
        self.wait_for(lambda: "is ready at" in self.log)

    def wait_for(self, ready: Callable[[], bool], seconds: float = READY_WITHIN) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < deadline, self.log[-3000:]
            time.sleep(0.1)

    def shell(self, code: str) -> str:
        """Runs Python with the portal's settings, in a process of its own; what it printed."""
        return self.manage("shell", "--no-imports", "-c", code)

    def manage(self, *words: str) -> str:
        """A command of the portal's, in a process of its own; what it printed."""
        argv = [sys.executable, "manage.py", *words]
        done = subprocess.run(argv, cwd=settings.BASE_DIR, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def pid_of(self, words: str) -> int:
        """Of the portal's own process whose command line holds the words."""
        assert self._process
        listed = subprocess.run(
            ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(self._process.pid)], capture_output=True, text=True, check=True
        )
        (line,) = [line for line in listed.stdout.splitlines() if words in line] or [listed.stdout]
        return int(line.split()[0])

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(60)
