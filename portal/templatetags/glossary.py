"""Words with their one line of explanation, read from `docs/glossary.md`."""

import functools
import re
from pathlib import Path

from portal.templatetags.markup import format_html

FILE = Path(__file__).resolve().parent.parent.parent / "docs" / "glossary.md"
_ROW = re.compile(r"^\| (?P<word>[^|]+) \| (?P<meaning>[^|]+) \|$", re.MULTILINE)


@functools.cache
def meanings() -> dict[str, str]:
    return {m["word"].casefold(): m["meaning"] for m in _ROW.finditer(FILE.read_text()) if m["word"] != "word"}


def term(word: str, shown: str, number: int) -> str:
    """A button that opens the explanation without a script. A word that has none is left as it is."""
    meaning = meanings().get(word.casefold())
    if meaning is None:
        return shown
    return format_html(
        '<button class="kg-term" type="button" popovertarget="kg-term-{0}">{1}</button>'
        '<span class="kg-term-says" popover id="kg-term-{0}">{2}</span>',
        number,
        shown,
        meaning,
    )
