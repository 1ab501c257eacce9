"""Finds restic."""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

from django.conf import settings

from chatbot_service.foreign_text import one_line
from deploy_records.errors import Refused

OLDEST = (0, 17)
_HOW_TO_GET_IT = (
    "Install it (the package is restic on Debian 13 and Ubuntu 25.04 or newer, elsewhere a binary from restic.net), "
    "or set KG_RESTIC_BINARY to its path."
)


def find_binary(named: str = "") -> str:
    """The restic that is run; `Refused` says how to get one."""
    candidates = [named] if named else [str(settings.STATE_DIR / "bin" / "restic"), shutil.which("restic") or ""]
    old = ""
    for path in (Path(candidate).expanduser() for candidate in candidates if candidate):
        if not os.access(path, os.X_OK):
            continue
        version = version_of(str(path), path.stat().st_mtime_ns)
        if _numbers(version) >= OLDEST:
            return str(path)
        old = old or f"The one at {path} is {version or 'not restic'}. "
    where = f"at {named}" if named else "on this host"
    raise Refused(f"Restic 0.17 or newer was not found {where}. {old}{_HOW_TO_GET_IT}", code="no-restic")


@functools.lru_cache
def version_of(path: str, _changed_at: int = 0) -> str:
    try:
        said = subprocess.run([path, "version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - argv only
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.match(r"restic (\S+)", said.stdout)
    return one_line(found[1], 40) if found and said.returncode == 0 else ""


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
