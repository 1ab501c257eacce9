"""The demo's Compose project and the three builds of the reference service."""

import shutil
import socket
from pathlib import Path

from django.conf import settings

from chatbot_service.building import Builder
from chatbot_service.jobs import pin

RUNTIME_UID = RUNTIME_GID = 10001
BUILDS = {"1": "", "2": "", "3": "unhealthy"}
"""Build number → fault: the third starts but never becomes healthy."""
PORTS_TRIED = 50
LOCAL_BASE = "known-good-base"
IMAGE_FILES = settings.BASE_DIR / "chatbot_service" / "image"


def repository() -> str:
    return f"127.0.0.1:{settings.REGISTRY_PORT}/known-good/personal-chatbot"


def build_and_push(builder: Builder, number: str) -> str:
    """The digest of the build in the local registry. The engine forgets the name: a job has to pull."""
    reference = f"{repository()}:build-{number}"
    args = {"BUILD": number, "FAULT": BUILDS[number]}
    if builder.has(LOCAL_BASE):
        args["BASE_IMAGE"] = LOCAL_BASE
    builder.build(settings.BASE_DIR, reference, target="personal_chatbot", args=args)
    digest = builder.push(reference)
    if number != "1":
        builder.forget(reference)
    return digest


def folder() -> Path:
    return Path(settings.STATE_DIR) / "demo" / "personal_chatbot"


def port() -> int:
    """Where the demo's service answers: as before, else the first free port from KG_DEMO_PORT on."""
    kept = folder() / ".env"
    if kept.exists():
        return int(kept.read_text().strip().removeprefix("CHATBOT_PORT="))
    return next(number for number in range(settings.DEMO_PORT, settings.DEMO_PORT + PORTS_TRIED) if _is_free(number))


def _is_free(number: int) -> bool:
    with socket.socket() as plug:
        return plug.connect_ex(("127.0.0.1", number)) != 0


def lay_out(where: Path, digest: str, number: int) -> None:
    """The project folder at build 1, as an operator would have set it up by hand."""
    where.mkdir(parents=True, exist_ok=True)
    for name in ("docker-compose.yml", "docker-compose.prod.yml"):
        shutil.copy(IMAGE_FILES / "compose" / name, where / name)
    pin_file = where / "docker-compose.prod.yml"
    pin_file.write_text(pin.with_pin(pin_file.read_text(), "personal_chatbot", f"{repository()}:build-1@{digest}"))
    (where / ".env").write_text(f"CHATBOT_PORT={number}\n")
    for name in ("uploads", "exports"):
        data = where / "personal_chatbot" / name
        data.mkdir(parents=True, exist_ok=True)
        shutil.chown(data, RUNTIME_UID, RUNTIME_GID)
