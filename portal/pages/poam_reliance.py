"""Which running services rely on an exception, and when they fall out of compliance if nobody does anything."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chatbot_service.asking import question
from chatbot_service.models import Service
from deploy_records import gate_facts
from deploy_records.errors import Broken
from deploy_records.models import Deployment, PoamItem, PoamState
from deploy_records.poam_listing import WINDOW
from deploy_records.rules import replay
from deploy_records.rules.blocking import Judged
from deploy_records.rules.case import Case
from deploy_records.rules.exceptions import Excuse, Excuses, Grant, judge
from deploy_records.rules.replay import Turn
from portal.pages.places import Place

MOST_FALLS = 30
_ENDS = re.compile(r"\bPOAM-(\d+) ends\b")
_FOR_A_MOMENT = timedelta(days=1)


@dataclass(frozen=True)
class Fall:
    """`at`: the first second of the no. `number`: the exception that ends then; `to_clear`: what would prevent it, as
    the gate says it. Without places nothing that runs relies on it.
    """

    at: datetime
    number: int
    because: str
    places: Sequence[Place] = ()
    to_clear: str = ""

    @property
    def last_good(self) -> datetime:
        """The last second of the yes."""
        return self.at - timedelta(seconds=1)


@dataclass(frozen=True)
class Reliance:
    """`falling`: by exception, where its end makes the gate say no; `missing`: where it already says no for want of it."""

    falls: Sequence[Fall] = ()
    falling: Mapping[int, Sequence[Place]] = field(default_factory=dict)
    missing: Mapping[int, Sequence[Place]] = field(default_factory=dict)

    def needs(self, item: PoamItem) -> bool:
        """Whether the gate refuses something that runs without it, now or once it has ended."""
        return item.number in self.falling or item.number in self.missing


def read(now: datetime) -> Reliance:
    """In a number of queries that does not grow with services, findings or exceptions."""
    running = _running()
    cases = gate_facts.cases([question(service, one.deployment.entry) for service, one in running], now)
    at_places = [(one, case) for (_service, one), case in zip(running, cases, strict=True)]
    turns = [(place, turn) for place, case in at_places for turn in replay.turns(case, now + timedelta(days=WINDOW))]
    falls = [*_falls(turns)]
    falling: dict[int, list[Place]] = defaultdict(list)
    for fall in falls:
        falling[fall.number].extend(fall.places)
    after = timedelta(seconds=1)
    alone = [item for item in _ending(now) if item.number not in falling]
    quiet = [Fall(item.expires_at + after, item.number, f"{item.name} ends") for item in alone]
    together = sorted([*falls, *quiet], key=lambda one: (one.at, one.number))
    return Reliance(together[:MOST_FALLS], falling, _missing(at_places, now))


def _running() -> list[tuple[Service, Place]]:
    services = {(one.host.name, one.name): one for one in Service.objects.select_related("host")}
    rows = Deployment.objects.filter(ended_at__isnull=True).select_related("entry").order_by("service", "host")
    known = ((services.get((one.host, one.service)), one) for one in rows)
    return [(service, Place(one, service.pk)) for service, one in known if service is not None]


def _falls(turns: Iterable[tuple[Place, Turn]]) -> Iterator[Fall]:
    """One for each exception and moment, with every place that falls out then."""
    together: dict[tuple[datetime, int], list[tuple[Place, Turn]]] = defaultdict(list)
    for place, turn in turns:
        for number in _ENDS.findall(turn.because):
            together[turn.at, int(number)].append((place, turn))
    for (at, number), ones in together.items():
        clear = dict.fromkeys(rule.to_clear for _place, turn in ones for rule in turn.decision.refusals if rule.to_clear)
        yield Fall(at, number, f"POAM-{number} ends", [place for place, _turn in ones], " ".join(clear))


def _ending(now: datetime) -> list[PoamItem]:
    soon = PoamItem.objects.filter(state=PoamState.APPROVED, expires_at__gte=now, expires_at__lte=now + timedelta(days=WINDOW))
    return list(soon.order_by("expires_at", "pk")[:MOST_FALLS])


def _missing(at_places: Iterable[tuple[Place, Case]], now: datetime) -> Mapping[int, Sequence[Place]]:
    """What is requested or has expired, tried as if it were in force."""
    waiting = PoamItem.objects.filter(state__in=(PoamState.REQUESTED, PoamState.APPROVED))
    out_of_force = [one for one in waiting if one.state == PoamState.REQUESTED or one.status_at(now) != PoamState.APPROVED]
    tried, numbers = Excuses.of(map(_as_if, out_of_force)), {one.name: one.number for one in out_of_force}
    found: dict[int, list[Place]] = defaultdict(list)
    for place, case in at_places:
        names = {judge(one.fact, tried, case.place, _MOMENT).excused_by for one in _blocking(case)}
        for name in sorted(names - {""}):
            found[numbers[name]].append(place)
    return found


_MOMENT = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
"""Any will do: only whether it would excuse the finding is asked."""


def _as_if(item: PoamItem) -> Excuse:
    return Excuse(
        item.name, tuple(item.vulnerabilities), item.component, item.worst, (Grant(_MOMENT, _MOMENT + _FOR_A_MOMENT),),
        repository=item.repository, digest=item.digest, service=item.service,
    )  # fmt: skip


def _blocking(case: Case) -> list[Judged]:
    try:
        return [one for one in case.judged if one.blocks]
    except Broken:  # the policy cannot be read: the gate says no for that reason, whatever is excused
        return []
