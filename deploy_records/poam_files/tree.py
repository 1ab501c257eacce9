"""YAML as a tree in which every part knows its line. Nothing is built from tags, nothing is repeated by aliases.

Scalars stay as they are written, with the mark whether they stood in quotes: what `NO` or `012` become is for the
reader of a field to say, as only it knows what was meant.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from deploy_records.rules.digest import shown

MOST_BYTES = 1_000_000
MOST_DEPTH = 12
MOST_PROBLEMS = 100
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file. `line` counts from 1; 0 is the file as a whole."""

    line: int
    place: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line else "the file"
        return f"{where}, {self.place}: {self.message}" if self.place else f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Scalar:
    text: str
    line: int
    plain: bool


@dataclass(frozen=True, slots=True)
class Listing:
    items: tuple["Node", ...]
    line: int


@dataclass(frozen=True, slots=True)
class Mapping:
    pairs: tuple[tuple[Scalar, "Node"], ...]
    line: int


@dataclass(frozen=True, slots=True)
class Unusable:
    """What has been reported already: an alias, or a key whose value is one."""

    line: int


Node = Scalar | Listing | Mapping | Unusable


class _TooDeep(Exception):
    pass


def parse(data: bytes) -> tuple[Node | None, list[Problem]]:
    """The tree of the only document in `data`, and what is wrong with it as YAML."""
    text, refusal = _decoded(data)
    if refusal:
        return None, [Problem(0, "", refusal)]
    builder = _Builder()
    try:
        return builder.build(text), builder.problems
    except _TooDeep:
        return None, builder.problems
    except yaml.MarkedYAMLError as error:
        return None, [*builder.problems, _of_yaml(error)]
    except (yaml.YAMLError, ValueError) as error:
        what = getattr(error, "reason", "") or type(error).__name__
        return None, [*builder.problems, Problem(0, "", f"It is not YAML: {shown(str(what))}.")]


def _decoded(data: bytes) -> tuple[str, str]:
    if len(data) > MOST_BYTES:
        return "", f"It is longer than {MOST_BYTES:,} bytes, which no file of exceptions is."
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return "", f"It is not UTF-8: the first wrong byte is in line {line}. Save it as UTF-8."
    return text, ""


def _of_yaml(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    said = str(error.problem or error.context or "it cannot be read")
    column = f" (column {mark.column + 1})" if mark else ""
    return Problem(mark.line + 1 if mark else 0, "", f"It is not YAML{column}: {shown(said)}.")


class _Builder:
    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def build(self, text: str) -> Node | None:
        events = yaml.parse(text, Loader=_LOADER)
        tree: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if tree is not None:
                    self.note(_line(event), "A second document begins here. Only one belongs into the file.")
                    break
                tree = self.node(next(events), events, 1)
        if tree is None:
            self.note(0, "It is empty. A file without exceptions says version: 1 and exceptions: [].")
        return tree

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            self.note(line, f"It uses the alias *{event.anchor}. Aliases are not read: write the value out.")
            return Unusable(line)
        if event.tag is not None and not _is_usual(event):
            self.note(line, f"It has the tag {shown(event.tag)}. Tags are not read: take it out.")
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(event.value, line, plain=event.style is None or event.style == "")
        if depth > MOST_DEPTH:
            self.note(line, f"It is nested deeper than {MOST_DEPTH} levels.")
            raise _TooDeep
        return (
            self.listing(line, events, depth) if isinstance(event, yaml.SequenceStartEvent) else self.mapping(line, events, depth)
        )

    def listing(self, line: int, events: Iterator[Any], depth: int) -> Listing:
        items = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self.node(event, events, depth + 1))
        return Listing(tuple(items), line)

    def mapping(self, line: int, events: Iterator[Any], depth: int) -> Mapping:
        pairs: dict[str, tuple[Scalar, Node]] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            name = self.node(event, events, depth + 1)
            value = self.node(next(events), events, depth + 1)
            if not isinstance(name, Scalar):
                self.note(name.line, "A key has to be a word.")
            elif name.text in pairs:
                first = pairs[name.text][0].line
                self.note(name.line, f"The key {shown(name.text)} is here a second time; the first is in line {first}.")
            else:
                pairs[name.text] = name, value
        return Mapping(tuple(pairs.values()), line)

    def note(self, line: int, message: str) -> None:
        self.problems.append(Problem(line, "", message))
        if len(self.problems) >= MOST_PROBLEMS:
            raise _TooDeep


def _is_usual(event: Any) -> bool:
    """`!` alone, which only says that a scalar is text."""
    return isinstance(event, yaml.ScalarEvent) and event.tag == "!"


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
