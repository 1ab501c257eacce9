"""Starts the chatbot, or says why not and exits with 1."""

import os
import signal
import sys
import time

from . import faults, log
from .announce import announce
from .server import Stop, listen, serve
from .settings import Settings, WrongSettings, read_settings

REFUSED = 1


def main() -> int:
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        return _run()
    except Stop:
        log.info("stopped")
        return 0


def _run() -> int:
    if os.geteuid() == 0:
        return _refuse("not started: it runs as root; run it as a user without rights (10001:10001 in the image)")
    try:
        settings = read_settings(os.environ)
    except WrongSettings as error:
        for problem in error.problems:
            log.error(problem)
        return _refuse("not started: the environment is not in order")
    log.show_from(settings.log_level)
    faults.at_start(settings.fault)
    try:
        listener = listen(settings.host, settings.port)
    except (OSError, ValueError) as error:
        return _refuse(f"not started: HOST and PORT cannot be listened on ({getattr(error, 'strerror', '') or error})")
    announce()
    _introduce(settings)
    serve(listener, settings)
    return 0


def _introduce(settings: Settings) -> None:
    key = "is set" if settings.api_key else "is not set: answers are an echo"
    log.info(f"build {settings.build} listens on {settings.host}:{settings.port}; OPENROUTER_API_KEY {key}")
    for name, folder in (("UPLOADS_DIR", settings.uploads), ("EXPORTS_DIR", settings.exports)):
        if not os.access(folder, os.W_OK | os.X_OK):
            log.warning(f"{name} cannot be written by {os.geteuid()}:{os.getegid()}: look at who owns the mounted folder")


def _refuse(reason: str) -> int:
    log.error(reason)
    return REFUSED


def _stop(_signal: int, _frame: object) -> None:
    raise Stop


if __name__ == "__main__":
    STATUS = main()
    log.debug(f"exit {STATUS} after {time.process_time():.3f} s of processor time")
    sys.stdout.flush()
    # Skips the interpreter's tidying up: the time to stop is downtime.
    os._exit(STATUS)
