"""Puts right what a killed `compose up` left behind. `plan` decides; `converge` acts.

A compose process killed in the middle of a recreate leaves a second container named
`<12 hex>_<name>`, or the old one under such a name and the new one not yet renamed; the
next `up` then fails on the name. Cleaning up first makes it work every time.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.ports import ContainerFacts

_TEMPORARY = re.compile(r"[0-9a-f]{12}_(?P<name>.+)")


@dataclass(frozen=True)
class Remove:
    container: str


@dataclass(frozen=True)
class Rename:
    container: str
    name: str


Act = Remove | Rename


def plan(containers: Sequence[ContainerFacts]) -> list[Act]:
    """What is left half made is removed; a running one under a temporary name gets its own name back."""
    temporary = [(c, match["name"]) for c in containers if (match := _TEMPORARY.fullmatch(c.name))]
    named = {c.name: c for c in containers if not _TEMPORARY.fullmatch(c.name)}
    acts: list[Act] = []
    for container, name in sorted(temporary, key=lambda pair: not pair[0].running):
        holder = named.get(name)
        if not container.running:
            acts.append(Remove(container.id))
        elif holder is None:
            acts.append(Rename(container.id, name))
            named[name] = container
        elif not holder.running:
            acts += [Remove(holder.id), Rename(container.id, name)]
            named[name] = container
        else:
            acts.append(Remove(container.id))
    return acts


def converge(ctx: JobContext) -> None:
    """First lets an `up` end that a dead worker left under way: what it still changes would be looked at too early."""
    ctx.compose.settle(ctx.project)
    for act in plan(ctx.engine.containers(ctx.project.name, ctx.project.service)):
        if isinstance(act, Remove):
            ctx.say(f"remove the half-made container {act.container[:12]}")
            ctx.engine.remove(act.container)
        else:
            ctx.say(f"give {act.container[:12]} its name {act.name} back")
            ctx.engine.rename(act.container, act.name)


def the_container(ctx: JobContext) -> ContainerFacts | None:
    """The service's one container: the running one if several are there."""
    found = ctx.engine.containers(ctx.project.name, ctx.project.service)
    return next((c for c in found if c.running), found[0] if found else None)
