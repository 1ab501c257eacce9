"""Plays many cases side by side, ahead of the tests that look at how they ended: most of each is waiting."""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import pytest
from django.db import connections

# More would use up the addresses that an engine has for networks: out of the box there are 31.
AT_ONCE = min(2 * (os.cpu_count() or 1), 6)
Case = TypeVar("Case")
Played = TypeVar("Played")


class Ahead(Generic[Case, Played]):
    """`play` is called once for each case, in the order of the tests; what it raises is raised in the test."""

    def __init__(self, play: Callable[[Case], Played], cases: list[Case]) -> None:
        self._play = play
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._played: dict[Case, Future[Played]] = {}
        for case in cases:
            self.of(case)

    def of(self, case: Case) -> Future[Played]:
        if case not in self._played:
            self._played[case] = self._pool.submit(self._one, case)
        return self._played[case]

    def _one(self, case: Case) -> Played:
        try:
            return self._play(case)
        finally:
            connections.close_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown(cancel_futures=True)


def cases_to_come(request: pytest.FixtureRequest, of: type[Case]) -> list[Case]:
    """The values of the parameter `case` in the tests of this module that this run has chosen.

    None under xdist: there a worker does not know which of them are its own, and plays each when its test begins.
    """
    if hasattr(request.config, "workerinput"):
        return []
    found: list[Any] = []
    for item in request.session.items:
        given = getattr(item, "callspec", None)
        if getattr(item, "module", None) is request.module and given is not None:
            found.append(given.params.get("case"))
    return [case for case in found if isinstance(case, of)]
