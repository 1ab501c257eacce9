"""What sentences are put together from. All text is escaped; only what these functions make is markup."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString, mark_safe

from portal.templatetags.markup import format_html, format_html_join

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass(frozen=True)
class Answer:
    """The page's answer: its tone, the sentence, and below it who, when, what next."""

    tone: str
    said: SafeString
    sub: SafeString = mark_safe("")  # noqa: RUF009 - a constant


def claim(text: object, url: str = "") -> SafeString:
    return format_html('<a href="{}">{}</a>', url, text) if url else format_html("{}", text)


def strong(text: object) -> SafeString:
    return format_html("<b>{}</b>", text)


def said(*parts: object) -> SafeString:
    return format_html_join("", "{}", ((part,) for part in parts))


def listed(parts: Sequence[object], last: str = " and ") -> SafeString:
    """`a, b and c`."""
    if len(parts) < 2:  # noqa: PLR2004 - nothing to join
        return said(*parts)
    return said(format_html_join(", ", "{}", ((part,) for part in parts[:-1])), last, parts[-1])


def counted(number: int) -> str:
    """`six`, and from thirteen on `13`."""
    return _NUMBERS[number] if number < len(_NUMBERS) else f"{number:,}"


def some(number: int, one: str, more: str) -> str:
    """`one service`, `six services`."""
    return f"{counted(number)} {one if number == 1 else more}"


def sentence(words: SafeString) -> SafeString:
    """With a capital at its beginning, also where it begins with markup."""
    text = str(words)
    place = 0
    while text[place : place + 1] == "<":
        place = text.index(">", place) + 1
    return mark_safe(text[:place] + text[place : place + 1].upper() + text[place + 1 :])  # noqa: S308 - was safe before


def full(words: str) -> str:
    """With a full stop at its end."""
    return words if words.endswith((".", "!", "?", "…")) else f"{words}."
