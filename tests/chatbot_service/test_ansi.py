"""Colours of a terminal become spans; whatever else a line holds is harmless, and a secret is masked in any colour."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.ansi import Span, masked_spans, spans

HOSTILE = st.text(st.sampled_from("ab<&\"'\x1b[];0123458m\x9b\x07\n\r\u202e\x00\u200b"), max_size=60)
SAFE_WORDS = re.compile(r"((fg|bg)-(bright-)?(black|red|green|yellow|blue|magenta|cyan|white)|bold|faint|italic|underline)?")


def shown(line: str) -> list[tuple[str, str]]:
    return [(span.text, span.styles) for span in spans(line)]


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("plain", [("plain", "")]),
        ("\x1b[31mred\x1b[0m plain", [("red", "fg-red"), (" plain", "")]),
        ("\x1b[1;4;32;41mall\x1b[22;24;39;49m none", [("all", "fg-green bg-red bold underline"), (" none", "")]),
        ("\x1b[91;100mbright", [("bright", "fg-bright-red bg-bright-black")]),
        ("\x1b[38;5;196mpalette", [("palette", "fg-bright-red")]),
        ("\x1b[38;5;3;1mlow", [("low", "fg-yellow bold")]),
        ("\x1b[48;2;0;0;255mtrue", [("true", "bg-bright-blue")]),
        ("\x1b[38;2;10;10;10mdark", [("dark", "fg-black")]),
        ("\x1b[mempty", [("empty", "")]),
        ("\x1b[999mwhat", [("what", "")]),
        ("\x1b[38mcut", [("cut", "")]),
        ("\x1b]8;;http://evil\x07link\x1b]8;;\x07 \x1b[2Jgone", [("link gone", "")]),
        ("", []),
    ],
)
def test_colours_are_kept_and_nothing_else(line: str, parts: list[tuple[str, str]]) -> None:
    assert shown(line) == parts


@given(HOSTILE)
def test_whatever_comes_ends_as_harmless_text_in_known_styles(line: str) -> None:
    for span in spans(line):
        assert not set("\x1b\x9b\x07\x00\r\u202e\u200b") & set(span.text)
        assert all(SAFE_WORDS.fullmatch(word) for word in span.styles.split(" "))


def test_a_line_of_nothing_but_colours_is_bounded() -> None:
    assert len(spans("\x1b[31ma\x1b[32mb" * 100_000)) < 1000


@given(st.lists(st.tuples(st.text("xyS", max_size=4), st.sampled_from(["red", "green", ""]))), st.integers(1, 5))
def test_a_secret_is_masked_wherever_a_colour_begins(pieces: list[tuple[str, str]], cut: int) -> None:
    secret = "SECRET"
    parts = tuple(
        Span(text, colour)
        for text, colour in [*pieces, (secret[:cut], "red"), (secret[cut:], "green"), ("tail", ""), (secret, "red")]
    )
    found = masked_spans(parts, {secret: "KEY"})
    text = "".join(span.text for span in found)
    assert text == "".join(part.text for part in parts).replace(secret, "[KEY]")


def test_of_two_secrets_the_longer_is_masked_whole() -> None:
    (one,) = masked_spans((Span("abcdef"),), {"abc": "SHORT", "abcdef": "LONG"})
    assert one.text == "[LONG]"
