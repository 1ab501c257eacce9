"""Does an exception excuse this finding at this moment? Pure, and the only place where that is decided.

It takes the vulnerability and the component, a place within the scope, a severity that has not risen above the excused
one, and a moment within an approval, which the policy's maximum bounds. Whatever is missing means no.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

from deploy_records.rules.component import Place as Place
from deploy_records.rules.component import covers, is_purl
from deploy_records.scanners.report import Severity

Limits = Mapping[Severity, timedelta]
DEFAULT_LIMITS: Limits = {Severity.CRITICAL: timedelta(days=30), Severity.HIGH: timedelta(days=30)}
"""How long an exception may last, by excused severity, where no policy says otherwise."""
LONGEST = timedelta(days=366)
"""For severities without a limit of their own."""


class Found(Protocol):
    """What of a finding counts here; `scanners.report.Finding` is one."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def purl(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Grant:
    """One approval: from which moment, and the last second in which it holds."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Excuse:
    """An exception, as far as the gate judges it. `ended_at`: when it was mitigated or closed."""

    name: str
    vulnerabilities: tuple[str, ...]
    component: str
    severity: Severity
    grants: tuple[Grant, ...] = ()
    ended_at: datetime | None = None
    repository: str = ""
    digest: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a finding is excused, by what and until when; else why what names it does not excuse it, a sentence each."""

    excused_by: str = ""
    until: datetime | None = None
    why_not: tuple[str, ...] = ()

    @property
    def excused(self) -> bool:
        return bool(self.excused_by)


_NOTHING_NAMES_IT = Verdict()


@dataclass(frozen=True, slots=True)
class Excuses:
    """All exceptions, found by the vulnerabilities they name, and by their own names."""

    _by_name: Mapping[str, tuple[Excuse, ...]] = field(default_factory=dict)
    _called: Mapping[str, tuple[Excuse, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, excuses: Iterable[Excuse]) -> "Excuses":
        found: dict[str, list[Excuse]] = defaultdict(list)
        called: dict[str, list[Excuse]] = defaultdict(list)
        for excuse in dict.fromkeys(excuses):
            called[excuse.name].append(excuse)
            for name in {key(one) for one in excuse.vulnerabilities}:
                found[name].append(excuse)
        return cls(*({name: tuple(ones) for name, ones in by.items()} for by in (found, called)))

    def naming(self, finding: Found) -> tuple[Excuse, ...]:
        """Those that name the finding's vulnerability, each once."""
        if len(finding.names) == 1:
            return self._by_name.get(key(finding.names[0]), ())
        return tuple({id(one): one for name in finding.names for one in self._by_name.get(key(name), ())}.values())

    def all(self) -> tuple[Excuse, ...]:
        """Each once."""
        return tuple(excuse for ones in self._called.values() for excuse in ones)

    def hold(self, name: str, at: datetime, limits: Limits = DEFAULT_LIMITS) -> bool:
        """Whether the exception of that name is in force."""
        return any(grant_at(one, at, limits) for one in self._called.get(name, ()))


@dataclass(frozen=True, slots=True)
class Named:
    """An exception that names a finding. `amiss`: why it is not for it all the same, whatever the clock says; else empty."""

    excuse: Excuse
    amiss: str = ""


class Moment:
    """At which exceptions are in force or not. Each is looked at once, however many findings it names."""

    def __init__(self, at: datetime, limits: Limits = DEFAULT_LIMITS) -> None:
        self._at, self._limits = at, limits
        self._known: dict[int, tuple[Excuse, Verdict]] = {}

    def of(self, excuse: Excuse) -> Verdict:
        """On any finding that it is for."""
        known = self._known.get(id(excuse))
        if known is None:
            # Kept with its verdict, so that no other takes its place in memory, and with that its id.
            known = self._known[id(excuse)] = (excuse, self._verdict(excuse))
        return known[1]

    def _verdict(self, excuse: Excuse) -> Verdict:
        grant = grant_at(excuse, self._at, self._limits)
        if grant is not None:
            return Verdict(excuse.name, grant.until)
        return Verdict(why_not=(_why_not_in_force(excuse, self._at, self._limits),))


class Here:
    """One place. What an exception says of it is looked at once, however many findings the exception names."""

    def __init__(self, excuses: Excuses, place: Place) -> None:
        self._excuses, self._place = excuses, place
        self._of_images: dict[int, Named] = {}

    def named(self, finding: Found) -> tuple[Named, ...]:
        """The exceptions that name the finding. Nothing of it depends on the clock."""
        naming = self._excuses.naming(finding)
        return tuple([self._named(one, finding) for one in naming]) if naming else ()

    def _named(self, excuse: Excuse, finding: Found) -> Named:
        found = self._of_images.get(id(excuse))
        if found is None:
            found = Named(excuse, _why_elsewhere(excuse, finding.purl, self._place))
            if not is_purl(excuse.component):
                self._of_images[id(excuse)] = found
        worse = "" if found.amiss else _why_worse(excuse, finding)
        return Named(excuse, worse) if worse else found


def judge(finding: Found, excuses: Excuses, place: Place, at: datetime, limits: Limits = DEFAULT_LIMITS) -> Verdict:
    """Of several that excuse a finding the one that lasts longest is named."""
    return judge_named(Here(excuses, place).named(finding), Moment(at, limits))


def judge_named(candidates: Sequence[Named], moment: Moment) -> Verdict:
    if not candidates:
        return _NOTHING_NAMES_IT
    if len(candidates) == 1:
        return _of_named(candidates[0], moment)
    verdicts = [_of_named(one, moment) for one in candidates]
    yes = [(one.until, one) for one in verdicts if one.until is not None]
    if yes:
        return max(yes, key=lambda one: one[0])[1]
    return Verdict(why_not=tuple(why for one in verdicts for why in one.why_not))


def _of_named(one: Named, moment: Moment) -> Verdict:
    return Verdict(why_not=(one.amiss,)) if one.amiss else moment.of(one.excuse)


def excuses(excuse: Excuse, finding: Found, place: Place, at: datetime, limits: Limits = DEFAULT_LIMITS) -> bool:
    """Whether this exception excuses this finding at this moment."""
    return not why_not(excuse, finding, place, at, limits)


def why_not(excuse: Excuse, finding: Found, place: Place, at: datetime, limits: Limits = DEFAULT_LIMITS) -> str:
    """The first reason for which it does not, as a sentence; empty when it does."""
    return _why_another_finding(excuse, finding, place) or next(iter(Moment(at, limits).of(excuse).why_not), "")


def is_for(excuse: Excuse, finding: Found, place: Place) -> bool:
    """Whether it would excuse this finding once it is in force: approved or not, ended or not."""
    return not _why_another_finding(excuse, finding, place)


def _why_another_finding(excuse: Excuse, finding: Found, place: Place) -> str:
    if not {key(name) for name in finding.names} & {key(name) for name in excuse.vulnerabilities}:
        return f"{excuse.name} does not name this vulnerability."
    return _why_elsewhere(excuse, finding.purl, place) or _why_worse(excuse, finding)


def _why_elsewhere(excuse: Excuse, purl: str, place: Place) -> str:
    """`purl`: of the finding. For an image pattern it plays no part."""
    if not excuse.component:
        return f"{excuse.name} names no component, so it excuses nothing."
    if not covers(excuse.component, purl, place):
        return f"{excuse.name} names this vulnerability, but in another component: {excuse.component}."
    return "" if in_scope(excuse, place) else f"{excuse.name} is for {scope_in_words(excuse)} only."


def _why_worse(excuse: Excuse, finding: Found) -> str:
    if finding.severity.weight > excuse.severity.weight:
        return f"{excuse.name} excuses {excuse.severity} at most, and the finding is {finding.severity} now."
    return ""


def grant_at(excuse: Excuse, at: datetime, limits: Limits = DEFAULT_LIMITS) -> Grant | None:
    """The approval that holds at this moment, or None. The second named as its end is the last one in which it holds."""
    if excuse.ended_at is not None and excuse.ended_at <= at:
        return None
    holding = [one for one in excuse.grants if one.since <= at <= whole_second(one.until)]
    within = [one for one in holding if is_within_limit(one.since, one.until, excuse.severity, limits)]
    return max(within, key=lambda one: one.until, default=None)


def in_scope(excuse: Excuse, place: Place) -> bool:
    """What the exception leaves open fits any place; what it names must be known of the place, and equal."""
    repository = not excuse.repository or excuse.repository == place.repository
    digest = not excuse.digest or excuse.digest in place.digests
    return repository and digest and (not excuse.service or excuse.service == place.service)


def scope_in_words(excuse: Excuse) -> str:
    parts = (excuse.repository, excuse.digest, excuse.service and f"the service {excuse.service}")
    return ", ".join(part for part in parts if part) or "every image"


def last_moment(since: datetime, severity: Severity, limits: Limits = DEFAULT_LIMITS) -> datetime:
    """The latest end that an exception which begins at `since` may have. Days are counted whole, in UTC: thirty days
    from any moment of 1 November last to the end of 1 December.
    """
    return end_of_day((since.astimezone(UTC) + limits.get(severity, LONGEST)).date())


def is_within_limit(since: datetime, until: datetime, severity: Severity, limits: Limits = DEFAULT_LIMITS) -> bool:
    return until <= whole_second(last_moment(since, severity, limits))


def end_of_day(day: date) -> datetime:
    """What a bare date means as an end: the last second of that day in UTC."""
    return datetime.combine(day, time(23, 59, 59), UTC)


def whole_second(moment: datetime) -> datetime:
    """The last instant of the second that `moment` is in."""
    return moment.replace(microsecond=999_999)


def key(vulnerability: str) -> str:
    """By which ids are compared: CVE-2026-1 and cve-2026-1 are one."""
    return vulnerability.strip().casefold()


def _why_not_in_force(excuse: Excuse, at: datetime, limits: Limits) -> str:
    if excuse.ended_at is not None and excuse.ended_at <= at:
        return f"{excuse.name} was ended on {shown(excuse.ended_at)}."
    if not excuse.grants:
        return f"{excuse.name} is not approved."
    if any(one.since <= at <= whole_second(one.until) for one in excuse.grants):
        days = limits.get(excuse.severity, LONGEST).days
        return f"{excuse.name} was approved for longer than the {days} days that the policy allows for {excuse.severity}."
    past = [one.until for one in excuse.grants if whole_second(one.until) < at]
    if past:
        return f"{excuse.name} ended on {shown(max(past))}."
    return f"{excuse.name} is approved from {shown(min(one.since for one in excuse.grants))} only."


def shown(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
