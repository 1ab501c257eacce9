import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_records.scanners import severity
from deploy_records.scanners.report import Cvss, Severity
from tests.deploy_records.scanners.image_reports import VECTOR


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("CRITICAL", Severity.CRITICAL),
        ("High", Severity.HIGH),
        ("important", Severity.HIGH),
        (" moderate ", Severity.MEDIUM),
        ("Low", Severity.LOW),
        ("Negligible", Severity.INFO),
        ("none", Severity.INFO),
        ("unknown", Severity.UNKNOWN),
        ("", Severity.UNKNOWN),
        ("catastrophic", Severity.UNKNOWN),
        ("ＨＩＧＨ", Severity.UNKNOWN),
    ],
)
def test_the_words_of_tools_come_onto_one_scale(word: str, expected: Severity) -> None:
    assert severity.from_word(word) is expected


def test_the_word_comes_before_the_score() -> None:
    assert severity.from_word("LOW", [Cvss("3.1", VECTOR, 9.8)]) is Severity.LOW


def test_a_word_that_nobody_knows_is_not_made_good_by_a_low_score() -> None:
    assert severity.from_word("catastrophic", [Cvss("3.1", score=0.1)]) is Severity.UNKNOWN


def test_without_a_word_the_worst_score_counts() -> None:
    assert severity.from_word("UNKNOWN", [Cvss("3.1", score=3.0), Cvss("3.1", score=7.1)]) is Severity.HIGH


def test_of_several_words_the_worst_counts_and_an_unknown_one_is_the_worst() -> None:
    assert severity.from_words(["low", "critical"]) is Severity.CRITICAL
    assert severity.from_words(["critical", "catastrophic"]) is Severity.UNKNOWN
    assert severity.from_words(["", "unknown", "low"]) is Severity.LOW


@pytest.mark.parametrize(
    ("version", "score", "expected"),
    [
        ("3.1", 0.0, Severity.INFO),
        ("3.1", 0.1, Severity.LOW),
        ("3.1", 3.9, Severity.LOW),
        ("3.1", 4.0, Severity.MEDIUM),
        ("3.1", 7.0, Severity.HIGH),
        ("3.1", 9.0, Severity.CRITICAL),
        ("4.0", 10.0, Severity.CRITICAL),
        ("2.0", 10.0, Severity.HIGH),
        ("3.1", 10.1, Severity.UNKNOWN),
        ("3.1", -1.0, Severity.UNKNOWN),
        ("3.1", float("nan"), Severity.UNKNOWN),
    ],
)
def test_scores_fall_into_the_bands_of_their_version(version: str, score: float, expected: Severity) -> None:
    assert severity.from_cvss([Cvss(version, score=score)]) is expected


@pytest.mark.parametrize(
    ("vector", "score", "version"),
    [
        (VECTOR, 9.8, "3.1"),
        ("AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 9.8, ""),
        ("AV:N/AC:L/Au:N/C:P/I:P/A:P", 7.5, "2.0"),
        ("(AV:N/AC:L/Au:N/C:P/I:P/A:P)", 7.5, "2.0"),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 9.3, "4.0"),
        ("CVSS:3.1/AV:N", None, "3.1"),
        ("nonsense", None, ""),
        ("", None, ""),
        ("CVSS:9.9/" + "A" * 1000, None, ""),
    ],
)
def test_a_score_is_worked_out_from_its_vector(vector: str, score: float | None, version: str) -> None:
    assert severity.score_of(vector) == score
    assert severity.version_of(vector) == version
    assert severity.from_cvss([Cvss(version, vector)]) is (
        Severity.UNKNOWN if score is None else severity.from_cvss([Cvss(version, score=score)])
    )


@pytest.mark.parametrize(
    ("said", "version"),
    [("CVSSv2", "2.0"), ("CVSSv3", "3.0"), ("CVSSv31", "3.1"), ("3.1", "3.1"), ("CVSSv4", "4.0"), ("OWASP", "")],
)
def test_the_version_is_known_by_what_the_tool_calls_it(said: str, version: str) -> None:
    assert severity.version_of("", said) == version


def test_what_is_unknown_weighs_as_much_as_the_worst() -> None:
    assert Severity.UNKNOWN.weight == Severity.CRITICAL.weight == max(one.weight for one in Severity)


@given(st.text() | st.sampled_from([VECTOR, VECTOR[:-1], VECTOR * 2]), st.floats() | st.none())
def test_whatever_stands_there_is_one_of_the_six(text: str, score: float | None) -> None:
    assert severity.from_word(text, [Cvss("", text, score)]) in Severity
    assert severity.from_level(text) in Severity
