"""How far a long step is, from what it measured: bytes, files, seconds left."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatbot_service.jobs.backup_ports import Measure
from portal.templatetags.moments import NBSP, count, duration, size

_KNOWN = frozenset(Measure.__dataclass_fields__)
_WHOLE = 1000


@dataclass(frozen=True)
class HowFar:
    """`share`: of `whole`, as far as it can be told; nothing before the total is known."""

    share: int | None
    whole: int
    words: str


def how_far(progress: Mapping[str, Any] | None) -> HowFar | None:
    """Nothing where nothing was measured."""
    if not progress:
        return None
    measure = Measure(**{name: value for name, value in progress.items() if name in _KNOWN})
    return HowFar(_share(measure), _WHOLE, _words(measure))


def _share(measure: Measure) -> int | None:
    """By bytes; by files where they hold nothing."""
    for done, total in ((measure.bytes_done, measure.bytes_total), (measure.files_done, measure.files_total)):
        if total:
            return min(_WHOLE, round(done / total * _WHOLE))
    return None


def _words(measure: Measure) -> str:
    """`612 MB of 1.0 GB · 3,812 of 6,000 files · about 4 s left`."""
    parts = []
    if measure.bytes_done or measure.bytes_total:
        parts.append(_of(size(measure.bytes_done), size(measure.bytes_total) if measure.bytes_total else ""))
    if measure.files_done or measure.files_total:
        total = measure.files_total or measure.files_done
        files = _of(count(measure.files_done), count(measure.files_total) if measure.files_total else "")
        parts.append(f"{files}{NBSP}{'file' if total == 1 else 'files'}")
    if measure.seconds_left is not None:
        left = max(0, round(measure.seconds_left))
        parts.append(f"about {duration(left)} left" if left else "nearly done")
    return " · ".join(parts)


def _of(done: str, total: str) -> str:
    return f"{done} of {total}" if total else done
