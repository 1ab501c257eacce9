import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.chatbot_service.image import chatbot
from tests.chatbot_service.image.chatbot import Chatbot
from tests.chatbot_service.image.conftest import Start


def refusal(start: Start, **environment: str) -> str:
    bot = start(up=False, **environment)
    assert bot.process.wait(10) == 1
    return bot.said


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("HOST", "two words", "an address to listen on"),
        ("PORT", "http", "a whole number from 1 to 65535"),
        ("PORT", "0", "a whole number from 1 to 65535"),
        ("PORT", "65536", "a whole number from 1 to 65535"),
        ("LOG_LEVEL", "verbose", "one of DEBUG, INFO, WARNING, ERROR"),
        ("OPENROUTER_API_KEY", "sk-one two", "one word of printable ASCII characters"),
        ("OPENROUTER_API_KEY", "sk-one\r\nX-Other: 1", "one word of printable ASCII characters"),
        ("OPENROUTER_BASE_URL", "openrouter.ai", "an http:// or https:// address"),
        ("OPENROUTER_BASE_URL", "file:///etc/passwd", "an http:// or https:// address"),
        ("OPENROUTER_BASE_URL", "https://user:word@host/api", "an http:// or https:// address without user name"),
        ("OPENROUTER_MODEL", "a b", "the name of a model, in one word"),
        ("UPLOADS_DIR", "uploads", "the absolute path of a folder that exists"),
        ("EXPORTS_DIR", "/nowhere/at/all", "the absolute path of a folder that exists"),
        ("REQUEST_TIMEOUT_SECONDS", "soon", "a number from 0.1 to 600"),
        ("REQUEST_TIMEOUT_SECONDS", "nan", "a number from 0.1 to 600"),
        ("MAX_RETRIES", "-1", "a whole number from 0 to 10"),
        ("MAX_RETRIES", "2.5", "a whole number from 0 to 10"),
        ("RETRY_BACKOFF_SECONDS", "inf", "a number from 0 to 60"),
        ("ENABLE_CHAT_UI", "maybe", "true or false"),
        ("ENABLE_FILE_UPLOADS", "2", "true or false"),
    ],
)
def test_a_wrong_value_stops_the_start_with_its_name_and_what_was_expected(
    start: Start, name: str, value: str, expected: str
) -> None:
    said = refusal(start, **{name: value})
    assert f"{name} must be {expected}" in said
    assert len(value) < 4 or value not in said.replace(expected, "")  # short ones occur in any log


def test_all_wrong_values_are_named_at_once(start: Start) -> None:
    said = refusal(start, MAX_RETRIES="many", ENABLE_CHAT_UI="perhaps")
    assert "MAX_RETRIES" in said
    assert "ENABLE_CHAT_UI" in said


def test_an_empty_value_counts_as_not_set(start: Start) -> None:
    assert start(MAX_RETRIES="", OPENROUTER_MODEL="").ask("GET", "/health").status == 200


def test_a_port_that_is_taken_stops_the_start(start: Start, bot: Chatbot) -> None:
    assert "HOST and PORT cannot be listened on" in refusal(start, PORT=str(bot.port))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try to start it as root")
def test_it_refuses_to_run_as_root() -> None:
    argv = [chatbot.python(), "-E", "-s", "-S", "-m", "personal_chatbot"]
    done = subprocess.run(argv, cwd=chatbot.laid_out(), env={}, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert "it runs as root" in done.stdout


def test_the_key_is_never_in_the_log(start: Start) -> None:
    bot = start(OPENROUTER_API_KEY="sk-or-a-secret", OPENROUTER_BASE_URL="http://127.0.0.1:1", MAX_RETRIES="0")
    bot.ask("POST", "/chat", {"messages": [{"role": "user", "content": "hello"}]})
    assert "OPENROUTER_API_KEY is set" in bot.said
    assert "sk-or" not in bot.said


def test_without_a_key_the_log_says_that_answers_are_an_echo(bot: Chatbot) -> None:
    bot.ask("GET", "/health")  # it listens before it says so
    assert "OPENROUTER_API_KEY is not set: answers are an echo" in bot.said


def test_health_names_the_build_and_which_folders_can_be_written(bot: Chatbot) -> None:
    reply = bot.ask("GET", "/health")
    assert reply.status == 200
    assert reply.json == {"status": "ok", "build": "test", "writable": {"uploads": True, "exports": True}}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a folder of another user's")
def test_a_folder_of_somebody_else_is_told_and_does_not_end_the_service(start: Start, home: Path) -> None:
    (home / "exports").mkdir(mode=0o755)
    bot = start()
    reply = bot.ask("GET", "/health")
    assert reply.status == 200
    assert reply.json["status"] == "degraded"
    assert reply.json["writable"] == {"uploads": True, "exports": False}
    assert "EXPORTS_DIR cannot be written" in bot.said
    refused = bot.ask("POST", "/export", {"messages": [{"role": "user", "content": "keep"}]})
    assert refused.status == 507


def test_it_answers_soon_after_its_start(start: Start) -> None:
    begun = time.monotonic()
    start().ask("GET", "/health")
    assert time.monotonic() - begun < 2.0  # 20 ms on an idle machine


def test_sigterm_ends_it_at_once(bot: Chatbot) -> None:
    bot.ask("GET", "/health")
    assert bot.stop() < 1.0
    assert bot.process.returncode == 0
    assert "INFO stopped\n" in bot.said


def test_sigterm_ends_it_though_a_connection_is_open(bot: Chatbot) -> None:
    with socket.create_connection(("127.0.0.1", bot.port)) as idle:
        idle.sendall(b"GET /health HTTP/1.1\r\n")
        time.sleep(0.1)
        assert bot.stop() < 1.0


@pytest.mark.parametrize(("fault", "within"), [("exit", 1.0), ("exit-later", 4.0)])
def test_a_build_made_to_exit_exits_and_says_so(start: Start, fault: str, within: float) -> None:
    bot = start(up=False, BUILD_FAULT=fault)
    assert bot.process.wait(within + 2) == 1
    assert f"this build is made to fail: {fault}" in bot.said


def test_a_build_made_unhealthy_never_passes(start: Start) -> None:
    bot = start(BUILD_FAULT="unhealthy")
    reply = bot.ask("GET", "/health")
    assert reply.status == 503
    assert reply.json["reason"] == "made to fail: never healthy"


def test_a_build_made_to_flap_is_healthy_first_then_now_and_then(start: Start) -> None:
    bot = start(BUILD_FAULT="flap")
    assert bot.ask("GET", "/health").status == 200
    seen: set[int] = set()
    give_up_at = time.monotonic() + 10
    while len(seen) < 2 and time.monotonic() < give_up_at:
        seen.add(bot.ask("GET", "/health").status)
        time.sleep(0.2)
    assert seen == {200, 503}
