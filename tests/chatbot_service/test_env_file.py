"""An `.env` file is changed where it is asked for, and nowhere else. What Compose makes of it: tests/docker/test_env_file.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatbot_service import env_file
from deploy_records.errors import Invalid

VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)
FILE = """# Keys of the service
PORT=8000   # as published
export HOST='10.0.0.1'

OPENROUTER_API_KEY="sk-\\"1\\""
LOG_LEVEL: INFO
NOTE='two
lines'
"""


def test_values_are_read_in_every_form() -> None:
    assert env_file.values(FILE) == {
        "PORT": "8000", "HOST": "10.0.0.1", "OPENROUTER_API_KEY": 'sk-"1"', "LOG_LEVEL": "INFO", "NOTE": "two\nlines"
    }  # fmt: skip


def test_a_change_keeps_comments_order_and_quotes() -> None:
    made = env_file.changed(FILE, {"PORT": "8001", "HOST": "127.0.0.1", "OPENROUTER_API_KEY": "new", "LOG_LEVEL": "DEBUG"})
    assert made == (
        FILE.replace("8000", "8001").replace("10.0.0.1", "127.0.0.1").replace('sk-\\"1\\"', "new").replace("INFO", "DEBUG")
    )


def test_a_new_key_goes_to_the_end() -> None:
    assert env_file.changed("A=1", {"B": "2"}) == "A=1\nB=2\n"
    assert env_file.changed("", {"B": "2 3"}) == "B='2 3'\n"


def test_a_key_is_taken_out_with_its_comment_and_every_time_it_is_there() -> None:
    assert env_file.changed("A=1 # one\nB=2\nA='x\ny' # two\n# end\n", {"A": None}) == "B=2\n# end\n"


def test_of_a_key_that_is_there_twice_the_last_counts() -> None:
    assert env_file.values("A=1\nA=2\n") == {"A": "2"}
    assert env_file.changed("A=1\nA=2\n", {"A": "3"}) == "A=1\nA=3\n"


def test_line_breaks_of_windows_stay() -> None:
    assert env_file.changed("A=1\r\nB=2\r\n", {"A": "5", "C": "3"}) == "A=5\r\nB=2\r\nC=3\r\n"


def test_a_name_without_a_value_is_given_one() -> None:
    assert env_file.changed("A\nB=1\n", {"A": "5"}) == "A=5\nB=1\n"


@pytest.mark.parametrize("text", ["A='open", 'A="open\\"', "what is this\n", "A='a' 'b'\n", "=1\n"])
def test_what_compose_cannot_read_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(Invalid, match=r"[Ll]ine 1"):
        env_file.changed(text, {"B": "1"})


def test_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(Invalid, match="larger"):
        env_file.entries("A=" + "x" * env_file.MOST_CHARACTERS)


def test_a_value_that_names_another_is_told_apart() -> None:
    (one, two, three) = env_file.entries("A=${B:-x}\nC='$B'\nD=\"a\\$b\"\n")
    assert (one.filled_in, one.value) == (True, "${B:-x}")
    assert (two.filled_in, two.value) == (False, "$B")
    assert (three.filled_in, three.value) == (False, "a$b")


@given(NAMES, VALUES, VALUES)
def test_whatever_is_written_is_read_again(name: str, old: str, new: str) -> None:
    text = f"# first\nOTHER=1\n{env_file.changed('', {name: old})}# last\n"
    made = env_file.changed(text, {name: new})
    assert env_file.values(made)[name] == new
    assert made.startswith("# first\n")
    assert made.endswith("# last\n")


@given(st.dictionaries(NAMES, VALUES, max_size=5), st.dictionaries(NAMES, st.none() | VALUES, max_size=5))
def test_several_changes_at_once_do_what_each_would(before: dict[str, str], new: dict[str, str | None]) -> None:
    made = env_file.changed(env_file.changed("", before), new)
    assert env_file.values(made) == {name: value for name, value in (before | new).items() if value is not None}
