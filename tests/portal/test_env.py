"""What the environment says is read once at the start; a wrong value stops it with the variable's name, never the value."""

from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from portal import env

LEVELS = ("INFO", "ERROR")


def level() -> str:
    return env.one_of("KG_TRIED", "INFO", LEVELS)


def keys() -> str:
    return env.fernet_keys("KG_TRIED")


def test_what_is_not_set_or_blank_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (level(), keys()) == ("INFO", "")
    monkeypatch.setenv("KG_TRIED", " ")
    assert (level(), keys()) == ("INFO", "")


@pytest.mark.parametrize(
    ("read", "raw", "expected"),
    [
        (level, "loud", "one of INFO, ERROR"),
        (keys, "hunter22", "32 random bytes"),
        (keys, f"{Fernet.generate_key().decode()},short", "32 random bytes"),
        (lambda: env.port("KG_TRIED", 80), "80.5", "a whole number"),
        (lambda: env.flag("KG_TRIED", default=True), "maybe", "1 or 0"),
    ],
    ids=["level", "key", "second key", "port", "flag"],
)
def test_a_wrong_value_stops_the_start_with_the_name_and_not_the_value(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[], object], raw: str, expected: str
) -> None:
    monkeypatch.setenv("KG_TRIED", raw)
    with pytest.raises(ImproperlyConfigured) as refused:
        read()
    assert str(refused.value).startswith("KG_TRIED must be ")
    assert expected in str(refused.value)
    assert raw not in str(refused.value)


def test_a_level_is_read_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KG_TRIED", "error")
    assert level() == "ERROR"


def test_several_keys_are_a_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    ring = [Fernet.generate_key().decode() for _ in range(2)]
    monkeypatch.setenv("KG_TRIED", ", ".join(ring))
    assert keys().split(",") == ring
