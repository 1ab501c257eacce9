"""Days as columns, what ran below them, what was done and how long probes took: on one axis with the line.

As the line: `x` in percent, no viewBox, so that it is crisp at every width. A column is the taller, the longer the day was ill;
a day of which something is not known is dotted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils.safestring import SafeString

from portal.templatetags.markup import format_html, format_html_join

STATES = frozenset({"ok", "fail", "down", "off", "none", "job"})
_LEAST, _FLAT = 8, 4
_NAMED_FROM = 9.0
"""A band of fewer percent has no room for its name."""
_CUT_FROM = 4.5
LANE_MARKS = {
    "deploy": "M0 -6L6 0L0 6L-6 0Z",
    "restart": "M0 -4A4 4 0 1 1 -.01 -4Z",
    "backup": "M-2.5 -2.5H2.5V2.5H-2.5Z",
    "restore": "M-5 4L0 -5L5 4Z",
    "configure": "M0 -5L5 0L0 5L-5 0Z",
    "start": "M-4 -4L4 4M4 -4L-4 4",
}
"""What was done, each by its shape: changed, restarted, backed up, restored, configured; a start that no job asked for."""


@dataclass(frozen=True)
class Column:
    """From and to in percent; `height`: of the share that was ill, 0 to 1."""

    start: float
    end: float
    state: str
    height: float = 0

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise ValueError(f"{self.state!r} is not a state of a column; there are {', '.join(sorted(STATES))}")


@dataclass(frozen=True)
class Band:
    """What ran, from and to in percent: named in full where there is room, in short where there is little."""

    start: float
    end: float
    word: str
    short: str


@dataclass(frozen=True)
class LaneMark:
    at: float
    kind: str

    def __post_init__(self) -> None:
        if self.kind not in LANE_MARKS:
            raise ValueError(f"{self.kind!r} is not a mark; there are {', '.join(LANE_MARKS)}")


def columns(days: Iterable[Column], label: str, *, height: int = 46) -> SafeString:
    """`label` says in words what they show."""
    return format_html(
        '<svg class="kg-line" width="100%" height="{}" role="img" aria-label="{label}"><title>{label}</title>{}</svg>',
        height,
        format_html_join("", "{}", ((_column(day, height),) for day in days)),
        label=label,
    )


def _column(day: Column, height: int) -> SafeString:
    gap = min(0.2, (day.end - day.start) / 6)
    x, width = day.start + gap / 2, max(day.end - day.start - gap, 0.1)
    if day.state == "none":
        return format_html(
            '<line class="kg-l-none" x1="{:.2f}%" x2="{:.2f}%" y1="{y}" y2="{y}"/>'.format(x, x + width, y=height - _FLAT / 2)
        )
    tall = _FLAT if day.state in {"ok", "off", "job"} else max(_LEAST, round(day.height * height))
    css = {"job": "ok"}.get(day.state, day.state)
    return format_html(
        f'<rect class="kg-l-{css} kg-l-day" x="{x:.2f}%" width="{width:.2f}%" y="{height - tall}" height="{tall}"/>'
    )


def ribbon(bands: Iterable[Band]) -> SafeString:
    """Hidden from readers: the table of digests says it in words."""
    drawn = format_html_join("", "{}", ((_band(one),) for one in bands))
    return format_html('<svg class="kg-line kg-ribbon" width="100%" height="24" aria-hidden="true">{}</svg>', drawn)


def _band(one: Band) -> SafeString:
    width = one.end - one.start
    word = one.word if width >= _NAMED_FROM * 1.6 else one.short if width >= _CUT_FROM else ""
    return format_html(
        '<svg x="{}%" width="{}%" height="24"><rect class="kg-l-band" x="0" y="2" width="100%" height="19" rx="2"/>'
        '<text class="kg-l-bandtext" x="6" y="15">{}</text></svg>',
        f"{one.start:.2f}",
        f"{max(width - 0.2, 0.1):.2f}",
        word,
    )


def lane(marks: Iterable[LaneMark], *, height: int = 18) -> SafeString:
    """What was done, below what became of it. Hidden from readers: the list beside it says it in words."""
    drawn = format_html_join(
        "",
        '<svg x="{}%" y="{}" overflow="visible"><path class="kg-l-done kg-l-done-{}" d="{}"/></svg>',
        ((f"{one.at:.2f}", height // 2, one.kind, LANE_MARKS[one.kind]) for one in marks),
    )
    return format_html('<svg class="kg-line kg-lane" width="100%" height="{}" aria-hidden="true">{}</svg>', height, drawn)


def lane_key(kind: str) -> SafeString:
    """A mark for the legend."""
    return format_html(
        '<svg aria-hidden="true"><path class="kg-l-done kg-l-done-{}" transform="translate(9 7)" d="{}"/></svg>',
        kind,
        LANE_MARKS[kind],
    )


@dataclass(frozen=True)
class Spark:
    """A course of values from 0 to 1 at places in percent; nothing where nothing was measured."""

    points: Sequence[tuple[float, float | None]]
    css: str


def sparks(courses: Iterable[Spark], label: str, *, height: int = 120) -> SafeString:
    """One or more courses over another. Lines of percent places each, so that no viewBox distorts them."""
    return format_html(
        '<svg class="kg-line kg-sparks" width="100%" height="{}" role="img" aria-label="{label}"><title>{label}</title>{}</svg>',
        height,
        format_html_join("", "{}", ((_course(one, height),) for one in courses)),
        label=label,
    )


def _course(one: Spark, height: int) -> SafeString:
    drawn = []
    for (x1, y1), (x2, y2) in zip(one.points, one.points[1:], strict=False):
        if y1 is not None and y2 is not None:
            drawn.append((f"{x1:.2f}", f"{x2:.2f}", f"{_y(y1, height):.1f}", f"{_y(y2, height):.1f}"))
    return format_html(
        '<g class="kg-l-course kg-l-course-{}">{}</g>',
        one.css,
        format_html_join("", '<line x1="{}%" x2="{}%" y1="{}" y2="{}"/>', drawn),
    )


def _y(value: float, height: int) -> float:
    return 2 + (1 - value) * (height - 4)
