"""What a signal stands on, bounded, as it is kept and shown. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from chatbot_service.foreign_text import cut, one_line

MOST_FACTS = 10
MOST_LINES = 5
MOST_TEXT = 300


@dataclass(frozen=True)
class Evidence:
    """`says`: one sentence. `facts`: names and values. `lines`: of a log, each with its moment; masked where they were read."""

    says: str
    facts: tuple[tuple[str, str], ...] = ()
    lines: tuple[tuple[str, str], ...] = ()

    def as_data(self) -> dict[str, Any]:
        return {
            "says": cut(self.says, MOST_TEXT),
            "facts": [[one_line(name, 60), one_line(value, MOST_TEXT)] for name, value in self.facts[:MOST_FACTS]],
            "lines": [[one_line(at, 40), one_line(text, MOST_TEXT)] for at, text in self.lines[-MOST_LINES:]],
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            str(data.get("says", "")),
            tuple((str(name), str(value)) for name, value in data.get("facts", ())),
            tuple((str(at), str(text)) for at, text in data.get("lines", ())),
        )
