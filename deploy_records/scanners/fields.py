"""What stands at a key of a report, or a refusal that says where and what was expected.

One rule for all formats: a key that is absent and a key that is null are the same, since many tools write null for
nothing. A text may be written as a number and a number as a text. Any other type is refused. Text is bounded, and
characters that cannot be seen become U+FFFD, NUL among them, which real reports have in version numbers that were read
out of programs. Half of a surrogate pair, which cannot even be sent on as UTF-8, is refused. No list of what belongs to
one finding is held that is longer than any tool writes.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

from deploy_records.errors import Invalid
from deploy_records.rules.digest import shown
from deploy_records.scanners.json_walk import SMALL, Big
from deploy_records.scanners.texts import MOST_BLOCK, MOST_LINE, block, line, link

MOST_ID, MOST_NAME, MOST_PURL = 200, 300, 1000
MOST_IN_LIST = 1000

T = TypeVar("T")

_LONGEST_STEP = 80
_MOST_WHOLE = 999_999_999
_BROKEN = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(r"\s*-?[0-9]{1,20}(\.[0-9]{1,50})?\s*")
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
_NO_MOMENT = "0001-01-01T00:00:00"
_A_MOMENT = "a date and time of the years 2000 to 2099, such as 2026-11-23T14:00:00Z"


def at_most(most: int, found: Iterator[T], place: "Place") -> Iterator[T]:
    """`found`, and a refusal where it does not end in time."""
    for number, one in enumerate(found):
        if number >= most:
            raise place.wrong(f"expected at most {most:,} entries.")
        yield one


class Place:
    """Where in which file we are, for messages. Made for every value that is looked at, so it is spelt out only there."""

    __slots__ = ("_above", "_step", "file")

    def __init__(self, file: str, above: "Place | None" = None, step: str | int = "") -> None:
        self.file, self._above, self._step = file, above, step

    def key(self, name: str) -> "Place":
        return Place(self.file, self, name)

    def item(self, number: int) -> "Place":
        return Place(self.file, self, number)

    @property
    def path(self) -> str:
        """As one would write it in JavaScript: Results[0].Vulnerabilities."""
        steps, place = list[str](), self
        while place._above is not None:
            steps.append(_written(place._step))
            place = place._above
        return "".join(reversed(steps)).removeprefix(".")

    def wrong(self, sentence: str) -> Invalid:
        path = self.path
        at = f", at {path}" if path else ""
        return Invalid(f"{shown(self.file)}{at}: {sentence} Nothing was stored.", code="unreadable")

    def expected(self, what: str, value: object) -> Invalid:
        return self.wrong(f"expected {what}, found {_named(value)}.")


def _written(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if len(step) <= _LONGEST_STEP and step.isidentifier() and step.isascii() else f"[{shown(step)}]"


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
        return "" if self.data.get(key) is None else line(self._raw_text(key), most)

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

    def whole(self, key: str) -> int | None:
        """The number of a line, a column, a place in a list. None where there is none, such as -1."""
        value = self.number(key)
        return int(value) if value is not None and 0 <= value <= _MOST_WHOLE else None

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

    def few(self, key: str, most: int = MOST_IN_LIST) -> list["Node"]:
        """The same, held."""
        return list(at_most(most, self.nodes(key), self.place.key(key)))

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
        for number, element in enumerate(at_most(MOST_IN_LIST, _elements(value, place), place)):
            text = _text_of(element, place.item(number) if not isinstance(element, str) else place)
            found[line(text, most)] = None
        return tuple(text for text in found if text)

    def arguments(self, key: str) -> list[str]:
        """The texts of the list at `key`, at the places where they stand."""
        place = self.place.key(key)
        return [line(_text_of(element, place)) for _number, element in zip(range(MOST_IN_LIST), self.values(key), strict=False)]

    def moment(self, key: str) -> datetime | None:
        """A time in UTC, or None. Tools written in Go write the first moment of the year 1 for none."""
        text = self._raw_text(key).strip()
        if not text or text.startswith(_NO_MOMENT):
            return None
        found = _moment(text)
        if found is None:
            raise self.place.key(key).expected(_A_MOMENT, text)
        return found

    def has(self, key: str) -> bool:
        return self.data.get(key) is not None

    def _raw_text(self, key: str) -> str:
        value = self.data.get(key)
        if value is None:
            return ""
        if isinstance(value, str) and value.isascii():
            return value
        return _text_of(value, self.place.key(key))


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if _FIRST_YEAR <= found.year < _LAST_YEAR else None


def nodes(value: object, place: Place) -> Iterator[Node]:
    for number, element in enumerate(_elements(value, place)):
        yield Node.of(element, place.item(number))


def _text_of(value: object, place: Place) -> str:
    if isinstance(value, str):
        if not value.isascii() and _BROKEN.search(value):
            raise place.wrong(
                "the text has half of a surrogate pair in it, which is no character. Expected text that can be kept."
            )
        return value
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    is_long = isinstance(value, Big) and value.opening == '"'
    raise place.expected(f"a text of at most {SMALL:,} characters" if is_long else "a text", value)


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
        return {"[": "a long list", "{": "a large object"}.get(value.opening, "a very long text")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {shown(value)}"
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "an object"
