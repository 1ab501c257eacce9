"""Ports that ask before each act whether the job is still ours.

A worker that was stopped past its lease goes on where it stood when it wakes up; by then another one has ended its job.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

from chatbot_service.jobs.context import JobContext

ENGINE_ACTS = frozenset({"pull", "keep", "execute", "start", "stop", "pause", "unpause", "remove", "rename"})
COMPOSE_ACTS = frozenset({"up", "up_rendered", "down"})
FILE_ACTS = frozenset({"write_pin", "throw_away_copy", "remove_copies", "scratch"})
BACKUP_ACTS = frozenset({"prepare", "take", "restore", "forget", "heal"})
TREE_ACTS = frozenset({"describe", "staging_of", "harmless", "swap", "swap_back", "discard"})
Port = TypeVar("Port")


def fenced(context: JobContext, check: Callable[[], None]) -> JobContext:
    """The same context; whatever changes something outside the database first calls `check`, which raises `Fenced`."""
    return replace(
        context,
        engine=_asking(context.engine, check, ENGINE_ACTS),
        compose=_asking(context.compose, check, COMPOSE_ACTS),
        files=_asking(context.files, check, FILE_ACTS),
        backups=_asking(context.backups, check, BACKUP_ACTS),
        trees=_asking(context.trees, check, TREE_ACTS),
    )


def _asking(port: Port, check: Callable[[], None], acts: frozenset[str]) -> Port:
    return cast("Port", _Asking(port, check, acts))


class _Asking:
    def __init__(self, port: object, check: Callable[[], None], acts: frozenset[str]) -> None:
        self._port = port
        self._check = check
        self._acts = acts

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name not in self._acts:
            return found

        def act(*given: Any, **named: Any) -> Any:
            self._check()
            return found(*given, **named)

        return act
