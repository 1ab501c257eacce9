"""Real mount points. Where mounting is not permitted the tests are left out, loudly; never in continuous integration."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import LEFT_OUT


@contextmanager
def mounted(folder: Path, image: Path | None = None) -> Iterator[Path]:
    """A file system of its own: in memory, or an ext4 in that file, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    how = ["-t", "tmpfs", "-o", "size=16m,mode=0755", "known-good-test"]
    if image:
        subprocess.run(["truncate", "-s", "16M", image], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        how = ["-o", "loop", str(image)]
    done = subprocess.run(["mount", *how, folder], capture_output=True, text=True, check=False)
    if done.returncode and not os.environ.get("CI"):
        pytest.skip(f"{LEFT_OUT}mounting is not permitted here ({done.stderr.strip()[-120:]})")
    assert done.returncode == 0, done.stderr
    try:
        yield folder
    finally:
        if subprocess.run(["umount", folder], check=False).returncode:
            subprocess.run(["umount", "--lazy", folder], check=True)  # a failing test may still have a file open there
