"""The health of all services on one page, and the same for a screen on the wall."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from chatbot_service.health import everywhere
from chatbot_service.health.everywhere import DAYS, Standing
from chatbot_service.health.rollup import DAY
from portal.access import needs
from portal.health_charts import percent, state_of
from portal.health_lines import HealthLine, line_of
from portal.htmx import page_or_fragment
from portal.pages.health_service import LOOK
from portal.sentences import health as sentences
from portal.templatetags.columns import Column
from portal.templatetags.moments import duration

WALL_DAYS = (30,)
REFRESH_SECONDS = 10
_LONGEST = max(DAYS)
_DAY = timedelta(days=1) // timedelta(microseconds=1)


@dataclass(frozen=True)
class Shown:
    """`columns`: the last whole days; `label` says them in words."""

    standing: Standing
    line: HealthLine
    columns: Sequence[Column]
    label: str
    shares: Sequence[tuple[int, str]]
    down: str


@require_GET
@needs(LOOK, "Reading the health of services")
def index(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    found = everywhere.all_services(now)
    context = {
        "answer": sentences.all_of([one.light for one in found]) if found else None,
        "rows": [_shown(one, now) for one in found],
        "days": _LONGEST,
    }
    return render(request, "health/list.html", context)


@require_GET
@needs(LOOK, "Reading the health of services")
def wall(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    found = everywhere.all_services(now, WALL_DAYS)
    context = {
        "answer": sentences.all_of([one.light for one in found]) if found else None,
        "tiles": [(one, percent(one.totals[30].share)) for one in found],
        "now": now,
        "seconds": REFRESH_SECONDS,
    }
    return page_or_fragment(request, "health/wall.html", "health/_wall.html", context)


def _shown(one: Standing, now: datetime) -> Shown:
    whole = one.totals[_LONGEST]
    down = whole.states.get("down", timedelta())
    return Shown(
        standing=one,
        line=line_of(one.runs),
        columns=_columns(one, now),
        label=_label(one),
        shares=[(days, percent(one.totals[days].share)) for days in DAYS],
        down=f"down {duration(down)}" if down else "" if whole.share is None else "never down",
    )


def _columns(one: Standing, now: datetime) -> list[Column]:
    """Neighbours that are drawn alike are one: a page of a thousand services stays small."""
    end = int(now.astimezone(UTC).timestamp()) // DAY * DAY
    known = {bucket.start: bucket for bucket in one.days}
    width = 100 / _LONGEST
    found: list[Column] = []
    for place in range(_LONGEST):
        bucket = known.get(end - (_LONGEST - place) * DAY)
        state, height = state_of(bucket, _DAY) if bucket else ("none", 0.0)
        if found and not height and found[-1].state == state and not found[-1].height:
            found[-1] = replace(found[-1], end=(place + 1) * width)
        else:
            found.append(Column(place * width, (place + 1) * width, state, height))
    return found


def _label(one: Standing) -> str:
    whole = one.totals[_LONGEST]
    if whole.share is None:
        return f"Over {_LONGEST} days nothing is known of it"
    states = whole.states
    parts = [f"{percent(whole.share)} healthy"]
    parts += [f"{word} {duration(states[key])}" for key, word in (("down", "down"), ("unhealthy", "failing")) if states.get(key)]
    missing = _LONGEST - len(one.days)
    parts += [f"{missing} days not recorded"] if missing else []
    return f"Over {_LONGEST} days {', '.join(parts)}"
