"""One line an event on stdout, never to a file. Callers pass no secrets; control characters cannot forge lines."""

import os
import time

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_LONGEST = 600
_STDOUT = 1

_shown = {"from": LEVELS.index("INFO")}


def show_from(level: str) -> None:
    _shown["from"] = LEVELS.index(level)


def debug(message: str) -> None:
    _write("DEBUG", message)


def info(message: str) -> None:
    _write("INFO", message)


def warning(message: str) -> None:
    _write("WARNING", message)


def error(message: str) -> None:
    _write("ERROR", message)


def _write(level: str, message: str) -> None:
    if LEVELS.index(level) < _shown["from"]:
        return
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    line = "".join(letter if letter.isprintable() else "?" for letter in message[:_LONGEST])
    try:
        # One write, so that the lines of two threads never mix.
        os.write(_STDOUT, f"{stamp}.{int(now % 1 * 1000):03d}Z {level} {line}\n".encode("utf-8", "replace"))
    except OSError:
        return  # whoever reads the log has gone; the service goes on
