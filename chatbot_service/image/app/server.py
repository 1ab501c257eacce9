"""Takes connections and stops at once: a thread a connection, a bounded number of them."""

import contextlib
import socket
import threading
import time

from . import log, routes, wire
from .settings import Settings

CONNECTIONS = 64
QUEUE = 128
# A request under way may end within this; longer ones, such as a streaming answer, are cut off.
GRACE_SECONDS = 0.1


class Stop(BaseException):
    """Raised in the main thread by SIGTERM and SIGINT."""


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(QUEUE)
    return listener


def serve(listener: socket.socket, settings: Settings) -> None:
    """Returns when told to stop."""
    service = _Service(settings)
    try:
        service.tidy()
        while True:
            service.take(listener)
    except Stop:
        listener.close()
        left = service.wait(GRACE_SECONDS)
        log.info("stopped" if not left else f"stopped; cut off {left} request(s)")


class _Service:
    def __init__(self, settings: Settings) -> None:
        self._routes = routes.Routes(settings)
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        self._under_way = 0
        self._changed = threading.Condition()

    def tidy(self) -> None:
        self._routes.tidy()

    def take(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError as error:  # the other side has gone already, or no descriptor is free just now
            log.warning(f"a connection was not taken: {error.strerror}")
            time.sleep(0.01)
            return
        if self._free.acquire(blocking=False):
            threading.Thread(target=self._attend, args=(connection,), daemon=True).start()
        else:
            _turn_away(connection)

    def wait(self, seconds: float) -> int:
        with self._changed:
            self._changed.wait_for(lambda: not self._under_way, seconds)
            return self._under_way

    def _attend(self, connection: socket.socket) -> None:
        self._count(1)
        try:
            # The client went away or was too slow: nobody is left to tell.
            with connection, contextlib.suppress(OSError):
                _answer(connection, self._routes)
        finally:
            self._count(-1)
            self._free.release()

    def _count(self, change: int) -> None:
        with self._changed:
            self._under_way += change
            self._changed.notify_all()


def _answer(connection: socket.socket, table: routes.Routes) -> None:
    begun = time.monotonic()
    request = None
    try:
        request = wire.read_request(connection)
        answer = table.answer(request)
    except wire.Refusal as refusal:
        answer = routes.refused(refusal)
    except (ConnectionError, TimeoutError):
        raise
    except Exception as error:  # noqa: BLE001  a fault of ours must not look like a lost connection
        log.error(f"broke on {request.path[:200] if request else 'a request'}: {error!r}")
        answer = routes.refused(wire.Refusal(500, "Something broke on our side. It is in the log."))
    wire.send(connection, answer, with_body=request is None or request.method != "HEAD")
    if request:
        quiet = request.path == "/health" and answer.status == routes.OK
        tell = log.debug if quiet else log.info
        tell(f"{request.method} {request.path[:200]} {answer.status} {(time.monotonic() - begun) * 1000:.0f} ms")
    wire.close(connection, request.unread if request else wire.HEAD_BYTES)


def _turn_away(connection: socket.socket) -> None:
    log.warning(f"turned a connection away: {CONNECTIONS} are open")
    with connection, contextlib.suppress(OSError):
        wire.send(connection, routes.refused(wire.Refusal(503, "Too many requests at once. Try again in a moment.")))
