"""A terminal's colours in a line of text, as spans that a page can show without trusting the text. Pure.

Of the escape sequences only SGR (colours and weight) means anything here; all others are left out, and characters that steer
or hide become U+FFFD. A style is a word of a fixed list, never part of the text.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chatbot_service.foreign_text import neutral

COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_SGR = re.compile(r"(?:\x1b\[|\x9b)([0-9;:]{0,64})m")
_MOST_SPANS = 400
"""Of one line. What follows has the style of the last."""
_PALETTE, _RGB = "5", "2"
_CUBE = 16
_GREY = 232


@dataclass(frozen=True)
class Span:
    """`colour` and `ground` are names from `COLOURS`, with `bright-` before them, or empty."""

    text: str
    colour: str = ""
    ground: str = ""
    bold: bool = False
    faint: bool = False
    italic: bool = False
    underline: bool = False

    @property
    def styles(self) -> str:
        """Words for a class attribute."""
        flags = (name for name in ("bold", "faint", "italic", "underline") if getattr(self, name))
        colours = ((f"fg-{self.colour}" if self.colour else ""), (f"bg-{self.ground}" if self.ground else ""))
        return " ".join(word for word in (*colours, *flags) if word)


PLAIN = Span("")


def spans(line: str) -> tuple[Span, ...]:
    """Of one line. Each begins plain, so that a colour nobody ended does not run on."""
    return tuple(_joined(_spans(line, PLAIN)))


def masked_spans(parts: tuple[Span, ...], secrets: Mapping[str, str]) -> tuple[Span, ...]:
    """With each secret replaced by its name in brackets, also where a colour begins in the middle of it."""
    plain = "".join(part.text for part in parts)
    if not any(secret in plain for secret in secrets):
        return parts
    pattern = re.compile("|".join(re.escape(secret) for secret in sorted(secrets, key=len, reverse=True)))
    found = [(one.start(), one.end(), f"[{secrets[one[0]]}]") for one in pattern.finditer(plain)]
    return tuple(_joined(_without(parts, found)))


def _without(parts: tuple[Span, ...], found: list[tuple[int, int, str]]) -> Iterator[Span]:
    """Each found stretch becomes its words, in the style with which it began."""
    at, left = 0, list(found)
    for part in parts:
        end, here = at + len(part.text), at
        while left and left[0][0] < end:
            start, stop, words = left[0]
            if start >= at:
                yield replace(part, text=part.text[max(here, at) - at : start - at] + words)
            here = stop
            if stop > end:
                break  # it goes on in the next part
            left.pop(0)
        yield replace(part, text=part.text[max(here, at) - at :] if here < end else "")
        at = end


def _spans(line: str, style: Span) -> Iterator[Span]:
    at, count = 0, 0
    for found in _SGR.finditer(line):
        if count >= _MOST_SPANS:
            break
        if found.start() > at:
            yield replace(style, text=neutral(line[at : found.start()]))
            count += 1
        style, at = _styled(style, found[1]), found.end()
    yield replace(style, text=neutral(line[at:]))


def _joined(parts: Iterable[Span]) -> Iterator[Span]:
    held: Span | None = None
    for part in parts:
        if not part.text:
            continue
        if held is not None and replace(part, text="") == replace(held, text=""):
            held = replace(held, text=held.text + part.text)
            continue
        if held is not None:
            yield held
        held = part
    if held is not None:
        yield held


_FLAGS: dict[int, dict[str, Any]] = {
    1: {"bold": True}, 2: {"faint": True}, 3: {"italic": True}, 4: {"underline": True},
    22: {"bold": False, "faint": False}, 23: {"italic": False}, 24: {"underline": False},
}  # fmt: skip


def _styled(style: Span, codes: str) -> Span:
    words = iter(codes.replace(":", ";").split(";"))
    for word in words:
        code = int(word or "0")
        if code == 0:
            style = PLAIN
        elif code in _FLAGS:
            style = replace(style, **_FLAGS[code])
        elif code in {38, 48}:
            name = _extended(words)
            style = replace(style, colour=name) if code == 38 else replace(style, ground=name)  # noqa: PLR2004 - as above
        else:
            style = _coloured(style, code)
    return style


def _coloured(style: Span, code: int) -> Span:
    tens, colour = divmod(code, 10)
    if colour == 9 and tens in {3, 4}:  # noqa: PLR2004 - 39 and 49: the usual colour again
        return replace(style, colour="") if tens == 3 else replace(style, ground="")  # noqa: PLR2004 - as above
    if colour >= len(COLOURS) or tens not in {3, 4, 9, 10}:
        return style
    name = COLOURS[colour] if tens in {3, 4} else f"bright-{COLOURS[colour]}"
    return replace(style, colour=name) if tens in {3, 9} else replace(style, ground=name)


def _extended(words: Iterator[str]) -> str:
    """256 colours and true colours, as the nearest of the sixteen."""
    kind = next(words, "")
    if kind == _PALETTE:
        return _of_palette(int(next(words, "") or "0"))
    if kind == _RGB:
        return _nearest(*(int(next(words, "") or "0") for _ in range(3)))
    return ""


def _of_palette(number: int) -> str:
    if number < len(COLOURS):
        return COLOURS[number]
    if number < _CUBE:
        return f"bright-{COLOURS[number - len(COLOURS)]}"
    if number >= _GREY:
        return _nearest(*[8 + 10 * (min(number, 255) - _GREY)] * 3)
    return _nearest(*(51 * ((number - _CUBE) // step % 6) for step in (36, 6, 1)))


def _nearest(red: int, green: int, blue: int) -> str:
    strongest = max(red, green, blue)
    if strongest < 48:  # noqa: PLR2004 - all but black
        return "black"
    bits = sum((value * 2 > strongest) << place for place, value in enumerate((red, green, blue)))
    return COLOURS[bits] if strongest < 192 else f"bright-{COLOURS[bits]}"  # noqa: PLR2004 - the brighter half
