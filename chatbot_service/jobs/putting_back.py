"""What a restore and its undo share: stop, swap, start, see that it serves, prove. And their undo."""

from dataclasses import asdict

from chatbot_service.jobs.backup_ports import Swap
from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.converge import the_container
from chatbot_service.jobs.lifecycle import STOP_TIMEOUT, halt, look, prove_unchanged, serve, start, start_after_halt
from chatbot_service.jobs.step import Step
from chatbot_service.jobs.switching import wait_until_serving
from chatbot_service.jobs.words import counted
from deploy_records.errors import Broken

_UP = frozenset({"running", "restarting", "paused"})


def remember(ctx: JobContext, swaps: list[Swap]) -> None:
    """How things are before anything is touched: what an undo, also by another worker, goes by."""
    look(ctx)
    container = the_container(ctx)
    ctx.memory.put("up_before", container is not None and container.state in _UP)
    ctx.memory.put("well_before", container is not None and container.health in {"healthy", "starting"})
    ctx.memory.put("swaps", [asdict(ctx.trees.seen(swap)) for swap in swaps])


def swaps_of(ctx: JobContext) -> list[Swap]:
    return [Swap(**one) for one in ctx.memory.get("swaps") or ()]


def stop(ctx: JobContext) -> str:
    container = the_container(ctx)
    if container is None or container.state not in _UP:
        return "it does not run"
    ctx.memory.put("stopping", True)
    if container.state == "paused":
        ctx.engine.unpause(container.id)
    halt(ctx, container.id)
    return f"{container.name} has stopped"


def start_again(ctx: JobContext) -> str:
    """The last undo of all: the data are back by now."""
    if not ctx.memory.get("up_before") or not ctx.memory.get("stopping"):
        return "it was not stopped"
    said = start_after_halt(ctx)
    if ctx.memory.get("well_before"):
        wait_until_serving(ctx)
        return f"{said}, and serves again"
    return said


def swap_in(ctx: JobContext) -> str:
    _must_not_run(ctx)
    swaps = swaps_of(ctx)
    ctx.memory.put("swapping", True)
    for swap in swaps:
        ctx.trees.swap(swap)
    return f"{counted(len(swaps), 'path')} swapped"


def swap_out(ctx: JobContext) -> str:
    """The old data back. Safe to repeat, and when nothing was swapped."""
    if not ctx.memory.get("swapping"):
        return "nothing was swapped"
    _must_not_run(ctx)
    for swap in reversed(swaps_of(ctx)):
        ctx.trees.swap_back(swap)
    return "the data are as they were"


def _must_not_run(ctx: JobContext) -> None:
    """Nobody may write while folders change places: not one that was started by hand, or by the engine coming back."""
    for container in ctx.engine.containers(ctx.project.name, ctx.project.service):
        if container.state in _UP:
            ctx.engine.stop(container.id, STOP_TIMEOUT)


def start_with_new_data(ctx: JobContext) -> str:
    return start(ctx)


def stop_again(ctx: JobContext) -> str:
    _must_not_run(ctx)
    return "stopped, so that the old data can come back"


def data_are_there(ctx: JobContext) -> str:
    """What the container sees now is what was put there."""
    for swap in swaps_of(ctx):
        now = ctx.trees.seen(swap)
        if swap.by == "rename" and swap.new and now.was != swap.new:
            raise Broken(f"{swap.target} is not what was put there")
    return "the data are in their place"


STOP = Step("stop", "Stop", stop, start_again, "start it again", touches=True)
SWAP = Step("swap", "Swap the data", swap_in, swap_out, "old data back")
START = Step("start", "Start", start_with_new_data, stop_again, "stop it for the swap back")
SERVE = Step("serving", "Wait until it serves", serve)
PRESENT = Step("present", "See that the data are there", data_are_there)
PROVE = Step("prove", "Prove what runs", prove_unchanged)

FROM_STOP_TO_PROOF = (STOP, SWAP, START, SERVE, PRESENT, PROVE)
