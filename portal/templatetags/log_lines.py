"""Lines of a service's log, drawn: `[moment, stream, [[text, styles], …], bytes left out]`. Thousands of them, so by hand."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from django.utils.safestring import SafeString

from chatbot_service.ansi import COLOURS
from portal.templatetags.moments import size

_COLOURS = [*COLOURS, *(f"bright-{colour}" for colour in COLOURS)]
_STYLES = frozenset({"bold", "faint", "italic", "underline", *(f"{on}-{c}" for on in ("fg", "bg") for c in _COLOURS)})


def log_lines(lines: Iterable[Sequence[Any]]) -> SafeString:
    """List items. The script shows their times in the reader's own zone; the title has them exactly, in UTC."""
    return SafeString("".join(map(_line, lines)))


def _line(line: Sequence[Any]) -> str:
    at, stream, spans, cut = line
    moment = escape(str(at))
    day, _t, clock = moment.partition("T")
    time = f'<time class="ts" datetime="{moment[:23]}Z" title="{day} {clock.rstrip("Z")} UTC" data-local>{clock[:12]}</time>'
    left_out = f' <span class="kg-cut">{size(cut)} of this line left out</span>' if cut else ""
    error = ' class="kg-err"' if stream == "stderr" else ""
    return f"<li{error}>{time} {''.join(map(_span, spans))}{left_out}</li>"


def _span(span: Sequence[Any]) -> str:
    text, styles = escape(str(span[0])), [word for word in str(span[1]).split() if word in _STYLES]
    return f'<span class="{" ".join(f"kg-ansi-{word}" for word in styles)}">{text}</span>' if styles else text


def as_text(lines: Iterable[Sequence[Any]]) -> str:
    """For a file: the exact moment in UTC, then the line."""
    return "".join(f"{at} {''.join(str(span[0]) for span in spans)}{_left_out(cut)}\n" for at, _stream, spans, cut in lines)


def _left_out(cut: int) -> str:
    return f" [{cut} bytes of this line left out]" if cut else ""
