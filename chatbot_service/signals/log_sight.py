"""What the log rules remember of a service's log between looks: counts a minute, the last lines of each kind. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from chatbot_service.foreign_text import one_line
from chatbot_service.signals.evidence import MOST_LINES, MOST_TEXT
from chatbot_service.signals.facts import LogFacts

ERRORS_WITHIN, DENIALS_WITHIN = timedelta(minutes=10), timedelta(hours=1)
SEARCHED = 2000
"""Characters of a line."""
ERROR = re.compile(
    r'HTTP/\d(?:\.\d)?"? +5\d\d\b|\bstatus(?:_?code)?["\']? *[=:] *["\']?5\d\d\b|\b5\d\d (?:Internal Server Error|Not Implemented'
    r"|Bad Gateway|Service Unavailable|Gateway Time-?out)|\btimed[ -]?out\b"
    r"|\b(?:Read|Connect|Write|Pool)Timeout(?:Error)?\b|\bTimeout(?:Error|Exception|Expired)\b"
    r"|\bReadTimeout|\bConnectTimeout|\bETIMEDOUT\b|\bdeadline exceeded\b"
)
DENIED = re.compile(r"(?i:permission denied|operation not permitted|\bPermissionError\b|\bEACCES\b|\bEPERM\b)")
EITHER = f"{DENIED.pattern}|{ERROR.pattern}"


@dataclass(frozen=True)
class LogSight:
    """`last`: the moment of the last line that was read, as the engine writes it. `counts`: minute → (errors, denials)."""

    container: str = ""
    last: str = ""
    counts: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    errors: tuple[tuple[str, str], ...] = ()
    denials: tuple[tuple[str, str], ...] = ()

    def read(self, container: str, lines: Iterable[tuple[str, str]], now: datetime, until: str = "") -> Self:
        """With these lines (moment, text), of which those that were read before count once. `until`: the last line there was."""
        counts = {minute: both for minute, both in self.counts.items() if minute > _minute(now - DENIALS_WITHIN)}
        errors, denials, last = list(self.errors), list(self.denials), max(self.last, until)
        for at, text in lines:
            if at <= self.last and container == self.container:
                continue
            last = max(last, at)
            is_error, is_denial = bool(ERROR.search(text[:SEARCHED])), bool(DENIED.search(text[:SEARCHED]))
            if is_error or is_denial:
                minute = _minute(_moment(at, now))
                before = counts.get(minute, (0, 0))
                counts[minute] = (before[0] + is_error, before[1] + is_denial)
                kept = (f"{_moment(at, now):%T}", one_line(text, MOST_TEXT))
                errors += [kept] if is_error else []
                denials += [kept] if is_denial else []
        return type(self)(container, last, counts, tuple(errors[-MOST_LINES:]), tuple(denials[-MOST_LINES:]))

    def last_at(self, container: str) -> datetime | None:
        """Of the last line that was read of this container, to a second below."""
        return _moment_or_none(self.last) if container == self.container else None

    def facts(self, now: datetime) -> LogFacts:
        errors = sum(many for minute, (many, _) in self.counts.items() if minute > _minute(now - ERRORS_WITHIN))
        denials = sum(many for minute, (_, many) in self.counts.items() if minute > _minute(now - DENIALS_WITHIN))
        return LogFacts(
            errors,
            ERRORS_WITHIN,
            self.errors[-errors:] if errors else (),
            denials,
            DENIALS_WITHIN,
            self.denials[-denials:] if denials else (),
        )

    def as_data(self) -> dict[str, Any]:
        counts = [[minute, *both] for minute, both in self.counts.items()]
        return {
            "container": self.container, "last": self.last, "counts": counts,
            "errors": [list(line) for line in self.errors], "denials": [list(line) for line in self.denials],
        }  # fmt: skip

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            data.get("container", ""), data.get("last", ""),
            {minute: (errors, denials) for minute, errors, denials in data.get("counts", ())},
            tuple((at, text) for at, text in data.get("errors", ())), tuple((at, text) for at, text in data.get("denials", ())),
        )  # fmt: skip


def _minute(at: datetime) -> int:
    return int(at.timestamp()) // 60


def _moment(at: str, now: datetime) -> datetime:
    """Of a line; one whose clock is ahead counts as now."""
    return min(_moment_or_none(at) or now, now)


def _moment_or_none(at: str) -> datetime | None:
    try:
        return datetime.fromisoformat(at[:19]).replace(tzinfo=UTC)
    except ValueError:
        return None
