"""What do the exceptions excuse, until when, and what is one of them worth now?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.urls import reverse
from django.utils.safestring import SafeString

from deploy_records.models import PoamItem, PoamState
from deploy_records.models.poam import EXPIRED
from deploy_records.rules.component import parsed_purl
from deploy_records.rules.exceptions import LONGEST, Limits
from deploy_records.rules.terms import SEVERITIES
from deploy_records.scanners.report import Severity
from portal.sentences.parts import Answer, claim, counted, listed, said, sentence, some, strong
from portal.templatetags.moments import ago, exact

SOON_DAYS = 14
_WEEK = 7
_NAMESPACED = frozenset({"composer", "golang", "npm", "maven", "github"})
_MOST_NAMED = 3


@dataclass(frozen=True)
class Shown:
    """A state for a chip, and the line below it."""

    tone: str
    word: str
    note: object = ""


@dataclass(frozen=True)
class Overview:
    """All exceptions at one moment. `ends_next`: of those in force, the one that ends within 14 days; `ending`: how many;
    `takes`: how many running services fall out with it.
    """

    total: int
    in_force: int
    waiting: int
    expired: int
    ending: int
    ends_next: PoamItem | None
    takes: int = 0


def days_until(moment: datetime, now: datetime) -> int:
    """By the calendar, in UTC: 1 is tomorrow."""
    return (moment.astimezone(UTC).date() - now.astimezone(UTC).date()).days


def left(days: int) -> str:
    return {0: "Ends today", 1: "Ends tomorrow"}.get(days, f"{days} days left")


def ended_ago(days: int) -> str:
    return {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")


def on_day(moment: datetime, now: datetime) -> str:
    """`today`, `on Friday`, `on 11 Dec`."""
    days, utc = days_until(moment, now), moment.astimezone(UTC)
    if days in {0, 1}:
        return "tomorrow" if days else "today"
    if 0 < days < _WEEK:
        return f"on {utc:%A}"
    return f"on {utc.day} {utc:%b}" + ("" if utc.year == now.year else f" {utc.year}")


def package(component: str) -> str:
    """`starlette 0.46.2` for a package URL; an image pattern as it is."""
    purl = parsed_purl(component)
    if purl is None:
        return component
    name = f"{purl.namespace}/{purl.name}" if purl.namespace and purl.type in _NAMESPACED else purl.name
    return f"{name} {purl.version}" if purl.version else name


def vulnerabilities(item: PoamItem, most: int = _MOST_NAMED) -> str:
    ids = list(item.vulnerabilities)
    named = ", ".join(ids[:most])
    return f"{named} and {len(ids) - most} more" if len(ids) > most else named


def status_of(item: PoamItem, now: datetime) -> Shown:
    """How it stands, as a row says it."""
    days, day = days_until(item.expires_at, now), exact(item.expires_at, "day")
    state = item.status_at(now)
    if state == EXPIRED:
        return Shown("stop", "Expired" if item.state == PoamState.APPROVED else "Lapsed", said(day, ", still open"))
    if state == PoamState.APPROVED:
        note = said(day, ", later end asked for") if item.extend_to else day
        return Shown("warn" if days <= SOON_DAYS else "excused", left(days), note)
    known = {
        PoamState.DRAFT: Shown("none", "Draft", said("would end ", day)),
        PoamState.REQUESTED: Shown("wait", "Waits for review", said("a security reviewer, until ", day)),
        PoamState.REJECTED: Shown("off", "Rejected", said("excuses nothing")),
        PoamState.MITIGATED: Shown("ok", "Mitigated", exact(item.ended_at, "day")),
        PoamState.CLOSED: Shown("off", "Closed", exact(item.ended_at, "day")),
    }
    return known[PoamState(state)]


def list_answer(seen: Overview, limits: Limits, now: datetime) -> Answer:
    if not seen.total:
        return Answer("none", said("Nothing is excused."), said("What the gate refuses stays refused until it is fixed."))
    return Answer(_list_tone(seen), _list_words(seen, now), said(longest(limits), ". ", _COUNTS_ONLY))


_COUNTS_ONLY = "It counts for the vulnerability and the component that it names, together."


def longest(limits: Limits) -> str:
    """`An exception lasts at most 30 days for Critical and High, 366 days for Medium and Low`, without a full stop."""
    by_days: dict[int, list[str]] = {}
    for one in SEVERITIES:
        by_days.setdefault(longest_days(one, limits), []).append(one)
    clauses = [f"{days} days for {' and '.join(names)}" for days, names in by_days.items()]
    return f"An exception lasts at most {', '.join(clauses)}"


def longest_days(severity: Severity, limits: Limits) -> int:
    return limits.get(severity, LONGEST).days


def _list_tone(seen: Overview) -> str:
    if seen.expired:
        return "stop"
    if seen.ending:
        return "warn"
    if seen.waiting:
        return "wait"
    return "excused" if seen.in_force else "ok"


def _list_words(seen: Overview, now: datetime) -> SafeString:
    number = seen.in_force
    verb = "excuses" if number == 1 else "excuse"
    first = f"{some(number, 'exception', 'exceptions')} {verb} findings today" if number else "no exception is in force today"
    clauses = [*_expired(seen), *_ending(seen, now), *_waiting(seen)]
    opening = said(sentence(said(first)), ".")
    return said(opening, " ", sentence(_joined(clauses)), ".") if clauses else opening


def _joined(clauses: Sequence[SafeString]) -> SafeString:
    return listed(clauses, "; ") if len(clauses) == 2 else listed(clauses)  # noqa: PLR2004 - two clauses stand apart


def _expired(seen: Overview) -> list[SafeString]:
    if not seen.expired:
        return []
    has = "has ended and is" if seen.expired == 1 else "have ended and are"
    return [strong(claim(f"{counted(seen.expired)} {has} still open", f"{reverse('poam')}?state=expired"))]


def _ending(seen: Overview, now: datetime) -> list[SafeString]:
    item = seen.ends_next
    if item is None:
        return []
    first = strong(claim(f"{item.name} ends {on_day(item.expires_at, now)}", reverse("poam-item", args=[item.number])))
    if seen.takes:
        first = said(first, f" and takes {some(seen.takes, 'service', 'services')} with it")
    others = seen.ending - 1
    if not others:
        return [first]
    more = claim(f"{counted(others)} more within {SOON_DAYS} days", f"{reverse('poam')}?state=ending")
    return [said(first, ", ", more)]


def _waiting(seen: Overview) -> list[SafeString]:
    if not seen.waiting:
        return []
    verb = "waits" if seen.waiting == 1 else "wait"
    return [claim(f"{counted(seen.waiting)} {verb} for a security reviewer", f"{reverse('poam')}?state=waiting")]


# One item


@dataclass(frozen=True)
class Told:
    """What the sentence on one item needs beside it. `last`: who did each deed last, by its action."""

    now: datetime
    could: str
    last: Mapping[str, str]
    lacks: tuple[str, ...] = ()
    given_by: str = ""


def item_answer(item: PoamItem, told: Told) -> Answer:
    if item.status_at(told.now) == EXPIRED:
        return _of_lapsed(item, told)
    return {
        PoamState.DRAFT: _of_draft,
        PoamState.REQUESTED: _of_requested,
        PoamState.APPROVED: _of_approved,
        PoamState.REJECTED: _of_rejected,
        PoamState.MITIGATED: _of_mitigated,
        PoamState.CLOSED: _of_closed,
    }[PoamState(item.state)](item, told)


def excuses_what(item: PoamItem) -> SafeString:
    what = said(vulnerabilities(item) or "nothing yet", " in ", package(item.component) or "no component yet")
    return said(claim(what, "#scope"), f", {item.severity} at most")


def _of_draft(item: PoamItem, told: Told) -> Answer:
    lacks = said("It lacks ", listed(told.lacks), ".") if told.lacks else "It is complete and can be requested."
    sub = said("Drafted ", ago(item.created_at), " by ", _drafter(item), "; it would end ", _end(item), ".")
    return Answer("none", said(strong("A draft."), " It excuses nothing yet. ", lacks), sub)


def _drafter(item: PoamItem) -> SafeString:
    if item.by_rollback:
        return claim(f"rollback {item.by_rollback}", reverse("job", args=[item.by_rollback]))
    return said(item.drafted_by.get_username())


def _of_requested(item: PoamItem, told: Told) -> Answer:
    by = item.requested_by.get_username() if item.requested_by else "somebody"
    in_git = f" In Git, {item.approved_in_git} approved it." if item.approved_in_git else ""
    first = said("Requested by ", by, ", ", strong("waits for a security reviewer"), ".", in_git)
    who = told.could or "Nobody who may decide is left"
    sub = said("It would excuse ", excuses_what(item), ", until ", _end(item), ". Could decide: ", who, ".")
    return Answer("wait", first, sub)


def _of_approved(item: PoamItem, told: Told) -> Answer:
    days = days_until(item.expires_at, told.now)
    first = said(strong(said("In force until ", exact(item.expires_at, "day"))), f", {left(days).lower()}.")
    tone = "warn" if days <= SOON_DAYS else "excused"
    asked = said(" ", claim("A later end is asked for", "#approvals"), ".") if item.extend_to else ""
    by = said(" Approved by ", told.given_by, ".") if told.given_by else ""
    return Answer(
        tone, said(first, " It excuses ", excuses_what(item), "."), said("Its last second is ", _end(item), ".", by, asked)
    )


def _of_lapsed(item: PoamItem, told: Told) -> Answer:
    ago_words = ended_ago(-days_until(item.expires_at, told.now))
    if item.state != PoamState.APPROVED:
        first = said(strong(f"Its end passed {ago_words}"), " before anybody approved it. It excuses nothing.")
        return Answer("stop", first, said("Give it a later end, or close it. It would have ended ", _end(item), "."))
    asked = said(" ", claim("A later end is asked for", "#approvals"), ".") if item.extend_to else ""
    first = said(strong(f"Expired {ago_words}"), ". The gate refuses what relies on it.")
    return Answer(
        "stop", first, said("It ended ", _end(item), " and is still open: extend it, mark it as mitigated, or close it.", asked)
    )


def _of_rejected(item: PoamItem, told: Told) -> Answer:
    return Answer(
        "off", _ended("Rejected", item, told.last.get("poam.rejected", "")), said("Change it to ask again, or close it.")
    )


def _of_mitigated(item: PoamItem, told: Told) -> Answer:
    sub = said("The weakness is gone since ", exact(item.ended_at, "when"), ". An ended exception is not opened again.")
    return Answer("ok", _ended("Mitigated", item, told.last.get("poam.mitigated", "")), sub)


def _of_closed(item: PoamItem, told: Told) -> Answer:
    sub = said("Closed ", exact(item.ended_at, "when"), ". An ended exception is not opened again; its number is not used again.")
    return Answer("off", _ended("Closed", item, told.last.get("poam.closed", "")), sub)


def _ended(word: str, item: PoamItem, by: str) -> SafeString:
    head = strong(f"{word} by {by}." if by else f"{word}.")
    why = said(" “", item.ended_because, "”") if item.ended_because else ""
    return said(head, why, " It excuses nothing.")


def _end(item: PoamItem) -> SafeString:
    return exact(item.expires_at)
