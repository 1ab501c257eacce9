"""Times and numbers in words. Relative times carry the exact UTC; a number and its unit are never torn apart."""

from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.safestring import SafeString, mark_safe

from portal.templatetags.markup import format_html

NBSP = "\N{NO-BREAK SPACE}"
MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_TENTHS_BELOW = 10
_DAYS_ONLY_FROM = 14 * DAY
_JUST_NOW = 5
_DATE_FROM = 90 * DAY
_SIZE_STEP = 1000
_NOT_YET = mark_safe('<span class="kg-small">not yet</span>')


def unit(number: object, name: str) -> str:
    return f"{number}{NBSP}{name}"


def _under_ten(seconds: float) -> str:
    tenths = round(seconds, 1)
    return f"under {unit('0.1', 's')}" if tenths == 0 < seconds else unit(f"{tenths:g}", "s")


def _two_units(total: int) -> str:
    """The largest unit and the next; from two weeks on days alone."""
    for size, name, small, small_name in ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s")):
        if total >= size:
            rest = 0 if total >= _DAYS_ONLY_FROM else total % size // small
            return unit(total // size, name) + (f" {unit(rest, small_name)}" if rest else "")
    return unit(total, "s")


def duration(value: timedelta | float | None) -> str:
    """`1 min 36 s`. Two units at most; tenths below ten seconds. A plain number is seconds."""
    if value is None:
        return ""
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    return _under_ten(seconds) if round(seconds, 1) < _TENTHS_BELOW else _two_units(round(seconds))


def _largest(seconds: float) -> str:
    for size, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= size:
            return unit(int(seconds // size), name)
    return unit(int(seconds), "s")


def relative(moment: datetime, now: datetime) -> str:
    """`2 h ago`, `in 4 d`; a date once that says more. The script ticks by the same rule."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < _JUST_NOW:
        return "just now"
    if abs(seconds) >= _DATE_FROM:
        return f"{moment.astimezone(UTC):%-d %b %Y}"
    return f"{_largest(seconds)} ago" if seconds > 0 else f"in {_largest(-seconds)}"


def _element(moment: datetime, words: str, kind: str = "") -> SafeString:
    utc = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC"{}>{}</time>',
        f"{utc:%Y-%m-%dT%H:%M:%SZ}",
        f"{utc:%Y-%m-%d %H:%M:%S}",
        format_html(' data-relative="{}"', kind) if kind else "",
        words,
    )


def ago(moment: datetime | None) -> SafeString:
    if moment is None:
        return _NOT_YET
    return _element(moment, relative(moment, timezone.now()), "ago")


def age(moment: datetime | None) -> SafeString:
    """How long since, without "ago": `3 d 4 h`."""
    if moment is None:
        return _NOT_YET
    return _element(moment, duration(max(0, int((timezone.now() - moment).total_seconds()))), "age")


def lasted(start: datetime, end: datetime) -> str:
    return duration(end - start)


def _day(utc: datetime) -> str:
    return f"{utc:%a} {utc.day} {utc:%b}" + ("" if utc.year == timezone.now().astimezone(UTC).year else f" {utc.year}")


def exact(moment: datetime | None, form: str = "full") -> SafeString:
    """`full` Mon 23 Nov 2026, 13:05:41 UTC · `when` Fri 20 Nov, 10:02 · `day` · `time` 13:05:41 · `minute` 13:05."""
    if moment is None:
        return _NOT_YET
    utc = moment.astimezone(UTC)
    forms = {
        "full": f"{utc:%a} {utc.day} {utc:%b %Y, %H:%M:%S} UTC",
        "when": f"{_day(utc)}, {utc:%H:%M}",
        "day": _day(utc),
        "time": f"{utc:%H:%M:%S}",
        "minute": f"{utc:%H:%M}",
    }
    return _element(moment, forms[form])


def count(number: int) -> str:
    """`12,408`."""
    return f"{number:,}"


def size(octets: int) -> str:
    """`212 kB`, `1.2 GB`; decimal units, as registries count."""
    value = float(octets)
    for name in ("B", "kB", "MB", "GB"):
        if round(value) < _SIZE_STEP or name == "GB":
            digits = f"{value:.1f}" if name == "GB" and value < 100 else f"{round(value)}"  # noqa: PLR2004 - three digits say enough
            return unit(digits, name)
        value /= _SIZE_STEP
    raise AssertionError("unreachable")
