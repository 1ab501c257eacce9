"""Which running services rely on an exception, and when they fall out of compliance if nobody does anything."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chatbot_service.asking import question
from chatbot_service.models import Service
from deploy_records import gate_facts
from deploy_records.errors import Broken
from deploy_records.models import Deployment, PoamItem, PoamState
from deploy_records.poam_listing import WINDOW
from deploy_records.rules.blocking import Fact, Judged
from deploy_records.rules.case import Case
from deploy_records.rules.exceptions import Excuse, Excuses, Grant, in_scope, judge
from portal.pages.places import Place

MOST_FALLS = 30
_SECOND = timedelta(seconds=1)
_MOMENT = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
"""Any will do where only whether a finding would be excused is asked."""


@dataclass(frozen=True)
class Fall:
    """`last_good`: the last second of the yes; `number`: the exception that ends then; `facts`: what blocks from then on.

    Without `places` nothing that runs is known to rely on it; `unknown` are those of which no report tells.
    """

    last_good: datetime
    number: int
    places: Sequence[Place] = ()
    facts: Sequence[Fact] = ()
    unknown: Sequence[Place] = ()
    asked: bool = False
    """Whether a later end is asked for already."""

    @property
    def fixes(self) -> Sequence[str]:
        """`starlette 0.49.1`, as the scanners say."""
        return list(dict.fromkeys(f"{one.package} {one.fixed}" for one in self.facts if one.fixed))

    @property
    def without_fix(self) -> Sequence[str]:
        return list(dict.fromkeys(f"{one.name} in {one.package}" for one in self.facts if not one.fixed))


@dataclass(frozen=True)
class Reliance:
    """`falling`: by exception, where its end lets a finding block; `missing`: where one blocks now for want of it."""

    falls: Sequence[Fall] = ()
    falling: Mapping[int, Sequence[Place]] = field(default_factory=dict)
    missing: Mapping[int, Sequence[Place]] = field(default_factory=dict)

    def needs(self, item: PoamItem) -> bool:
        """Whether the gate refuses something that runs without it, now or once it has ended."""
        return item.number in self.falling or item.number in self.missing


Looked = Sequence[tuple[Place, Case]]


def read(now: datetime) -> Reliance:
    """In a number of queries that does not grow with services, findings or exceptions."""
    running = _running()
    cases = gate_facts.cases([question(service, one.deployment.entry) for service, one in running], now)
    looked = [(one, case) for (_service, one), case in zip(running, cases, strict=True)]
    ending = _ending(now)
    asked = {item.number for item in ending if item.extend_to}
    falls = [replace(one, asked=one.number in asked) for one in _falls(looked, now + timedelta(days=WINDOW))]
    falling = {fall.number: fall.places for fall in falls}
    quiet = [_quiet(item, looked) for item in ending if item.number not in falling]
    together = sorted([*falls, *quiet], key=lambda one: (one.last_good, one.number))
    return Reliance(together[:MOST_FALLS], falling, _missing(looked, now))


def _running() -> list[tuple[Service, Place]]:
    services = {(one.host.name, one.name): one for one in Service.objects.select_related("host")}
    rows = Deployment.objects.filter(ended_at__isnull=True).select_related("entry").order_by("service", "host")
    known = ((services.get((one.host, one.service)), one) for one in rows)
    return [(service, Place(one, service.pk)) for service, one in known if service is not None]


def _falls(looked: Looked, until: datetime) -> list[Fall]:
    """One for each exception, with every place and finding that its end lets block."""
    places: dict[tuple[datetime, int], dict[Place, None]] = defaultdict(dict)
    facts: dict[tuple[datetime, int], list[Fact]] = defaultdict(list)
    for place, case in looked:
        for one in _judged(case):
            end = _end_of_excuse(one, case, until)
            if end is not None:
                places[end][place] = None
                facts[end].append(one.fact)
    return [Fall(last_good, number, list(there), facts[last_good, number]) for (last_good, number), there in places.items()]


def _end_of_excuse(one: Judged, case: Case, until: datetime) -> tuple[datetime, int] | None:
    """The last second in which the finding is excused, and by which exception; others may take over from one another."""
    name, last = one.excused_by, one.until
    while name and last and last <= until:
        last = last.replace(microsecond=0)
        following = judge(one.fact, case.excuses, case.place, last + _SECOND, case.asked.limits)
        if not following.excused:
            return last, int(name.removeprefix("POAM-"))
        name, last = following.excused_by, following.until
    return None


def _quiet(item: PoamItem, looked: Looked) -> Fall:
    unknown = [place for place, case in looked if _nobody_looked(case) and in_scope(_as_if(item), case.place)]
    return Fall(item.expires_at, item.number, unknown=unknown)


def _nobody_looked(case: Case) -> bool:
    return not case.reports or bool(case.uncounted)


def _ending(now: datetime) -> list[PoamItem]:
    soon = PoamItem.objects.filter(state=PoamState.APPROVED, expires_at__gte=now, expires_at__lte=now + timedelta(days=WINDOW))
    return list(soon.order_by("expires_at", "pk")[:MOST_FALLS])


def _missing(looked: Looked, now: datetime) -> Mapping[int, Sequence[Place]]:
    """What is requested or has expired, tried as if it were in force."""
    waiting = PoamItem.objects.filter(state__in=(PoamState.REQUESTED, PoamState.APPROVED))
    out_of_force = [one for one in waiting if one.state == PoamState.REQUESTED or one.status_at(now) != PoamState.APPROVED]
    tried, numbers = Excuses.of(map(_as_if, out_of_force)), {one.name: one.number for one in out_of_force}
    found: dict[int, list[Place]] = defaultdict(list)
    for place, case in looked:
        blocking = [one.fact for one in _judged(case) if one.blocks]
        for name in sorted({name for fact in blocking for name in _that_would(fact, tried, case)}):
            found[numbers[name]].append(place)
    return found


def _that_would(fact: Fact, tried: Excuses, case: Case) -> Iterable[str]:
    return (one.name for one in tried.naming(fact) if judge(fact, Excuses.of([one]), case.place, _MOMENT).excused)


def _as_if(item: PoamItem) -> Excuse:
    return Excuse(
        item.name, tuple(item.vulnerabilities), item.component, item.worst, (Grant(_MOMENT, _MOMENT + _SECOND),),
        repository=item.repository, digest=item.digest, service=item.service,
    )  # fmt: skip


def _judged(case: Case) -> Sequence[Judged]:
    try:
        return case.judged
    except Broken:  # the policy cannot be read: the gate says no for that reason, whatever is excused
        return ()
