import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy_records.errors import Refused
from deploy_records.scanners import brackets, json_walk
from deploy_records.scanners.json_walk import Big, root
from deploy_records.scanners.reading import opened
from tests.deploy_records.scanners.reports import ALL

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**19), 10**19)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=80),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=6),
    max_leaves=25,
)


@pytest.fixture(params=[json_walk.SMALL, 1000, 200])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How much is held at once: with little, small reports take the paths of large ones."""
    _hold(monkeypatch, request.param)
    size: int = request.param
    return size


def _hold(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(json_walk, "SMALL", size)
    monkeypatch.setattr(json_walk, "_ENOUGH", max(40, size // 4))
    monkeypatch.setattr(brackets, "PIECE", max(7, size // 3))


def walked(data: bytes | str) -> Any:
    """The whole value, with a mark where a text is too large to be held."""
    with opened(io.BytesIO(data.encode() if isinstance(data, str) else data), "walked.json") as source:
        return _whole(root(source))


def _whole(value: Any) -> Any:
    if isinstance(value, Big):
        if value.opening == "[":
            return [_whole(one) for one in value.elements()]
        return {key: _whole(one) for key, one in value.members()} if value.opening == "{" else ...
    return value


def same(walked: Any, plain: Any) -> bool:
    if walked is ...:
        return isinstance(plain, str)
    if isinstance(walked, list):
        return len(walked) == len(plain) and all(map(same, walked, plain))
    if isinstance(walked, dict):
        return walked.keys() == plain.keys() and all(same(walked[key], plain[key]) for key in plain)
    return bool(walked == plain)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.usefixtures("small")
def test_what_is_walked_is_what_stands_there(name: str, indent: int | None) -> None:
    assert same(walked(json.dumps(ALL[name], indent=indent)), ALL[name])


@given(
    value=st.lists(anything, max_size=6) | st.dictionaries(st.text(max_size=3), anything, max_size=6), ascii_only=st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_any_value_is_walked_in_pieces_as_it_stands(value: Any, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=1)
    with pytest.MonkeyPatch.context() as patch:
        _hold(patch, 50)
        assert same(walked(text), value)


def test_a_long_list_is_read_element_by_element() -> None:
    with opened(io.BytesIO(json.dumps([{"n": n, "text": "x" * 100} for n in range(5000)]).encode()), "long.json") as source:
        value = root(source)
        assert isinstance(value, Big)
        assert [one["n"] for one in value.elements()] == list(range(5000))
        assert next(iter(value.elements())) == {"n": 0, "text": "x" * 100}


def refusal(data: bytes | str) -> str:
    with pytest.raises(Refused) as refused:
        walked(data)
    return str(refused.value)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ('{"a": 1,}', "line 1, column 9", "expected a key in double quotes"),
        ('{"a" 1}', "line 1, column 6", "expected a"),
        ('{"a": 1 "b": 2}', "line 1, column 9", "expected a comma"),
        ("[1 2]", "line 1, column 4", "expected a comma"),
        ("[1,\n2,\n oops]", "line 3, column 2", "expected a value"),
        ('{"a": NaN}', "line 1, column 7", "NaN is not a number in JSON"),
        ('{"a": [-Infinity]}', "line 1, column 8", "-Infinity is not a number in JSON"),
        ('{"a": "NaN", "b": [1, NaN]}', "line 1, column 23", "NaN is not a number in JSON"),
        ("[1e400]", "line 1, column 2", "is too large"),
        (f"[{'9' * 5000}]", "line 1, column 2", "digits. Expected at most 20"),
        ('{"a": 1, "b": {"a": 2}, "a": 3}', "line 1, column 25", "the key “a” stands twice"),
        ('{"x": [{"a": 1}, {"b": 1,\n"b": 2}]}', "line 2, column 1", "the key “b” stands twice"),
        ('{"a": 1, "\\u0061": 2}', "line 1, column 10", "the key “a” stands twice"),
        ('["a\nb"]', "line 1, column 4", "a control character stands in a text"),
        ('["\\x"]', "line 1, column 3", "an escape that JSON knows"),
        ('["\\u12"]', "line 1, column", "four hex digits"),
        ("[}", "", ""),
        ('{"a": [}', "", ""),
        ('{"a": 1}x', "line 1, column 9", "something follows after the end"),
        ("[][]", "line 1, column 3", "something follows after the end"),
        ("7", "line 1, column 1", "expected { or ["),
        ("[" * 1_000_000, "line 1, column 65", "it goes too deep. Expected at most 64 levels"),
        ("[" * 1_000_000 + "]" * 1_000_000, "line 1, column 65", "it goes too deep"),
        ('{"a":' * 100_000, "column 321", "it goes too deep"),
        ("[" * 65 + "]" * 65, "column 65", "it goes too deep"),
        ('{"a": [1, 2', "line 1, column 12", "the file ends too early"),
        ('{"a": "x', "line 1, column 9", "the file ends in the middle of a text"),
        ('{"a": "x\\', "line 1, column 10", "the file ends in the middle of a text"),
        ('{"a": "b]}', "line 1, column 11", "the file ends in the middle of a text"),
    ],
)
def test_what_json_does_not_allow_is_refused_with_its_place(text: str, place: str, what: str) -> None:
    said = refusal(text)
    assert said.startswith("“walked.json”")
    assert place in said
    assert what in said


@pytest.mark.usefixtures("small")
def test_sixty_four_levels_are_deep_enough_and_allowed() -> None:
    text = "[" * 64 + "]" * 64
    assert walked(text) == json.loads(text)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_report_that_breaks_off_is_refused_wherever_it_does(cut: int) -> None:
    text = json.dumps({"a": [{"b": 'c "d" \\ e'}, 1.5, "fü"], "g": {"h": None}}, ensure_ascii=False)
    assert "the file ends" in refusal(text.encode()[:cut]) or "not UTF-8" in refusal(text.encode()[:cut])


def test_an_object_of_too_many_keys_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_walk, "MOST_MEMBERS", 10)
    _hold(monkeypatch, 50)
    assert "more than 10 keys" in refusal(json.dumps({str(number): number for number in range(12)}))


def test_a_list_of_too_many_entries_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_walk, "MOST_ELEMENTS", 100)
    _hold(monkeypatch, 50)
    assert len(walked(json.dumps(list(range(100))))) == 100
    assert "this list has more than 100 entries" in refusal(json.dumps(list(range(101))))


def test_an_object_that_cannot_be_held_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_walk, "MOST_HELD", 1000)
    _hold(monkeypatch, 50)
    with opened(io.BytesIO(json.dumps({str(number): number for number in range(500)}).encode()), "wide.json") as source:
        value = root(source)
        assert isinstance(value, Big)
        with pytest.raises(Refused, match="too large to be held"):
            value.held()


@given(data=st.binary(max_size=200) | st.text(alphabet='[]{}",:\\u0 1e-\n', max_size=80).map(str.encode))
@settings(max_examples=150, deadline=None)
def test_whatever_the_bytes_are_the_answer_agrees_with_pythons_own_reader(data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        _hold(patch, 50)
        try:
            found = walked(data)
        except Refused:
            return
    assert same(found, json.loads(data.decode("utf-8-sig")))
