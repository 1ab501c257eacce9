"""The line: health and compliance in one grammar, drawn on the server.

Thin is fine, taller is worse, dotted unknown, hollow stopped on purpose, double fine on an
exception, hatched refused, a gap is a pause by a job. `x` is in percent and there is no
viewBox: it is crisp at every width and needs no inline style.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils.safestring import SafeString

from portal.templatetags.markup import format_html, format_html_join

STATES = frozenset({"ok", "fail", "down", "excused", "refused", "off", "none", "run", "pause"})
_DIAMOND = "M0 -5L5 0L0 5L-5 0Z"
MARKS = {"deploy": _DIAMOND, "end": _DIAMOND, "review": "M-4 -4H4V4H-4Z", "start": ""}
_STEPS = tuple(timedelta(minutes=m) for m in (1, 2, 5, 10, 15, 30, 60, 180, 360, 720, 1440, 10080))
_MOST_TICKS = 8


@dataclass(frozen=True)
class Segment:
    """From and to in percent of the line's width."""

    start: float
    end: float
    state: str

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise ValueError(f"{self.state!r} is not a state of the line; there are {', '.join(sorted(STATES))}")


@dataclass(frozen=True)
class Mark:
    """Something that happened, at a place in percent."""

    at: float
    kind: str

    def __post_init__(self) -> None:
        if self.kind not in MARKS:
            raise ValueError(f"{self.kind!r} is not a mark of the line; there are {', '.join(MARKS)}")


@dataclass(frozen=True)
class Tick:
    at: float
    word: str


@dataclass(frozen=True)
class Window:
    """The stretch of time a line shows; turns moments into places."""

    start: datetime
    end: datetime

    def place(self, moment: datetime) -> float:
        share = (moment - self.start) / (self.end - self.start)
        return min(100.0, max(0.0, share * 100))

    def segment(self, start: datetime, end: datetime, state: str) -> Segment:
        return Segment(self.place(start), self.place(end), state)

    def mark(self, at: datetime, kind: str) -> Mark:
        return Mark(self.place(at), kind)

    def ticks(self) -> list[Tick]:
        """Full minutes, hours or days, eight at most; midnight is named by its day."""
        span = self.end - self.start
        step = next((s for s in _STEPS if span / s <= _MOST_TICKS), _STEPS[-1])
        epoch = datetime(2001, 1, 1, tzinfo=UTC)  # a Monday, so that weeks begin on one
        at = epoch + ((self.start - epoch) // step + 1) * step
        ticks = []
        while at < self.end:
            ticks.append(Tick(self.place(at), _tick_word(at.astimezone(UTC), step)))
            at += step
        return ticks


def _tick_word(at: datetime, step: timedelta) -> str:
    if step >= timedelta(days=7):
        return f"{at.day} {at:%b}"
    return f"{at:%a}" if (at.hour, at.minute) == (0, 0) else f"{at:%H:%M}"


def _bar(css: str, segment: Segment, middle: float, height: float, rounding: int) -> SafeString:
    return format_html(
        '<rect class="kg-l-{}" x="{}%" width="{}%" y="{}" height="{}" rx="{}"/>',
        css,
        f"{segment.start:.2f}",
        f"{max(segment.end - segment.start, 0.1):.2f}",
        f"{middle - height / 2:g}",
        f"{height:g}",
        rounding,
    )


def _excused(segment: Segment, middle: float) -> SafeString:
    upper, lower = (_bar("excused", segment, middle + y, 2, 0) for y in (-2, 2))
    return upper + lower


def _refused(segment: Segment, middle: float) -> SafeString:
    hatch = format_html(
        '<rect x="{}%" width="{}%" y="{}" height="8" fill="url(#kg-hatch)"/>',
        f"{segment.start:.2f}",
        f"{segment.end - segment.start:.2f}",
        f"{middle - 4:g}",
    )
    edge = format_html('<rect class="kg-l-edge" x="0" width="2" y="{}" height="16"/>', f"{middle - 8:g}")
    return _bar("refused-bg", segment, middle, 8, 0) + hatch + (edge if segment.start == 0 else SafeString(""))


def _unknown(segment: Segment, middle: float) -> SafeString:
    return format_html(
        '<line class="kg-l-none" x1="{}%" x2="{}%" y1="{y}" y2="{y}"/>',
        f"{segment.start:.2f}",
        f"{segment.end:.2f}",
        y=f"{middle:g}",
    )


_SOLID: dict[str, tuple[Callable[[int], float], int]] = {
    "ok": (lambda _: 4, 0),
    "run": (lambda _: 4, 0),
    "off": (lambda _: 6, 3),
    "fail": (lambda height: round(height * 0.55), 1),
    "down": (lambda height: height - 2, 1),
}
"""Height within a line of this height, and rounding."""
_SPECIAL: dict[str, Callable[[Segment, float], SafeString]] = {
    "pause": lambda _segment, _middle: SafeString(""),
    "excused": _excused,
    "refused": _refused,
    "none": _unknown,
}


def _drawn(segment: Segment, height: int) -> SafeString:
    middle = height / 2
    if segment.state in _SPECIAL:
        return _SPECIAL[segment.state](segment, middle)
    tall, rounding = _SOLID[segment.state]
    return _bar(segment.state, segment, middle, tall(height), rounding)


def _marked(mark: Mark, height: int) -> SafeString:
    if mark.kind == "start":
        return format_html(
            '<svg x="{}%" overflow="visible"><line class="kg-l-start" x1="0" x2="0" y1="2" y2="{}"/></svg>',
            f"{mark.at:.2f}",
            height - 2,
        )
    return format_html(
        '<svg x="{}%" y="{}" overflow="visible"><path class="kg-l-mark kg-l-mark-{}" d="{}"/></svg>',
        f"{mark.at:.2f}",
        f"{height / 2:g}",
        mark.kind,
        MARKS[mark.kind],
    )


def line(
    segments: Iterable[Segment], label: str, marks: Iterable[Mark] = (), *, height: int = 22, now: bool = False
) -> SafeString:
    """`label` says in words what the line shows; `now` draws the ring at its end."""
    ring = format_html('<circle class="kg-l-now" cx="100%" cy="{}" r="3.5"/>', f"{height / 2:g}") if now else ""
    return format_html(
        '<svg class="kg-line" width="100%" height="{}" role="img" aria-label="{label}"><title>{label}</title>{}{}{}</svg>',
        height,
        format_html_join("", "{}", ((_drawn(s, height),) for s in segments)),
        format_html_join("", "{}", ((_marked(m, height),) for m in marks)),
        ring,
        label=label,
    )


def axis(ticks: Sequence[Tick], *, height: int = 18) -> SafeString:
    """The scale below a line. Hidden from readers: the line's label and the list beside it say it in words."""
    drawn = format_html_join(
        "",
        '<line class="kg-l-tick" x1="{0}%" x2="{0}%" y1="2" y2="{2}"/><text class="kg-l-text" x="{0}%" dx="4" y="12">{1}</text>',
        ((f"{tick.at:.2f}", tick.word, height) for tick in ticks),
    )
    return format_html('<svg class="kg-line" width="100%" height="{}" aria-hidden="true">{}</svg>', height, drawn)
