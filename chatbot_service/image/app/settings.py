"""The environment contract: every key, its type and default. A wrong value stops the start."""

import os
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar, cast

from . import faults, log

T = TypeVar("T")

_YES_NO = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
_HOME = os.path.dirname(os.path.abspath(__file__))


class Secret:
    """Shows itself to nobody by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(set)" if self._value else "Secret(not set)"

    def reveal(self) -> str:
        return self._value


class Settings(NamedTuple):
    host: str
    port: int
    log_level: str
    api_key: Secret
    base_url: str
    model: str
    uploads: str
    exports: str
    timeout: float
    retries: int
    backoff: float
    chat_page: bool
    file_uploads: bool
    build: str
    fault: str


class WrongSettings(Exception):
    """`problems` name the keys and what was expected; never the values, which may be secrets."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read_settings(environment: Mapping[str, str]) -> Settings:
    env = _Reader(environment)
    settings = Settings(
        host=env.read("HOST", "0.0.0.0", _word, "an address to listen on"),
        port=env.read("PORT", "8000", _whole(1, 65535), "a whole number from 1 to 65535"),
        log_level=env.read("LOG_LEVEL", "INFO", _one_of(log.LEVELS), "one of " + ", ".join(log.LEVELS)),
        api_key=env.read("OPENROUTER_API_KEY", "", _secret, "one word of printable ASCII characters"),
        base_url=env.read("OPENROUTER_BASE_URL", "https://openrouter.ai/api/v1", _url, _URL_EXPECTED),
        model=env.read("OPENROUTER_MODEL", "openrouter/auto", _word, "the name of a model, in one word"),
        uploads=env.read("UPLOADS_DIR", os.path.join(_HOME, "uploads"), _folder, _FOLDER_EXPECTED),
        exports=env.read("EXPORTS_DIR", os.path.join(_HOME, "exports"), _folder, _FOLDER_EXPECTED),
        timeout=env.read("REQUEST_TIMEOUT_SECONDS", "60", _number(0.1, 600), "a number from 0.1 to 600"),
        retries=env.read("MAX_RETRIES", "3", _whole(0, 10), "a whole number from 0 to 10"),
        backoff=env.read("RETRY_BACKOFF_SECONDS", "2", _number(0, 60), "a number from 0 to 60"),
        chat_page=env.read("ENABLE_CHAT_UI", "true", _yes_no, "true or false"),
        file_uploads=env.read("ENABLE_FILE_UPLOADS", "true", _yes_no, "true or false"),
        build=env.read("BUILD_NAME", "unknown", _word, "the name of the build, in one word"),
        fault=env.read("BUILD_FAULT", "", _one_of(("", *faults.NAMES)), "empty or one of " + ", ".join(faults.NAMES)),
    )
    if env.problems:
        raise WrongSettings(env.problems)
    return settings


_URL_EXPECTED = "an http:// or https:// address without user name, query and fragment"
_FOLDER_EXPECTED = "the absolute path of a folder that exists"


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.problems: list[str] = []

    def read(self, name: str, default: str, parse: Callable[[str], T], expected: str) -> T:
        """An empty value counts as not set, as Compose writes one for a variable it does not know."""
        try:
            return parse(self._environment.get(name, "").strip() or default)
        except (ValueError, KeyError):
            self.problems.append(f"{name} must be {expected}")
            return cast("T", None)  # never used: read_settings raises once all wrong keys are known


def _word(raw: str) -> str:
    if not raw.isprintable() or len(raw.split()) != 1:
        raise ValueError
    return raw


def _secret(raw: str) -> Secret:
    if raw and (not raw.isascii() or not raw.isprintable() or " " in raw):
        raise ValueError
    return Secret(raw)


def _yes_no(raw: str) -> bool:
    return _YES_NO[raw.lower()]


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw not in choices:
            raise ValueError
        return raw

    return parse


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        if not (raw.isascii() and raw.isdigit() and len(raw) <= len(str(most)) and least <= int(raw) <= most):
            raise ValueError
        return int(raw)

    return parse


def _number(least: float, most: float) -> Callable[[str], float]:
    def parse(raw: str) -> float:
        number = float(raw)
        if not least <= number <= most:  # also false for NaN
            raise ValueError
        return number

    return parse


def _url(raw: str) -> str:
    scheme, _, rest = _word(raw).partition("://")
    if scheme not in {"http", "https"} or not rest.partition("/")[0] or any(sign in rest for sign in "@?#\\"):
        raise ValueError
    return raw.rstrip("/")


def _folder(raw: str) -> str:
    if not os.path.isabs(raw) or not os.path.isdir(raw):
        raise ValueError
    return raw
