"""A database of its own for a stage, shared by several processes: a file, or a database on the same PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from django.core.management import call_command
from django.db import connection, connections
from pytest_django import DjangoDbBlocker


@dataclass(frozen=True)
class OwnDatabase:
    url: str
    settings: dict[str, Any]
    _blocker: DjangoDbBlocker

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """By this process, all threads, instead of pytest-django's; that one's connection stays open meanwhile."""
        kept, kept_settings = connections["default"], connections.settings["default"]
        connections.settings["default"] = self.settings
        del connections["default"]
        with self._blocker.unblock():
            try:
                yield
            finally:
                connections.close_all()
                connections.settings["default"] = kept_settings
                connections["default"] = kept


@contextmanager
def own_database(folder: Path, blocker: DjangoDbBlocker) -> Iterator[OwnDatabase]:
    with _made(folder, blocker) as (url, name):
        database = OwnDatabase(url, connection.settings_dict | {"NAME": name}, blocker)
        with database.in_use():
            call_command("migrate", verbosity=0)
        yield database


@contextmanager
def _made(folder: Path, blocker: DjangoDbBlocker) -> Iterator[tuple[str, str]]:
    """URL and name."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{folder / 'stage.sqlite3'}", str(folder / "stage.sqlite3")
        return
    known, name = connection.settings_dict, f"kg_stage_{uuid4().hex[:8]}"
    login = quote(known["USER"]) + (f":{quote(known['PASSWORD'])}" if known["PASSWORD"] else "")
    with blocker.unblock(), connection._nodb_cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}"')
    try:
        yield f"postgres://{login}@{quote(known['HOST'], safe='')}:{known['PORT'] or 5432}/{name}", name
    finally:
        with blocker.unblock(), connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
