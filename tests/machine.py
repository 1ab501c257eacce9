"""What this machine offers to the tests. Each answer is a reason in words, empty when all is there."""

import functools
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import docker
import playwright
import requests
from docker.errors import DockerException, ImageNotFound

from chatbot_service.restic_binary import find_binary
from deploy_records.errors import Refused

BASE_IMAGE = "known-good-base:latest"
_HOW = "; `make setup` says what is missing"


@functools.cache
def why_no_engine() -> str:
    try:
        client = docker.from_env(timeout=10)
        client.ping()
    except (DockerException, requests.RequestException) as error:
        return f"no Docker Engine answers ({_short(error)}){_HOW}"
    try:
        client.images.get(BASE_IMAGE)
    except ImageNotFound:
        return f"the engine has no image {BASE_IMAGE}; .ci/base-image.sh --always makes it"
    finally:
        client.close()
    return _why_no_compose() or ("" if registry_binary() else f"no docker-registry is here{_HOW}")


def _why_no_compose() -> str:
    own = os.environ.get("KG_COMPOSE_BINARY")
    command = [own] if own else ["docker", "compose"]
    try:
        version = subprocess.run([*command, "version", "--short"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return f"Docker Compose v2 is missing{_HOW}"
    return f"Docker Compose is {version.stdout.strip()}, not v2{_HOW}" if version.stdout.startswith("1.") else ""


def registry_binary() -> str | None:
    kept = Path(__file__).parent.parent / "var" / "bin" / "docker-registry"
    return os.environ.get("KG_TEST_REGISTRY") or shutil.which("docker-registry") or (str(kept) if kept.exists() else None)


@functools.cache
def why_no_browser() -> str:
    path = os.environ.get("KG_CHROMIUM") or shutil.which("chromium")
    if not path or not Path(path).exists():
        return f"no Chromium is here{_HOW}"
    driver = subprocess.run(
        [Path(playwright.__file__).parent / "driver/node", "--version"], capture_output=True, text=True, check=False
    )
    return f"playwright's driver does not run ({driver.stderr.strip()[-120:]}){_HOW}" if driver.returncode else ""


def restic_binary() -> str:
    """Empty if none is here that is new enough."""
    kept = Path(__file__).parent.parent / "var" / "bin" / "restic"
    for path in (os.environ.get("KG_RESTIC_BINARY"), str(kept) if kept.exists() else None, shutil.which("restic")):
        with suppress(Refused):
            if path:
                return find_binary(path)
    return ""


def rclone_binary() -> str | None:
    """It serves restic repositories over HTTP."""
    kept = Path(__file__).parent.parent / "var" / "bin" / "rclone"
    return os.environ.get("KG_TEST_RCLONE") or shutil.which("rclone") or (str(kept) if kept.exists() else None)


def why_no_restic() -> str:
    return "" if restic_binary() else f"no restic 0.17 or newer is here{_HOW}"


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][-160:]
