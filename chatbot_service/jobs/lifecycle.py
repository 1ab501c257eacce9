"""start, stop, restart. The gate is never asked: what was approved may go on running."""

from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.converge import converge, the_container
from chatbot_service.jobs.step import Step
from chatbot_service.jobs.switching import UP_TIMEOUT, entry_of, pinned, short, wait_until_serving
from deploy_records.errors import Broken, Refused

STOP_TIMEOUT = 30.0


def look(ctx: JobContext) -> str:
    converge(ctx)
    container = the_container(ctx)
    ctx.memory.put("ran_before", container is not None and container.running)
    ctx.memory.put("image_before", container.image_id if container else "")
    return f"{container.name} is {container.state}" if container else "there is no container yet"


def stop(ctx: JobContext) -> str:
    container = the_container(ctx)
    if container is None or not container.running:
        raise Refused("It does not run, so there is nothing to stop. Nothing was changed.")
    ctx.memory.put("stopping", True)
    halt(ctx, container.id)
    ctx.records.observed(ctx.engine.container(container.id), entry_of(ctx, container), pinned(ctx))
    return f"{container.name} has stopped"


def halt(ctx: JobContext, container_id: str) -> None:
    """Noted before and after: the engine goes on with it when the worker dies, and what runs yet is about to end."""
    ctx.memory.put("halting", True)
    ctx.engine.stop(container_id, STOP_TIMEOUT)
    ctx.memory.put("halting", False)


def start_after_halt(ctx: JobContext) -> str:
    container = the_container(ctx)
    if ctx.memory.get("halting") and container is not None and container.running:
        halt(ctx, container.id)
    return start(ctx)


def start(ctx: JobContext) -> str:
    container = the_container(ctx)
    if container is None:
        ctx.compose.up(ctx.project, ctx.say, UP_TIMEOUT)
        return "made from the compose files"
    if container.running:
        return "it runs already"
    ctx.engine.start(container.id, UP_TIMEOUT)
    return f"{container.name} has started"


def start_again(ctx: JobContext) -> str:
    """Undo of a stop. Does nothing when it did not run before."""
    if not ctx.memory.get("ran_before") or not ctx.memory.get("stopping"):
        return "it was not stopped"
    start_after_halt(ctx)
    wait_until_serving(ctx)
    return "it serves again"


def serve(ctx: JobContext) -> str:
    took = wait_until_serving(ctx)
    ctx.records.serving()
    return f"three passes in a row after {took:.1f} s"


def prove_unchanged(ctx: JobContext) -> str:
    """Invariant 1 after a lifecycle job: the same image as before, and it is the pinned one if there is a pin."""
    container = the_container(ctx)
    if container is None:
        raise Broken("there is no container")
    before = ctx.memory.get("image_before")
    entry = entry_of(ctx, container)
    pin = pinned(ctx)
    if before and container.image_id != before:
        raise Broken("another image runs than before; see the service page")
    if entry is not None and "@" in pin and pin.rpartition("@")[2] not in entry.image_ids:
        raise Broken(f"the container runs {short(entry.digest)}, which the pin does not name")
    ctx.records.observed(container, entry, pin)
    return f"{short(entry.digest)} runs, as pinned" if entry else "an image that is not in the ledger runs"


LOOK = Step("look", "See what runs", look)
STOP_IT = Step("stop", "Stop", stop, start_again, "start it again", touches=True)
START_IT = Step("start", "Start", start, touches=True)
SERVE = Step("serving", "Wait until it serves", serve)
PROVE = Step("prove", "Prove what runs", prove_unchanged)

START_STEPS = (LOOK, START_IT, SERVE, PROVE)
STOP_STEPS = (LOOK, STOP_IT)
RESTART_STEPS = (LOOK, STOP_IT, START_IT, SERVE, PROVE)
