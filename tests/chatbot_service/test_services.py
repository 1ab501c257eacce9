"""What a person writes about a service is read exactly, or refused; the web tests cover adding itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.services import keys_of, smoke_tests_of
from deploy_records.errors import Invalid


@pytest.mark.parametrize(
    ("text", "keys"),
    [("", []), ("  \n", []), ("A", ["A"]), ("A, B\nC  D", ["A", "B", "C", "D"]), ("A A,A", ["A"])],
)
def test_keys_are_separated_by_spaces_commas_or_lines(text: str, keys: list[str]) -> None:
    assert keys_of(text) == keys


def test_a_smoke_test_is_a_name_and_a_command_without_a_shell() -> None:
    (found,) = smoke_tests_of("answers: curl -fsS 'http://127.0.0.1:8000/health?a=b c' && reboot\n\n")
    assert found.name == "answers"
    assert found.argv == ("curl", "-fsS", "http://127.0.0.1:8000/health?a=b c", "&&", "reboot")


@pytest.mark.parametrize("line", ["curl", ": curl", "name:", "name: 'open", "name: a\x00b", "name: \u202etxt"])
def test_what_is_no_smoke_test_is_refused(line: str) -> None:
    with pytest.raises(Invalid):
        smoke_tests_of(line)


@given(st.text(max_size=200))
def test_whatever_is_typed_is_read_or_refused(text: str) -> None:
    try:
        found = smoke_tests_of(text)
    except Invalid:
        return
    assert all(test.name and test.argv for test in found)
