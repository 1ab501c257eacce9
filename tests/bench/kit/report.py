"""What was measured, beside what it should be."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

Figure = float | int | str


@dataclass(frozen=True)
class Goal:
    """Met if the figure is at most `limit`."""

    limit: float
    ok: bool


@dataclass
class Report:
    """Every goal belongs to the figure of the same name."""

    name: str
    figures: dict[str, Figure] = field(default_factory=dict)
    goals: dict[str, Goal] = field(default_factory=dict)

    def note(self, figure: str, value: Figure) -> None:
        self.figures[figure] = round(value, 3) if isinstance(value, float) else value

    def hold(self, figure: str, value: float, limit: float) -> None:
        """A figure with a goal. Judged before it is rounded."""
        self.note(figure, value)
        self.goals[figure] = Goal(round(limit, 3), value <= limit)

    def spread(self, figure: str, values: Sequence[float]) -> None:
        """Least and most beside a median."""
        self.note(f"{figure}_least", min(values))
        self.note(f"{figure}_most", max(values))

    @property
    def ok(self) -> bool:
        return all(goal.ok for goal in self.goals.values())

    def to_json(self) -> str:
        return json.dumps(
            {"name": self.name, "figures": self.figures, "goals": {name: asdict(goal) for name, goal in self.goals.items()}},
            indent=2,
        )

    @classmethod
    def from_json(cls, text: str) -> "Report":
        raw = json.loads(text)
        return cls(raw["name"], raw["figures"], {name: Goal(**goal) for name, goal in raw["goals"].items()})

    def in_words(self) -> str:
        """A table; least and most stand beside their median."""
        rows = [(name, _shown(value), self._spread(name), self._verdict(name)) for name, value in self._main_figures()]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        lines = [f"  {n:<{widths[0]}}  {v:>{widths[1]}}  {s:<{widths[2]}}  {goal}".rstrip() for n, v, s, goal in rows]
        met = sum(goal.ok for goal in self.goals.values())
        return "\n".join([f"bench {self.name}", *lines, f"{met} of {len(self.goals)} goals met"])

    def _main_figures(self) -> list[tuple[str, Figure]]:
        beside = {f"{name}_{end}" for name in self.figures for end in ("least", "most")}
        return [(name, value) for name, value in self.figures.items() if name not in beside]

    def _spread(self, name: str) -> str:
        least, most = self.figures.get(f"{name}_least"), self.figures.get(f"{name}_most")
        return "" if least is None or most is None else f"{_shown(least)} … {_shown(most)}"

    def _verdict(self, name: str) -> str:
        goal = self.goals.get(name)
        if goal is None:
            return ""
        return f"✓ at most {_shown(goal.limit)}" if goal.ok else f"× should be at most {_shown(goal.limit)}"


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


def medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each key that every row has."""
    return {key: median([row[key] for row in rows]) for key in rows[0] if all(key in row for row in rows)}


def _shown(value: Figure) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
