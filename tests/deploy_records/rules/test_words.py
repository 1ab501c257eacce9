import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_records.errors import Invalid
from deploy_records.rules.words import checked_words


@given(st.text(max_size=300))
def test_any_text_is_kept_readable_or_refused_in_words(text: str) -> None:
    try:
        kept = checked_words("The reason", text)
    except Invalid as error:
        refusal = str(error)
        assert refusal.startswith("The reason ")
        assert refusal.isprintable()
        return
    assert all(c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"} for c in kept)
    assert kept == kept.strip()


@pytest.mark.parametrize("text", ["Fixes the leak.", "Zwölf Größen, naïve façade", "日本語の理由", "two\nlines\tand a tab", "👍"])
def test_what_people_write_is_kept(text: str) -> None:
    assert checked_words("The reason", text, required=True) == text


def test_line_ends_of_a_form_become_one_character() -> None:
    assert checked_words("The reason", "  one\r\ntwo\rthree \r\n") == "one\ntwo\nthree"


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\u202e", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\u2067", "U+2067 RIGHT-TO-LEFT ISOLATE"),
        ("\u200b", "U+200B ZERO WIDTH SPACE"),
        ("\u200d", "U+200D ZERO WIDTH JOINER"),
        ("\ufeff", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("\u00ad", "U+00AD SOFT HYPHEN"),
        ("\u2028", "U+2028 LINE SEPARATOR"),
        ("\u3164", "U+3164 HANGUL FILLER"),
        ("\u2800", "U+2800 BRAILLE PATTERN BLANK"),
        ("\U000e0041", "U+E0041 TAG LATIN CAPITAL LETTER A"),
        ("\x00", "U+0000 NUL"),
        ("\x1b", "U+001B ESCAPE"),
        ("\x85", "U+0085 control character"),
        ("\ud800", "U+D800 half of a surrogate pair"),
        ("\uffff", "U+FFFF not a character"),
        ("\ue000", "U+E000 private character"),
    ],
)
def test_a_character_that_cannot_be_seen_is_named_with_its_place(character: str, name: str) -> None:
    with pytest.raises(Invalid, match=re.escape(f"{name}, at place 4")):
        checked_words("The comment", f"yes{character}")


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u00a0\u2003"])
def test_a_blank_reason_is_refused_where_one_is_required(text: str) -> None:
    with pytest.raises(Invalid, match="The reason is blank"):
        checked_words("The reason", text, required=True)
    assert checked_words("The reason", text) == ""


def test_the_length_is_bounded_and_said() -> None:
    assert len(checked_words("The note", "x" * 2000)) == 2000
    with pytest.raises(Invalid, match="The note has 2,001 characters; at most 2,000"):
        checked_words("The note", "x" * 2001)
    with pytest.raises(Invalid, match="at most 300"):
        checked_words("The note", "x" * 10_000, most=300)


def test_line_ends_of_a_form_do_not_count_twice() -> None:
    assert len(checked_words("The note", "ab\r\n" * 99 + "abc", most=300)) == 300
