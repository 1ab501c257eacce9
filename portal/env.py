"""Typed readers of environment variables that fail loudly.

A wrong value stops the start and names the variable and what was expected of it;
the value itself is not repeated, as it may be a secret.
"""

import base64
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")

_WORDS = {"1": True, "true": True, "yes": True, "on": True}
_WORDS |= {"0": False, "false": False, "no": False, "off": False}
_HIGHEST_PORT = 65535
_KEY_BYTES = 32


def _read(name: str, default: T, parse: Callable[[str], T], expected: str) -> T:
    raw = os.environ.get(name, "").strip()
    if not raw:
        return default
    try:
        return parse(raw)
    except (ValueError, KeyError) as error:
        raise ImproperlyConfigured(f"{name} must be {expected}.") from error


def text(name: str, default: str = "") -> str:
    return _read(name, default, str, "text")


def flag(name: str, *, default: bool) -> bool:
    return _read(name, default, lambda raw: _WORDS[raw.lower()], "1 or 0 (true, false, yes, no)")


def whole(name: str, default: int, *, least: int = 0, most: int | None = None) -> int:
    def parse(raw: str) -> int:
        number = int(raw)
        if number < least or (most is not None and number > most):
            raise ValueError(raw)
        return number

    upper = "" if most is None else f" and at most {most}"
    return _read(name, default, parse, f"a whole number of at least {least}{upper}")


def port(name: str, default: int) -> int:
    return whole(name, default, least=1, most=_HIGHEST_PORT)


def path(name: str, default: Path) -> Path:
    def parse(raw: str) -> Path:
        value = Path(raw).expanduser()
        if not value.is_absolute():
            raise ValueError(raw)
        return value

    return _read(name, default, parse, "an absolute path")


def words(name: str, default: list[str]) -> list[str]:
    return _read(name, default, lambda raw: [w.strip() for w in raw.split(",") if w.strip()], "a list with commas")


def one_of(name: str, default: str, choices: tuple[str, ...]) -> str:
    def parse(raw: str) -> str:
        if raw.upper() not in choices:
            raise ValueError(raw)
        return raw.upper()

    return _read(name, default, parse, f"one of {', '.join(choices)}")


def fernet_keys(name: str) -> str:
    """One key, or several with commas: the first seals, all open."""

    def parse(raw: str) -> str:
        keys = [key.strip() for key in raw.split(",")]
        if any(len(base64.b64decode(key, altchars=b"-_", validate=True)) != _KEY_BYTES for key in keys):
            raise ValueError(name)
        return ",".join(keys)

    return _read(name, "", parse, "one key or several with commas, each of 32 random bytes in URL-safe base64")


def database(name: str, default: str) -> dict[str, Any]:
    """Django's settings for a `postgres://…` or `sqlite:///…` URL."""

    def parse(raw: str) -> dict[str, Any]:
        if urlsplit(raw).scheme not in {"postgres", "postgresql", "sqlite"}:
            raise ValueError(raw)
        return dict(environ.Env.db_url_config(raw))

    return _read(name, parse(default), parse, "a database URL: postgres://USER:PASSWORD@HOST/NAME or sqlite:////PATH")


def redis(name: str, default: str) -> str:
    def parse(raw: str) -> str:
        if urlsplit(raw).scheme not in {"redis", "rediss", "redis+socket"}:
            raise ValueError(raw)
        return raw

    return _read(name, default, parse, "a Redis URL: redis://…, rediss://… or redis+socket:///PATH")
