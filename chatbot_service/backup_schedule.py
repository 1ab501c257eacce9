"""When is a backup due, when a rehearsal? Pure; all moments are UTC, so that no hour is skipped or comes twice."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from cronsim import CronSim, CronSimError

from deploy_records.errors import Invalid
from deploy_records.rules.digest import shown

BEFORE_RPO = timedelta(hours=1)
FIRST_WAIT = timedelta(minutes=15)
LONGEST_WAIT = timedelta(hours=6)
FIRST_REHEARSAL_WAIT = timedelta(hours=1)
LONGEST_REHEARSAL_WAIT = timedelta(days=1)
_FIELDS = 5
_MOST_DOUBLINGS = 10
_LOOKED_AT = 100
"""Successive times of a cron expression that are looked at for its longest gap."""


@dataclass(frozen=True)
class When:
    """`cron` empty: by the RPO. `since`: before then no time was missed."""

    cron: str
    rpo_hours: int
    since: datetime


@dataclass(frozen=True)
class Tries:
    """What was tried since the last that succeeded, and in vain."""

    failed: int = 0
    last: datetime | None = None


NONE_FAILED = Tries()


def due_at(when: When, last_good: datetime | None) -> datetime | None:
    """The moment from which on a backup is due; past if it is. However many times were missed, it is one."""
    if when.cron:
        return next(CronSim(when.cron, (last_good or when.since).astimezone(UTC)), None)
    if last_good is None:
        return when.since
    rpo = timedelta(hours=when.rpo_hours)
    return last_good + rpo - min(BEFORE_RPO, rpo / 4)


def next_try(when: When, last_good: datetime | None, tries: Tries = NONE_FAILED) -> datetime | None:
    """When the schedule takes the next one, failed tries counted in; for the page as well."""
    due = due_at(when, last_good)
    if due is None or tries.last is None:
        return due
    return max(due, tries.last + _wait(tries.failed, FIRST_WAIT, LONGEST_WAIT))


def is_due(when: When, last_good: datetime | None, tries: Tries, now: datetime) -> bool:
    moment = next_try(when, last_good, tries)
    return moment is not None and moment <= now


def next_rehearsal(days: int, last: datetime | None, *, passed: bool, tries: Tries, since: datetime) -> datetime | None:
    """Nothing if there are no regular ones. `since`: when there was something to rehearse. One that failed is repeated
    a day later, as what was wrong should be mended by then.
    """
    if not days:
        return None
    due = since if last is None else last + timedelta(days=days if passed else 1)
    if tries.last is None:
        return due
    return max(due, tries.last + _wait(tries.failed, FIRST_REHEARSAL_WAIT, LONGEST_REHEARSAL_WAIT))


def _wait(failed: int, first: timedelta, longest: timedelta) -> timedelta:
    """Doubled with each failure."""
    doublings = min(max(failed - 1, 0), _MOST_DOUBLINGS)
    return min(longest, first * (1 << doublings))


def checked_cron(text: str, now: datetime) -> str:
    """The expression with single spaces, or `Invalid`. Empty stays empty."""
    cron = " ".join(text.split())
    if not cron:
        return ""
    looks = "One looks like 30 2 * * *: minute, hour, day, month, weekday, in UTC. Nothing was changed."
    if len(cron.split(" ")) != _FIELDS:
        raise Invalid(f"{shown(cron)} does not have {_FIELDS} fields. {looks}")
    try:
        first = next(CronSim(cron, now.astimezone(UTC)), None)
    except CronSimError as error:
        raise Invalid(f"{shown(cron)} is not a cron expression: {str(error).lower()}. {looks}") from error
    if first is None:
        raise Invalid(f"{shown(cron)} names a day that never comes. {looks}")
    return cron


def longest_gap(cron: str, now: datetime) -> timedelta:
    """Between two successive times."""
    times = list(islice(CronSim(cron, now.astimezone(UTC)), _LOOKED_AT))
    return max((later - earlier for earlier, later in pairwise(times)), default=timedelta.max)
