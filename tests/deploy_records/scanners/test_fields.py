from typing import Any

import pytest

from deploy_records.errors import Invalid
from deploy_records.scanners.fields import Node, Place


def node(**data: Any) -> Node:
    return Node(data, Place("report.json").key("Results").item(3))


@pytest.mark.parametrize(
    ("ask", "value", "expected"),
    [
        ("text", [], "expected a text, found a list"),
        ("text", True, "expected a text, found true"),
        ("text", {"a": 1}, "expected a text, found an object"),
        ("text", "a\ud800b", "the text has half of a surrogate pair in it"),
        ("name", "a" * 301, "expected at most 300 characters, found 301"),
        ("needed", None, "expected a text, found nothing"),
        ("needed", "  ", "expected a text, found nothing"),
        ("number", "many", "expected a number, found the text “many”"),
        ("number", False, "expected a number, found false"),
        ("number", [1], "expected a number, found a list"),
        ("number", "1" * 30, "expected a number"),
        ("flag", "yes", "expected true or false, found the text “yes”"),
        ("node", "x", "expected an object, found the text “x”"),
        ("texts", "x", "expected a list, found the text “x”"),
        ("texts", ["x"] * 1001, "expected at most 1,000 entries"),
        ("texts", [["x"]], "expected a text, found a list"),
        ("few", [{}] * 1001, "expected at most 1,000 entries"),
        ("few", {}, "expected a list, found an object"),
        ("few", [1], "expected an object, found the number 1"),
        ("moment", "9999-12-31T23:59:59Z", "expected a date and time of the years 2000 to 2099"),
        ("moment", "0001-01-02T00:00:00Z", "expected a date and time of the years 2000 to 2099"),
        ("moment", "2026-02-31T00:00:00Z", "expected a date and time of the years 2000 to 2099"),
        ("moment", "yesterday", "expected a date and time of the years 2000 to 2099"),
        ("moment", [2026], "expected a text, found a list"),
    ],
)
def test_a_wrong_type_is_refused_with_file_place_and_what_was_expected(ask: str, value: object, expected: str) -> None:
    with pytest.raises(Invalid) as refused:
        getattr(node(key=value), ask)("key")
    said = str(refused.value)
    assert said.startswith("“report.json”, at Results[3].key")
    assert expected in said
    assert said.endswith("Nothing was stored.")


@pytest.mark.parametrize(
    ("ask", "nothing"),
    [
        ("text", ""),
        ("block", ""),
        ("name", ""),
        ("link", ""),
        ("number", None),
        ("flag", None),
        ("texts", ()),
        ("few", []),
        ("moment", None),
    ],
)
def test_null_and_absent_are_the_same(ask: str, nothing: object) -> None:
    assert getattr(node(key=None), ask)("key") == getattr(node(), ask)("key") == nothing


@pytest.mark.parametrize(
    ("value", "whole"), [(7, 7), ("7", 7), (7.0, 7), (0, 0), (-1, None), (1e308, None), ("9" * 20, None), (None, None)]
)
def test_the_number_of_a_line_is_one_or_none(value: object, whole: int | None) -> None:
    assert node(key=value).whole("key") == whole


def test_a_number_may_be_a_text_and_a_text_a_number() -> None:
    assert node(key=" 9.8 ").number("key") == 9.8
    assert node(key="").number("key") is None
    assert node(key=7).text("key") == "7"
    assert node(key=[1, "a", None, "a"]).texts("key") == ("1", "a")


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00", ""])
def test_the_first_moment_of_all_is_how_tools_write_none(text: str) -> None:
    assert node(key=text).moment("key") is None


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T08:00:00.123456789+02:00",
        "2026-11-20T06:00:00.123456Z",
        "2026-11-20T06:00:00.123456",
        "2026-11-19T20:00:00.123456-10:00",
    ],
)
def test_moments_come_in_utc(text: str) -> None:
    found = node(key=text).moment("key")
    assert found
    assert found.isoformat() == "2026-11-20T06:00:00.123456+00:00"


def test_a_place_that_is_no_word_is_written_so_that_it_can_be_read() -> None:
    place = Place("x").key("runs").item(0).key("a b\u202e").key("k" * 500).key("level")
    assert place.path == f"runs[0][“a b\N{REPLACEMENT CHARACTER}”][“{'k' * 80}…”].level"
