import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.chatbot_service.image import chatbot
from tests.chatbot_service.image.chatbot import Chatbot
from tests.chatbot_service.image.conftest import Start


def check(port: int | str, **environment: str) -> tuple[int, str, float]:
    """Exit code, what it printed, seconds. Run as Docker runs it: in /app, as the service's own user."""
    begun = time.monotonic()
    done = subprocess.run(
        ["bash", "scripts/healthcheck.sh"], cwd=chatbot.laid_out(), capture_output=True, text=True, timeout=20, check=False,
        env={"PATH": "/usr/bin:/bin", "PORT": str(port), "HOST": "127.0.0.1", **environment}, **chatbot.without_rights(),
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout.strip(), time.monotonic() - begun


@contextmanager
def server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            # The check may hang up first: that is its right.
            with connection, suppress(OSError):
                connection.recv(4096)
                serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def test_a_service_that_is_well_passes_quickly(bot: Chatbot) -> None:
    code, printed, seconds = check(bot.port)
    assert (code, printed) == (0, "healthy")
    assert seconds < 1.0  # 10 ms on an idle machine


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", ""])  # noqa: S104  as the image sets it
def test_it_asks_where_the_service_listens(bot: Chatbot, host: str) -> None:
    assert check(bot.port, HOST=host)[0] == 0


def test_a_dead_service_fails() -> None:
    port = chatbot.free_port()
    assert check(port)[:2] == (1, f"unhealthy: nothing listens on port {port}")


def test_a_failing_service_fails_with_its_own_reason(start: Start) -> None:
    code, printed, _ = check(start(BUILD_FAULT="unhealthy").port)
    assert code == 1
    assert printed.startswith("unhealthy: HTTP/1.1 503 Service Unavailable")
    assert "made to fail: never healthy" in printed


def test_a_server_error_fails() -> None:
    with server(lambda connection: connection.sendall(b"HTTP/1.1 500 Internal Server Error\r\n\r\n")) as port:
        assert check(port)[:2] == (1, "unhealthy: HTTP/1.1 500 Internal Server Error")


def test_a_silent_service_fails_within_the_bound(start: Start) -> None:
    code, printed, seconds = check(start(BUILD_FAULT="hang").port)
    assert (code, printed) == (1, "unhealthy: no answer within 2 s")
    assert seconds < 3


def test_an_answer_that_drips_fails_within_the_bound() -> None:
    def drip(connection: socket.socket) -> None:
        for byte in b"HTTP/1.1 503 Busy":
            connection.sendall(bytes([byte]))
            time.sleep(0.15)

    with server(drip) as port:
        code, _, seconds = check(port)
    assert code == 1
    assert seconds < 3


def test_a_connection_closed_without_an_answer_fails() -> None:
    with server(lambda _connection: None) as port:
        assert check(port)[:2] == (1, "unhealthy: the connection was closed without an answer")


def test_what_a_service_answers_cannot_forge_lines_or_colours() -> None:
    with server(lambda connection: connection.sendall(b"HTTP/1.1 500 \x1b[31mred\r\n\r\n" + b"x" * 50_000)) as port:
        code, printed, _ = check(port)
    assert code == 1
    assert "\x1b" not in printed
    assert len(printed) < 400


@pytest.mark.parametrize("port", ["http", "80;id", "$(id)", "123456"])
def test_a_port_that_is_none_fails(port: str) -> None:
    assert check(port)[:2] == (1, "unhealthy: PORT is not a number")
