"""Every address on one screen, and what it answers."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from . import faults
from .folders import FILE_BYTES, Folder, pieces_of
from .settings import Settings
from .wire import Answer, Refusal, Request

OK = 200
_PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "page")
_STATIC = {
    "chat.css": "text/css; charset=utf-8",
    "chat.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_HARDENED = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Routes:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folders = {"uploads": Folder(settings.uploads), "exports": Folder(settings.exports)}
        self._started = time.monotonic()
        # By method, first part of the path, and how many parts follow.
        self._handlers: dict[tuple[str, str, int], Callable[..., Answer]] = {
            ("GET", "", 0): self._chat_page,
            ("GET", "static", 1): self._static,
            ("GET", "health", 0): self._health,
            ("POST", "chat", 0): self._chat,
            ("POST", "export", 0): self._export,
            ("GET", "files", 1): self._list,
            ("GET", "files", 2): self._download,
            ("PUT", "files", 2): self._upload,
            ("DELETE", "files", 2): self._remove,
        }

    def tidy(self) -> None:
        for folder in self._folders.values():
            folder.tidy()

    def answer(self, request: Request) -> Answer:
        first, *rest = request.path.split("/")[1:]
        method = "GET" if request.method == "HEAD" else request.method
        if handler := self._handlers.get((method, first, len(rest))):
            return handler(request, *rest)
        if any((known, parts) == (first, len(rest)) for _, known, parts in self._handlers):
            raise Refusal(405, "This address does not take that method.")
        raise _nothing_here()

    def _health(self, _request: Request) -> Answer:
        reason = faults.health_reason(self._settings.fault, time.monotonic() - self._started)
        writable = {name: folder.writable() for name, folder in self._folders.items()}
        status = "failing" if reason else "ok" if all(writable.values()) else "degraded"
        facts: dict[str, Any] = {"status": status, "build": self._settings.build, "writable": writable}
        # Degraded still answers 200: a build is tried out beside the running one on folders it may only read.
        return _json(503, {"status": status, "reason": reason, **facts}) if reason else _json(200, facts)

    def _chat_page(self, _request: Request) -> Answer:
        if not self._settings.chat_page:
            raise _nothing_here()
        page = _page_file("index.html").decode()
        facts = {
            "build": self._settings.build,
            "model": self._settings.model if self._settings.api_key else "echo",
            "uploads": "on" if self._settings.file_uploads else "off",
            "file-bytes": str(FILE_BYTES),
        }
        for name, value in facts.items():
            page = page.replace(f"[[{name}]]", _escaped(value))
        return _answer(200, "text/html; charset=utf-8", page.encode())

    def _static(self, _request: Request, name: str) -> Answer:
        if name not in _STATIC or not self._settings.chat_page:
            raise _nothing_here()
        return _answer(200, _STATIC[name], _page_file(name))

    def _chat(self, request: Request) -> Answer:
        from . import conversation, model

        _json_from_own_site(request)
        said, names = conversation.parse(request.body(conversation.BODY_BYTES, "A conversation"))
        messages = conversation.with_files(said, names, self._folders["uploads"])
        return _answer(200, "application/x-ndjson", _lines(model.ask(self._settings, messages)))

    def _export(self, request: Request) -> Answer:
        from . import conversation

        _json_from_own_site(request)
        said, _ = conversation.parse(request.body(conversation.BODY_BYTES, "A conversation"))
        name = time.strftime("chat-%Y%m%d-%H%M%S-", time.gmtime()) + os.urandom(2).hex() + ".md"
        size = self._folders["exports"].add(name, [conversation.as_markdown(said)])
        return _json(201, {"name": name, "size": size})

    def _list(self, _request: Request, folder: str) -> Answer:
        return _json(200, {"files": [file._asdict() for file in self._folder(folder).files()]})

    def _download(self, _request: Request, folder: str, name: str) -> Answer:
        from urllib.parse import quote

        plain = _decoded(name)
        descriptor, size = self._folder(folder).open(plain)
        answer = _answer(200, "application/octet-stream", pieces_of(descriptor, size))
        answer.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(plain, safe='')}"
        answer.headers["Content-Length"] = str(size)
        return answer

    def _upload(self, request: Request, folder: str, name: str) -> Answer:
        _own_site_only(request)
        if folder != "uploads":
            raise Refusal(405, "Files are sent to uploads only.")
        if not self._settings.file_uploads:
            raise Refusal(403, "Uploads are switched off (ENABLE_FILE_UPLOADS).")
        if "content-length" not in request.headers:
            raise Refusal(411, "Send the file with its Content-Length.")
        plain = _decoded(name)
        size = self._folder(folder).add(plain, request.body(FILE_BYTES, "A file"))
        return _json(201, {"name": plain, "size": size})

    def _remove(self, request: Request, folder: str, name: str) -> Answer:
        _own_site_only(request)
        self._folder(folder).remove(_decoded(name))
        return _answer(204, "", b"")

    def _folder(self, name: str) -> Folder:
        if name not in self._folders:
            raise _nothing_here()
        return self._folders[name]


def refused(refusal: Refusal) -> Answer:
    return _json(refusal.status, {"error": refusal.sentence})


def _own_site_only(request: Request) -> None:
    """Another site's page in the same browser may not act here."""
    origin = request.headers.get("origin", "")
    if origin and origin.partition("://")[2] != request.headers.get("host", ""):
        raise Refusal(403, "Only this service's own page may do this.")


def _json_from_own_site(request: Request) -> None:
    _own_site_only(request)
    # Browsers ask before they send this type to another site, and are not let through.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "Send JSON with Content-Type: application/json.")


def _nothing_here() -> Refusal:
    return Refusal(404, "There is nothing at this address.")


def _decoded(name: str) -> str:
    if "%" not in name and name.isascii():
        return name
    from urllib.parse import unquote

    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError as error:
        raise Refusal(400, "The address is not UTF-8.") from error


def _page_file(name: str) -> bytes:
    with open(os.path.join(_PAGE, name), "rb") as file:
        return file.read()


def _lines(events: Iterator[dict[str, str]]) -> Iterator[bytes]:
    for event in events:
        yield json.dumps(event).encode() + b"\n"
    yield b'{"end": true}\n'


def _json(status: int, body: dict[str, Any]) -> Answer:
    return _answer(status, "application/json", json.dumps(body).encode() + b"\n")


def _answer(status: int, kind: str, body: bytes | Iterable[bytes]) -> Answer:
    return Answer(status, {**_HARDENED, "Content-Type": kind} if kind else dict(_HARDENED), body)


def _escaped(text: str) -> str:
    for sign, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(sign, entity)
    return text
