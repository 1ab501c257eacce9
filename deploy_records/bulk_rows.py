"""Many rows into a table at once, which Django's own way takes many times as long for; and where they wait for it."""

import marshal
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, BinaryIO

from django.db import connection
from django.db.models import Model

_AT_ONCE, _HELD = 1000, 500
_SIZE = 8

Row = tuple[Any, ...]


def load(model: type[Model], columns: Sequence[str], rows: Iterable[Row]) -> None:
    """`columns` are names of columns in the table, `rows` hold values for them as the database takes them: JSON as text,
    of another row its primary key. Must run in a transaction.
    """
    quote = connection.ops.quote_name
    table, named = quote(model._meta.db_table), ", ".join(map(quote, columns))
    if connection.vendor == "postgresql":
        _copy(f"COPY {table} ({named}) FROM STDIN", rows)
    else:
        places = ", ".join(["%s"] * len(columns))
        _insert(f"INSERT INTO {table} ({named}) VALUES ({places})", rows)  # noqa: S608 - names of our own models only


class Rows:
    """Rows that are written once and read any number of times, a few hundred of them in memory. Texts, numbers, None.
    `size`: bytes of those in the file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._held, self.count, self.size = file, list[Row](), 0, 0

    def add(self, row: Row) -> None:
        self._held.append(row)
        self.count += 1
        if len(self._held) >= _HELD:
            self._write()

    def __iter__(self) -> Iterator[Row]:
        self._write()
        self._file.seek(0)
        while size := self._file.read(_SIZE):
            yield from marshal.loads(self._file.read(int.from_bytes(size)))  # noqa: S302 - written by ourselves just before

    def _write(self) -> None:
        self._file.seek(0, 2)
        data = marshal.dumps(self._held)
        self.size += self._file.write(len(data).to_bytes(_SIZE) + data)
        self._held = []


@contextmanager
def spooled() -> Iterator[Rows]:
    """Rows in a temporary file."""
    with tempfile.TemporaryFile() as file:
        yield Rows(file)


def _copy(statement: str, rows: Iterable[Row]) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _insert(statement: str, rows: Iterable[Row]) -> None:
    with connection.cursor() as cursor:
        for batch in _batches(iter(rows)):
            cursor.executemany(statement, batch)


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, _AT_ONCE)):
        yield batch
