"""Is everything as approved, healthy, and could it be rolled back?"""

from collections.abc import Iterable, Sequence

from django.urls import reverse
from django.utils.safestring import SafeString

from chatbot_service import lights
from chatbot_service.board import Row
from chatbot_service.lights import Light
from portal.sentences.parts import Answer, claim, counted, listed, said, sentence, some, strong


def answer(rows: Sequence[Row]) -> Answer:
    return Answer(_tone(rows), _sentences(rows))


def _tone(rows: Sequence[Row]) -> str:
    if any(row.health.tone == lights.STOP for row in rows):
        return "stop"
    deviates = any(light.tone in {lights.STOP, lights.WARN} for row in rows for light in _lights(row))
    return "warn" if deviates else "ok"


def _lights(row: Row) -> Sequence[Light]:
    return row.approved, row.health, row.readiness.light


def _sentences(rows: Sequence[Row]) -> SafeString:
    number = len(rows)
    if all(light.good for row in rows for light in _lights(row)):
        whole = f"All {some(number, 'service', 'services')} run" if number > 1 else "The one service runs"
        approved, healthy = claim("as approved", _shown("approved")), claim("healthy", _shown("healthy"))
        back = claim("could be rolled back, data and all", _shown("ready"))
        return said(whole, " ", approved, ", ", _is(number), " ", healthy, " and ", back, ".")
    first = _healthy(rows)
    others = [*_not_approved(rows), *_no_way_back(rows), *_no_backup(rows)]
    joined = listed(others, ", and " if len(others) == 2 else " and ")  # noqa: PLR2004 - two clauses take a comma
    return said(first, " ", sentence(joined), ".") if others else first


def _healthy(rows: Sequence[Row]) -> SafeString:
    number, well = len(rows), sum(row.health.good for row in rows)
    if well == number:
        whole = f"All {counted(number)} services are" if number > 1 else "The one service is"
        return said(whole, " ", claim("healthy", _shown("healthy")), ".")
    if number == 1:
        return said("The one service ", _other_states(rows, "is"), ".")
    if not well:
        none = said("None of ", counted(number), " services is known to be healthy: ")
        return said(none, _other_states(rows, ""), ".")
    some_well = said(counted(well), f" of {counted(number)} services {_is(well)} ", claim("healthy", _shown("healthy")))
    return said(sentence(some_well), "; ", _other_states(rows, ""), ".")


_STATES = (
    (("Down", "Unhealthy"), "not healthy", True),
    (("Not watched",), "not watched", True),
    (("No healthcheck",), "without a healthcheck", True),
    (("Stopped", "Paused"), "stopped on purpose", False),
    (("Starting",), "starting", False),
    (("Not seen yet",), "not seen yet", False),
)


def _other_states(rows: Sequence[Row], verb: str) -> SafeString:
    """`one is not healthy and two are stopped on purpose`. `verb`: for the one service there is."""
    parts: list[SafeString] = []
    for lights_so, words, loud in _STATES:
        found = _count(row.health.word in lights_so for row in rows)
        if found:
            link = claim(f"{verb or f'{counted(found)} {_is(found)}'} {words}", _shown("not-healthy"))
            parts.append(strong(link) if loud else link)
    return listed(parts)


def _not_approved(rows: Sequence[Row]) -> list[SafeString]:
    found = _count(row.approved.tone == lights.STOP for row in rows)
    if not found:
        return []
    words = "it does" if len(rows) == 1 else f"{counted(found)} {'does' if found == 1 else 'do'}"
    return [strong(claim(f"{words} not run as approved", _shown("not-approved")))]


def _no_way_back(rows: Sequence[Row]) -> list[SafeString]:
    parts: list[SafeString] = []
    missing = _count(row.rollback.tone == lights.WARN for row in rows)
    if missing:
        who = "it" if len(rows) == 1 else counted(missing)
        parts.append(strong(claim(f"{who} could not be rolled back", _shown("not-ready"))))
    not_yet = _count(row.rollback.tone == lights.NONE for row in rows)
    if not_yet:
        parts.append(said(_who_has(not_yet, rows), " ", claim("nothing to roll back to yet", _shown("not-ready"))))
    return parts


def _no_backup(rows: Sequence[Row]) -> list[SafeString]:
    """What stands between a service and its data, the worst alone."""
    bad = {lights.STOP, lights.WARN}
    parts: list[SafeString] = []
    late = _count(row.readiness.backup.light.tone in bad for row in rows)
    if late:
        parts.append(strong(claim(f"{_who_has(late, rows)} no good backup of late", _shown("not-ready"))))
    failed = _count(row.readiness.rehearsal.light.tone in bad for row in rows)
    if failed:
        whose = "its rehearsal" if failed == 1 else f"{counted(failed)} rehearsals"
        parts.append(
            strong(claim(f"{whose} of a restore {'is' if failed == 1 else 'are'} overdue or failed", _shown("not-ready")))
        )
    never = _count(row.readiness.backup.light.tone == lights.NONE for row in rows)
    if never and not parts:
        parts.append(said(_who_has(never, rows), " ", claim("no backup yet", _shown("not-ready"))))
    return parts


def _who_has(number: int, rows: Sequence[Row]) -> str:
    return "it has" if len(rows) == 1 else f"{counted(number)} {'has' if number == 1 else 'have'}"


def _count(found: Iterable[bool]) -> int:
    return sum(found)


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _shown(which: str) -> str:
    """The list of those that a claim is about."""
    return f"{reverse('services')}?show={which}"
