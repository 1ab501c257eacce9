"""What counts as downtime, and a real client against a service that goes away and comes back."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.bench.kit.client import Asked, Client, outcome

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def test_nothing_failed_is_no_downtime() -> None:
    assert outcome([Asked(0.0, 0.1, good=True), Asked(0.1, 0.3, good=True)]).downtime == 0


def test_downtime_is_from_the_first_failed_request_to_the_end_of_the_next_good_one() -> None:
    asked = [
        Asked(0.0, 0.1, good=True), Asked(1.0, 1.1, good=False), Asked(1.5, 1.6, good=False), Asked(2.0, 2.25, good=True),
    ]  # fmt: skip
    found = outcome(asked)
    assert found.downtime == pytest.approx(1.25)
    assert (found.asked, found.failed) == (4, 2)


def test_several_outages_add_up() -> None:
    asked = [Asked(at, at + 0.1, good=at % 2 == 0) for at in range(5)]
    assert outcome(asked).downtime == pytest.approx(2 * 1.1)


def test_one_that_never_comes_back_is_down_to_the_end() -> None:
    assert outcome([Asked(0.0, 0.1, good=True), Asked(1.0, 1.1, good=False), Asked(2.0, 4.0, good=False)]).downtime == 3.0


def test_requests_count_by_when_they_began_not_by_when_they_ended() -> None:
    slow_but_good, failed_quickly = Asked(0.0, 3.0, good=True), Asked(1.0, 1.1, good=False)
    assert outcome([failed_quickly, Asked(2.0, 2.1, good=True), slow_but_good]).downtime == pytest.approx(1.1)


@contextmanager
def service(port: int = 0) -> Iterator[int]:
    plug = socket.create_server(("127.0.0.1", port), backlog=64)
    thread = threading.Thread(target=_answer_until_closed, args=(plug,), daemon=True)
    thread.start()
    yield plug.getsockname()[1]
    plug.shutdown(socket.SHUT_RDWR)
    plug.close()
    thread.join(timeout=5)


def _answer_until_closed(plug: socket.socket) -> None:
    while True:
        try:
            visitor, _ = plug.accept()
            with visitor:
                visitor.recv(1000)
                visitor.sendall(ANSWER)
        except OSError:
            return


def test_a_client_sees_how_long_a_service_was_away() -> None:
    with service() as port:
        pass
    with service(port), Client(port) as undisturbed:
        time.sleep(0.3)
    assert undisturbed.outcome.failed == 0
    assert undisturbed.outcome.asked > 10
    with Client(port) as client:
        time.sleep(0.3)
        with service(port):
            time.sleep(0.3)
    assert client.outcome.failed > 0
    assert 0.2 < client.outcome.downtime < 3
