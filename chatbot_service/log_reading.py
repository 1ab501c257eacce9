"""A container's log, from the engine's frames to lines for a page: bounded in bytes, in lines and in the length of a line. Pure.

The engine hands a long line over in pieces of 16 KB, each a frame of its own; only the last one ends with a line break.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from chatbot_service.ansi import Span, masked_spans, spans
from chatbot_service.jobs.look_ports import LogLine, LogPage, LogQuery
from deploy_records.errors import Invalid

MOST_LINES = 5000
MOST_BYTES = 1_000_000
MOST_OF_A_LINE = 8192
_KEPT_OF_A_LINE = 2 * MOST_OF_A_LINE
"""More than is shown: a secret that is cut in the middle would not be known for one."""
_AT = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|[+-]\d\d:\d\d) ")
_CURSOR = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9})Z/(\d{1,6})")
_STREAMS = {1: "stdout", 2: "stderr"}


@dataclass(frozen=True)
class Frame:
    """`data` is its beginning; `size` how long it was."""

    stream: int
    data: bytes
    size: int
    ends_line: bool


@dataclass(frozen=True)
class _Raw:
    at: str
    stream: str
    data: bytes
    size: int


def query_of(asked: LogQuery, *, seek: bool = True) -> dict[str, str]:
    """For the engine. `seek`: from the end of the log, quick however long it is; else from its beginning."""
    query = {"stdout": "1", "stderr": "1", "timestamps": "1"}
    since = _seconds(cursor_of(asked.after)[0]) if asked.after else _moment(asked.since)
    if since:
        query["since"] = since
    if asked.until:
        query["until"] = _moment(asked.until)
    if seek and not asked.until:
        # With words to look for, more lines are read than are shown.
        query["tail"] = str(MOST_LINES if asked.words or asked.after or asked.since else max(1, min(asked.tail, MOST_LINES)))
    return query


def cursor_of(text: str) -> tuple[str, int]:
    """The moment of the last line that was shown, and how many lines of that very moment were."""
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise Invalid("The place in the log is not one that was given out here. Load the log anew.")
    return f"{found[1]}Z", int(found[2])


class Page:
    """Takes frames, gives a page. With `after`, `since` and `until` the first lines are kept, else the last ones."""

    def __init__(self, asked: LogQuery, secrets: Mapping[str, str]) -> None:
        self._asked = asked
        self._secrets = secrets
        self._words = asked.words.casefold()
        self._may_hold = self._words.encode() if self._words.isascii() else b""
        self._pattern = re.compile(asked.pattern.encode()) if asked.pattern else None
        self._most = max(1, min(asked.tail, MOST_LINES))
        self._lines: deque[LogLine] = deque()
        self._bytes = 0
        self._dropped = 0
        self._from_at, self._skip = cursor_of(asked.after) if asked.after else ("", 0)
        self._seen_at, self._seen_there = self._from_at, self._skip
        self.read = 0
        self.frames = 0
        self.met_cursor = False
        self.full = False

    @property
    def _first_ones(self) -> bool:
        return bool(self._asked.after or self._asked.until)

    def take(self, frames: Iterable[Frame]) -> None:
        """Reads until the frames end or the page is full."""
        for raw in _whole_lines(self._counted(frames)):
            if self._is_new(raw):
                self._add(raw)
            if self.full:
                return

    def done(self, ended: str) -> LogPage:
        cursor = f"{self._seen_at}/{self._seen_there}" if self._seen_at else self._asked.after
        return LogPage(tuple(self._lines), cursor, "lines" if self.full else ended, self._dropped, self.read)

    def _counted(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.read += frame.size
            self.frames += 1
            yield frame

    def _is_new(self, raw: _Raw) -> bool:
        if not self._asked.after or raw.at > self._from_at:
            return True
        if raw.at == self._from_at:
            self.met_cursor = True
            self._skip -= 1
        return raw.at == self._from_at and self._skip < 0

    def _add(self, raw: _Raw) -> None:
        line = self._line(raw) if self._may_be_wanted(raw) else None
        wanted = line is not None and (not self._words or self._words in line.text.casefold())
        size = len(line.text) + 100 if line else 0
        if wanted and self._first_ones and (len(self._lines) >= self._most or self._bytes + size > MOST_BYTES):
            self.full = True
            return
        if raw.at >= self._seen_at:  # a long line may come in behind later ones
            self._seen_there = self._seen_there + 1 if raw.at == self._seen_at else 1
            self._seen_at = raw.at
        if line is None or not wanted:
            return
        self._lines.append(line)
        self._bytes += size
        while len(self._lines) > self._most or self._bytes > MOST_BYTES:
            self._bytes -= len(self._lines.popleft().text) + 100
            self._dropped += 1

    def _may_be_wanted(self, raw: _Raw) -> bool:
        """Most lines of a search are passed over by this alone; what is wanted is told by the line as it is shown."""
        if self._pattern is not None:
            return bool(self._pattern.search(raw.data)) or b"\x1b" in raw.data
        return not self._may_hold or self._may_hold in raw.data.lower() or b"\x1b" in raw.data or not raw.data.isascii()

    def _line(self, raw: _Raw) -> LogLine:
        text = raw.data.decode("utf-8", "replace").rstrip("\r").replace("\r", " ")
        parts = masked_spans(spans(text), self._secrets)
        shown, left = [], MOST_OF_A_LINE
        for part in parts:
            if left <= 0:
                break
            shown.append(part if len(part.text) <= left else _cut(part, left))
            left -= len(part.text)
        length = sum(len(part.text) for part in parts)
        cut = raw.size - len(raw.data) + max(0, length - MOST_OF_A_LINE)
        return LogLine(raw.at, raw.stream, tuple(shown), cut)


def _cut(part: Span, length: int) -> Span:
    return replace(part, text=part.text[:length])


@dataclass
class _Open:
    """A line whose end has not come yet."""

    at: str = ""
    data: bytearray = field(default_factory=bytearray)
    size: int = 0


def _whole_lines(frames: Iterable[Frame]) -> Iterator[_Raw]:
    opened: dict[int, _Open] = {}
    for frame in frames:
        found = _AT.match(frame.data)
        if found and frame.ends_line and frame.size == len(frame.data) and frame.stream not in opened:
            data = frame.data[found.end() : -1]
            yield _Raw(_exact(found), _STREAMS.get(frame.stream, "stdout"), data[:_KEPT_OF_A_LINE], len(data))
            continue
        line = opened.setdefault(frame.stream, _Open())
        at = _exact(found) if found else ""
        head = found.end() if found and line.at in {"", at} else 0
        line.at = line.at or at
        line.data += frame.data[head : head + _KEPT_OF_A_LINE - len(line.data)]
        line.size += frame.size - head
        if frame.ends_line:
            yield _closed(line, frame.stream)
            del opened[frame.stream]
    for stream, line in opened.items():
        yield _closed(line, stream)


def _closed(line: _Open, stream: int) -> _Raw:
    data = bytes(line.data)
    ending = 1 if data.endswith(b"\n") else 0
    kept = data[: len(data) - ending]
    size = len(kept) if line.size <= len(data) else line.size - 1
    return _Raw(line.at, _STREAMS.get(stream, "stdout"), kept, size)


def _exact(found: re.Match[bytes]) -> str:
    return f"{found[1].decode()}.{(found[2] or b'').decode():0<9}Z"


def _seconds(at: str) -> str:
    """As the engine takes it: seconds and nanoseconds."""
    whole, _, nano = at.removesuffix("Z").partition(".")
    return f"{int(datetime.fromisoformat(whole + '+00:00').timestamp())}.{nano}"


def _moment(at: datetime | None) -> str:
    return f"{int(at.timestamp())}.{at.microsecond * 1000:09}" if at else ""
