"""Foreign text as it may be kept and shown: bounded, and without characters that cannot be seen."""

import re
from collections.abc import Iterable

from deploy_records.rules.words import cannot_be_seen

MOST_LINE, MOST_BLOCK, MOST_LINK = 300, 4000, 2000

_MOST_REMEMBERED = 5000
_LINK = re.compile(r"https?://[^\s/?#@]+(?:[/?#]\S*)?", re.IGNORECASE)


class _Visible(dict[int, int]):
    """For `str.translate`: what cannot be seen becomes a replacement character. Remembers the usual characters."""

    def __missing__(self, point: int) -> int:
        found = 0xFFFD if cannot_be_seen(chr(point)) else point
        if len(self) < _MOST_REMEMBERED:
            self[point] = found
        return found


_VISIBLE = _Visible({ord("\n"): ord("\n"), ord("\t"): ord(" ")})


def is_plain(text: str) -> bool:
    """Whether it is one line of characters that can all be seen. Some that are printable, to Python, cannot."""
    return text.isprintable() and (text.isascii() or text.translate(_VISIBLE) == text)


def block(text: str, most: int = MOST_BLOCK) -> str:
    """Several lines, cut to `most` characters."""
    if len(text) > most:
        text = text[: most - 1].rstrip() + "…"
    return text if text.isascii() and text.isprintable() else text.replace("\r\n", "\n").translate(_VISIBLE)


def line(text: str, most: int = MOST_LINE) -> str:
    """One line, cut to `most` characters."""
    if len(text) <= most and text.isascii() and text.isprintable():
        return text.strip()
    return block(" ".join(text[: 4 * most].split()), most)


def joined(texts: Iterable[str], most: int = MOST_LINE) -> str:
    """Several as one line, cut to `most` characters."""
    return line(", ".join(texts), most)


def link(text: str) -> str:
    """An http or https address without a name and password in it, or nothing."""
    return text if len(text) <= MOST_LINK and _LINK.fullmatch(text) and is_plain(text) else ""
