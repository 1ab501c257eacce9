"""A client that asks every 10 ms over a new connection, whether or not the one before was answered.

A process of its own, so that the rest of a benchmark does not slow it: `python client.py PORT`, until its
standard input closes; then it prints one line of JSON.
"""

import asyncio
import json
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

EVERY = 0.01
PATIENCE = 2.0
REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
GOOD = b"HTTP/1.1 200 "


@dataclass(frozen=True)
class Outcome:
    """`downtime`: the sum of the seconds from a first failed request to the end of the next good one."""

    asked: int
    failed: int
    downtime: float


@dataclass(frozen=True)
class Asked:
    began: float
    ended: float
    good: bool


def outcome(requests: list[Asked]) -> Outcome:
    """Requests that began while the service was down may end in any order: what counts is when they began."""
    down, since = 0.0, None
    for request in sorted(requests, key=lambda one: one.began):
        if not request.good:
            since = request.began if since is None else since
        elif since is not None:
            down, since = down + request.ended - since, None
    if since is not None:
        down += max(request.ended for request in requests) - since
    return Outcome(len(requests), sum(not request.good for request in requests), down)


async def _ask(port: int) -> bool:
    loop = asyncio.get_running_loop()
    with socket.socket() as plug:
        plug.setblocking(False)
        try:
            async with asyncio.timeout(PATIENCE):
                await loop.sock_connect(plug, ("127.0.0.1", port))
                await loop.sock_sendall(plug, REQUEST)
                return (await loop.sock_recv(plug, 100)).startswith(GOOD)
        except OSError:  # TimeoutError, too
            return False


async def _ask_and_note(port: int, requests: list[Asked]) -> None:
    began = time.monotonic()
    good = await _ask(port)
    requests.append(Asked(began, time.monotonic(), good))


async def _ask_until_told(port: int) -> list[Asked]:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, over.set)
    requests: list[Asked] = []
    under_way: set[asyncio.Task[None]] = set()
    due = loop.time()
    while not over.is_set():
        task = asyncio.create_task(_ask_and_note(port, requests))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        due = max(due + EVERY, loop.time())
        await asyncio.sleep(due - loop.time())
    await asyncio.gather(*under_way)
    return requests


class Client:
    """Asks from the beginning of the `with` block to its end; `outcome` is there afterwards."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.outcome = Outcome(0, 0, 0.0)

    def __enter__(self) -> Self:
        argv = [sys.executable, "-I", __file__, str(self._port)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)  # it asks by then, and its own start is over
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        said, _ = self._process.communicate(timeout=PATIENCE + 10)
        if kind is None:
            self.outcome = Outcome(**json.loads(said))


def main() -> None:
    found = outcome(asyncio.run(_ask_until_told(int(sys.argv[1]))))
    print(json.dumps({"asked": found.asked, "failed": found.failed, "downtime": found.downtime}))  # noqa: T201


if __name__ == "__main__":
    main()
