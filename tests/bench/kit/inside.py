"""The process that drives a benchmark beside its portal: `inside MODULE PAIRS FOLDER PORT REGISTRY-PORT RESULT-FILE`."""

import importlib
import os
import sys
import time
from pathlib import Path

import django

from deploy_records.errors import Broken, Refused
from tests.bench.kit.stack import Stack

BEGUN = time.monotonic()


def say(line: str) -> None:
    print(f"{time.monotonic() - BEGUN:6.1f} s  {line}", flush=True)  # noqa: T201 - progress; the result goes into its file


def main(module: str, pairs: str, folder: str, port: str, registry_port: str, result: str) -> int:
    django.setup()
    stack = Stack(Path(folder), int(port), int(registry_port))
    try:
        report = importlib.import_module(module).measure(stack, int(pairs), say)
    except (Broken, Refused) as why:
        Path(result).write_text(str(why))
        return 1
    Path(result).write_text(report.to_json())
    return 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(*sys.argv[1:]))
