"""Data to back up, made from a seed, and the tools that the portal's jobs are compared with."""

import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy_records.errors import Broken
from tests.machine import restic_binary

WITHIN = 1800.0
RESTIC_PASSWORD = "by hand, with restic's own key"
_WORDS = 200_000


@dataclass(frozen=True)
class Shape:
    """`files` files of `size` bytes together, each between half and one and a half times the mean."""

    name: str
    files: int
    size: int


LARGE = Shape("1gb", 6_000, 1_000_000_000)
SMALL = Shape("100k_files", 100_000, 100_000_000)
COMPRESSIBLE = 0.6


def fill(folder: Path, shape: Shape, owner: int) -> None:
    """60 % of each file is text that compresses, the rest is random."""
    chance = random.Random(shape.files)
    syllables = [bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz", k=7)) + b" " for _ in range(2000)]
    text = b"".join(chance.choices(syllables, k=_WORDS))
    mean = shape.size // shape.files
    for number in range(shape.files):
        inside = folder / f"{number // 100:04d}"
        if number % 100 == 0:
            inside.mkdir()
            os.chown(inside, owner, owner)
        _write(inside / f"{number}.dat", int(mean * chance.uniform(0.5, 1.5)), text, chance)
        os.chown(inside / f"{number}.dat", owner, owner)


def _write(file: Path, size: int, text: bytes, chance: random.Random) -> None:
    plain = int(size * COMPRESSIBLE)
    begin = chance.randrange(len(text))
    words = (text[begin:] + text * (plain // len(text) + 1))[:plain]
    file.write_bytes(chance.randbytes(size - plain) + words)


def change_some(folder: Path, share: float, seed: int) -> int:
    """Writes other content of the same size into so many of the files; how many."""
    chance = random.Random(seed)
    files = sorted(file for file in folder.rglob("*.dat"))
    chosen = chance.sample(files, max(1, int(len(files) * share)))
    for file in chosen:
        file.write_bytes(chance.randbytes(file.stat().st_size))
    return len(chosen)


def timed(do: Callable[[], object]) -> float:
    """What was written before is on the disk by then: it does not slow what is measured."""
    os.sync()
    begun = time.monotonic()
    do()
    return time.monotonic() - begun


def tar_zstd(folder: Path, into: Path) -> None:
    _run(["bash", "-c", 'set -o pipefail; tar -C "$0" -cf - . | zstd -q -T0 -f -o "$1"', str(folder), str(into)])


@dataclass(frozen=True)
class ByHand:
    """restic as somebody types it: its own key, its own cache."""

    repository: Path
    cache: Path

    def make(self) -> None:
        shutil.rmtree(self.repository, ignore_errors=True)
        self._restic("init", "-q")

    def backup(self, folder: Path) -> None:
        self._restic("backup", "-q", str(folder))

    def restore(self, into: Path) -> None:
        shutil.rmtree(into, ignore_errors=True)
        self._restic("restore", "-q", "latest", "--target", str(into))

    def _restic(self, *argv: str) -> None:
        own = {"RESTIC_REPOSITORY": str(self.repository), "RESTIC_PASSWORD": RESTIC_PASSWORD, "RESTIC_CACHE_DIR": str(self.cache)}
        _run([restic_binary(), *argv], own)


def _run(argv: list[str], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        argv, env=dict(os.environ) | dict(environment or {}), capture_output=True, text=True, timeout=WITHIN, check=False
    )
    if done.returncode:
        raise Broken(f"{argv[0]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
