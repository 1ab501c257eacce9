"""Files kept byte for byte in the database: known by their SHA-256, packed with zlib, in pieces, never whole in memory."""

import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from django.db.models import Q

from deploy_records.errors import Broken, Refused
from deploy_records.models import ImportState, StoredFile, StoredPiece
from deploy_records.rules.digest import shown
from deploy_records.scanners.reading import MOST_BYTES

PIECE = 1024 * 1024
_LEVEL = 3
"""Reports pack to a tenth or less even so; higher levels take several times as long for little more."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A file's name by content, and its zlib stream, which another thread makes meanwhile: packing needs no Python."""

    sha256: str
    size: int
    _stream: BinaryIO
    _packing: "Future[int]"

    @property
    def packed_size(self) -> int:
        return self._packing.result()

    def pieces(self) -> Iterator[bytes]:
        self._packing.result()
        self._stream.seek(0)
        while piece := self._stream.read(PIECE):
            yield piece


@contextmanager
def packed(file: BinaryIO, name: str) -> Iterator[Packed]:
    """Reads `file`, which must be seekable, from its beginning. Refused if it is larger than any report may be."""
    sha256, size = _hashed(file, name)
    with tempfile.TemporaryFile() as stream, ThreadPoolExecutor(1) as threads:
        packing = threads.submit(_pack, _pieces_beside(file), stream)
        yield Packed(sha256, size, stream, packing)


def _hashed(file: BinaryIO, name: str) -> tuple[str, int]:
    file.seek(0)
    digest, size = hashlib.sha256(), 0
    while data := file.read(PIECE):
        size += len(data)
        if size > MOST_BYTES:
            raise too_large(name)
        digest.update(data)
    return digest.hexdigest(), size


def _pack(pieces: Iterable[bytes], stream: BinaryIO) -> int:
    packing = zlib.compressobj(_LEVEL)
    written = sum(stream.write(packing.compress(piece)) for piece in pieces)
    return written + stream.write(packing.flush())


def _pieces_beside(file: BinaryIO) -> Iterable[bytes]:
    """The file's bytes, read without moving the place at which others read. What lies in memory only is small."""
    try:
        number = os.dup(file.fileno())
    except OSError:
        file.seek(0)
        return [file.read()]
    return _pieces_of(number)


def _pieces_of(number: int) -> Iterator[bytes]:
    try:
        offset = 0
        while data := os.pread(number, PIECE, offset):
            yield data
            offset += len(data)
    finally:
        os.close(number)


@contextmanager
def seekable(file: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """`file`, or what a pipe gives, up to the size that a report may have."""
    if file.seekable():
        yield file
        return
    with tempfile.TemporaryFile() as copy:
        size = 0
        while data := file.read(PIECE):
            size += copy.write(data)
            if size > MOST_BYTES:
                raise too_large(name)
        yield copy


def too_large(name: str) -> Refused:
    most = MOST_BYTES // 1024**2
    return Refused(
        f"{shown(name)} has more than {most} MiB. Expected at most that. Nothing was stored.", code="too-large", status=413
    )


def keep(file: Packed) -> StoredFile:
    """The stored file, new or known. Must run in a transaction; raises `IntegrityError` where another stores the same
    file at the same moment.
    """
    # Locked, so that nobody lets it go meanwhile.
    known = StoredFile.objects.select_for_update().filter(sha256=file.sha256).first()
    if known is not None:
        return known
    stored = StoredFile.objects.create(sha256=file.sha256, size=file.size, packed_size=file.packed_size)
    for number, piece in enumerate(file.pieces()):
        StoredPiece.objects.create(file=stored, number=number, data=piece)
    return stored


def original(stored: StoredFile) -> Iterator[bytes]:
    """The bytes as they came, piece by piece. The last piece is given only after all of them proved to be the ones that
    came; `Broken` if they are not.
    """
    digest, size, held = hashlib.sha256(), 0, b""
    for data in _unpacked(stored):
        digest.update(data)
        size += len(data)
        if held:
            yield held
        held = data
    if digest.hexdigest() != stored.sha256 or size != stored.size:
        raise Broken(f"The stored file {stored.sha256} is damaged: its bytes have the hash {digest.hexdigest()}.")
    yield held


@contextmanager
def opened(stored: StoredFile) -> Iterator[BinaryIO]:
    """The file as it came, for reading from any place."""
    with tempfile.TemporaryFile() as file:
        for data in original(stored):
            file.write(data)
        yield file


def hold(stored: StoredFile) -> None:
    """Until the end of the transaction. Whoever writes into the trail as well holds the file first, as imports do."""
    StoredFile.objects.select_for_update().filter(pk=stored.pk).first()


def let_go(stored: StoredFile) -> bool:
    """Deletes the file unless a report or a waiting import needs it. Whether it has gone. Must run in a transaction."""
    hold(stored)
    waiting = Q(imports__state__in=(ImportState.WAITING, ImportState.READING))
    if StoredFile.objects.filter(Q(report__isnull=False) | waiting, pk=stored.pk).exists():
        return False
    stored.delete()
    return True


def _unpacked(stored: StoredFile) -> Iterator[bytes]:
    unpacking = zlib.decompressobj()
    try:
        for piece in _pieces(stored):
            while piece:
                yield from filter(None, (unpacking.decompress(piece, PIECE),))
                piece = unpacking.unconsumed_tail  # noqa: PLW2901 - what did not fit is unpacked next
        yield from filter(None, (unpacking.flush(),))
    except zlib.error as error:
        raise Broken(f"The stored file {stored.sha256} is damaged: {error}.") from error


def _pieces(stored: StoredFile) -> Iterator[bytes]:
    number = 0
    while (data := _piece(stored, number)) is not None:
        yield data
        number += 1


def _piece(stored: StoredFile, number: int) -> bytes | None:
    found = StoredPiece.objects.filter(file=stored, number=number).values_list("data", flat=True).first()
    return None if found is None else bytes(found)
