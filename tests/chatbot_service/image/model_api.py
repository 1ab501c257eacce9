"""A model API on loopback that answers as it is told, one script entry a request."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class ModelApi:
    """`script` holds the answers in order: a status, or a function that writes the answer. The last one repeats."""

    url: str = ""
    script: list[int | Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    at: list[float] = field(default_factory=list)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.asked.append({"path": handler.path, "key": handler.headers["Authorization"], "body": body})
        self.at.append(time.monotonic())
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if callable(step):
            step(handler)
        else:
            handler.send_response(step)
            handler.send_header("Content-Length", "17")
            handler.end_headers()
            handler.wfile.write(b"sk-secret-in-body")


def streams(*texts: str, end: bool = True) -> Callable[[BaseHTTPRequestHandler], None]:
    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.end_headers()
        handler.wfile.write(b": OPENROUTER PROCESSING\n\n")
        for text in texts:
            chunk = json.dumps({"choices": [{"delta": {"content": text}}]})
            handler.wfile.write(f"data: {chunk}\n\n".encode())
            handler.wfile.flush()
        if end:
            handler.wfile.write(b"data: [DONE]\n\n")

    return write


def writes(data: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(data)

    return write


def waits(seconds: float) -> Callable[[BaseHTTPRequestHandler], None]:
    return lambda _handler: time.sleep(seconds)


@contextmanager
def running() -> Iterator[ModelApi]:
    api = ModelApi()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                api.answer(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
            """Tests look at `asked`."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api.url = f"http://127.0.0.1:{server.server_address[1]}/api/v1"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield api
        server.shutdown()
