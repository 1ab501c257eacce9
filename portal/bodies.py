"""How much a request may bring along: asked before anything of it is read, and answered in words when it is too much.

Whatever a request sends is read as a form before its view is asked, so this comes first. A view that takes files says
how many bytes with `takes_files`, and only who may use it can make the portal read so many.
"""

import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from deploy_records.errors import NotAllowed, Refused
from deploy_records.people import holds
from portal.access import record_refusal

MOST_BYTES = 10 * 1024 * 1024
"""For views that say nothing."""
_PIECE = 64 * 1024
_DRAINED_FOR = 60.0
_TOO_LARGE = 413

View = Callable[..., HttpResponse]


class TooLarge(Refused):
    """More than may be sent at once. Nothing of it was read."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="too-large", status=_TOO_LARGE)


def takes_files(most: int, *, what: str) -> Callable[[View], View]:
    """Marks a view that may be sent up to `most` bytes at once; `what` goes on from "Send at most 300 MB"."""

    def mark(view: View) -> View:
        view.most_bytes, view.most_words = most, what  # type: ignore[attr-defined]  # read by the middleware
        return view

    return mark


class BoundedBodies:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: View, *_: Any) -> HttpResponse | None:
        size, most = _length(request), getattr(view, "most_bytes", MOST_BYTES)
        if size <= min(most, MOST_BYTES):
            return None
        refusal = _refusal(request, view, size, most)
        if refusal is None:
            return None
        if not request.user.is_authenticated:
            return _answer(request, refusal, "")
        _drain(request, size)
        return _answer(request, refusal, record_refusal(request, refusal))


def _refusal(request: HttpRequest, view: View, size: int, most: int) -> Refused | None:
    if size > most:
        more = getattr(view, "most_words", "")
        return TooLarge(
            f"That is {_megabytes(size)} at once, more than the portal takes. Send at most {_megabytes(most)}{more}. "
            "Nothing was stored."
        )
    permission = getattr(view, "permission", "")
    if not request.user.is_authenticated or (permission and not holds(request.user, permission)):
        return NotAllowed("You may not send so much. Sign in with a role that may. Nothing was stored.")
    return None


def _answer(request: HttpRequest, refusal: Refused, correlation: str) -> HttpResponse:
    return render(request, "refused.html", {"message": str(refusal), "correlation": correlation}, status=refusal.status)


def _drain(request: HttpRequest, size: int) -> None:
    """A browser shows an answer only once it has sent everything. Nothing is kept, and patience has an end."""
    until, left = time.monotonic() + _DRAINED_FOR, size
    while left > 0 and time.monotonic() < until:
        piece = request.read(min(_PIECE, left))
        if not piece:
            return
        left -= len(piece)


def _length(request: HttpRequest) -> int:
    """Django reads no more than this, so a request without it brings nothing."""
    said = str(request.META.get("CONTENT_LENGTH") or "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < len("999999999999999999") else 0


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:,.0f}\N{NO-BREAK SPACE}MB"
