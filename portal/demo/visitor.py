"""A visitor who asks the service again and again, to tell whether it ever stopped answering."""

import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass
class Visitor:
    """Counts answers while the `with` block runs; `longest_gap` is the longest time without an answer, in seconds."""

    url: str
    every: float = 0.05
    asked: int = 0
    answered: int = 0
    longest_gap: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._visit, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over.set()
        if self._thread:
            self._thread.join(timeout=10)

    def _visit(self) -> None:
        last = time.monotonic()
        while not self._over.wait(self.every):
            self.asked += 1
            answered = self._answers()
            now = time.monotonic()
            self.longest_gap = max(self.longest_gap, now - last)  # also of a gap that has not ended
            if answered:
                self.answered += 1
                last = now

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:  # noqa: S310 - the demo's own address
                return bool(answer.status == 200)  # noqa: PLR2004 - HTTP OK
        except (urllib.error.URLError, OSError):
            return False

    @property
    def in_words(self) -> str:
        if self.asked == self.answered:
            return f"The service answered all {self.asked} requests meanwhile."
        return f"The service answered {self.answered} of {self.asked} requests; longest pause {self.longest_gap:.1f} s."
