"""Listings of a snapshot that are read while something else is done with it: a second processor has nothing better to do."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryFile
from threading import Thread
from typing import IO

Pieces = Callable[[str], Iterator[bytes]]
"""Of one folder's listing."""


class Ahead(Thread):
    """Into files: a listing of a million names does not belong into memory."""

    def __init__(self, pieces: Pieces, files: dict[str, IO[bytes]]) -> None:
        super().__init__(name="listing ahead", daemon=True)
        self._pieces = pieces
        self._files = files
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            for folder, file in self._files.items():
                for piece in self._pieces(folder):
                    file.write(piece)
        except Exception as error:  # noqa: BLE001 - raised where the listing is wanted
            self._error = error

    def lines(self, folder: str) -> Iterator[bytes]:
        """Waits until all of it is there."""
        self.join()
        if self._error:
            raise self._error
        self._files[folder].seek(0)
        yield from self._files[folder]


@contextmanager
def read_ahead(pieces: Pieces, folders: Sequence[str]) -> Iterator[Ahead]:
    with ExitStack() as stack:
        ahead = Ahead(pieces, {folder: stack.enter_context(TemporaryFile()) for folder in folders})
        ahead.start()
        try:
            yield ahead
        finally:
            ahead.join()
