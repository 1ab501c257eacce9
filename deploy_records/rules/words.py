"""What a person may write into the record: a comment, a reason, a note. Pure.

The record is read for years, in browsers, terminals and spreadsheets. Characters that
cannot be seen, or that turn the order of what is read, would let it say something else
than what was signed.
"""

import unicodedata

from deploy_records.errors import Invalid

MOST_CHARACTERS = 2000

_LINE_BREAKS_AND_TAB = frozenset("\n\t")
_NOT_SEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and symbols by category, yet drawn as nothing: fillers and the empty braille pattern.
_EMPTY_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_NAMES = {
    "\x00": "NUL",
    "\x07": "BELL",
    "\x08": "BACKSPACE",
    "\t": "TAB",
    "\n": "LINE FEED",
    "\r": "CARRIAGE RETURN",
    "\x1b": "ESCAPE",
    "\x7f": "DELETE",
}


def named(character: str) -> str:
    """A character in words that show it without drawing it: “U+202E RIGHT-TO-LEFT OVERRIDE”."""
    fallback = _NAMES.get(character) or _KINDS.get(unicodedata.category(character), "without a name")
    return f"U+{ord(character):04X} {unicodedata.name(character, fallback)}"


_KINDS = {"Cc": "control character", "Cs": "half of a surrogate pair", "Co": "private character", "Cn": "not a character"}


def cannot_be_seen(character: str) -> bool:
    """Whether it is drawn as nothing or changes the order of what is read: control, bidi, zero width, fillers."""
    return character in _EMPTY_LETTERS or unicodedata.category(character) in _NOT_SEEN


def checked_words(what: str, text: str, *, required: bool = False, most: int = MOST_CHARACTERS) -> str:
    """`text` with even line ends and no space around it, or `Invalid`. `what` begins the message: "The reason"."""
    if len(text) > most + 2 * text.count("\n"):
        raise Invalid(f"{what} has {len(text):,} characters; at most {most:,} are kept. Nothing was changed.")
    even = text.replace("\r\n", "\n").replace("\r", "\n")
    for place, character in enumerate(even, start=1):
        if cannot_be_seen(character) and character not in _LINE_BREAKS_AND_TAB:
            raise Invalid(
                f"{what} has a character that cannot be seen, {named(character)}, at place {place}. "
                "Take it out and send it again. Nothing was changed."
            )
    kept = even.strip()
    if len(kept) > most:
        raise Invalid(f"{what} has {len(kept):,} characters; at most {most:,} are kept. Nothing was changed.")
    if required and not kept:
        raise Invalid(f"{what} is blank. Say in a few words why, for those who read it in years. Nothing was changed.")
    return kept
