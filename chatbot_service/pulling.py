"""The stream of a pull, read: its errors, and its many lines of progress condensed to a few. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chatbot_service.foreign_text import one_line

_BETWEEN_LINES = 2.0
_MEGABYTE = 1_000_000
_DONE = frozenset({"Pull complete", "Already exists"})


@dataclass
class PullProgress:
    """Fed with one message at a time; answers with a line worth showing, or nothing."""

    _done_bytes: dict[str, int] = field(default_factory=dict)
    _all_bytes: dict[str, int] = field(default_factory=dict)
    _layers: dict[str, str] = field(default_factory=dict)
    _last_said_at: float = float("-inf")
    _last_said: str = ""

    def read(self, message: Mapping[str, Any], now: float) -> str | None:
        layer, status = str(message.get("id") or ""), str(message.get("status") or "")
        if not layer or status.startswith("Pulling from"):
            return one_line(f"{status} {layer}") if status.startswith("Status:") else None
        self._note(layer, status, message.get("progressDetail") or {})
        line = self._sentence()
        if now - self._last_said_at < _BETWEEN_LINES or line == self._last_said:
            return None
        self._last_said_at, self._last_said = now, line
        return line

    def _note(self, layer: str, status: str, detail: Mapping[str, Any]) -> None:
        self._layers[layer] = status
        if status == "Downloading" and detail.get("total"):
            self._all_bytes[layer] = int(detail["total"])
            self._done_bytes[layer] = int(detail.get("current") or 0)
        elif layer in self._all_bytes and status != "Downloading":
            self._done_bytes[layer] = self._all_bytes[layer]

    def _sentence(self) -> str:
        done = sum(status in _DONE for status in self._layers.values())
        counted = f"{done} of {len(self._layers)} layers"
        if not self._all_bytes:
            return counted
        got, total = (sum(sizes.values()) / _MEGABYTE for sizes in (self._done_bytes, self._all_bytes))
        return f"{counted}, {got:.1f} of {total:.1f} MB"


def pull_error(message: Mapping[str, Any]) -> str:
    """What the message says went wrong, or nothing."""
    detail = message.get("errorDetail") or {}
    return str(message.get("error") or detail.get("message") or "")
