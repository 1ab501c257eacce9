"""HTTP to a registry that is not trusted: addresses checked and then pinned, everything bounded, redirects watched.

Written on sockets, as the address that was checked must be the one that is connected to, under the registry's own name.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from chatbot_service.foreign_text import one_line
from chatbot_service.registry_words import Trouble
from deploy_records.errors import Refused

_SILENT_SECONDS = 15.0
_MOST_REDIRECTS = 4
_MOST_ADDRESSES = 4
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SHARED = ipaddress.ip_network("100.64.0.0/10")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_USER_AGENT = "known-good"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Failed(Exception):
    """The exchange came to nothing; `trouble` says how."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(detail)
        self.trouble = trouble
        self.detail = one_line(detail)


@dataclass(frozen=True)
class Answer:
    """Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """All exchanges of one look-up; together they last at most `seconds`.

    `private_hosts`: the names (with or without port) that may resolve to loopback and private addresses.
    """

    def __init__(self, private_hosts: frozenset[str], ca_certificate: str = "", seconds: float = 60.0) -> None:
        self._private_hosts = private_hosts
        self._tls = _tls(ca_certificate)
        self._ends = time.monotonic() + seconds

    def get(self, url: str, headers: Mapping[str, str], most_bytes: int) -> Answer:
        """Follows redirects; what authorises is sent to the first host only."""
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._get_once(urlsplit(url), headers, most_bytes)
            if answer.status not in _REDIRECTS:
                return answer
            onward = urljoin(url, answer.headers.get("location", ""))
            if urlsplit(onward).netloc != urlsplit(url).netloc:
                headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            url = onward
        raise Failed(Trouble.FAULTY, f"more than {_MOST_REDIRECTS} redirects")

    def _get_once(self, url: SplitResult, headers: Mapping[str, str], most_bytes: int) -> Answer:
        host, port = _host_and_port(url)
        addresses = self._allowed(host, port, url.netloc)
        if url.scheme == "http" and not all(address.is_loopback for address in addresses):
            raise Failed(Trouble.TLS, "it asked for a connection without TLS")
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        with self._connected(addresses, host, port, tls=url.scheme == "https") as channel:
            connection = http.client.HTTPConnection(host, port)
            connection.sock = channel
            said = {"Host": url.netloc, "User-Agent": _USER_AGENT, "Accept-Encoding": "identity", "Connection": "close"}
            connection.request("GET", path, headers=said | dict(headers))
            with contextlib.closing(connection), connection.getresponse() as response:
                return _read(response, most_bytes)

    @contextlib.contextmanager
    def _connected(self, addresses: list[Address], host: str, port: int, *, tls: bool) -> Iterator[socket.socket]:
        """A channel that is shut at the end of our time, and whose troubles are told apart."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise Failed(Trouble.UNREACHABLE, "it took too long to answer")
        with _told_apart():
            plain = _connect(addresses, port, min(left, _SILENT_SECONDS))
            timer = threading.Timer(left, _shut, args=(plain,))
            timer.daemon = True
            timer.start()
            try:
                with self._tls.wrap_socket(plain, server_hostname=host) if tls else plain as channel:
                    yield channel
            finally:
                timer.cancel()
                plain.close()

    def _allowed(self, host: str, port: int, netloc: str) -> list[Address]:
        """The addresses that may be connected to."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Failed(Trouble.UNREACHABLE, f"no such host: {host}") from error
        addresses = list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))
        private_too = bool({host, netloc} & self._private_hosts)
        allowed = [address for address in addresses if may_connect(address, private_too=private_too)]
        if not allowed:
            nameable = may_connect(addresses[0], private_too=True)
            hint = " If it is a registry of yours, add its name to KG_PRIVATE_REGISTRIES." if nameable else ""
            raise Refused(
                f"{one_line(host, 100)} is at {addresses[0]}, an address inside this network, and is not asked.{hint} "
                "Nothing was changed.",
                code="registry-address",
            )
        return allowed[:_MOST_ADDRESSES]


def may_connect(address: Address, *, private_too: bool) -> bool:
    """Never link-local (cloud metadata is there), multicast or unspecified; private and loopback only if so named."""
    inside = _inside(address)
    if inside.is_link_local or inside.is_multicast or inside.is_unspecified:
        return False
    return inside.is_global or (private_too and (inside.is_private or inside.is_loopback or inside in _SHARED))


def _inside(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def _host_and_port(url: SplitResult) -> tuple[str, int]:
    try:
        port = url.port
    except ValueError as error:
        raise Failed(Trouble.FAULTY, "its address has no valid port") from error
    if url.scheme not in {"http", "https"} or not url.hostname or url.username is not None:
        raise Failed(Trouble.FAULTY, "it sent us to something that is no web address")
    return url.hostname, port or (443 if url.scheme == "https" else 80)


def _connect(addresses: list[Address], port: int, seconds: float) -> socket.socket:
    for address in addresses[:-1]:
        with contextlib.suppress(OSError):
            return socket.create_connection((str(address), port), timeout=seconds)
    return socket.create_connection((str(addresses[-1]), port), timeout=seconds)


def _shut(channel: socket.socket) -> None:
    with contextlib.suppress(OSError):
        channel.shutdown(socket.SHUT_RDWR)


def _read(response: http.client.HTTPResponse, most_bytes: int) -> Answer:
    body = response.read(most_bytes + 1)
    if len(body) > most_bytes:
        raise Failed(Trouble.FAULTY, f"its answer is larger than {most_bytes // 1048576} MB")
    if response.length:
        raise http.client.IncompleteRead(body, response.length)  # a read with a limit does not say so by itself
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


@contextlib.contextmanager
def _told_apart() -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise Failed(Trouble.TLS, f"certificate: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise Failed(Trouble.TLS, f"TLS: {error.reason or error}") from error
    except TimeoutError as error:
        raise Failed(Trouble.UNREACHABLE, "it did not answer in time") from error
    except OSError as error:
        raise Failed(Trouble.UNREACHABLE, error.strerror or str(error)) from error
    except http.client.HTTPException as error:
        raise Failed(Trouble.UNREACHABLE, f"its answer broke off ({type(error).__name__})") from error


def _tls(ca_certificate: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not ca_certificate:
        return context
    try:
        context.load_verify_locations(cadata=ca_certificate)
    except (ssl.SSLError, ValueError) as error:
        raise Refused(
            "The authority's certificate kept for this registry cannot be read. Keep it in PEM form, from "
            "-----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----. Nothing was changed.",
            code="registry-tls",
        ) from error
    # Newer Pythons ask of an authority what many own ones lack, such as key identifiers.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
