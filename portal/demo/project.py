"""The demo's Compose project and the three builds of the reference service."""

import shutil
from pathlib import Path

from django.conf import settings

from chatbot_service.building import Builder
from chatbot_service.jobs import pin

RUNTIME_UID = RUNTIME_GID = 10001
BUILDS = {"1": "", "2": "", "3": "unhealthy"}
"""Build number → fault: the third starts but never becomes healthy."""
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


def lay_out(folder: Path, digest: str, port: int) -> None:
    """The project folder at build 1, as an operator would have set it up by hand."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("docker-compose.yml", "docker-compose.prod.yml"):
        shutil.copy(IMAGE_FILES / "compose" / name, folder / name)
    pin_file = folder / "docker-compose.prod.yml"
    pin_file.write_text(pin.with_pin(pin_file.read_text(), "personal_chatbot", f"{repository()}:build-1@{digest}"))
    (folder / ".env").write_text(f"CHATBOT_PORT={port}\n")
    for name in ("uploads", "exports"):
        data = folder / "personal_chatbot" / name
        data.mkdir(parents=True, exist_ok=True)
        shutil.chown(data, RUNTIME_UID, RUNTIME_GID)
