"""Python's reader of JSON, made as strict as we need it, and the places of what it does not take."""

import json
import re
from typing import Any, NoReturn

from deploy_records.rules.digest import shown

_MOST_DIGITS = 20
_TEXT = r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)'
_TOKEN = re.compile(rf'({_TEXT})([ \t\n\r]*:)?|[{{}}\[\],]|[^\s,:\[\]{{}}"]+', re.DOTALL)
EXPECTED = {
    "Expecting value": "expected a value",
    "Expecting property name enclosed in double quotes": "expected a key in double quotes",
    "Expecting ':' delimiter": "expected a colon after the key",
    "Expecting ',' delimiter": "expected a comma or a closing bracket",
    "Unterminated string starting at": "a text begins here that does not end. Expected its closing quote",
    "Invalid control character at": "a control character stands in a text. Expected its escape, such as \\n",
    "Invalid \\escape": "expected an escape that JSON knows after the backslash",
    "Invalid \\uXXXX escape": "expected four hex digits after \\u",
}
"""In our words what the reader says in its own."""


class OddError(Exception):
    """Something that JSON's grammar, or Python's reader of it, lets pass and we do not."""

    def __init__(self, token: str, sentence: str, *, key: bool = False) -> None:
        super().__init__(sentence)
        self.token, self.sentence, self.key = token, sentence, key


def _as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen = set[str]()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise OddError(twice, f"the key {shown(twice)} stands twice in one object. Expected it once.", key=True)
    return made


def _as_whole(text: str) -> int:
    digits = len(text.removeprefix("-"))
    if digits > _MOST_DIGITS:
        raise OddError(text, f"a number has {digits:,} digits. Expected at most {_MOST_DIGITS}.")
    return int(text)


def _as_number(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise OddError(text, f"the number {shown(text)} is too large. Expected one that a computer can hold.")
    return number


def _as_constant(text: str) -> NoReturn:
    raise OddError(text, f"{text} is not a number in JSON. Expected a number or null.")


DECODER = json.JSONDecoder(object_pairs_hook=_as_object, parse_int=_as_whole, parse_float=_as_number, parse_constant=_as_constant)


def place_of(odd: OddError, text: str, pos: int) -> int:
    """Where the token that was refused stands: the second time in its object, if it is a key."""
    keys: list[set[str]] = []
    for token in _TOKEN.finditer(text, pos):
        word = token.group()
        if word == "{":
            keys.append(set())
        elif word == "}" and keys:
            keys.pop()
        elif odd.key and token.group(2) and keys:
            key = json.loads(token.group(1), strict=False)
            if key == odd.token and key in keys[-1]:
                return token.start()
            keys[-1].add(key)
        elif not odd.key and word == odd.token:
            return token.start()
    return pos
