"""XML read element by element, as the values that the same content would have in JSON.

Expat is used as it comes with Python, without document types: with them refused, there are no entities to expand and
nothing outside is ever fetched. So no package is needed for it (those that wrap it do the same, and have not been
looked after for years).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn
from xml.parsers import expat

from deploy_records.scanners.brackets import MOST_DEPTH
from deploy_records.scanners.reading import Source

PIECE = 256 * 1024
_LARGEST_TAG = 1024 * 1024
_MOST_HELD = 4 * 1024 * 1024
_MOST_TEXT = 64 * 1024
_WEIGHT = 100
_SEPARATOR = "\n"


@dataclass(slots=True)
class Element:
    name: str
    """Without its namespace."""
    namespace: str
    attributes: dict[str, str]
    parent: "Element | None"
    """None once it belongs to its parent: nothing refers to itself then, so that all is let go of at once. It is kept
    where it is the way up from an element that was handed out.
    """
    children: "list[Element]" = field(default_factory=list)
    text: str = ""
    held_before: int = 0
    """How much was held when it began."""
    is_way_up: bool = False

    def child(self, name: str) -> "Element | None":
        return next((child for child in self.children if child.name == name), None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to keep: an element for which `emit` is true is handed out when it ends and forgotten; one for which `skip`
    is true is never kept. The rest belongs to its parent.
    """

    emit: Callable[[Element], bool]
    skip: Callable[[Element], bool]


def elements(source: Source, wanted: Wanted) -> Iterator[Element]:
    """The elements that are wanted, in the order in which they end; last the root, with what is left in it."""
    walk = _Walk(source, wanted)
    for piece in _pieces(source):
        walk.feed(piece)
        yield from walk.take()
    walk.end()
    yield from walk.take()


def _pieces(source: Source) -> Iterator[bytes]:
    offset = source.begin
    while piece := source.read_at(offset, PIECE):
        yield piece
        offset += len(piece)


@lru_cache(maxsize=1000)
def _taken_apart(tag: str) -> tuple[str, str]:
    namespace, _separator, name = tag.rpartition(_SEPARATOR)
    return name, namespace


class _Walk:
    def __init__(self, source: Source, wanted: Wanted) -> None:
        self._source, self._wanted = source, wanted
        self._current: Element | None = None
        self._depth = self._skipped = self._held = self._fed = 0
        self._ready: list[Element] = []
        # The text is UTF-8 here, whatever its first line says.
        self._parser = expat.ParserCreate("utf-8", _SEPARATOR)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._doctype

    def feed(self, piece: bytes) -> None:
        self._parse(piece, last=False)
        if self._parser.CurrentByteIndex + _LARGEST_TAG < self._fed:
            raise self._wrong("a tag is longer than 1 MiB. Expected a shorter one.")
        self._fed += len(piece)

    def end(self) -> None:
        self._parse(b"", last=True)

    def take(self) -> list[Element]:
        ready, self._ready = self._ready, []
        return ready

    def _parse(self, piece: bytes, *, last: bool) -> None:
        try:
            self._parser.Parse(piece, last)
        except expat.ExpatError as error:
            words = expat.ErrorString(error.code)
            raise self._wrong(f"this is not XML ({words}). Expected well-formed XML, all of it.") from error

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise self._wrong(f"it goes too deep. Expected at most {MOST_DEPTH} levels.")
        if self._skipped:
            self._skipped += 1
            return
        element = Element(*_taken_apart(tag), attributes, self._current)
        if self._wanted.skip(element):
            self._skipped = 1
            return
        element.held_before = self._held
        self._hold(_WEIGHT + (sum(map(len, attributes.values())) if attributes else 0))
        self._current = element

    def _end(self, _tag: str) -> None:
        self._depth -= 1
        if self._skipped:
            self._skipped -= 1
            return
        element = self._current
        if element is None:
            return
        self._current = above = element.parent
        if above is None or self._wanted.emit(element):
            self._hand_out(element)
            return
        above.children.append(element)
        if not element.is_way_up:
            element.parent = None

    def _hand_out(self, element: Element) -> None:
        self._ready.append(element)
        self._held = element.held_before
        if element.parent is not None:
            element.parent.is_way_up = True

    def _characters(self, text: str) -> None:
        if self._current is not None and not self._skipped and len(self._current.text) < _MOST_TEXT:
            self._hold(len(text))
            self._current.text += text[:_MOST_TEXT]

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > _MOST_HELD:
            raise self._wrong("one element holds more than 4 MiB, or too much stands beside those that are read. Expected less.")

    def _doctype(self, *_declared: Any) -> NoReturn:
        raise self._wrong("it declares a document type or an entity. Expected XML without.")

    def _wrong(self, sentence: str) -> Exception:
        return self._source.wrong(self._source.begin + max(0, self._parser.CurrentByteIndex), sentence)
