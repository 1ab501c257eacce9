"""Which state an event of the engine puts a service in. Pure.

A service is its current container: the one that started last. What is told of others (one being replaced, a left-over) changes
nothing. What is not certain is never healthy: a start is `starting`, the end of a pause waits for a look.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from chatbot_service.health.blocks import Event

HEALTH = {"healthy", "unhealthy", "starting"}


class Turn(NamedTuple):
    """From `at` (microseconds) on it was in this state. `container`: whose event it was."""

    at: int
    state: str
    digest: str
    note: str
    container: str


@dataclass(frozen=True)
class Followed:
    """What is known of a service: its current container (empty: not known yet), whether that is probed, its digest, and
    whether the kernel just ended a process of it for want of memory.
    """

    container: str = ""
    is_probed: bool = True
    digest: str = ""
    out_of_memory: bool = False


def follow(known: Followed, events: Iterable[tuple[Event, str]]) -> tuple[Followed, list[Turn]]:
    """`events` in their order, each with the digest by which its container's image is named, if it is."""
    turns: list[Turn] = []
    for event, digest in events:
        known = _step(known, event, digest)
        turn = _turn(known, event)
        if turn is not None:
            turns.append(turn)
        if event.action == "die" and event.container == known.container:
            known = replace(known, out_of_memory=False)
    return known, turns


def _step(known: Followed, event: Event, digest: str) -> Followed:
    if event.action == "start" or not known.container:
        same = event.container == known.container
        return replace(known, container=event.container, digest=digest or (known.digest if same else ""), out_of_memory=False)
    if event.action == "oom" and event.container == known.container:
        return replace(known, out_of_memory=True)
    return known


def _turn(known: Followed, event: Event) -> Turn | None:
    if event.container != known.container:
        return None
    state, note = _said(known, event)
    return Turn(event.at, state, known.digest, note, event.container) if state else None


def _said(known: Followed, event: Event) -> tuple[str, str]:
    match event.action:
        case "start":
            return ("starting" if known.is_probed else "unknown"), ""
        case "die":
            reason = ", out of memory" if known.out_of_memory else ""
            return "down", f"exit code {event.exit_code}{reason}"
        case "destroy":
            return "down", "the container was removed"
        case "pause":
            return "paused", ""
        case "health_status" if event.detail in HEALTH:
            return event.detail, ""
    return "", ""


def news(turns: Sequence[Turn], known: Sequence[tuple[int, str, str]]) -> list[Turn]:
    """The turns that say something new beside those known already: (moment, state, digest), oldest first.

    Of two things at the same moment the one known already stands; being removed says nothing new of what is down.
    """
    kept, moments = list(known), [at for at, _state, _digest in known]
    fresh = []
    for turn in sorted(turns, key=_by_moment):
        place = bisect_right(moments, turn.at)
        if place and _says_the_same(kept[place - 1], turn):
            continue
        kept.insert(place, (turn.at, turn.state, turn.digest))
        moments.insert(place, turn.at)
        fresh.append(turn)
    return fresh


def _by_moment(turn: Turn) -> int:
    return turn.at


def _says_the_same(before: tuple[int, str, str], turn: Turn) -> bool:
    _at, state, digest = before
    if state in {"down", "stopped"} and turn.state in {"down", "stopped"}:
        return True
    return state == turn.state and (digest == turn.digest or not turn.digest)
