"""What stands at a key of a report, or a refusal that says where and what was expected.

One rule for all formats: a key that is absent and a key that is null are the same, since many tools write null for
nothing. A text may be written as a number and a number as a text. Any other type is refused. Text is bounded, and
characters that cannot be seen become U+FFFD; half of a surrogate pair and NUL are refused.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from deploy_records.errors import Invalid
from deploy_records.rules.digest import shown
from deploy_records.rules.words import cannot_be_seen
from deploy_records.scanners.json_walk import Big

MOST_ID, MOST_NAME, MOST_LINE, MOST_PURL, MOST_BLOCK, MOST_LINK = 200, 300, 300, 1000, 4000, 2000

_MOST_IN_LIST = 1000
_BROKEN = re.compile("[\x00\ud800-\udfff]")
_NUMBER = re.compile(r"\s*-?[0-9]{1,20}(\.[0-9]{1,50})?\s*")
_LINK = re.compile(r"https?://[^\s/?#@]+(?:[/?#]\S*)?", re.IGNORECASE)
_FIRST_YEAR, _LAST_YEAR = 2000, 2100


class _Visible(dict[int, int]):
    """For `str.translate`: what cannot be seen becomes a replacement character."""

    def __missing__(self, point: int) -> int:
        return 0xFFFD if cannot_be_seen(chr(point)) else point


_VISIBLE = _Visible({ord("\n"): ord("\n"), ord("\t"): ord(" ")})


def block(text: str, most: int = MOST_BLOCK) -> str:
    """Several lines, cut to `most` characters."""
    if len(text) > most:
        text = text[: most - 1].rstrip() + "…"
    return text if text.isprintable() else text.replace("\r\n", "\n").translate(_VISIBLE)


def line(text: str, most: int = MOST_LINE) -> str:
    """One line, cut to `most` characters."""
    if text.isprintable() and len(text) <= most:
        return text.strip()
    return block(" ".join(text[: 4 * most].split()), most)


def link(text: str) -> str:
    """An http or https address without a name and password in it, or nothing."""
    fits = len(text) <= MOST_LINK and text.isprintable() and _LINK.fullmatch(text)
    return text if fits else ""


def moment(text: str) -> datetime | None:
    """A time of our century, in UTC, or None."""
    try:
        found = datetime.fromisoformat(text.strip())
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if _FIRST_YEAR <= found.year < _LAST_YEAR else None


class Place:
    """Where in which file we are, for messages."""

    __slots__ = ("file", "path")

    def __init__(self, file: str, path: str = "") -> None:
        self.file, self.path = file, path

    def key(self, name: str) -> "Place":
        step = name if name.isidentifier() and name.isascii() else f"[{shown(name)}]"
        return Place(self.file, f"{self.path}.{step}" if self.path and step is name else f"{self.path}{step}")

    def item(self, number: int) -> "Place":
        return Place(self.file, f"{self.path}[{number}]")

    def wrong(self, sentence: str) -> Invalid:
        at = f", at {self.path}" if self.path else ""
        return Invalid(f"{shown(self.file)}{at}: {sentence} Nothing was stored.", code="unreadable")

    def expected(self, what: str, value: object) -> Invalid:
        return self.wrong(f"expected {what}, found {_named(value)}.")


class Node:
    """An object of a report, and where it stands."""

    __slots__ = ("data", "place")

    def __init__(self, data: dict[str, Any], place: Place) -> None:
        self.data, self.place = data, place

    @classmethod
    def of(cls, value: object, place: Place) -> "Node":
        if isinstance(value, dict):
            return cls(value, place)
        if isinstance(value, Big) and value.opening == "{":
            return cls(value.held(), place)
        raise place.expected("an object", value)

    def text(self, key: str, most: int = MOST_LINE) -> str:
        """One line, or nothing."""
        return line(self._raw_text(key), most)

    def block(self, key: str, most: int = MOST_BLOCK) -> str:
        """Several lines, or nothing."""
        return block(self._raw_text(key).strip(), most)

    def name(self, key: str, most: int = MOST_NAME) -> str:
        """A text that identifies something, or nothing: never cut, so refused if it is too long."""
        text = self._raw_text(key)
        if len(text) > most:
            raise self.place.key(key).wrong(f"expected at most {most} characters, found {len(text):,}.")
        return line(text, most)

    def needed(self, key: str, most: int = MOST_ID) -> str:
        text = self.name(key, most)
        if not text:
            raise self.place.key(key).wrong("expected a text, found nothing.")
        return text

    def link(self, key: str) -> str:
        return link(self._raw_text(key).strip())

    def number(self, key: str) -> float | None:
        value = self.data.get(key)
        if isinstance(value, str) and _NUMBER.fullmatch(value):
            return float(value)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.place.key(key).expected("a number", value)
        return float(value)

    def flag(self, key: str) -> bool | None:
        value = self.data.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise self.place.key(key).expected("true or false", value)

    def node(self, key: str) -> "Node":
        """The object at `key`; an empty one where there is none."""
        value = self.data.get(key)
        return Node.of({} if value is None else value, self.place.key(key))

    def nodes(self, key: str) -> Iterator["Node"]:
        """The objects of the list at `key`, read while they are iterated."""
        return nodes(self.data.get(key), self.place.key(key))

    def entries(self, key: str) -> Iterator[tuple[str, "Node"]]:
        """The names and objects of the object at `key`, read while they are iterated."""
        value, place = self.data.get(key), self.place.key(key)
        for name, member in _members(value, place):
            yield name, Node.of(member, place.key(name))

    def values(self, key: str) -> Iterator[Any]:
        return _elements(self.data.get(key), self.place.key(key))

    def texts(self, key: str, most: int = MOST_ID) -> tuple[str, ...]:
        """The texts of the list at `key` that are not blank, each once."""
        value = self.data.get(key)
        if not value and isinstance(value, list | None):
            return ()
        place, found = self.place.key(key), dict[str, None]()
        for number, element in enumerate(_elements(value, place)):
            if number >= _MOST_IN_LIST:
                raise place.wrong(f"expected at most {_MOST_IN_LIST:,} entries.")
            text = _text_of(element, place.item(number) if not isinstance(element, str) else place)
            found[line(text, most)] = None
        return tuple(text for text in found if text)

    def arguments(self, key: str) -> list[str]:
        """The texts of the list at `key`, at the places where they stand."""
        place = self.place.key(key)
        return [line(_text_of(element, place)) for _number, element in zip(range(_MOST_IN_LIST), self.values(key), strict=False)]

    def moment(self, key: str) -> datetime | None:
        return moment(self._raw_text(key))

    def has(self, key: str) -> bool:
        return self.data.get(key) is not None

    def _raw_text(self, key: str) -> str:
        value = self.data.get(key)
        if value is None:
            return ""
        if isinstance(value, str) and value.isprintable():
            return value
        return _text_of(value, self.place.key(key))


def nodes(value: object, place: Place) -> Iterator[Node]:
    for number, element in enumerate(_elements(value, place)):
        yield Node.of(element, place.item(number))


def _text_of(value: object, place: Place) -> str:
    if isinstance(value, str):
        broken = None if value.isprintable() else _BROKEN.search(value)
        if broken:
            what = "NUL" if broken.group() == "\x00" else "half of a surrogate pair"
            raise place.wrong(f"the text has {what} in it, which is not a character. Expected text that can be kept.")
        return value
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise place.expected("a text", value)


def _elements(value: object, place: Place) -> Iterator[Any]:
    if value is None:
        return iter(())
    if isinstance(value, list):
        return iter(value)
    if isinstance(value, Big) and value.opening == "[":
        return value.elements()
    raise place.expected("a list", value)


def _members(value: object, place: Place) -> Iterator[tuple[str, Any]]:
    if value is None:
        return iter(())
    if isinstance(value, dict):
        return iter(value.items())
    if isinstance(value, Big) and value.opening == "{":
        return value.members()
    raise place.expected("an object", value)


def _named(value: object) -> str:
    if isinstance(value, Big):
        return {"[": "a long list", "{": "a large object"}.get(value.opening, "a text of more than 250,000 characters")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {shown(value)}"
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "an object"
