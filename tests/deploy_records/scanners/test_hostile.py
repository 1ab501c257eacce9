"""Every report, spoilt in every way: refused in words, or understood in bounds. Never another exception."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.deploy_records.scanners.reports import ALL, ALL_FILES
from tests.deploy_records.scanners.understand import refusal, refused_or_fit_to_keep, understood

GONE = object()
BAD_TEXTS = (
    *("", " ", "\x00", "\ud800", "a\udfff", "\u202etxt", "\u200b\u3164", "\x1b[31m", "<script>alert(1)</script>", "=1+1"),
    *(
        "javascript:alert(1)",
        "https://a@b",
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z",
        "sha256:" + "g" * 64,
        "pkg:",
        "pkg:npm/%",
    ),
    *(
        "9" * 5000,
        "a" * 5000,
        "-1",
        "1e400",
        "CVSS:3.1/",
        "AV:N/Au:",
        "CVE-2026-1000",
        "٣",
        "{0}{999}",
        "Severity: " + " " * 3000 + "x",
    ),
)
BAD_NUMBERS = (0, -1, 10**19, -(10**19), 1.5, 1e308, -0.0, 11, 2**31, 5e-324)
odd: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.sampled_from(BAD_TEXTS)
    | st.sampled_from(BAD_NUMBERS)
    | st.sampled_from(([], {}, [None], [[]], [{}], {"": None}, {"a b": {"text": 1}}, ["x"] * 1001, [{}] * 1001))
    | st.text(max_size=20)
)
anything = st.recursive(
    odd, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=12
)


def places_in(value: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    found = [(*above, step) for step, _ in inner]
    return found + [place for step, one in inner for place in places_in(one, (*above, step))]


PLACES = {name: places_in(report) for name, report in ALL.items()}


def spoilt(report: Any, changes: list[tuple[tuple[Any, ...], Any]]) -> Any:
    made = deepcopy(report)
    for place, value in changes:
        inner = made
        try:
            for step in place[:-1]:
                inner = inner[step]
            if value is GONE:
                del inner[place[-1]]
            else:
                inner[place[-1]] = deepcopy(value)
        except (LookupError, TypeError):
            continue
    return made


@pytest.mark.parametrize("name", ALL)
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_report_that_is_spoilt_anywhere_is_refused_or_understood_in_bounds(name: str, data: st.DataObject) -> None:
    changes = data.draw(
        st.lists(st.tuples(st.sampled_from(PLACES[name]), st.just(GONE) | odd | anything), min_size=1, max_size=3)
    )
    refused_or_fit_to_keep(spoilt(ALL[name], changes))


@pytest.mark.parametrize("name", ALL)
def test_null_at_every_place_is_refused_or_understood_in_bounds(name: str) -> None:
    for place in PLACES[name]:
        refused_or_fit_to_keep(spoilt(ALL[name], [(place, None)]))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "value", [True, 7, "seven", ["seven"], {"seven": 7}, GONE], ids=["true", "7", "text", "list", "object", "gone"]
)
def test_another_type_at_every_place_is_refused_or_understood_in_bounds(name: str, value: Any) -> None:
    for place in PLACES[name]:
        refused_or_fit_to_keep(spoilt(ALL[name], [(place, value)]))


@pytest.mark.parametrize("name", ALL)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_json_under_the_keys_of_a_report_is_refused_or_understood_in_bounds(name: str, data: st.DataObject) -> None:
    first = ALL[name] if isinstance(ALL[name], dict) else ALL[name][0]
    drawn = data.draw(st.fixed_dictionaries({}, optional=dict.fromkeys(first, anything)))
    refused_or_fit_to_keep({**first, **drawn} if isinstance(ALL[name], dict) else [{**first, **drawn}])


@given(value=anything)
@settings(max_examples=100, deadline=None)
def test_any_json_is_refused_or_understood_in_bounds(value: Any) -> None:
    refused_or_fit_to_keep(json.dumps(value))


@pytest.mark.parametrize("name", ALL_FILES)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_bytes_in_the_midst_of_a_report_are_refused_or_understood_in_bounds(name: str, data: st.DataObject) -> None:
    whole = ALL_FILES[name]
    begin = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(begin, min(len(whole), begin + 40)))
    put = data.draw(
        st.binary(max_size=20) | st.sampled_from([b"<", b"]]>", b"&#0;", b"<!--", b'"', b"}", b"\\", b"\\ud800", b"NaN", b"\xff"])
    )
    refused_or_fit_to_keep(whole[:begin] + put + whole[end:])


@pytest.mark.parametrize("name", ALL_FILES)
def test_a_report_that_breaks_off_anywhere_is_refused(name: str) -> None:
    whole = ALL_FILES[name].rstrip()
    for end in range(0, len(whole), 41):
        refusal(whole[:end])


@pytest.mark.parametrize("text", BAD_TEXTS)
@pytest.mark.parametrize("name", ALL)
def test_bad_text_at_every_text_is_refused_or_understood_in_bounds(name: str, text: str) -> None:
    changes = [(place, text) for place in PLACES[name] if isinstance(_at(ALL[name], place), str)]
    for change in changes[:: max(1, len(changes) // 12)]:
        refused_or_fit_to_keep(spoilt(ALL[name], [change]))


@pytest.mark.parametrize("length", [190, 250, 900])
@pytest.mark.parametrize("name", ALL)
def test_long_text_at_every_text_is_refused_or_understood_in_bounds(name: str, length: int) -> None:
    for place in PLACES[name]:
        if isinstance(_at(ALL[name], place), str):
            refused_or_fit_to_keep(spoilt(ALL[name], [(place, "a" * length)]))


def _at(report: Any, place: tuple[Any, ...]) -> Any:
    for step in place:
        report = report[step]
    return report


@pytest.mark.parametrize("word", ["catastrophic", "高", "10", "<b>high</b>"])
def test_a_severity_that_nobody_knows_is_never_taken_for_a_harmless_one(word: str) -> None:
    for name in ("trivy", "grype", "bandit", "npm-audit", "cyclonedx"):
        text = json.dumps(ALL[name])
        for known in ("CRITICAL", "Critical", "critical", "HIGH"):
            text = text.replace(json.dumps(known), json.dumps(word))
        found = [one for one in understood(text).findings if one.tool_severity.startswith(word)]
        assert found
        assert {one.severity.value for one in found} == {"Unknown"}
