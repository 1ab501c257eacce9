"""The gate at a moment to come: what falls out of compliance by then, why, and what would prevent it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from chatbot_service import board
from chatbot_service.board import Row
from deploy_records.errors import Invalid
from deploy_records.poam_files import moments
from deploy_records.rules import gate
from deploy_records.rules.case import Decision
from deploy_records.rules.exceptions import end_of_day
from deploy_records.rules.policy import ENVIRONMENTS
from deploy_records.verdict import AHEAD, Turn
from portal.access import needs
from portal.pages import asked, outlook
from portal.pages.outlook import Ahead, Calendar
from portal.pages.policy import MAY_VIEW
from portal.sentences import time_machine as sentences
from portal.sentences.parts import Answer

USUAL_DAYS = 30
MOST_DAYS = 366
QUICK = ((1, "Tomorrow"), (7, "In 7 days"), (30, "In 30 days"), (90, "In 90 days"))
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True)
class Asked:
    """As the address says it; `problem`: why it cannot be, in words. A day alone means its last second, in UTC."""

    date: str
    time: str
    environment: str
    at: datetime
    problem: str = ""


@dataclass(frozen=True)
class Then:
    """One service at that moment. `turn`: how it came to a no, if it passes now."""

    row: Row
    now: Decision
    then: Decision
    turn: Turn | None


@dataclass(frozen=True)
class Quick:
    word: str
    date: str
    current: bool


@dataclass(frozen=True)
class Replay:
    fallen: Sequence[Then]
    refused: Sequence[Then]
    cleared: Sequence[Then]
    passing: Sequence[Then]
    unknown: Sequence[Row]
    calendar: Calendar
    answer: Answer


@require_GET
@needs(MAY_VIEW, "Replaying the gate")
def time_machine(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    wish = asked_for(request, now)
    context = {
        "asked": wish,
        "environments": ENVIRONMENTS,
        "quick": [Quick(word, day, day == wish.date and not wish.time) for days, word in QUICK if (day := _day(now, days))],
        "replay": None if wish.problem else replay(wish, now),
    }
    return render(request, "policy/time_machine.html", context, status=400 if wish.problem else 200)


def asked_for(request: HttpRequest, now: datetime) -> Asked:
    day = asked.text(request, "date") or _day(now, USUAL_DAYS)
    clock = asked.text(request, "time")
    environment = asked.one_of(request, "environment", ENVIRONMENTS)
    try:
        at = _moment(moments.parse_day(day), clock)
        _refuse_unless_ahead(at, now)
    except Invalid as error:
        return Asked(day, clock, environment, now, str(error))
    return Asked(day, clock, environment, at)


def replay(wish: Asked, now: datetime) -> Replay:
    """Everything is asked once for all services."""
    rows = [row for row in board.rows(now) if wish.environment in {"", row.service.environment}]
    found = outlook.ahead(rows, now, until=max(wish.at, now + AHEAD))
    seen = [_then(one, wish.at) for one in found]
    fallen = sorted((one for one in seen if one.now.allowed and not one.then.allowed), key=_when)
    refused = [one for one in seen if not one.now.allowed and not one.then.allowed]
    passing = [one for one in seen if one.now.allowed and one.then.allowed]
    return Replay(
        fallen=fallen,
        refused=refused,
        cleared=[one for one in seen if not one.now.allowed and one.then.allowed],
        passing=passing,
        unknown=[row for row in rows if row.entry is None],
        calendar=outlook.calendar(found, now),
        answer=sentences.answer(wish.at, [one.row.service for one in fallen], _because(fallen), len(refused), len(seen)),
    )


def _then(one: Ahead, at: datetime) -> Then:
    turns = [turn for turn in one.turns if turn.at <= at]
    return Then(one.row, one.decision, gate.decide(one.case.then(at)), turns[-1] if turns else None)


def _when(one: Then) -> tuple[datetime, str]:
    return one.turn.at if one.turn else one.then.at, str(one.row.service)


def _because(fallen: Sequence[Then]) -> Sequence[str]:
    return list(dict.fromkeys(one.turn.because for one in fallen if one.turn))


def _day(now: datetime, days: int) -> str:
    return f"{(now + timedelta(days=days)).astimezone(UTC):%Y-%m-%d}"


def _moment(day: date, clock: str) -> datetime:
    if not clock:
        return end_of_day(day)
    if not _TIME.fullmatch(clock):
        raise Invalid("The time is HH:MM in UTC, from 00:00 to 23:59. Left empty, it is the end of the day.")
    return datetime.combine(day, time.fromisoformat(clock), UTC)


def _refuse_unless_ahead(at: datetime, now: datetime) -> None:
    if at < now:
        raise Invalid("That moment has passed. Only moments to come are replayed; what ran when is under Deployments.")
    if at > now + timedelta(days=MOST_DAYS + 1):
        raise Invalid(f"That is more than {MOST_DAYS} days ahead. Nothing that is known today says anything about then.")
