from hypothesis import given
from hypothesis import strategies as st

from chatbot_service.masking import LEAST_CHARACTERS, masked, secrets_of


def test_a_key_is_replaced_by_the_name_of_its_variable() -> None:
    secrets = secrets_of(["OPENROUTER_API_KEY=sk-or-v1-abcdef", "PORT=8000"])
    assert masked("asking with sk-or-v1-abcdef on 8000", secrets) == "asking with [OPENROUTER_API_KEY] on 8000"


def test_what_is_no_secret_stays() -> None:
    secrets = secrets_of(["LOG_LEVEL=warning-and-worse", "UPLOADS_DIR=/app/personal_chatbot/uploads", "EMPTY_TOKEN=", "PATH"])
    assert secrets == {}


def test_the_password_in_an_address_is_a_secret_whatever_the_variable_is_called() -> None:
    secrets = secrets_of(["STORE=postgres://bot:p%40ssword@db/bot"])
    assert masked("login p%40ssword failed; p@ssword", secrets) == "login [STORE] failed; [STORE]"


def test_short_values_are_left_as_masking_them_keeps_nothing() -> None:
    assert secrets_of(["AUTH=off", "KEY=12345"]) == {}


def test_of_two_secrets_one_within_the_other_none_is_left() -> None:
    secrets = secrets_of(["A_TOKEN=abcdef", "B_TOKEN=abcdef-and-more"])
    assert masked("abcdef-and-more abcdef", secrets) == "[B_TOKEN] [A_TOKEN]"


def test_each_line_of_a_key_of_several_lines_is_masked() -> None:
    secrets = secrets_of(["TLS_PRIVATE_KEY=-----BEGIN-----\nc2VjcmV0\n-----END-----"])
    assert "c2VjcmV0" not in masked("read c2VjcmV0", secrets)


def test_what_is_no_address_is_no_trouble() -> None:
    assert secrets_of(["ODD=http://[half", "=", ""]) == {}


_letters = st.text("abcdefgh.*+[](|)\\", min_size=LEAST_CHARACTERS, max_size=40)
_digits = st.text("0123456789 \n")


@given(_letters, _digits, _digits)
def test_no_secret_is_left_in_what_is_said(secret: str, before: str, after: str) -> None:
    assert masked(before + secret + after, secrets_of([f"T_TOKEN={secret}"])) == f"{before}[T_TOKEN]{after}"
