import socket

import pytest

from chatbot_service.image.app.server import CONNECTIONS
from tests.chatbot_service.image.chatbot import Chatbot
from tests.chatbot_service.image.conftest import Start

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pytest.mark.parametrize("path", ["/", "/static/chat.css", "/static/chat.js", "/static/icon.svg", "/health", "/nowhere"])
def test_every_answer_carries_the_strict_headers(bot: Chatbot, path: str) -> None:
    headers = bot.ask("GET", path).headers
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_the_page_has_nothing_inline(bot: Chatbot) -> None:
    page = bot.ask("GET", "/").body.decode()
    assert "Build test" in page
    assert "style=" not in page
    assert "<style" not in page
    assert "[[" not in page
    assert page.count("<script") == page.count("<script src=")


def test_what_the_environment_says_is_escaped_on_the_page(start: Start) -> None:
    page = start(BUILD_NAME='<b>"&').ask("GET", "/").body.decode()
    assert "&lt;b&gt;&quot;&amp;" in page
    assert "<b>" not in page


def test_the_page_can_be_switched_off(start: Start) -> None:
    bot = start(ENABLE_CHAT_UI="false")
    assert bot.ask("GET", "/").status == 404
    assert bot.ask("GET", "/static/chat.js").status == 404
    assert bot.ask("GET", "/health").status == 200


@pytest.mark.parametrize("path", ["/static/..%2fsettings.py", "/static/index.html", "/static/", "/page/chat.js"])
def test_only_the_pages_own_files_are_static(bot: Chatbot, path: str) -> None:
    assert bot.ask("GET", path).status == 404


def test_head_answers_as_get_without_a_body(bot: Chatbot) -> None:
    received = bot.raw(b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(("method", "path"), [("POST", "/health"), ("DELETE", "/chat"), ("GET", "/chat"), ("BREW", "/health")])
def test_a_method_that_does_not_belong_is_refused(bot: Chatbot, method: str, path: str) -> None:
    assert bot.ask(method, path).status == 405


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"GET health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/2\r\n\r\n",
        b"GET  /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /health HTTP/1.1\r\nName : x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /health HTTP/1.1\r\nContent-Length: 9999999999999999\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(bot: Chatbot, sent: bytes) -> None:
    assert bot.raw(sent).startswith(b"HTTP/1.1 400 ")


def test_a_head_that_does_not_end_is_cut_off(bot: Chatbot) -> None:
    assert bot.raw(b"GET /health HTTP/1.1\r\nX: " + b"x" * 100_000).startswith(b"HTTP/1.1 431 ")


def test_a_sender_is_told_to_go_on_only_when_wanted(bot: Chatbot) -> None:
    head = b"PUT /files/uploads/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", bot.port), timeout=10) as connection:
        connection.sendall(head % 4)
        assert connection.recv(100).startswith(b"HTTP/1.1 100 Continue")
        connection.sendall(b"body")
        assert connection.recv(100).startswith(b"HTTP/1.1 201 ")
    assert bot.raw(head % 99_999_999).startswith(b"HTTP/1.1 413 ")


def test_a_path_cannot_forge_a_line_of_the_log(bot: Chatbot) -> None:
    bot.raw(b"GET /a\x1b[31m\x0bERROR\x85forged HTTP/1.1\r\nHost: x\r\n\r\n")
    assert "\x1b" not in bot.said
    assert "\x85" not in bot.said
    assert "GET /a?[31m?ERROR?forged 404" in bot.said


def test_too_many_at_once_are_turned_away_and_the_service_recovers(bot: Chatbot) -> None:
    idle = [socket.create_connection(("127.0.0.1", bot.port), timeout=10) for _ in range(CONNECTIONS)]
    try:
        for connection in idle:
            connection.sendall(b"GET /health HTTP/1.1\r\n")
        assert bot.raw(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 503 ")
    finally:
        for connection in idle:
            connection.close()
    assert bot.ask("GET", "/health").status in {200, 503}
    assert eventually_healthy(bot)


def eventually_healthy(bot: Chatbot) -> bool:
    return any(bot.ask("GET", "/health").status == 200 for _ in range(50))
