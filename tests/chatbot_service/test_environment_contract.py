"""The environment contract: what a value may be, what a contract file may be, and that a secret is never part of an answer."""

import pytest

from chatbot_service import contract_file
from chatbot_service.environment_contract import Contract, Judged, Key, Type, changes, judged, problems, wrong_value
from chatbot_service.image.app import settings as image_settings
from deploy_records.errors import Invalid

SECRET = "sk-very-secret-1"
CONTRACT = contract_file.default()


def by_name(contract: Contract, environment: dict[str, str]) -> dict[str, Judged]:
    return {one.name: one for one in judged(contract, environment)}


def test_the_default_has_the_keys_of_the_reference_service() -> None:
    names = {key.name for key in CONTRACT.keys}
    assert names == {
        "HOST", "PORT", "LOG_LEVEL", "OPENROUTER_API_KEY", "OPENROUTER_BASE_URL", "OPENROUTER_MODEL", "UPLOADS_DIR",
        "EXPORTS_DIR", "REQUEST_TIMEOUT_SECONDS", "MAX_RETRIES", "RETRY_BACKOFF_SECONDS", "ENABLE_CHAT_UI", "ENABLE_FILE_UPLOADS",
    }  # fmt: skip
    assert [key.name for key in CONTRACT.keys if key.sensitive] == ["OPENROUTER_API_KEY"]


def test_the_reference_service_takes_every_default() -> None:
    folders = {"UPLOADS_DIR": "/", "EXPORTS_DIR": "/"}
    environment = {key.name: key.default for key in CONTRACT.keys if key.default} | folders
    assert image_settings.read_settings(environment).port == 8000


def test_what_is_kept_of_a_contract_is_read_again() -> None:
    assert contract_file.of_data(CONTRACT.as_data()) == CONTRACT


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Type.INTEGER, ["0", "-3", "+12"], ["", "1.5", "x", "1e3", "٣", "9" * 30]),
        (Type.NUMBER, ["0.5", "60", "-1"], ["nan", "inf", "1e3", "a"]),
        (Type.BOOLEAN, ["true", "FALSE", "1", "off"], ["maybe", "2", ""]),
        (
            Type.URL,
            ["https://a.example/v1", "http://[::1]:80"],
            ["ftp://a", "https://", "a.example", "https://a b", "http://a:99999"],
        ),
        (Type.PATH, ["/app/x"], ["app", "/app/../etc", ""]),
        (Type.HOST, ["localhost", "::", "10.0.0.1", "a-b.example"], ["a b", "-a!", "a..b", ""]),
        (Type.PORT, ["1", "65535"], ["0", "65536", "-1", "80a"]),
        (Type.STRING, ["", "anything"], ["nul\0", "\ud800"]),
    ],
)
def test_each_type_takes_its_values_and_no_others(kind: Type, good: list[str], bad: list[str]) -> None:
    key = Key("K", kind)
    assert [value for value in good if wrong_value(key, value)] == []
    assert [value for value in bad if not wrong_value(key, value)] == []


def test_bounds_and_choices_hold() -> None:
    assert wrong_value(Key("K", Type.INTEGER, least=0, most=10), "11") == "it takes 0 to 10"
    assert wrong_value(Key("K", choices=("a", "b")), "c") == "it takes one of a, b"


def test_an_environment_is_judged_key_by_key() -> None:
    found = by_name(CONTRACT, {"PORT": "80000", "LOG_LEVEL": "INFO", "OPENROUTER_API_KEY": "", "EXTRA": "x"})
    assert "1 to 65535" in found["PORT"].wrong
    assert found["LOG_LEVEL"].ok
    assert not found["OPENROUTER_API_KEY"].present
    assert not found["OPENROUTER_API_KEY"].ok
    assert found["HOST"].ok
    assert (found["EXTRA"].known, found["EXTRA"].value) == (False, "")


def test_a_sensitive_value_is_in_no_answer() -> None:
    contract = Contract((Key("TOKEN", Type.INTEGER, sensitive=True),))
    environment = {"TOKEN": SECRET, "UNKNOWN": SECRET}
    told = [repr(judged(contract, environment)), repr(problems(contract, environment)), repr(changes(contract, {}, environment))]
    assert not [words for words in told if SECRET in words]
    assert "TOKEN is not valid: it takes a whole number." in problems(contract, environment)


def test_a_difference_tells_what_was_done() -> None:
    found = changes(CONTRACT, {"PORT": "1", "OPENROUTER_API_KEY": "a"}, {"PORT": "2", "OPENROUTER_API_KEY": "b", "HOST": "h"})
    assert [(c.name, c.did, c.before, c.after) for c in found] == [
        ("PORT", "changed", "1", "2"), ("OPENROUTER_API_KEY", "changed", "", ""), ("HOST", "added", "", "h"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version: 1\nkeys: {A: &x {type: string}, B: *x}", "aliases"),
        ("version: 1\nkeys: {A: {type: string}, A: {type: url}}", "twice"),
        ("version: 1\nkeys: {A: {type: word}}", "its type is one of"),
        ("version: 1\nkeys: {A: {type: string, secret: true}}", "no field"),
        ("version: 1\nkeys: {A: {type: port, default: 8000}}", "in quotes"),
        ("version: 1\nkeys: {A: {type: port, default: '99999'}}", "default is not valid"),
        ("version: 1\nkeys: {A: {sensitive: 'NO'}}", "true or false"),
        ("version: 1\nkeys: {A: {sensitive: true, default: x}}", "no default"),
        ("version: 1\nkeys: {A: }", "fields are missing"),
        ("version: 1\nkeys: {COMPOSE_FILE: {type: string}}", "steers Docker or Compose"),
        ("version: 1\nkeys: {1A: {type: string}}", "not the name of a key"),
        ("version: 2\nkeys: {A: {type: string}}", "version: 1"),
        ("keys: [", "not YAML"),
        ("!!python/object/apply:os.system [ls]", "not YAML"),
        ("[" * 3000, "not YAML"),
        ("version: 1\nkeys: {A: {least: .inf}}", "is a number"),
        ("x" * 200_000, "larger"),
    ],
)
def test_a_contract_that_is_not_one_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        contract_file.parse(text)
