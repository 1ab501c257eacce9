"""The steps that touch the service: pin, switch, serving, smoke tests, proof, record, watch; and their undo."""

from chatbot_service.jobs import pin
from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.converge import converge, the_container
from chatbot_service.jobs.ports import ContainerFacts, Entry
from chatbot_service.jobs.step import Step
from chatbot_service.jobs.verdict import Judge
from deploy_records.errors import Broken

UP_TIMEOUT = 120.0
PROBE_EVERY = 0.5
FIRST_PROBE_AFTER = 0.4
"""Seconds. A probe takes as much of the processor as the program that starts meanwhile, which is down until it has started."""
LOOK_EVERY = 1.0
LEAST_PATIENCE = 30.0
SMOKE_TIMEOUT = 30.0
_UP = frozenset({"running", "restarting", "paused"})
"""Not stopped: one that crashes again and again is put back as well, as it may be the database that it waits for."""


def short(digest: str) -> str:
    return f"{digest.removeprefix('sha256:')[:4]}…"


def remember_what_runs(ctx: JobContext) -> None:
    """Before anything else: what an undo goes back to."""
    container = the_container(ctx)
    ctx.memory.put("pin_before", ctx.files.read_pin())
    ctx.memory.put("ran_before", container is not None and container.state in _UP)
    ctx.memory.put("well_before", container is not None and container.health in {"healthy", "starting"})
    ctx.memory.put("image_before", container.image_id if container else "")
    entry = entry_of(ctx, container)
    ctx.memory.put("from", entry.digest if entry else "")


def entry_of(ctx: JobContext, container: ContainerFacts | None) -> Entry | None:
    """The ledger entry that a container runs, by its image, never by its name."""
    if container is None:
        return None
    image = ctx.engine.image(container.image_id)
    digests = image.repo_digests if image else ()
    return ctx.records.entry_of_image(container.image_id, digests)


def write_pin(ctx: JobContext) -> str:
    target = ctx.target()
    ctx.files.write_pin(pin.with_pin(ctx.files.read_pin(), ctx.project.service, target.reference))
    return f"{short(target.digest)} in {ctx.project.pin_file}"


def pin_back(ctx: JobContext) -> str:
    """The last undo of all: the pin as before, and proof that what runs is what ran."""
    _restore_pin(ctx)
    return _prove_the_old(ctx)


def _restore_pin(ctx: JobContext) -> None:
    before = ctx.memory.get("pin_before")
    if ctx.files.read_pin() != before:
        ctx.files.write_pin(before)


def _prove_the_old(ctx: JobContext) -> str:
    container = the_container(ctx)
    if not ctx.memory.get("ran_before"):
        return "nothing ran before"
    wanted = ctx.memory.get("image_before")
    if container is None or container.state not in _UP or container.image_id != wanted:
        raise Broken("what runs now is not what ran before; start a rollback to a known-good digest")
    ctx.records.observed(container, entry_of(ctx, container), pinned(ctx))
    return f"proved: {short(ctx.memory.get('from') or wanted)} runs again"


def pinned(ctx: JobContext) -> str:
    return pin.pinned_reference(ctx.files.read_pin() or "", ctx.project.service) or ""


def switch(ctx: JobContext) -> str:
    converge(ctx)
    ctx.compose.up(ctx.project, ctx.say, UP_TIMEOUT)
    container = the_container(ctx)
    return f"container {container.id[:12]}" if container else ""


def switch_back(ctx: JobContext) -> str:
    """Old pin, old container, serving again. Safe when nothing was switched."""
    _restore_pin(ctx)
    converge(ctx)
    if not ctx.memory.get("ran_before"):
        for container in ctx.engine.containers(ctx.project.name, ctx.project.service):
            ctx.engine.remove(container.id)
        return "nothing ran before, so nothing runs now"
    running = the_container(ctx)
    if running and running.running and running.image_id == ctx.memory.get("image_before"):
        note = "it still runs"
    else:
        ctx.compose.up(ctx.project, ctx.say, UP_TIMEOUT)
        note = "recreated from the old pin"
    if ctx.memory.get("well_before"):
        wait_until_serving(ctx)
        note += ", answers healthily"
    return note


def serving(ctx: JobContext) -> str:
    took = wait_until_serving(ctx)
    ctx.records.serving()
    return f"three passes in a row after {took:.1f} s"


def wait_until_serving(ctx: JobContext) -> float:
    """Seconds until the container's own healthcheck passed three times in a row; `Broken` with the cause if it can't."""
    container = the_container(ctx)
    if container is None:
        raise Broken("there is no container")
    return watch_probes(ctx, container, f"new container {container.id[:12]}")


def watch_probes(ctx: JobContext, container: ContainerFacts, name: str) -> float:
    judge = Judge(container.healthcheck, container.restart_count)
    begun = ctx.now()
    deadline = begun + max(LEAST_PATIENCE, container.healthcheck.verdict_after)
    ctx.pause(FIRST_PROBE_AFTER)
    while ctx.now() < deadline:
        seen = ctx.engine.container(container.id)
        judged = judge.look(seen)
        if not judged.fault:
            judged = judge.probed(ctx.engine.probe(container.id))
        if judged.fault:
            _say_log(ctx, container.id)
            raise Broken(f"{name}: {judged.fault}")
        if judged.serving:
            return ctx.now() - begun
        ctx.pause(PROBE_EVERY)
    _say_log(ctx, container.id)
    raise Broken(f"{name} did not become healthy in {deadline - begun:.0f} s{_last(judge.last_output)}")


def _last(output: str) -> str:
    return f"; its healthcheck says: “{output}”" if output else ""


def _say_log(ctx: JobContext, container_id: str) -> None:
    """The end of the container's own log: nearly always where the cause is written."""
    try:
        lines = ctx.engine.logs(container_id, 15)
    except Broken:
        return
    for line in lines:
        ctx.say(f"log: {line}")


def smoke(ctx: JobContext) -> str:
    container = the_container(ctx)
    if container is None:
        raise Broken("there is no container")
    for test in ctx.task.smoke_tests:
        result = ctx.engine.execute(container.id, test.argv, SMOKE_TIMEOUT)
        ctx.say(f"{test.name}: exit {result.exit_code} in {result.took:.2f} s")
        if not result.passed:
            raise Broken(f"smoke test “{test.name}” failed with exit {result.exit_code}{_last(result.output[-200:])}")
    return f"{len(ctx.task.smoke_tests)} passed" if ctx.task.smoke_tests else "none defined"


def prove(ctx: JobContext) -> str:
    """Invariant 1: container, pin and ledger name the same digest, and there is exactly one container."""
    target = ctx.target()
    all_of_it = ctx.engine.containers(ctx.project.name, ctx.project.service)
    if len(all_of_it) != 1:
        raise Broken(f"{len(all_of_it)} containers belong to {ctx.project.service}, it should be one")
    container = all_of_it[0]
    entry = entry_of(ctx, container)
    if entry is None or entry.digest != target.digest:
        raise Broken(f"the container runs {short(entry.digest) if entry else 'an unknown image'}, not {short(target.digest)}")
    if not pinned(ctx).endswith(f"@{target.digest}"):
        raise Broken(f"the pin does not name {short(target.digest)}")
    ctx.records.observed(container, entry, pinned(ctx))
    return f"container, pin and ledger name {short(target.digest)}"


def record(ctx: JobContext) -> str:
    ctx.records.deployed(ctx.task.target, ctx.memory.get("gate") or {})
    return ""


def unrecord(ctx: JobContext) -> str:
    ctx.records.undeployed(ctx.memory.get("from") or "")
    return ""


def watch(ctx: JobContext) -> str:
    """Stays responsible until Docker's own health agrees, and for the monitor period.

    At first it probes as well: Docker forgives failures below `retries`, so that it never sees what flaps quickly.
    """
    container = the_container(ctx)
    if container is None:
        raise Broken("the container is gone")
    judge = Judge(container.healthcheck, 0)
    begun = ctx.now()
    verdict_due = begun + max(LEAST_PATIENCE, container.healthcheck.verdict_after)
    agreed = False
    while True:
        seen = ctx.engine.container(container.id)
        judged = judge.look(seen)
        if not judged.fault and (ctx.now() - begun < LEAST_PATIENCE or not judge.passed_last):
            judged = judge.probed(ctx.engine.probe(container.id))
        if judged.fault:
            _say_log(ctx, container.id)
            raise Broken(f"in the watch: {judged.fault}")
        if not agreed and seen is not None and seen.health == "healthy":
            agreed = True
            ctx.say(f"Docker says healthy after {ctx.now() - begun:.1f} s")
            ctx.records.observed(seen, entry_of(ctx, seen), pinned(ctx))
        well = agreed and judge.passed_last and seen is not None and seen.failing_streak == 0
        if well and ctx.now() - begun >= ctx.task.watch_seconds:
            ctx.records.healthy(ctx.task.target)
            return f"well for {ctx.now() - begun:.0f} s"
        if ctx.now() > max(verdict_due, begun + ctx.task.watch_seconds + LEAST_PATIENCE):
            raise Broken(f"{'it was not well' if agreed else 'Docker did not call it healthy'} in {ctx.now() - begun:.0f} s")
        ctx.pause(LOOK_EVERY)


PIN = Step("pin", "Write the pin", write_pin, pin_back, "old pin back", touches=True)
SWITCH = Step("switch", "Switch", switch, switch_back, "old container back")
SERVING = Step("serving", "Wait until it serves", serving)
SMOKE = Step("smoke", "Smoke tests", smoke)
PROVE = Step("prove", "Prove what runs", prove)
RECORD = Step("record", "Record the deployment", record, unrecord, "record the old digest again", commits=True)
WATCH = Step("watch", "Watch until Docker agrees", watch)
FROM_PIN_TO_WATCH = (PIN, SWITCH, SERVING, SMOKE, PROVE, RECORD, WATCH)
