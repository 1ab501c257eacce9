"""Where the containers of a JSON text end, and how deep they go, without parsing it.

Looks only at brackets, quotes and backslashes, a piece of the file at a time and with the fast parts of `bytes`:
about half a second for 100 MB, once. It is what makes it safe to parse afterwards, and cheap to step over a long list.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

from deploy_records.errors import Invalid
from deploy_records.scanners.reading import Source

MOST_DEPTH = 64
PIECE = 256 * 1024

_NOT_STRUCTURE = bytes(set(range(256)) - set(b'"[]{}'))
_STEPS = [0] * 256
_STEPS[ord("[")] = _STEPS[ord("{")] = 1
_STEPS[ord("]")] = _STEPS[ord("}")] = -1
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_REST_OF_TEXT = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the file that does not end within an escape."""

    begin: int
    end: int
    depth: int
    """Before its first byte."""
    inside: bool
    """Whether it begins within a text."""
    lowest: int
    """The least depth after any of its brackets."""


@dataclass(frozen=True, slots=True)
class Outline:
    source: Source
    pieces: tuple[_Piece, ...]

    @classmethod
    def of(cls, source: Source, offset: int) -> "Outline":
        """Of the container at `offset`, to its end; `Invalid` if it never ends or goes too deep."""
        pieces, depth, inside = list[_Piece](), 0, False
        for begin, data in _whole_escapes(source, offset):
            depths, inside_after = _depths(data, depth, inside=inside)
            piece = _Piece(begin, begin + len(data), depth, inside, min(depths[1:], default=depth))
            pieces.append(piece)
            if max(depths) > MOST_DEPTH:
                _refuse_depth(source, piece)
            if piece.lowest <= 0 and len(depths) > 1:
                return cls(source, tuple(pieces))
            depth, inside = depths[-1], inside_after
        raise _cut_off(source, inside=inside)

    def end_of(self, offset: int) -> int:
        """The place after the bracket that closes the one at `offset`."""
        first = bisect_right(self.pieces, offset, key=lambda piece: piece.begin) - 1
        outer = -1
        for number in range(first, len(self.pieces)):
            piece = self.pieces[number]
            if outer >= 0 and piece.lowest > outer:
                continue
            for place, depth in _brackets(self.source, piece):
                if place == offset:
                    outer = depth - 1
                elif place > offset and 0 <= outer >= depth:
                    return place + 1
        raise _cut_off(self.source, inside=False)


def _whole_escapes(source: Source, offset: int) -> Iterator[tuple[int, bytes]]:
    """Pieces of the file, none of which ends between a backslash and its character."""
    while data := source.read_at(offset, PIECE):
        backslashes = len(data) - len(data.rstrip(b"\\"))
        if backslashes % 2 and len(data) == PIECE:
            data = data[:-1]
        yield offset, data
        offset += len(data)


def _depths(data: bytes, depth: int, *, inside: bool) -> tuple[list[int], bool]:
    """The depth after each bracket that stands outside of text, beginning with the depth before."""
    marks = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NOT_STRUCTURE)
    parts = marks.split(b'"')
    brackets = b"".join(parts[1::2] if inside else parts[0::2])
    return list(accumulate(map(_STEPS.__getitem__, brackets), initial=depth)), inside ^ (len(parts) % 2 == 0)


def _brackets(source: Source, piece: _Piece) -> Iterator[tuple[int, int]]:
    """The place of each bracket that stands outside of text, and the depth after it."""
    data, depth = source.read_at(piece.begin, piece.end - piece.begin), piece.depth
    rest = _REST_OF_TEXT.match(data) if piece.inside else None
    for token in _TOKEN.finditer(data, rest.end() if rest else 0):
        step = _STEPS[data[token.start()]]
        if step:
            depth += step
            yield piece.begin + token.start(), depth


def _refuse_depth(source: Source, piece: _Piece) -> None:
    for place, depth in _brackets(source, piece):
        if depth > MOST_DEPTH:
            raise source.wrong(place, f"it goes too deep. Expected at most {MOST_DEPTH} levels.")
        if depth <= 0:
            return


def _cut_off(source: Source, *, inside: bool) -> Invalid:
    what = "in the middle of a text. Expected its closing quote" if inside else "too early. Expected ] or }"
    return source.wrong(source.size, f"the file ends {what}, and then the rest. Send all of it.")
