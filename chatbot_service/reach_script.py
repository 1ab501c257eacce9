"""Runs inside a container, or in its network: tries an address stage by stage, and prints one line of JSON for each.

Handed over as text (`python3 -I -c`), so it uses nothing but the standard library, of Python 3.6 and newer. A stage that never
ends prints nothing: who reads knows by that where time ran out.
"""

import ipaddress
import json
import os
import socket
import ssl
import sys
import threading
import time
from typing import Any, Callable, List, NoReturn, Tuple  # noqa: UP035 - as old Pythons know them

MOST_ADDRESSES = 4
MOST_HEADERS = 65536
SERVER_ERROR = 500
Places = List[Tuple[int, Any]]  # noqa: UP006 - likewise


class GivenUp(Exception):
    """At this stage, for a reason that has been printed."""


def tell(stage: str, begun: float, said: object, **more: object) -> None:
    line = {"stage": stage, "ok": True, "seconds": round(time.monotonic() - begun, 4), "said": str(said)[:200], **more}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def fail(stage: str, begun: float, said: object, **more: object) -> NoReturn:
    tell(stage, begun, said, **{"ok": False, **more})
    raise GivenUp


def words_of(error: OSError) -> str:
    return "no answer in time" if isinstance(error, socket.timeout) else str(error.strerror or error)


def addresses(host: str, port: int) -> Places:
    begun = time.monotonic()
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        fail("dns", begun, words_of(error))
    unique = list(dict.fromkeys((int(family), place) for family, _, _, _, place in found))[:MOST_ADDRESSES]
    named = [str(place[0]) for _, place in unique]
    if any(ipaddress.ip_address(name.partition("%")[0]).is_link_local for name in named):
        fail("dns", begun, "it leads to a link-local address, where clouds keep secrets: not asked")
    tell("dns", begun, ", ".join(named))
    return unique


def connected(places: Places, ends: float) -> socket.socket:
    begun, why = time.monotonic(), ""
    for number, (family, place) in enumerate(places):
        plug = socket.socket(family, socket.SOCK_STREAM)
        # Each address gets its share of the time that is left, or a first one that says nothing takes it all.
        plug.settimeout(max(0.1, (ends - time.monotonic()) / (len(places) - number)))
        try:
            plug.connect(place)
        except OSError as error:
            why = words_of(error)
            plug.close()
        else:
            tell("tcp", begun, place[0])
            return plug
    fail("tcp", begun, why)


def secured(plug: socket.socket, host: str, ends: float) -> ssl.SSLSocket:
    begun = time.monotonic()
    plug.settimeout(max(0.1, ends - time.monotonic()))
    try:
        secure = ssl.create_default_context().wrap_socket(plug, server_hostname=host)
    except ssl.SSLError as error:
        fail("tls", begun, getattr(error, "verify_message", "") or error.reason or error)
    except OSError as error:
        fail("tls", begun, words_of(error))
    certificate = secure.getpeercert() or {}
    tell("tls", begun, f"{secure.version()}, certificate until {certificate.get('notAfter')}")
    return secure


def answered(plug: socket.socket, place: str, path: str, ends: float) -> None:
    begun = time.monotonic()
    asked = f"GET {path} HTTP/1.1\r\nHost: {place}\r\nUser-Agent: known-good\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    head = b""
    try:
        plug.sendall(asked.encode("ascii"))
        while b"\n" not in head and len(head) < MOST_HEADERS:
            plug.settimeout(max(0.1, ends - time.monotonic()))
            part = plug.recv(4096)
            if not part or time.monotonic() > ends:
                break
            head += part
    except OSError as error:
        fail("http", begun, words_of(error))
    protocol, _, rest = head.partition(b"\n")[0].partition(b" ")
    if not protocol.startswith(b"HTTP/") or not rest[:3].isdigit():
        fail("http", begun, "what came is no HTTP answer" if head else "closed without an answer")
    status = int(rest[:3])
    tell("http", begun, f"status {status}", ok=status < SERVER_ERROR, status=status)


def tried(scheme: str, host: str, port: str, path: str, seconds: str) -> None:
    ends = time.monotonic() + float(seconds)
    if any(os.environ.get(name) for name in (scheme + "_proxy", (scheme + "_proxy").upper(), "ALL_PROXY", "all_proxy")):
        tell("proxy", time.monotonic(), "")
    try:
        plug = connected(addresses(host, int(port)), ends)
        if scheme == "https":
            plug = secured(plug, host, ends)
        answered(plug, f"[{host}]:{port}" if ":" in host else f"{host}:{port}", path, ends)
    except GivenUp:
        pass


def within(seconds: str, act: Callable[[], None]) -> None:
    """Looking up a name has no time limit of its own."""
    worker = threading.Thread(target=act, daemon=True)
    worker.start()
    worker.join(float(seconds) + 0.5)


if __name__ == "__main__":
    within(sys.argv[5], lambda: tried(*sys.argv[1:6]))
    sys.stdout.flush()
    os._exit(0)
