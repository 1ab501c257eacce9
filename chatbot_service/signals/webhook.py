"""One signed POST to a webhook that is not trusted: its address checked and then pinned, everything bounded, no redirects.

Signed as the Standard Webhooks convention has it: HMAC-SHA256 over `id.timestamp.body`. The id is the same in every try, so
that a receiver can drop what comes twice; the timestamp is that of the try, so that it can refuse what is replayed.
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
import http.client
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from chatbot_service.foreign_text import one_line
from chatbot_service.registry_wire import Address, may_connect
from deploy_records.errors import Broken, Invalid, Refused

SECONDS = 15.0
SILENT = 8.0
MOST_ADDRESSES = 3
MOST_URL = 2000
_SUCCESS, _REDIRECT, _OTHER = 200, 300, 400
_PREFIX = "whsec_"


@dataclass(frozen=True)
class Target:
    """`secret` as the person gave it: after `whsec_` in base64, else as it is. `private_hosts` may lie inside this network."""

    url: str = field(repr=False)
    secret: str = field(repr=False)
    private_hosts: frozenset[str] = frozenset()
    seconds: float = SECONDS


def post(target: Target, uid: str, body: Mapping[str, Any], now: datetime) -> None:
    """Returns once the other side has said 2xx. `Refused`: it is not to be tried again; `Broken`: it is."""
    url = checked_url(target.url, target.private_hosts)
    payload = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    stamp = int(now.timestamp())
    headers = {
        "Host": url.netloc, "User-Agent": "known-good", "Content-Type": "application/json", "Connection": "close",
        "Accept-Encoding": "identity", "webhook-id": uid, "webhook-timestamp": str(stamp),
        "webhook-signature": f"v1,{signature(target.secret, uid, stamp, payload)}",
    }  # fmt: skip
    status = _exchange(url, target, headers, payload)
    if _SUCCESS <= status < _REDIRECT:
        return
    if _REDIRECT <= status < _OTHER:
        raise Broken(f"It answered {status}, a redirect, and these are not followed. Enter the address it leads to.")
    raise Broken(f"It answered {status}.")


def signature(secret: str, uid: str, stamp: int, payload: bytes) -> str:
    signed = f"{uid}.{stamp}.".encode() + payload
    return base64.b64encode(hmac.new(key_of(secret), signed, hashlib.sha256).digest()).decode()


def key_of(secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Invalid("After whsec_ a secret is base64. Copy it anew. Nothing was changed.") from error


def checked_url(text: str, private_hosts: frozenset[str]) -> SplitResult:
    """`Invalid` unless it is an https address without a login; http only for a host that settings name."""
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError as error:
        raise Invalid("That is no web address. One looks like https://hooks.example.org/abc. Nothing was changed.") from error
    if len(text) > MOST_URL or not text.isascii() or not text.isprintable() or " " in text:
        raise Invalid(f"An address has at most {MOST_URL:,} characters, all of them plain. Nothing was changed.")
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise Invalid("That is no web address. One looks like https://hooks.example.org/abc. Nothing was changed.")
    if url.username is not None or url.password is not None:
        raise Invalid("An address holds no login: what it tells is signed with the secret instead. Nothing was changed.")
    if url.scheme == "http" and not _is_named(url.hostname, port, private_hosts):
        raise Invalid(
            "An address begins with https://. Without TLS only hosts are told that KG_NOTIFY_PRIVATE names. Nothing was changed."
        )
    with contextlib.suppress(ValueError):
        _refuse_unless_allowed(url, [ipaddress.ip_address(url.hostname)], private_hosts)
    return url


def origin(url: SplitResult) -> str:
    """What may be shown of an address: its path may hold a token."""
    return f"{url.scheme}://{url.netloc}"


def _is_named(host: str, port: int | None, private_hosts: frozenset[str]) -> bool:
    return bool({host, f"{host}:{port}"} & private_hosts)


def _refuse_unless_allowed(url: SplitResult, found: Sequence[Address], private_hosts: frozenset[str]) -> list[Address]:
    named = _is_named(url.hostname or "", url.port, private_hosts)
    allowed = [address for address in found if may_connect(address, private_too=named)]
    if not allowed:
        hint = " If that is meant, name the host in KG_NOTIFY_PRIVATE." if may_connect(found[0], private_too=True) else ""
        raise Refused(
            f"{one_line(url.hostname or '', 100)} is at {found[0]}, an address inside this network, and is told nothing.{hint}",
            code="webhook-address",
        )
    return allowed[:MOST_ADDRESSES]


def _exchange(url: SplitResult, target: Target, headers: Mapping[str, str], payload: bytes) -> int:
    """The status. The rest of the answer is not read."""
    ends = time.monotonic() + target.seconds
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    with _in_words():
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    allowed = _refuse_unless_allowed(url, list(dict.fromkeys(addresses)), target.private_hosts)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    with _in_words(), _channel(allowed, host, port, ends, tls=url.scheme == "https") as channel:
        connection = http.client.HTTPConnection(host, port)
        connection.sock = channel
        with contextlib.closing(connection):
            connection.request("POST", path, body=payload, headers=dict(headers))
            status = connection.getresponse().status
            if time.monotonic() >= ends:  # a channel that was shut looks like the end of the headers
                raise TimeoutError
            return status


@contextlib.contextmanager
def _channel(addresses: Sequence[Address], host: str, port: int, ends: float, *, tls: bool) -> Iterator[socket.socket]:
    """To the addresses that were checked, under the host's own name; shut at `ends`, whatever it says until then."""
    plain = _connect(addresses, port, ends)
    # Wrapping takes the plain socket's descriptor away, so what is shut is the wrapped one, from before its handshake on.
    context = ssl.create_default_context()
    channel = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False) if tls else plain
    timer = threading.Timer(max(0.0, ends - time.monotonic()), _shut, args=(channel,))
    timer.daemon = True
    timer.start()
    try:
        if isinstance(channel, ssl.SSLSocket):
            channel.do_handshake()
        yield channel
    finally:
        timer.cancel()
        channel.close()


def _connect(addresses: Sequence[Address], port: int, ends: float) -> socket.socket:
    last: OSError = TimeoutError()
    for address in addresses:
        left = ends - time.monotonic()
        if left <= 0:
            break
        try:
            return socket.create_connection((str(address), port), timeout=min(left, SILENT))
        except OSError as error:
            last = error
    raise last


def _shut(channel: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(channel, socket.SHUT_RDWR)


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except socket.gaierror as error:
        raise Broken("Its host has no address.") from error
    except ssl.SSLCertVerificationError as error:
        raise Broken(f"Its certificate is not trusted: {one_line(error.verify_message, 120)}.") from error
    except ssl.SSLError as error:
        raise Broken(f"TLS failed: {one_line(error.reason or str(error), 120)}.") from error
    except TimeoutError as error:
        raise Broken("It did not answer in time.") from error
    except http.client.HTTPException as error:
        raise Broken(f"Its answer broke off or is none of HTTP ({type(error).__name__}).") from error
    except (OSError, UnicodeError) as error:
        raise Broken(f"It cannot be reached: {one_line(getattr(error, 'strerror', None) or str(error), 120)}.") from error
