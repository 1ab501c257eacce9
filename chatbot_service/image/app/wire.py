"""HTTP/1.1 as bytes on a socket: one request a connection, every size and wait bounded."""

import socket
import time
from collections.abc import Iterable
from typing import NamedTuple

HEAD_BYTES = 16 * 1024
HEAD_SECONDS = 10.0
BODY_SECONDS = 120.0
SEND_SECONDS = 10.0
PIECE = 64 * 1024
_LINGER_BYTES = 32 * 1024 * 1024
_LINGER_SECONDS = 1.0
_LENGTH_DIGITS = 15
_ONCE = {"content-length", "transfer-encoding", "host", "content-type", "origin"}

REASONS = {
    200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 409: "Conflict", 411: "Length Required",
    413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 503: "Service Unavailable",
    507: "Insufficient Storage",
}  # fmt: skip


class Refusal(Exception):
    """The answer is no: `status` for programs, one plain sentence for people."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes | Iterable[bytes]


class Request:
    """`path` is still percent-encoded; header names are lower case."""

    def __init__(self, connection: socket.socket, head: bytes, begun: bytes) -> None:
        self.method, self.path, self.headers = _parse(head)
        self._connection = connection
        self._begun = begun
        self.unread = self._length()

    def _length(self) -> int:
        if "transfer-encoding" in self.headers:
            raise Refusal(411, "Send the body with a Content-Length, not in chunks.")
        raw = self.headers.get("content-length", "0")
        if not (raw.isascii() and raw.isdigit() and len(raw) <= _LENGTH_DIGITS):
            raise Refusal(400, f"Content-Length must be a whole number of at most {_LENGTH_DIGITS} digits.")
        return int(raw)

    def body(self, most: int, what: str) -> Iterable[bytes]:
        """The body in pieces; refused before it is read when it is longer than `most`."""
        if self.unread > most:
            raise Refusal(413, f"{what} may have at most {_in_words(most)}; this one has {_in_words(self.unread)}.")
        if self.headers.get("expect", "").lower() == "100-continue":
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._pieces()

    def _pieces(self) -> Iterable[bytes]:
        deadline = time.monotonic() + BODY_SECONDS
        while self.unread:
            piece = self._begun[: self.unread] or _receive(self._connection, min(PIECE, self.unread), deadline)
            if not piece:
                raise ConnectionError
            self._begun = b""
            self.unread -= len(piece)
            yield piece


def read_request(connection: socket.socket) -> Request:
    deadline = time.monotonic() + HEAD_SECONDS
    received = b""
    while b"\r\n\r\n" not in received:
        if len(received) > HEAD_BYTES:
            raise Refusal(431, f"The head of a request may have at most {_in_words(HEAD_BYTES)}.")
        piece = _receive(connection, PIECE, deadline)
        if not piece:
            raise ConnectionError
        received += piece
    head, _, begun = received.partition(b"\r\n\r\n")
    return Request(connection, head, begun)


def send(connection: socket.socket, answer: Answer, *, with_body: bool = True) -> None:
    headers = {**answer.headers, "Connection": "close"}
    pieces: Iterable[bytes] = (answer.body,) if isinstance(answer.body, bytes) else answer.body
    if isinstance(answer.body, bytes):
        headers["Content-Length"] = str(len(answer.body))
    lines = [f"HTTP/1.1 {answer.status} {REASONS[answer.status]}", *(f"{key}: {headers[key]}" for key in headers)]
    connection.settimeout(SEND_SECONDS)
    connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    for piece in pieces if with_body else ():
        connection.sendall(piece)


def close(connection: socket.socket, unread: int) -> None:
    """Lets a refused sender read the answer: closing on unread bytes would reset the connection under it."""
    connection.shutdown(socket.SHUT_WR)
    deadline = time.monotonic() + _LINGER_SECONDS
    left = min(unread, _LINGER_BYTES)
    while left > 0:
        piece = _receive(connection, PIECE, deadline)
        if not piece:
            break
        left -= len(piece)


def _receive(connection: socket.socket, most: int, deadline: float) -> bytes:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    connection.settimeout(left)
    return connection.recv(most)


def _parse(head: bytes) -> tuple[str, str, dict[str, str]]:
    first, *rest = head.decode("latin-1").split("\r\n")
    try:
        method, path, version = first.split(" ")
    except ValueError:
        method, path, version = "", "", ""
    if not version.startswith("HTTP/1.") or not path.startswith("/"):
        raise Refusal(400, "The request line is not HTTP/1.1.")
    headers: dict[str, str] = {}
    for line in rest:
        name, colon, value = line.partition(":")
        key = name.lower()
        if not colon or not name or name != name.strip() or (key in headers and key in _ONCE):
            raise Refusal(400, "A header of the request is malformed or given twice.")
        headers[key] = value.strip()
    return method, path.partition("?")[0], headers


def _in_words(count: int) -> str:
    return f"{count // 1024} KiB" if count < 1024 * 1024 else f"{count / 1024 / 1024:.1f} MiB"
