import base64
import contextlib
import hashlib
import hmac
import json
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chatbot_service.signals import webhook
from chatbot_service.signals.webhook import Target, checked_url, post
from deploy_records.errors import Broken, Invalid, Refused
from tests.chatbot_service.signals.receiver import (
    Behave,
    Receiver,
    answers,
    answers_hugely,
    closes,
    drips,
    make_certificate,
    receiving,
    talks_without_end,
)

SECRET = "0123456789abcdef-canary"
NOW = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
BODY = {"id": "a", "type": "test", "says": "Überall gilt: “ja”"}


def target(receiver: Receiver, *, scheme: str = "http", seconds: float = 5.0, secret: str = SECRET) -> Target:
    return Target(f"{scheme}://{receiver.host}/hook/token?x=1", secret, frozenset({receiver.host}), seconds)


def test_what_arrives_is_json_signed_over_its_id_its_moment_and_its_bytes() -> None:
    with receiving(answers(204)) as receiver:
        post(target(receiver), "3f0c", BODY, NOW)
    headers, body = receiver.got[0]
    assert json.loads(body) == BODY
    assert (headers["content-type"], headers["host"]) == ("application/json", receiver.host)
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == ("3f0c", str(int(NOW.timestamp())))
    signed = f"3f0c.{int(NOW.timestamp())}.".encode() + body
    wanted = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"


def test_a_secret_in_the_form_of_the_convention_is_decoded_first() -> None:
    key = bytes(range(32))
    assert webhook.key_of(f"whsec_{base64.b64encode(key).decode()}") == key
    with pytest.raises(Invalid, match="base64"):
        webhook.key_of("whsec_not base64!")


def test_the_signature_is_that_of_the_conventions_own_example() -> None:
    payload = b'{"test": 2432232314}'
    made = webhook.signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, payload)
    assert made == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_any_answer_but_2xx_is_to_be_tried_again(status: int) -> None:
    with receiving(answers(status)) as receiver, pytest.raises(Broken, match=f"It answered {status}"):
        post(target(receiver), "a", BODY, NOW)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with receiving(answers(204)) as inside:
        to_inside = answers(status, ("Location", f"http://{inside.host}/secret"))
        with receiving(to_inside) as receiver, pytest.raises(Broken, match="a redirect, and these are not followed"):
            post(target(receiver), "a", BODY, NOW)
        assert inside.got == []


@pytest.mark.parametrize(("behave", "words"), [(closes, "broke off|cannot be reached"), (talks_without_end, "broke off")])
def test_an_answer_that_breaks_off_or_is_none_is_told(behave: Behave, words: str) -> None:
    with receiving(behave) as receiver, pytest.raises(Broken, match=words):
        post(target(receiver), "a", BODY, NOW)


def test_one_that_drips_is_cut_off_at_the_end_of_its_time() -> None:
    began = time.monotonic()
    with receiving(drips) as receiver, pytest.raises(Broken):
        post(target(receiver, seconds=1.0), "a", BODY, NOW)
    assert time.monotonic() - began < 4.0


def test_one_that_drips_over_tls_is_cut_off_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = make_certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(own))
    began = time.monotonic()
    with receiving(drips, own) as receiver, pytest.raises(Broken):
        post(target(receiver, scheme="https", seconds=1.0), "a", BODY, NOW)
    assert time.monotonic() - began < 4.0


def test_one_that_drips_its_handshake_is_cut_off() -> None:
    def drip(listener: socket.socket) -> None:
        channel, _ = listener.accept()
        with channel, contextlib.suppress(OSError):
            channel.sendall(b"\x16\x03\x03\x3f\xff")
            for _ in range(200):
                channel.sendall(b"\x00")
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        host = f"localhost:{listener.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(Broken):
            post(Target(f"https://{host}/", SECRET, frozenset({host}), 1.0), "a", BODY, NOW)
    assert time.monotonic() - began < 4.0


def test_one_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "SILENT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(Broken, match="did not answer in time"):
            post(Target(f"http://localhost:{port}/", SECRET, frozenset({f"localhost:{port}"}), 5.0), "a", BODY, NOW)
    assert time.monotonic() - began < 3.0


def test_of_a_huge_answer_nothing_but_its_status_is_read() -> None:
    began = time.monotonic()
    with receiving(answers_hugely) as receiver:
        post(target(receiver), "a", BODY, NOW)
    assert time.monotonic() - began < 2.0


# TLS


def test_over_tls_the_certificate_must_be_trusted_and_name_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, others = make_certificate(tmp_path), make_certificate(tmp_path, "elsewhere.test")
    with receiving(answers(204), own) as receiver:
        with pytest.raises(Broken, match="certificate is not trusted"):
            post(target(receiver, scheme="https"), "a", BODY, NOW)
        assert receiver.got == []
        monkeypatch.setenv("SSL_CERT_FILE", str(own))
        post(target(receiver, scheme="https"), "a", BODY, NOW)
        assert len(receiver.got) == 1
    monkeypatch.setenv("SSL_CERT_FILE", str(others))
    with receiving(answers(204), others) as receiver, pytest.raises(Broken, match="certificate is not trusted"):
        post(target(receiver, scheme="https"), "a", BODY, NOW)


def test_one_that_speaks_no_tls_is_told() -> None:
    with receiving(answers(204)) as receiver, pytest.raises(Broken):
        post(target(receiver, scheme="https"), "a", BODY, NOW)
    assert receiver.got == []


# Where it may go


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x", "https://10.1.2.3/", "https://192.168.0.1/", "https://169.254.169.254/latest/meta-data",
        "https://[::1]/", "https://[fe80::1]/", "https://[::ffff:127.0.0.1]/", "https://0.0.0.0/", "https://100.64.0.1/",
        "https://[64:ff9b::7f00:1]/", "https://224.0.0.1/",
    ],
)  # fmt: skip
def test_an_address_inside_this_network_is_refused_before_anything_is_said(url: str) -> None:
    with pytest.raises(Refused, match="inside this network"):
        post(Target(url, SECRET), "a", BODY, NOW)


@pytest.mark.parametrize("url", ["https://169.254.169.254/", "https://[fe80::1]/", "https://0.0.0.0/"])
def test_link_local_addresses_are_refused_even_if_settings_name_them(url: str) -> None:
    host = url.split("/")[2].strip("[]")
    with pytest.raises(Refused):
        post(Target(url, SECRET, frozenset({host})), "a", BODY, NOW)


def test_a_name_that_leads_inside_is_refused_unless_settings_name_it() -> None:
    with receiving(answers(204)) as receiver:
        with pytest.raises(Refused, match="KG_NOTIFY_PRIVATE"):
            post(Target(f"https://{receiver.host}/", SECRET), "a", BODY, NOW)
        assert receiver.got == []


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that leads somewhere else when it is asked a second time."""
    asked: list[str] = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    connected: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], **_: Any) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(Broken, match="cannot be reached"):
        post(Target("https://rebinding.example/x", SECRET), "a", BODY, NOW)
    assert asked == ["rebinding.example"]
    assert connected == [("93.184.216.34", 443)]


def test_of_several_addresses_those_inside_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in ("127.0.0.1", "93.184.216.34")]
    connected: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], **_: Any) -> socket.socket:
        connected.append(address)
        raise TimeoutError

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(Broken, match="in time"):
        post(Target("https://mixed.example/", SECRET), "a", BODY, NOW)
    assert connected == [("93.184.216.34", 443)]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hooks.example.org/", "begins with https"), ("ftp://hooks.example.org/", "no web address"),
        ("hooks.example.org", "no web address"), ("https://user:pw@hooks.example.org/", "holds no login"),
        ("https://hooks.example.org:99999/", "no web address"), ("https://", "no web address"),
        ("https://hooks.example.org/\r\nX-Evil: 1", "all of them plain"), ("https://hooks.example.org/a b", "all of them plain"),
        ("https://höoks.example.org/", "all of them plain"), ("https://hooks.example.org/" + "x" * 2000, "at most 2,000"),
        ("file:///etc/passwd", "no web address"), ("javascript:alert(1)", "no web address"),
    ],
)  # fmt: skip
def test_what_is_no_plain_https_address_is_refused(url: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        checked_url(url, frozenset())


def test_nothing_of_the_target_stands_in_its_text() -> None:
    shown = repr(Target("https://hooks.example.org/canary-token", "canary-secret"))
    assert "canary" not in shown


def test_a_name_without_an_address_is_told() -> None:
    with pytest.raises(Broken, match="no address"):
        post(Target("https://no-such-host.invalid/", SECRET), "a", BODY, NOW)


def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    with receiving(answers(204)) as receiver:
        for _ in range(5):
            post(target(receiver), "a", BODY, NOW)
    time.sleep(0.2)
    assert threading.active_count() <= before + 1
