"""JSON of any size, read value by value.

What fits into `SMALL` characters comes as plain Python values. What does not is a `Big`: a place in the file whose
elements or members can be walked, again value by value. So a list of 50,000 findings takes the memory of one, and
nobody pays for what they do not look at. Twice the same key, NaN, and numbers beyond all measure are refused.
"""

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deploy_records.errors import Invalid
from deploy_records.rules.digest import shown
from deploy_records.scanners.brackets import Outline
from deploy_records.scanners.reading import Source
from deploy_records.scanners.strict_json import DECODER, EXPECTED, OddError, place_of

SMALL = 256 * 1024
MOST_ELEMENTS, MOST_MEMBERS = 1_000_000, 200_000
MOST_HELD, MOST_KEYS_HELD = 2 * 1024 * 1024, 10_000

_ENOUGH = SMALL // 4
_SPACE = re.compile(r"[ \t\n\r]*")
_REST_OF_TEXT = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Big:
    """A value that is too large to be held. `opening` is [ or { or, for a text, a quote."""

    outline: Outline
    offset: int
    end: int
    opening: str

    def elements(self) -> Iterator[Any]:
        """The values of a list."""
        window = _Window(self.outline, self.offset)
        if window.opens_empty("]"):
            return
        for _number in range(MOST_ELEMENTS):
            yield window.value()
            if window.closes("]"):
                return
        raise window.wrong(f"this list has more than {MOST_ELEMENTS:,} entries. Expected at most that.")

    def members(self) -> Iterator[tuple[str, Any]]:
        """The keys and values of an object."""
        return self._members(_Window(self.outline, self.offset))

    def held(self) -> dict[str, Any]:
        """An object as a whole; what is large in it stays in the file. Refused if all that is small is too much."""
        window, held = _Window(self.outline, self.offset), dict[str, Any]()
        for key, value in self._members(window):
            held[key] = value
            if window.count > MOST_HELD or len(held) > MOST_KEYS_HELD:
                raise window.wrong(
                    f"this object is too large to be held. Expected at most {MOST_HELD // 1024**2} MiB and "
                    f"{MOST_KEYS_HELD:,} keys."
                )
        return held

    def _members(self, window: "_Window") -> Iterator[tuple[str, Any]]:
        seen = set[str]()
        if window.opens_empty("}"):
            return
        while True:
            key = window.key()
            if key in seen:
                raise window.wrong(f"the key {shown(key)} stands twice in one object. Expected it once.")
            seen.add(key)
            if len(seen) > MOST_MEMBERS:
                raise window.wrong(f"this object has more than {MOST_MEMBERS:,} keys. Expected at most that.")
            yield key, window.value()
            if window.closes("}"):
                return


def root(source: Source) -> Any:
    """The value that the whole file is, checked for depth, completeness and encoding first."""
    _check_encoding(source)
    begin, opening = _first_character(source)
    if opening not in {"{", "["}:
        raise source.wrong(begin, "expected { or [, with which a report begins.")
    outline = Outline.of(source, begin)
    end = outline.end_of(begin)
    after = _Window(outline, end)
    if after.peek():
        raise after.wrong("something follows after the end of the report. Expected nothing.")
    return Big(outline, begin, end, opening) if end - begin > SMALL else _Window(outline, begin).value()


def _first_character(source: Source) -> tuple[int, str]:
    for at, piece in source.pieces(source.begin):
        rest = piece.lstrip(b" \t\n\r")
        if rest:
            return at + len(piece) - len(rest), chr(rest[0])
    return source.size, ""


def _check_encoding(source: Source) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for at, piece in source.pieces(source.begin):
        held = len(decoder.getstate()[0])
        try:
            decoder.decode(piece, final=at + len(piece) >= source.size)
        except UnicodeDecodeError as error:
            raise source.wrong(at - held + error.start, "a byte is not UTF-8. Expected UTF-8 throughout.") from error


class _Window:
    """A stretch of the file as text, and a place in it. Moves forward only."""

    def __init__(self, outline: Outline, offset: int) -> None:
        self._outline, self._source = outline, outline.source
        self._passed = 0
        self._go_to(offset)

    @property
    def count(self) -> int:
        """How many characters were read here, without those of values that are large."""
        return self._passed + self._pos

    def _go_to(self, offset: int) -> None:
        self._offset, self._next = offset, offset
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text, self._pos, self._ended = "", 0, False

    def place(self) -> int:
        return self._offset + len(self._text[: self._pos].encode())

    def wrong(self, sentence: str) -> Invalid:
        return self._source.wrong(self.place(), sentence)

    def peek(self) -> str:
        """The next character that is no space, or nothing at the end."""
        while True:
            match = _SPACE.match(self._text, self._pos)
            self._pos = match.end() if match else self._pos
            if self._pos < len(self._text) or not self._more():
                return self._text[self._pos : self._pos + 1]

    def opens_empty(self, closing: str) -> bool:
        """Steps into a container; whether it is empty."""
        self.peek()
        self._pos += 1
        return self.peek() == closing

    def closes(self, closing: str) -> bool:
        """Steps over what stands after a value; whether that was the end of the container."""
        found = self.peek()
        if found not in {",", closing} or not found:
            raise self.wrong(f"expected a comma or {closing}.")
        self._pos += 1
        return found == closing

    def key(self) -> str:
        if self.peek() != '"':
            raise self.wrong("expected a key in double quotes.")
        key = self.value()
        if not isinstance(key, str) or self.peek() != ":":
            raise self.wrong("expected a key of bearable length and a colon after it.")
        self._pos += 1
        return key

    def value(self) -> Any:
        opening = self.peek()
        if len(self._text) - self._pos < _ENOUGH:
            self._more()
        try:
            return self._decoded()
        except json.JSONDecodeError as error:
            problem = error
        while len(self._text) - self._pos < SMALL and self._more():
            try:
                return self._decoded()
            except json.JSONDecodeError as error:
                problem = error
        return self._big(opening, problem)

    def _decoded(self) -> Any:
        try:
            value, self._pos = DECODER.raw_decode(self._text, self._pos)
        except OddError as error:
            self._pos = place_of(error, self._text, self._pos)
            raise self.wrong(error.sentence) from None
        return value

    def _big(self, opening: str, problem: json.JSONDecodeError) -> Big:
        begin = self.place()
        if opening == '"' and not self._ended:
            passed = self.count
            end = self._step_over_text()
            self._passed = passed - self._pos
            return Big(self._outline, begin, end, opening)
        end = self._outline.end_of(begin) if opening in {"[", "{"} else begin
        if end - begin <= SMALL:
            self._pos = problem.pos
            raise self.wrong(f"{EXPECTED.get(problem.msg, 'expected JSON')}.") from problem
        self._passed += self._pos
        self._go_to(end)
        return Big(self._outline, begin, end, opening)

    def _step_over_text(self) -> int:
        self._pos += 1
        while True:
            match = _REST_OF_TEXT.match(self._text, self._pos)
            self._pos = match.end() if match else self._pos
            if self._text[self._pos : self._pos + 1] == '"':
                self._pos += 1
                return self.place()
            if not self._more():
                raise self.wrong("the file ends in the middle of a text. Expected its closing quote.")

    def _more(self) -> bool:
        """Reads on, and lets go of what lies behind."""
        piece = self._source.read_at(self._next, SMALL)
        if not piece:
            self._ended = True
            return False
        self._offset += len(self._text[: self._pos].encode())
        self._passed += self._pos
        self._next += len(piece)
        self._text = self._text[self._pos :] + self._decoder.decode(piece)
        self._pos = 0
        return True
