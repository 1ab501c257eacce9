import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_records.rules.words import cannot_be_seen
from deploy_records.scanners.texts import MOST_BLOCK, MOST_LINE, block, is_plain, joined, line, link


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("\x1b[31mred\x1b[0m", "�[31mred�[0m"),
        ("\x1b]8;;http://evil\x07click\x1b]8;;\x07", "�]8;;http://evil�click�]8;;�"),
        ("admin\u202egnp.exe", "admin�gnp.exe"),
        ("zero\u200bwidth", "zero�width"),
        ("hangul\u3164filler", "hangul�filler"),
        ("braille\u2800blank", "braille�blank"),
        ("  two\nlines\there  ", "two lines here"),
        ("Zürich 東京 🙂", "Zürich 東京 🙂"),
        ("=1+1", "=1+1"),
        ("1.0\x00\x00-J", "1.0��-J"),
    ],
)
def test_a_line_shows_what_could_not_be_seen(text: str, kept: str) -> None:
    assert line(text) == kept


def test_a_block_keeps_its_lines() -> None:
    assert block("one\r\ntwo\n\tthree") == "one\ntwo\n three"


def test_long_text_is_cut_with_a_mark() -> None:
    assert line("a" * 1000) == "a" * (MOST_LINE - 1) + "…"
    assert len(block("a" * 10_000)) == MOST_BLOCK
    assert joined(["1.0", "2.0"]) == "1.0, 2.0"
    assert len(joined(["1.0"] * 1000)) == MOST_LINE


@pytest.mark.parametrize("text", ["https://example.org", "http://example.org/a?b=c#d", "HTTPS://example.org:8443/ü"])
def test_web_addresses_are_links(text: str) -> None:
    assert link(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,<script>",
        "ftp://example.org",
        "//example.org",
        "https://",
        "https://user:secret@example.org",
        "https://example.org/a b",
        "https://example.org/\u202egnp",
        "https://example.org/\u3164",
        " https://example.org",
        "https://example.org\njavascript:alert(1)",
        "https://example.org/" + "a" * 2000,
        "",
    ],
)
def test_nothing_else_is_a_link(text: str) -> None:
    assert link(text) == ""


@given(st.text())
def test_whatever_is_kept_can_be_seen_and_is_bounded(text: str) -> None:
    for kept in (line(text, 50), block(text, 50)):
        assert len(kept) <= 50
        assert not any(cannot_be_seen(character) for character in kept if character != "\n")
    assert is_plain(line(text, 50))
