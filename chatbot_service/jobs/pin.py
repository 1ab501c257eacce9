"""The pin: the image reference in the production override file. Pure.

Only the one scalar is changed, in the text, so that comments and layout stay. What cannot be changed safely is
refused, and afterwards the file is read again to prove that nothing else changed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml
from yaml import events as ev

from deploy_records.errors import Invalid, Refused
from deploy_records.rules.digest import parse_pinned, shown

_MOST_CHARACTERS = 1_000_000
_SERVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_STEP = "  "

Events = Sequence[ev.Event]
Signature = tuple[str, str, str, str]
"""What an event means, without its place and its quotes: kind, value, anchor, tag."""


def pinned_reference(text: str, service: str) -> str | None:
    """The image reference that the file gives `service`, if it gives one."""
    events = _read(text)
    image = _image_of(events, service)
    return image.value if isinstance(image, ev.ScalarEvent) and not _is_null(image) else None


def with_pin(text: str | None, service: str, reference: str) -> str:
    """The file with `reference` as the image of `service`; a new file if there was none. `Refused` if it can't be safe."""
    parse_pinned(reference)
    if not _SERVICE.fullmatch(service):
        raise Invalid(f"{shown(service)} is not the name of a Compose service.")
    before = text or ""
    edit = _edit(before, _read(before), service, reference)
    after = before[: edit.start] + edit.text + before[edit.end :]
    if _signatures(_read(after)) != edit.expected:
        raise _refused("changing the image there would change something else as well")
    return after


@dataclass(frozen=True)
class _Edit:
    """Replaces text[start:end]; `expected` is what the whole file must mean afterwards."""

    start: int
    end: int
    text: str
    expected: list[Signature]


@dataclass(frozen=True)
class _Entry:
    """One key of a mapping, by places in the list of events: its key, and its value from `first` to `last`."""

    key: int
    first: int
    last: int


def _edit(text: str, events: Events, service: str, reference: str) -> _Edit:
    """Goes down root, services, service, image; adds the whole rest of that path where it ends."""
    keys = ["services", service, "image"]
    place = _root(events)
    if place is None:
        return _append_document(text, events, keys, reference)
    while keys:
        _refuse_if_used_elsewhere(events, place)
        entry = _find(events, place, keys[0])
        if entry is None:
            return _add(text, events, place, keys, reference)
        key = keys.pop(0)
        value = events[entry.first]
        if not keys:
            return _replace_scalar(text, events, entry.first, reference)
        if isinstance(value, ev.ScalarEvent) and _is_null(value):
            return _fill(text, events, entry, keys, reference)
        place = entry.first
        if not isinstance(value, ev.MappingStartEvent) or value.tag:
            raise _refused(f"{key} is not a plain mapping there")
    raise AssertionError(keys)


# Changing


def _replace_scalar(text: str, events: Events, at: int, reference: str) -> _Edit:
    image = events[at]
    if not isinstance(image, ev.ScalarEvent) or image.anchor or image.tag:
        raise _refused("the image is an alias, has an anchor or a tag, or is not a plain text there")
    if image.style in {"|", ">"}:
        raise _refused("the image is written as a block of lines there")
    start, end = _start(image), _end(image)
    written = _scalar(reference, image.style)
    if start == end and text[start - 1 : start] == ":":  # `image:` with nothing after it
        written = f" {written}"
    return _Edit(start, end, written, _spliced(events, at, at + 1, [_said(reference)]))


def _fill(text: str, events: Events, entry: _Entry, keys: list[str], reference: str) -> _Edit:
    """The value is null: a mapping takes its place."""
    null, key = events[entry.first], events[entry.key]
    if null.anchor or null.tag:  # type: ignore[attr-defined]
        raise _refused("an empty value with an anchor or a tag stands in the way")
    indent = " " * _column(key) + _STEP
    written = _newline(text) + _block(text, keys, reference, indent).rstrip("\r\n")
    expected = _spliced(events, entry.first, entry.first + 1, _path_signatures(keys, reference, whole=True))
    return _Edit(_start(null), _end(null), written, expected)


def _add(text: str, events: Events, place: int, keys: list[str], reference: str) -> _Edit:
    """Another key in a mapping that lacks it."""
    mapping = events[place]
    entries = list(_entries(events, place))
    if isinstance(mapping, ev.MappingStartEvent) and mapping.flow_style:
        at = text.index("{", _start(mapping)) + 1
        written = _flow(keys, reference) + (", " if entries else "")
        return _Edit(at, at, written, _spliced(events, place + 1, place + 1, _path_signatures(keys, reference)))
    indent = " " * _column(events[entries[0].key])
    last = entries[-1].last
    at = _after_line(text, _last_written(events, last))
    lead = "" if text[:at].endswith("\n") else _newline(text)
    expected = _spliced(events, last + 1, last + 1, _path_signatures(keys, reference))
    return _Edit(at, at, lead + _block(text, keys, reference, indent), expected)


def _append_document(text: str, events: Events, keys: list[str], reference: str) -> _Edit:
    """There is nothing but comments."""
    lead = "" if not text or text.endswith("\n") else _newline(text)
    at = len(text)
    empty = [i for i, event in enumerate(events) if isinstance(event, ev.ScalarEvent)]
    new = _path_signatures(keys, reference, whole=True)
    if empty:  # `---` or a null stands there
        expected = _spliced(events, empty[0], empty[0] + 1, new)
    else:
        expected = [_signature(e) for e in _parse("a: b\n")[:2]] + new + [_signature(e) for e in _parse("a: b\n")[-2:]]
    return _Edit(at, at, lead + _block(text, keys, reference, ""), expected)


def _block(text: str, keys: list[str], reference: str, indent: str) -> str:
    newline = _newline(text)
    lines = [f"{indent}{_STEP * depth}{_key(key)}:" for depth, key in enumerate(keys)]
    return newline.join(lines) + f" {_scalar(reference, None)}{newline}"


def _flow(keys: list[str], reference: str) -> str:
    first, *rest = keys
    return f"{_key(first)}: " + (f"{{{_flow(rest, reference)}}}" if rest else _scalar(reference, '"'))


def _scalar(reference: str, style: str | None) -> str:
    """The old quotes are kept; without any, quotes only where YAML needs them."""
    if style in {"'", '"'}:
        return f"{style}{reference}{style}"
    return reference if _PLAIN.fullmatch(reference) else f'"{reference}"'


def _key(name: str) -> str:
    return name if name.isidentifier() and yaml.safe_load(name) == name else f'"{name}"'


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _last_written(events: Events, at: int) -> ev.Event:
    """The event whose text ends the value; a block's own end stands nowhere in the text."""
    while isinstance(events[at], ev.CollectionEndEvent) and _start(events[at]) == _end(events[at]):
        at -= 1
    return events[at]


def _after_line(text: str, event: ev.Event) -> int:
    """Behind the line on which a value ends, with the comment at its end."""
    at = _end(event)
    if text[:at].endswith("\n"):
        return at
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


# Reading


def _read(text: str) -> Events:
    if len(text) > _MOST_CHARACTERS:
        raise _refused("it is larger than 1 MB")
    try:
        events = _parse(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise _refused(f"it is not valid YAML{f' (line {mark.line + 1})' if mark else ''}") from error
    if sum(isinstance(event, ev.DocumentStartEvent) for event in events) > 1:
        raise _refused("it holds several YAML documents")
    return events


def _parse(text: str) -> list[ev.Event]:
    return list(yaml.parse(text, Loader=yaml.SafeLoader))


def _root(events: Events) -> int | None:
    """Where the top mapping starts; nothing if the file is empty."""
    at = next((i for i, event in enumerate(events) if isinstance(event, ev.NodeEvent)), None)
    if at is None or (isinstance(event := events[at], ev.ScalarEvent) and _is_null(event)):
        return None
    if not isinstance(event, ev.MappingStartEvent) or event.tag:
        raise _refused("its top level is not a plain mapping")
    return at


def _image_of(events: Events, service: str) -> ev.Event | None:
    place = _root(events)
    for key in ("services", service, "image"):
        entry = _find(events, place, key) if place is not None else None
        if entry is None:
            return None
        place = entry.first if isinstance(events[entry.first], ev.MappingStartEvent) else None
        if key == "image":
            return events[entry.first]
    return None


def _find(events: Events, place: int, name: str) -> _Entry | None:
    """The entry of that key. `Refused` if it is there twice, or if a merge could bring it in."""
    named: dict[str, list[_Entry]] = {}
    for entry in _entries(events, place):
        key = events[entry.key]
        if not isinstance(key, ev.ScalarEvent):
            raise _refused("a key there is an alias or no plain text")
        named.setdefault(key.value, []).append(entry)
    if "<<" in named:
        raise _refused("it uses a merge key (<<) there")
    found = named.get(name, [])
    if len(found) > 1:
        raise _refused(f"the key {name} is there twice")
    return found[0] if found else None


def _entries(events: Events, place: int) -> Iterator[_Entry]:
    at = place + 1
    while not isinstance(events[at], ev.MappingEndEvent):
        first = _behind(events, at)
        behind = _behind(events, first)
        yield _Entry(at, first, behind - 1)
        at = behind


def _behind(events: Events, at: int) -> int:
    """The place after the node that starts at `at`."""
    depth = 0
    while True:
        depth += isinstance(events[at], ev.CollectionStartEvent) - isinstance(events[at], ev.CollectionEndEvent)
        at += 1
        if not depth:
            return at


def _refuse_if_used_elsewhere(events: Events, place: int) -> None:
    anchor = getattr(events[place], "anchor", None)
    if anchor and any(isinstance(event, ev.AliasEvent) and event.anchor == anchor for event in events):
        raise _refused(f"what stands there is used elsewhere as *{anchor}")


def _start(event: ev.Event) -> int:
    return event.start_mark.index if event.start_mark else 0


def _end(event: ev.Event) -> int:
    return event.end_mark.index if event.end_mark else 0


def _column(event: ev.Event) -> int:
    return event.start_mark.column if event.start_mark else 0


def _is_null(event: ev.ScalarEvent) -> bool:
    return event.style is None and event.value in _NULLS


# Proving


def _signatures(events: Events) -> list[Signature]:
    return [_signature(event) for event in events]


def _signature(event: ev.Event) -> Signature:
    value = event.value if isinstance(event, ev.ScalarEvent) else ""
    kind = "null" if isinstance(event, ev.ScalarEvent) and _is_null(event) else type(event).__name__
    return (kind, value, getattr(event, "anchor", None) or "", getattr(event, "tag", None) or "")


def _spliced(events: Events, start: int, end: int, new: list[Signature]) -> list[Signature]:
    return _signatures(events[:start]) + new + _signatures(events[end:])


def _path_signatures(keys: list[str], reference: str, *, whole: bool = False) -> list[Signature]:
    """Nested mappings down to the reference; `whole`: as a value of its own, else as an entry of a mapping."""
    inside: list[Signature] = [_said(reference)]
    for depth, key in enumerate(reversed(keys), start=1):
        inside = [_said(key), *inside]
        if whole or depth < len(keys):
            inside = [("MappingStartEvent", "", "", ""), *inside, ("MappingEndEvent", "", "", "")]
    return inside


def _said(value: str) -> Signature:
    return ("ScalarEvent", value, "", "")


def _refused(why: str) -> Refused:
    return Refused(
        f"The pin file cannot be changed safely: {why}. Write the image of the service as one plain line "
        "in the production override file. Nothing was changed.",
        code="pin-file",
    )
