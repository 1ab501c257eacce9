"""What a build that is meant to be bad does wrong. Good builds have no fault; a bad one says so in its log."""

import os
import threading
import time

from . import log

NAMES = ("unhealthy", "exit", "exit-later", "flap", "hang")
_GOOD_AT_FIRST = 3.0
_FLAPS_EVERY = 2.0
_EXITS_AFTER = 2.0
_HANGS_FOR = 30.0


def at_start(fault: str) -> None:
    if not fault:
        return
    log.warning(f"this build is made to fail: {fault}")
    if fault == "exit":
        log.error("made to fail: exit at once")
        os._exit(1)
    if fault == "exit-later":
        threading.Timer(_EXITS_AFTER, _exit_later).start()


def health_reason(fault: str, seconds_up: float) -> str:
    """Why the health check must fail now; empty when it passes."""
    if fault == "unhealthy":
        return "made to fail: never healthy"
    if fault == "flap" and seconds_up > _GOOD_AT_FIRST and int((seconds_up - _GOOD_AT_FIRST) / _FLAPS_EVERY) % 2 == 0:
        return "made to fail: healthy now and then"
    if fault == "hang":
        time.sleep(_HANGS_FOR)
        return "made to fail: answers too late"
    return ""


def _exit_later() -> None:
    log.error(f"made to fail: exit after {_EXITS_AFTER:g} s")
    os._exit(1)
