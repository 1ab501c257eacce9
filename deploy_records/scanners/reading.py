"""The bytes of a report, which may be anything: opened, unpacked and bounded before a parser sees them.

A plain file or one packed with gzip is taken, known by its content. Text is UTF-8, with or without a byte order mark;
UTF-16 is taken if it begins with its mark, as Windows writes it, and is turned into UTF-8 here. All else is refused in
words. What was unpacked lies in a temporary file, never in memory.
"""

import codecs
import gzip
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from deploy_records.errors import Invalid, Refused
from deploy_records.rules.digest import shown

MOST_BYTES = 150 * 1024 * 1024
"""Of a report, counted after unpacking."""
MOST_TIMES = 300
"""How many times larger than its packed form a report may be. Beyond it, it is a bomb."""
PIECE = 1024 * 1024

_SMALL_ENOUGH_FOR_ANY_RATIO = 16 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_UTF8_MARK = codecs.BOM_UTF8
_UTF16_MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_UTF32_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_ARCHIVES = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "an empty zip archive",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ\x00": "packed with xz",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"%PDF": "a PDF",
}
_CONTINUATIONS = bytes(range(0x80, 0xC0))
_NOTHING_STORED = "Nothing was stored."


@dataclass(frozen=True, slots=True)
class Source:
    """A report as UTF-8 text that can be read from any place. `begin` is the first byte after a byte order mark."""

    name: str
    file: BinaryIO
    size: int
    begin: int = 0

    def read_at(self, offset: int, most: int = PIECE) -> bytes:
        self.file.seek(offset)
        return self.file.read(most)

    def pieces(self, offset: int) -> Iterator[tuple[int, bytes]]:
        """From `offset` to the end, each piece with its own offset."""
        while piece := self.read_at(offset):
            yield offset, piece
            offset += len(piece)

    def wrong(self, offset: int, sentence: str) -> Invalid:
        """A refusal that names file, line and column. `offset` is in bytes."""
        line, column = self._line_and_column(offset)
        return Invalid(f"{shown(self.name)}, line {line:,}, column {column:,}: {sentence} {_NOTHING_STORED}", code="unreadable")

    def refused(self, sentence: str) -> Invalid:
        return Invalid(f"{shown(self.name)} {sentence} {_NOTHING_STORED}", code="unreadable")

    def _line_and_column(self, offset: int) -> tuple[int, int]:
        line, column = 1, 1
        for at, piece in self.pieces(self.begin):
            before = piece[: max(0, offset - at)]
            line += before.count(b"\n")
            tail = before[before.rfind(b"\n") + 1 :]
            column = (1 if b"\n" in before else column) + len(tail.translate(None, _CONTINUATIONS))
            if at + len(piece) >= offset:
                break
        return line, column


@contextmanager
def opened(file: BinaryIO, name: str) -> Iterator[Source]:
    """`file` as a `Source`. It must be seekable; it is read from its beginning and left open."""
    with _unpacked(file, name) as plain, _as_utf8(plain, name) as (text, size):
        begin = len(_UTF8_MARK) if _head(text).startswith(_UTF8_MARK) else 0
        source = Source(name, text, size, begin)
        if size <= begin:
            raise source.refused("is empty. Expected a scan report.")
        yield source


def is_at_least(file: BinaryIO, size: int) -> bool:
    """Whether so many bytes are to be read, unpacked. What cannot be unpacked is as large as it is."""
    if file.seek(0, 2) >= size or not _head(file).startswith(_GZIP):
        return file.seek(0, 2) >= size
    file.seek(0)
    read = 0
    try:
        with gzip.GzipFile(fileobj=file, mode="rb") as unpacking:
            while read < size and (piece := unpacking.read(PIECE)):
                read += len(piece)
    except (OSError, EOFError, zlib.error):
        return False
    return read >= size


@contextmanager
def _unpacked(file: BinaryIO, name: str) -> Iterator[BinaryIO]:
    if not _head(file).startswith(_GZIP):
        yield file
        return
    with tempfile.TemporaryFile() as plain:
        _unpack(file, plain, name)
        if _head(plain).startswith(_GZIP):
            raise _refused(name, "is packed with gzip twice. Expected a report packed once, or not at all.")
        yield plain


def _unpack(packed: BinaryIO, plain: BinaryIO, name: str) -> None:
    packed.seek(0)
    written = 0
    try:
        with gzip.GzipFile(fileobj=packed, mode="rb") as unpacking:
            while piece := unpacking.read(PIECE):
                written += len(piece)
                _refuse_bomb(written, packed.tell(), name)
                plain.write(piece)
    except EOFError as error:
        raise _refused(name, f"breaks off: its gzip data ends after {written:,} unpacked bytes. Send all of it.") from error
    except (OSError, zlib.error) as error:
        raise _refused(name, f"has damaged gzip data after {written:,} unpacked bytes. Pack it again.") from error


def _refuse_bomb(written: int, packed: int, name: str) -> None:
    _refuse_size(written, name)
    if written > _SMALL_ENOUGH_FOR_ANY_RATIO and written > MOST_TIMES * packed:
        raise Refused(
            f"{shown(name)} grows to more than {MOST_TIMES} times its packed size, which no report does. {_NOTHING_STORED}",
            code="too-large",
            status=413,
        )


def _refuse_size(size: int, name: str) -> None:
    if size > MOST_BYTES:
        most = MOST_BYTES // 1024**2
        raise Refused(
            f"{shown(name)} has more than {most} MiB, unpacked. Expected at most that. Leave out what is not needed, "
            f"such as the list of files or packages, or scan in parts. {_NOTHING_STORED}",
            code="too-large",
            status=413,
        )


@contextmanager
def _as_utf8(file: BinaryIO, name: str) -> Iterator[tuple[BinaryIO, int]]:
    head = _head(file)
    _refuse_what_is_no_text(head, name)
    encoding = next((encoding for mark, encoding in _UTF16_MARKS.items() if head.startswith(mark)), "")
    if not encoding:
        yield file, _size(file, name)
        return
    with tempfile.TemporaryFile() as plain:
        _recode(file, plain, encoding, name)
        yield plain, _size(plain, name)


def _refuse_what_is_no_text(head: bytes, name: str) -> None:
    for mark, what in _ARCHIVES.items():
        if head.startswith(mark):
            raise _refused(
                name, f"is {what}. Expected the report itself: unpack it and send the file inside, or pack it with gzip."
            )
    if head.startswith(_UTF32_MARKS):
        raise _refused(name, "is written in UTF-32. Expected UTF-8.")
    if head[:2].count(0) == 1 and not head.startswith(tuple(_UTF16_MARKS)):
        raise _refused(name, "looks like UTF-16 without a byte order mark. Expected UTF-8.")


def _recode(file: BinaryIO, plain: BinaryIO, encoding: str, name: str) -> None:
    _size(file, name)
    file.seek(2)
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while piece := file.read(PIECE):
            plain.write(decoder.decode(piece).encode())
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise _refused(name, "begins like UTF-16 but is not. Expected UTF-8.") from error


def _size(file: BinaryIO, name: str) -> int:
    size = file.seek(0, 2)
    _refuse_size(size, name)
    return size


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(8)


def _refused(name: str, sentence: str) -> Invalid:
    return Invalid(f"{shown(name)} {sentence} {_NOTHING_STORED}", code="unreadable")
