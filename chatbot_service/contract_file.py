"""Reads an environment contract from YAML, or from what is kept of it: typed, bounded, and hostile until then. Pure."""

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from chatbot_service.environment_contract import KEY_EXPECTED, MOST_KEYS, Contract, Key, Type, is_key, wrong_value
from chatbot_service.foreign_text import one_line
from deploy_records.errors import Invalid

MOST_BYTES = 100_000
_FIELDS = frozenset({"type", "default", "required", "sensitive", "description", "choices", "least", "most"})


@functools.cache
def default() -> Contract:
    """Of a service that was given no contract of its own: that of personal_chatbot."""
    return parse(Path(__file__).with_name("environment-contract.yaml").read_text(encoding="utf-8"))


def parse(text: str) -> Contract:
    """From a contract file. `Invalid` says what is wrong, and where."""
    if len(text) > MOST_BYTES:
        raise Invalid(f"The contract is larger than {MOST_BYTES // 1000} kB.")
    try:
        said = yaml.load(text, Loader=_Strict)  # noqa: S506 - a safe loader, made stricter
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise Invalid(f"The contract is not YAML as it is taken here: {one_line(str(error), 200)}.") from error
    keys = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(said, dict) or said.get("version") != 1 or not isinstance(keys, dict) or not keys:
        raise Invalid("A contract begins with `version: 1` and has `keys:`, each with its type.")
    return of_data([{"name": name, **_fields(name, fields)} for name, fields in keys.items()])


def of_data(rows: Iterable[Mapping[str, Any]]) -> Contract:
    keys = tuple(_key(row) for row in rows)
    if len(keys) > MOST_KEYS:
        raise Invalid(f"The contract has more than {MOST_KEYS} keys.")
    return Contract(keys)


def _fields(name: object, fields: object) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise Invalid(f"{one_line(str(name), 100)}: its fields are missing, such as `type: string`.")
    unknown = sorted(str(field) for field in fields if field not in _FIELDS)
    if unknown:
        raise Invalid(f"{one_line(str(name), 100)}: {one_line(', '.join(unknown), 100)} is no field of a key.")
    return fields


def _key(row: Mapping[str, Any]) -> Key:
    name = row["name"]
    if not is_key(name):
        raise Invalid(f"{one_line(str(name), 100)} is not the name of a key: {KEY_EXPECTED}.")
    try:
        kind = Type(row.get("type", "string"))
    except ValueError as error:
        raise Invalid(f"{name}: its type is one of {', '.join(Type)}.") from error
    key = Key(
        name, kind, _default(name, row.get("default")), _flag(name, row, "required"), _flag(name, row, "sensitive"),
        _words(name, row.get("description")), _choices(name, row.get("choices")),
        _bound(name, row, "least"), _bound(name, row, "most"),
    )  # fmt: skip
    if key.sensitive and key.default:
        raise Invalid(f"{name} is sensitive, so the contract gives it no default.")
    if key.default and (wrong := wrong_value(key, key.default)):
        raise Invalid(f"{name}: its default is not valid: {wrong}.")
    return key


def _flag(name: str, row: Mapping[str, Any], field: str) -> bool:
    value = row.get(field, False)
    if not isinstance(value, bool):
        raise Invalid(f"{name}: {field} is true or false.")
    return value


def _default(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise Invalid(f"{name}: its default is text: put it in quotes.")


def _words(name: str, value: object) -> str:
    if value is None or isinstance(value, str):
        return one_line(value or "", 300)
    raise Invalid(f"{name}: its description is text.")


def _choices(name: str, value: object) -> tuple[str, ...]:
    if value is None or (isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)):
        return tuple(value or ())
    raise Invalid(f"{name}: its choices are a list of texts: put each in quotes.")


def _bound(name: str, row: Mapping[str, Any], field: str) -> float | None:
    value = row.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:  # noqa: PLR2004 - and no infinity
        raise Invalid(f"{name}: {field} is a number.")
    return float(value)


class _Strict(yaml.SafeLoader):
    """Without aliases, which can explode, and without a key said twice, of which the last would silently win."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not taken")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        names = [key.value for key, _ in node.value]
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        if twice:
            raise yaml.YAMLError(f"{', '.join(twice)} is there twice")
        return super().construct_mapping(node, deep=deep)


def as_text(contract: Contract) -> str:
    """As `parse` reads it: what a key does not say is left out."""
    usual = Key("A")
    keys = {row["name"]: {"type": row["type"], **_said(row, usual)} for row in contract.as_data()}
    return yaml.safe_dump({"version": 1, "keys": keys}, sort_keys=False, allow_unicode=True, width=120)


def _said(row: Mapping[str, Any], usual: Key) -> dict[str, Any]:
    fields = ("default", "required", "sensitive", "description", "choices", "least", "most")
    return {name: row[name] for name in fields if row[name] not in (getattr(usual, name), [], None)}
