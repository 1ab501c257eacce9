"""The environment contract: which keys a service's environment may have, of what type, and whether they are secret. Pure.

The default is that of `docs/deployment/environment-contract.yaml`. A value of a sensitive key is never part of an answer.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from chatbot_service.foreign_text import one_line

MOST_KEYS = 200
MOST_VALUE = 8000
KEY_EXPECTED = "a key takes letters, digits and _, no digit first, and none that steers Docker or Compose"
_KEY = re.compile(r"(?!COMPOSE_|DOCKER_|BUILDKIT_)[A-Za-z_][A-Za-z0-9_]{0,99}")
_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})?)*")
_YES_NO = frozenset({"true", "false", "1", "0", "yes", "no", "on", "off"})


class Type(StrEnum):
    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    URL = "url"
    PATH = "path"
    HOST = "host"
    PORT = "port"


@dataclass(frozen=True)
class Key:
    """`default`: what the service takes where nothing is given; None: nothing. `least`, `most`: of a number."""

    name: str
    type: Type = Type.STRING
    default: str | None = None
    required: bool = False
    sensitive: bool = False
    description: str = ""
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Contract:
    keys: tuple[Key, ...]

    def key(self, name: str) -> Key | None:
        return next((key for key in self.keys if key.name == name), None)

    def is_sensitive(self, name: str) -> bool:
        """Also of a key that nobody named: what looks like a secret is treated as one."""
        key = self.key(name)
        return key.sensitive if key else True

    def as_data(self) -> list[dict[str, Any]]:
        return [asdict(key) | {"type": key.type.value, "choices": list(key.choices)} for key in self.keys]


@dataclass(frozen=True)
class Judged:
    """One key of an environment. `value` is empty for a sensitive or unknown key. `wrong`: why it is not valid."""

    name: str
    type: str
    required: bool
    sensitive: bool
    default: str | None
    present: bool
    known: bool
    value: str = ""
    wrong: str = ""
    description: str = ""

    @property
    def ok(self) -> bool:
        return not self.wrong and (self.present or not self.required)


@dataclass(frozen=True)
class Change:
    """`before` and `after` are empty for a sensitive key, and where there was or is nothing: `did` tells which."""

    name: str
    did: str
    sensitive: bool
    before: str = ""
    after: str = ""


def is_key(name: object) -> bool:
    """Compose reads settings of its own from the same file."""
    return isinstance(name, str) and _KEY.fullmatch(name) is not None


def judged(contract: Contract, environment: Mapping[str, str]) -> tuple[Judged, ...]:
    """Every key of the contract in its order, then the keys that it does not know. An empty value is none."""
    known = {key.name for key in contract.keys}
    unknown = sorted(name for name in environment if name not in known)
    return tuple(_judged(key, environment.get(key.name, "")) for key in contract.keys) + tuple(
        Judged(one_line(name, 100), "", required=False, sensitive=True, default=None, present=True, known=False)
        for name in unknown[:MOST_KEYS]
    )


def problems(contract: Contract, environment: Mapping[str, str]) -> list[str]:
    """In words, for a refusal. Never a value."""
    found = []
    for one in judged(contract, environment):
        if one.required and not one.present:
            found.append(f"{one.name} is required, and no value is set.")
        elif one.wrong:
            found.append(f"{one.name} is not valid: {one.wrong}.")
    return found


def wrong_value(key: Key, value: str) -> str:
    """Why a value is not of the key's type, or empty. Never says the value."""
    if len(value) > MOST_VALUE:
        return f"longer than {MOST_VALUE:,} characters"
    if "\0" in value or not _is_text(value):
        return "it has characters that no environment takes"
    if key.choices and value not in key.choices:
        return f"it takes one of {', '.join(key.choices)}"
    return _CHECKS[key.type](key, value)


def changes(contract: Contract, before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """The masked difference: names of all that changed, values of what is known not to be secret."""
    names = [name for name in dict.fromkeys([*before, *after]) if before.get(name) != after.get(name)]
    return tuple(_change(name, before.get(name), after.get(name), sensitive=contract.is_sensitive(name)) for name in names)


def _change(name: str, before: str | None, after: str | None, *, sensitive: bool) -> Change:
    did = "added" if before is None else "removed" if after is None else "changed"
    if sensitive:
        return Change(name, did, sensitive=True)
    return Change(name, did, sensitive=False, before=one_line(before or "", 500), after=one_line(after or "", 500))


def _judged(key: Key, value: str) -> Judged:
    shown = "" if key.sensitive else one_line(value, 500)
    wrong = wrong_value(key, value) if value else ""
    return Judged(
        key.name, key.type.value, key.required, key.sensitive, key.default,
        present=bool(value), known=True, value=shown, wrong=wrong, description=key.description,
    )  # fmt: skip


# Types


def _string(_key: Key, _value: str) -> str:
    return ""


def _integer(key: Key, value: str) -> str:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", value):
        return "it takes a whole number"
    return _in_range(key, float(value))


def _a_number(key: Key, value: str) -> str:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", value):
        return "it takes a number"
    return _in_range(key, float(value))


def _in_range(key: Key, number: float) -> str:
    too_small, too_large = key.least is not None and number < key.least, key.most is not None and number > key.most
    if not too_small and not too_large:
        return ""
    least, most = (f"{bound:g}" if bound is not None else "" for bound in (key.least, key.most))
    return f"it takes {f'{least} to {most}' if least and most else f'{least} or more' if least else f'at most {most}'}"


def _boolean(_key: Key, value: str) -> str:
    return "" if value.lower() in _YES_NO else "it takes true or false"


def _url(_key: Key, value: str) -> str:
    try:
        parts = urlsplit(value)
        well = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        well = False
    return "" if well and not re.search(r"\s", value) else "it takes an address with http:// or https:// and a host"


def _path(_key: Key, value: str) -> str:
    return "" if value.startswith("/") and ".." not in value.split("/") else "it takes an absolute path without .."


def _host(_key: Key, value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "" if _HOST.fullmatch(value) else "it takes the name or the address of a host"
    return ""


def _port(_key: Key, value: str) -> str:
    most = 65535
    return "" if re.fullmatch(r"[0-9]{1,5}", value) and 0 < int(value) <= most else f"it takes a port, 1 to {most}"


_CHECKS: dict[Type, Callable[[Key, str], str]] = {
    Type.STRING: _string, Type.INTEGER: _integer, Type.NUMBER: _a_number, Type.BOOLEAN: _boolean,
    Type.URL: _url, Type.PATH: _path, Type.HOST: _host, Type.PORT: _port,
}  # fmt: skip


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
