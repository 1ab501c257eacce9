"""How has it been, per service and for all of them?"""

from collections.abc import Sequence
from datetime import timedelta

from django.urls import reverse
from django.utils.safestring import SafeString

from chatbot_service import lights
from chatbot_service.health.details import Stretch, Stretches
from chatbot_service.health.history import History
from chatbot_service.health.runs import PAUSE, UNKNOWN
from chatbot_service.lights import Light
from deploy_records.models import ImageDigest
from portal.health_charts import percent
from portal.sentences.parts import Answer, claim, counted, said, some, strong
from portal.templatetags.digest import hexes
from portal.templatetags.moments import age, duration

_LITTLE = timedelta(seconds=1)


def answer(history: History, light: Light, stretches: Stretches, entries: dict[str, ImageDigest]) -> Answer:
    """`light`: how it is now."""
    tone = light.tone if light.tone != lights.OFF else "off"
    return Answer(tone, said(_now(history, light), _share(history), _ill(history, stretches, entries)), _sub(history, stretches))


def _now(history: History, light: Light) -> SafeString:
    since = history.service.seen_since
    word = light.word if light.good else strong(light.word)
    return said(word, " for ", age(since)) if since and light.tone != lights.NONE else said(word)


def _share(history: History) -> SafeString:
    share = history.totals.share
    if share is None:
        return said(f"; nothing is known of it over {history.span.words}.")
    return said("; ", strong(percent(share)), f" over {history.span.words}.")


def _ill(history: History, stretches: Stretches, entries: dict[str, ImageDigest]) -> SafeString:
    """How often it was down and for how long; if never, how long its probes failed."""
    if history.totals.share is None:
        return said("")
    down = history.totals.states.get("down", timedelta())
    if not down:
        failing = history.totals.states.get("unhealthy", timedelta())
        but = said("; its probes failed for ", claim(duration(failing), "#transitions")) if failing else ""
        return said(" It was never seen down", but, ".")
    spells = [one for one in stretches.found if one.state == "down"]
    if not stretches.whole or not spells:
        return said(" It was down ", claim(f"{duration(down)} in all", "#transitions"), ".")
    whole = sum((one.end - one.start for one in spells), timedelta())
    length = claim(f"{duration(whole)}{' in all' if len(spells) > 1 else ''}", "#times-down")
    return said(f" Down {times(len(spells))}, ", length, _under(spells, entries), ".")


def times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{counted(number)} times")


def _under(spells: Sequence[Stretch], entries: dict[str, ImageDigest]) -> SafeString:
    """Where one digest ran each time."""
    digests = {one.digest for one in spells}
    digest = digests.pop()
    if digests or digest not in entries:
        return said("")
    which = {1: ", under ", 2: ", both times under "}.get(len(spells), ", each time under ")
    return said(which, claim(hexes(digest), reverse("digest", args=[entries[digest].pk])))


def _sub(history: History, stretches: Stretches) -> SafeString:
    parts = []
    pauses = [one for one in stretches.found if one.state == PAUSE]
    if pauses and stretches.whole:
        length = duration(sum((one.end - one.start for one in pauses), timedelta()))
        together = ", together " if len(pauses) > 1 else ", "
        parts.append(f"Pauses made by jobs are counted apart: {len(pauses)}{together}{length}.")
    unknown = unknown_of(history)
    if unknown > _LITTLE:
        parts.append(f"Of {duration(unknown)} nothing is known: that counts neither for it nor against it, and is drawn dotted.")
    return said(" ".join(parts))


def unknown_of(history: History) -> timedelta:
    """What was recorded as unknown, and what was not recorded."""
    states = history.totals.states
    known = sum((length for state, length in states.items() if state != UNKNOWN), timedelta())
    return max(history.end - history.start - known, timedelta())


def chart_label(history: History) -> str:
    """What the line or the columns show, for those who do not see them."""
    words = {"down": "down", "unhealthy": "probes failed for", PAUSE: "paused by jobs for", "stopped": "stopped on purpose for"}
    states = history.totals.states
    parts = [f"{word} {duration(states[state])}" for state, word in words.items() if states.get(state)]
    if (unknown := unknown_of(history)) > _LITTLE:
        parts.append(f"not known for {duration(unknown)}")
    if history.totals.share is None:
        return f"Health over {history.span.words}: {', '.join(parts)}"
    share = f"{percent(history.totals.share)} healthy"
    return f"Health over {history.span.words}: {', '.join([share, *parts])}"


# All services


def all_of(states: Sequence[Light]) -> Answer:
    """Each light is one service's health now."""
    number, well = len(states), sum(light.good for light in states)
    ill = [light for light in states if light.tone in {lights.STOP, lights.WARN}]
    if well == number:
        words = said(f"All {counted(number)} services are healthy." if number > 1 else "The one service is healthy.")
        return Answer("ok", words)
    tone = "stop" if any(light.tone == lights.STOP for light in ill) else "warn" if ill else "none"
    head = f"{counted(well).capitalize()} of {some(number, 'service', 'services')} {'is' if well == 1 else 'are'} healthy"
    return Answer(tone, said(head, "; ", _others(states), "."))


def _others(states: Sequence[Light]) -> SafeString:
    """`one is down and two are stopped`, the worst first."""
    found: dict[str, int] = {}
    for light in sorted((light for light in states if not light.good), key=lambda light: light.badness):
        found[light.word] = found.get(light.word, 0) + 1
    parts = [f"{counted(number)} {'is' if number == 1 else 'are'} {_adjective(word)}" for word, number in found.items()]
    return strong(" and ".join(parts) if len(parts) < 3 else f"{', '.join(parts[:-1])} and {parts[-1]}")  # noqa: PLR2004


def _adjective(word: str) -> str:
    return {"No healthcheck": "without a healthcheck"}.get(word, word.lower())
