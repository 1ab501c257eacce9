"""What the gate says, for pages: its words with links to what they name."""

import re

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

_ITEM = re.compile(r"\b(POAM-(\d{1,9}))\b")


def linked(words: str) -> SafeString:
    """The same words; the exceptions that they name lead to their pages."""
    parts: list[tuple[SafeString]] = []
    done = 0
    for found in _ITEM.finditer(words):
        link = format_html('<a href="{}">{}</a>', reverse("poam-item", args=[int(found[2])]), found[1])
        parts += [(format_html("{}", words[done : found.start()]),), (link,)]
        done = found.end()
    return format_html_join("", "{}", [*parts, (format_html("{}", words[done:]),)])
