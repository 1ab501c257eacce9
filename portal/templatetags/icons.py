"""Icons, inlined from the committed SVG files so that they take the colour of the text beside them."""

import functools
import re
from pathlib import Path

from django.utils.safestring import SafeString, mark_safe

from portal.templatetags.markup import format_html

FOLDER = Path(__file__).resolve().parent.parent / "static" / "vendor" / "icons"

_NAME = re.compile(r"(?:(?:outline|filled)/)?[a-z0-9-]+")
_BODY = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)
_FRAME = re.compile(r'<path stroke="none" d="M0 0h24v24H0z" fill="none"\s*/>')
_STROKE = mark_safe('fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"')
_FILL = mark_safe('fill="currentColor"')

TONES = {
    "ok": "filled/circle-check",
    "warn": "filled/alert-triangle",
    "stop": "filled/square-x",
    "excused": "filled/shield-half",
    "info": "filled/help-circle",
    "run": "loader-2",
    "none": "circle-dashed",
    "wait": "clock",
    "undone": "arrow-back-up",
    "off": "circle-minus",
}


@functools.cache
def _drawing(style: str, base: str) -> SafeString:
    match = _BODY.search((FOLDER / style / f"{base}.svg").read_text())
    if match is None:
        raise ValueError(f"{style}/{base}.svg holds no drawing")
    return mark_safe(" ".join(_FRAME.sub("", match[1]).split()))  # noqa: S308 - a committed file


@functools.lru_cache(maxsize=1024)
def icon(name: str, css: str = "", label: str = "") -> SafeString:
    """`name` is that of a file: `copy`, or `filled/circle-check`. Without a label it is hidden from readers."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of an icon")
    style, _, base = name.rpartition("/")
    paint = _FILL if style == "filled" else _STROKE
    said = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html(
        '<svg class="kg-i {}" width="16" height="16" viewBox="0 0 24 24" {} {}>{}</svg>',
        css,
        paint,
        said,
        _drawing(style or "outline", base),
    )


def tone_icon(tone: str, css: str = "") -> SafeString:
    """The one shape and colour of a state."""
    if tone not in TONES:
        raise ValueError(f"{tone!r} is not a tone; there are {', '.join(TONES)}")
    return icon(TONES[tone], f"kg-t-{tone} {css}".strip())
