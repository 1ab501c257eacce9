"""An `.env` file as Docker Compose reads it, changed in place: comments, order and quotes stay. Pure.

Compose reads names to the first `=` or `:`, an optional `export`, values plain (to the end of the line or ` #`), in single
quotes (as they are, but for an escaped quote) or in double quotes (with escapes). Plain and double-quoted values are filled in:
`$NAME`; `$$` is a dollar. Of a name that is there several times the last counts.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from deploy_records.errors import Invalid

MOST_CHARACTERS = 500_000
Style = Literal["plain", "single", "double"]
_NAME_END = re.compile(r"[=:\n]")
_NAME = re.compile(r"[\w.\-\[\]]+")
_EXPORT = re.compile(r"export\s+")
_SPACES = " \t\v\f\r\x85\xa0"
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=~^-]*")
_ESCAPE = re.compile(r'\\([abcfnrtv$"\\]|0\d{0,3})')
_MEANS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\", "$": "$$"}
_FILLED_IN = re.compile(r"\$\$|\$(?=[A-Za-z_{])")


@dataclass(frozen=True)
class Entry:
    """`start` to `end`: the whole statement. `begins` to `stops`: what is written for the value, with its quotes.

    `value` is None where the name stands alone, and then comes from outside. `filled_in`: it names other variables, which
    `value` still has by their names.
    """

    name: str
    value: str | None
    filled_in: bool
    style: Style
    start: int
    end: int
    begins: int
    stops: int


def entries(text: str) -> tuple[Entry, ...]:
    """`Invalid` says the line that Compose would not read either."""
    if len(text) > MOST_CHARACTERS:
        raise Invalid("The environment file is larger than 500 kB.")
    return tuple(_entries(text))


def values(text: str) -> dict[str, str]:
    """Name → value; what others are filled in for keeps its `$NAME`."""
    return {entry.name: entry.value or "" for entry in entries(text)}


def changed(text: str, new: Mapping[str, str | None]) -> str:
    """With these values; None takes a name out. What is not named stays as it is, to the byte."""
    made = text
    wanted = {name: value for name, value in (values(text) | dict(new)).items() if value is not None}
    for name, value in new.items():
        made = _removed(made, name) if value is None else _set(made, name, value)
    if values(made) != wanted:  # rather than write something that Compose reads in another way
        raise Invalid("The environment file has a form in which this change cannot be made. Edit it by hand.")
    return made


def written(value: str, style: Style = "plain") -> str:
    """As it goes into the file, in that style if it can be, else in one that can."""
    forms = {"plain": _plain(value), "single": _single(value), "double": _double(value)}
    return forms[style] or forms["single"] or forms["double"] or ""


def _plain(value: str) -> str | None:
    return value if _PLAIN.fullmatch(value) else None


def _single(value: str) -> str | None:
    """A backslash before a quote, or at the end, has no way to be told in single quotes."""
    if re.search(r"\\('|\Z)", value) or "\r" in value:
        return None
    return "'" + value.replace("'", "\\'") + "'"


def _double(value: str) -> str:
    escaped = re.sub(r'[\\"$]', lambda found: "\\" + found[0], value)
    return '"' + escaped.replace("\r", "\\r") + '"'


def _set(text: str, name: str, value: str) -> str:
    there = [entry for entry in entries(text) if entry.name == name]
    if not there:
        if not _NAME.fullmatch(name):
            raise Invalid("The name of a key takes letters, digits and _.")
        ending = "\r\n" if "\r\n" in text else "\n"
        return f"{text}{'' if not text or text.endswith(ending) else ending}{name}={written(value)}{ending}"
    last = there[-1]
    equals = "=" if last.value is None else ""
    return text[: last.begins] + equals + written(value, last.style) + text[last.stops :]


def _removed(text: str, name: str) -> str:
    for entry in reversed([entry for entry in entries(text) if entry.name == name]):
        text = text[: entry.start] + text[entry.end :]
    return text


def _entries(text: str) -> Iterator[Entry]:
    at = 0
    while (start := _statement(text, at)) is not None:
        entry = _entry(text, start)
        yield entry
        at = entry.end


def _statement(text: str, at: int) -> int | None:
    """Where the next one begins, behind spaces and comments."""
    while at < len(text):
        if text[at] == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end + 1
        elif text[at].isspace():
            at += 1
        else:
            return at
    return None


def _entry(text: str, start: int) -> Entry:
    export = _EXPORT.match(text, start)
    name_at = export.end() if export else start
    found = _NAME_END.search(text, name_at)
    name_ends = found.start() if found else len(text)
    name = text[name_at:name_ends].rstrip()
    if not _NAME.fullmatch(name):
        raise Invalid(f"Line {_line(text, start)} of the environment file is not NAME=value.")
    if found is None or found[0] == "\n":
        stops = name_at + len(name)
        return Entry(name, None, False, "plain", _line_start(text, start), min(len(text), name_ends + 1), stops, stops)
    begins = name_ends + 1
    while begins < len(text) and text[begins] in _SPACES:
        begins += 1
    return _with_value(text, name, start, begins)


def _with_value(text: str, name: str, start: int, begins: int) -> Entry:
    quote = text[begins : begins + 1]
    style: Style = "single" if quote == "'" else "double" if quote == '"' else "plain"
    if style == "plain":
        line_ends = text.find("\n", begins)
        line = text[begins : len(text) if line_ends < 0 else line_ends]
        raw = line.partition(" #")[0].rstrip()
        stops = begins + len(raw)
    else:
        raw, stops = _quoted(text, begins, quote)
        raw = _ESCAPE.sub(_meant, raw) if style == "double" else raw
    filled_in = style != "single" and any(found[0] == "$" for found in _FILLED_IN.finditer(raw))
    value = raw if style == "single" or filled_in else raw.replace("$$", "$")
    return Entry(name, value, filled_in, style, _line_start(text, start), _end(text, stops), begins, stops)


def _quoted(text: str, begins: int, quote: str) -> tuple[str, int]:
    """What is between the quotes, and where it ends. A backslash hides a quote, and stays before anything else."""
    kept: list[str] = []
    at = begins + 1
    while at < len(text):
        here, following = text[at], text[at + 1 : at + 2]
        if here == "\\" and following:
            kept.append(following if following == quote else here + following)
            at += 2
        elif here == quote:
            return "".join(kept), at + 1
        else:
            kept.append(here)
            at += 1
    raise Invalid(f"In line {_line(text, begins)} of the environment file a quote is opened and never closed.")


def _meant(found: re.Match[str]) -> str:
    letter = found[1]
    if letter.startswith("0"):
        return chr(int(letter[1:], 8)) if re.fullmatch(r"0[0-3][0-7]{2}", letter) else found[0]
    return _MEANS.get(letter, found[0])


def _end(text: str, stops: int) -> int:
    """Behind the comment on the same line; another statement may stand there, and stays."""
    after = stops
    while after < len(text) and text[after] in _SPACES:
        after += 1
    if after < len(text) and text[after] not in "#\n":
        return after
    line_ends = text.find("\n", after)
    return len(text) if line_ends < 0 else line_ends + 1


def _line_start(text: str, at: int) -> int:
    """The beginning of the line if nothing else stands before."""
    start = text.rfind("\n", 0, at) + 1
    return start if not text[start:at].strip() else at


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
