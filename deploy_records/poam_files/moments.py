"""Moments and days as files write them. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

from deploy_records.errors import Invalid
from deploy_records.rules.digest import shown
from deploy_records.rules.exceptions import end_of_day
from deploy_records.rules.terms import checked_moment

_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAY = r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})"
_TIME = r"(?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d{1,9})?)?"
_ZONE = r"(?P<zone>[Zz]|[+-]\d{2}:\d{2})"
_MOMENT = re.compile(rf"{_DAY}(?:[Tt ]{_TIME} ?{_ZONE}?)?", re.ASCII)
_LOOKS = "Write 2026-11-30, or 2026-11-30T12:00:00Z."


@dataclass(frozen=True, slots=True)
class Written:
    """A moment, or a bare day, which is a beginning or an end as its field means it."""

    day: date
    moment: datetime | None = None

    @property
    def as_beginning(self) -> datetime:
        return self.moment or datetime.combine(self.day, time(0), UTC)

    @property
    def as_end(self) -> datetime:
        """A bare day ends with its last second in UTC."""
        return self.moment or end_of_day(self.day)


def parse(text: str) -> Written:
    """`text` as a day or a moment with its zone, or `Invalid` that says what is wrong with it."""
    found = _MOMENT.fullmatch(text.strip())
    if not found:
        raise Invalid(f"{shown(text)} is not a date. {_LOOKS}")
    day = _day(found)
    checked_moment(datetime.combine(day, time(12), UTC))
    if found["hour"] is None:
        return Written(day)
    if found["zone"] is None:
        raise Invalid(f"{shown(text)} names no zone. Add Z for UTC, or an offset such as +02:00.")
    try:
        clock = time(int(found["hour"]), int(found["minute"]), int(found["second"] or 0), tzinfo=_zone(found["zone"]))
    except ValueError as error:
        raise Invalid(f"{shown(text)} names a time that no clock shows. {_LOOKS}") from error
    moment = datetime.combine(day, clock).astimezone(UTC)
    return Written(moment.date(), checked_moment(moment))


def parse_day(text: str) -> date:
    """`text` as a bare day."""
    written = parse(text)
    if written.moment is not None:
        raise Invalid(f"{shown(text)} is a moment; a day is wanted, such as 2026-11-30.")
    return written.day


def moment_text(moment: datetime) -> str:
    """To the second, in UTC: 2026-11-30T23:59:59Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(found: re.Match[str]) -> date:
    year, month, day = int(found["year"]), int(found["month"]), int(found["day"])
    try:
        return date(year, month, day)
    except ValueError as error:
        if 1 <= month <= len(_MONTHS) and year:
            raise Invalid(f"There is no {day} {_MONTHS[month - 1]} {year}.") from error
        raise Invalid(
            f"{shown(found[0])} is not a date: there is no month {month}." if year else "There is no year 0."
        ) from error


def _zone(text: str) -> timezone:
    if text in {"Z", "z"}:
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[4:6])))
