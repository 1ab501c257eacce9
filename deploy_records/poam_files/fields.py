"""The fields of one mapping, each read with its type. What is wrong is noted with its line, and reading goes on."""

from collections.abc import Callable
from typing import Any, TypeVar

import yaml

from deploy_records.errors import Invalid
from deploy_records.poam_files.tree import Listing, Mapping, Node, Problem, Scalar, Unusable
from deploy_records.rules.digest import shown

T = TypeVar("T")
_RESOLVER: Any = yaml.SafeLoader("")
_TEXT = "tag:yaml.org,2002:str"
_NULL = "tag:yaml.org,2002:null"
_LONGEST_NUMBER = 40


class Fields:
    """`place` is how problems name the mapping: exceptions[3]."""

    def __init__(self, node: Mapping, place: str, problems: list[Problem]) -> None:
        self.line = node.line
        self._values = {name.text: (name, value) for name, value in node.pairs}
        self._place = place
        self._problems = problems
        self._known: set[str] = set()
        self._failed: set[str] = set()

    def scalar(self, name: str, read: Callable[[Scalar], T], default: T, *, required: bool = False) -> T:
        """What `read` makes of the field, or `default` where it is absent or `read` refuses it."""
        node = self._node(name, required=required)
        if node is None:
            return default
        if not isinstance(node, Scalar):
            return self._not_a("a single value", node, name, default)
        return self._read(read, node, name, default)

    def listing(self, name: str, read: Callable[[Node], T], *, required: bool = False, most: int = 0) -> tuple[T, ...]:
        """Each item as `read` makes it; items that it refuses are left out. `most` items, unless 0."""
        node = self._node(name, required=required)
        if node is None:
            return ()
        if not isinstance(node, Listing):
            return self._not_a("a list", node, name, ())
        if most and len(node.items) > most:
            self._note(node.line, name, f"It has {len(node.items):,} items; at most {most:,} are read.")
            return ()
        found: list[T] = []
        for number, item in enumerate(node.items, start=1):
            self._read(lambda one: found.append(read(one)), item, f"{name}[{number}]", None)
        return tuple(found)

    def inner(self, node: Mapping, name: str) -> "Fields":
        return Fields(node, f"{self._place}.{name}", self._problems)

    def knows(self, name: str) -> None:
        """The field may be there, and is not read."""
        self._known.add(name)

    def failed(self, name: str) -> bool:
        """Whether a problem with the field itself was noted."""
        return name in self._failed

    def has(self, name: str) -> bool:
        return name in self._values

    def line_of(self, name: str) -> int:
        return self._values[name][0].line if name in self._values else self.line

    def note(self, message: str, name: str = "") -> None:
        self._note(self.line_of(name), name, message)

    def close(self) -> None:
        """Notes every field that nobody asked for: it may say something that matters."""
        for name, (key, _value) in self._values.items():
            if name not in self._known:
                known = ", ".join(sorted(self._known))
                self._note(key.line, "", f"The field {shown(name)} is not known. Known are: {known}.")

    def _node(self, name: str, *, required: bool) -> Node | None:
        self._known.add(name)
        found = self._values.get(name)
        if found is None:
            if required:
                self._note(self.line, "", f"The field {name} is missing.")
            return None
        if isinstance(found[1], Scalar) and is_null(found[1]):
            if required:
                self._note(found[0].line, name, "It has no value.")
            return None
        return found[1]

    def _read(self, read: Callable[..., T], node: Node, name: str, default: T) -> T:
        if isinstance(node, Unusable):
            return default
        try:
            return read(node)
        except Invalid as refusal:
            self._note(node.line, name, str(refusal).removesuffix(" Nothing was changed."))
            return default

    def _not_a(self, wanted: str, node: Node, name: str, default: T) -> T:
        if not isinstance(node, Unusable):
            self._note(node.line, name, f"It has to be {wanted}, and it is {in_words(node)}.")
        return default

    def _note(self, line: int, name: str, message: str) -> None:
        place = f"{self._place}.{name}" if self._place and name else self._place or name
        self._failed.add(name)
        self._problems.append(Problem(line, place, message))


def text_of(node: Node) -> str:
    """A scalar as text, or `Invalid` where YAML reads something else than what is written."""
    if not isinstance(node, Scalar):
        raise Invalid(f"It has to be text, and it is {in_words(node)}.")
    if not node.plain:
        return node.text
    tag = _RESOLVER.resolve(yaml.ScalarNode, node.text, (True, False))
    if tag == _TEXT:
        return node.text
    if tag == _NULL:
        raise Invalid("It has no value.")
    raise Invalid(f"{shown(node.text)} without quotes is read as {_as_read(node.text, tag)}, not as text. Put it in quotes.")


def mapping_of(node: Node) -> Mapping:
    if not isinstance(node, Mapping):
        raise Invalid(f"It has to be a mapping of fields, and it is {in_words(node)}.")
    return node


def is_null(node: Scalar) -> bool:
    return node.plain and bool(_RESOLVER.resolve(yaml.ScalarNode, node.text, (True, False)) == _NULL)


def in_words(node: Node) -> str:
    return {Listing: "a list", Mapping: "a mapping", Scalar: "a single value"}.get(type(node), "not usable")


def _as_read(text: str, tag: str) -> str:
    kind = tag.rpartition(":")[2]
    if kind in {"bool", "int", "float"} and len(text) <= _LONGEST_NUMBER:
        try:
            reader: Any = yaml.SafeLoader("")  # a new one: it keeps all it has made
            return str(reader.construct_object(yaml.ScalarNode(tag, text)))
        except (ValueError, OverflowError, yaml.YAMLError):
            pass  # the kind alone says enough
    words = {"bool": "a truth value", "int": "a number", "float": "a number", "timestamp": "a date"}
    return words.get(kind, f"a {kind}")
