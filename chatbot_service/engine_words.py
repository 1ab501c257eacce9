"""Why an engine cannot be used, and what to do about it. Pure but for the name of the user."""

import getpass
import os

from chatbot_service.foreign_text import one_line
from deploy_records.errors import Broken, Refused


def no_engine(url: str, message: str) -> Exception:
    """`message`: the error of the first connection, with its type's name."""
    if "FileNotFoundError" in message or "refused" in message.lower():
        return Refused(
            f"No Docker Engine answers at {url}. Install Docker Engine 20.10 or newer and start it "
            "(sudo systemctl start docker); if it listens elsewhere, set DOCKER_HOST or the host's engine address.",
            code="no-engine",
        )
    if "PermissionError" in message:
        return Refused(
            f"The worker's user {_who()} may not use the Docker Engine at {url}. Add it to the group that owns the socket "
            f"(sudo usermod -aG docker {_who()}) and start the worker again.",
            code="engine-permission",
        )
    if "timed out" in message.lower():
        return Broken(f"The engine at {url} does not answer: {one_line(message)}")
    return Refused(f"The Docker Engine at {url} cannot be used: {one_line(message)}", code="engine-unusable")


def too_old(url: str, api: str) -> Refused:
    return Refused(
        f"The engine at {url} speaks API {api}; Known Good needs 1.41 or newer. Upgrade it to Docker Engine 20.10 or newer.",
        code="engine-too-old",
    )


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return f"with number {os.getuid()}"
