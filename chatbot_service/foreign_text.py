"""Text from outside (logs, probe output, messages of other programs) made safe to store and to show. Pure."""

import re

_ESCAPES = re.compile(
    r"\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # OSC: titles, hyperlinks
    r"|\x1b[PX^_][^\x1b\n]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor
    r"|\x1b[ -/]*[0-~]?"
)
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)


def neutral(text: str) -> str:
    """Without escape sequences; characters that steer or hide become U+FFFD. Lines and tabs stay."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", text)


def neutral_lines(data: bytes, most_lines: int, most_characters: int = 2000) -> list[str]:
    """The last lines of an output, each cut to `most_characters`."""
    lines = neutral(data.decode("utf-8", "replace")).splitlines()
    return [cut(line, most_characters) for line in lines[-most_lines:]]


def cut(text: str, most_characters: int) -> str:
    return text if len(text) <= most_characters else text[: most_characters - 1] + "…"


def one_line(text: str, most_characters: int = 300) -> str:
    """For a message: neutral, on one line, short."""
    return cut(" ".join(neutral(text).split()), most_characters)
