import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
from django.conf import settings

T = TypeVar("T")
WITHIN = 120.0


@pytest.mark.docker
def test_a_benchmark_that_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with told.open("wb") as file:
        bench = subprocess.Popen(
            [sys.executable, "manage.py", "bench", "rollback", "--pairs", "1"], cwd=settings.BASE_DIR, stdout=file, stderr=file
        )
    try:
        folder = Path(_sooner_or_later(lambda: re.search(r"/tmp/kg-bench-\w+", told.read_text()))[0])
        _sooner_or_later(lambda: _docker("ps", "--quiet", "--filter", f"name={folder.name}"))
        bench.send_signal(signal.SIGINT)
        assert bench.wait(WITHIN) == 128 + signal.SIGINT
    finally:
        bench.kill()
    assert not folder.exists()
    assert not _docker("ps", "--all", "--quiet", "--filter", f"name={folder.name}")
    assert not _docker("network", "ls", "--quiet", "--filter", f"name={folder.name}")
    assert folder.name not in _docker("images", "--format", "{{.Repository}}")
    assert not _processes_that_name(folder.name)


def _sooner_or_later(find: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + WITHIN
    while not (found := find()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


def _docker(*argv: str) -> str:
    return subprocess.run(["docker", *argv], capture_output=True, text=True, check=True).stdout


def _processes_that_name(word: str) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found
