"""backup: see what changed, copy it, let the service go on, verify, note it down, forget what the plan no longer keeps.

The mode of the plan decides what happens to the service: nothing (live), or a short pause or stop for a second pass that
copies what changed since the first.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from chatbot_service.jobs.backup_ports import Checked, Kept, Plan, Survey, Taken
from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.converge import the_container
from chatbot_service.jobs.lifecycle import halt, start_after_halt
from chatbot_service.jobs.step import Fenced, Step
from chatbot_service.jobs.switching import UP_TIMEOUT, entry_of, wait_until_serving
from chatbot_service.jobs.words import counted, size_of
from deploy_records.errors import Broken, Refused

TAKE_TIMEOUT = 6 * 3600.0
CHECK_TIMEOUT = 3600.0
SHARE = "2%"
"""Of the data that is read back after each backup. Rehearsals and checks read more."""
CLOCK_TICK = 0.05
"""Seconds by which the time of a change may lie behind the clock."""
ENV_FILE = ".env"


def look(ctx: JobContext) -> str:
    plan = _plan(ctx)
    problems = [problem for path in plan.paths if (problem := ctx.trees.problem(path))]
    if problems:
        raise Refused(f"{' '.join(problems)} Nothing was changed.", code="data-paths")
    container = the_container(ctx)
    entry = entry_of(ctx, container)
    ctx.memory.put("digest", entry.digest if entry else "")
    ctx.memory.put("paths", [*plan.paths, *_beside_the_data(ctx, plan, entry.reference if entry else "")])
    return counted(len(plan.paths), "data path")


def _plan(ctx: JobContext) -> Plan:
    plan = ctx.kept.plan()
    if plan is None or not plan.paths:
        raise Refused(
            f"{ctx.task.service} has no data path, so there is nothing to back up. Name one in its backup plan.", code="no-data"
        )
    return plan


def _mode(ctx: JobContext) -> str:
    """As the plan had it when the job was asked for; the list of steps was made by that."""
    return str((ctx.task.asked or {}).get("mode") or _plan(ctx).mode)


def _beside_the_data(ctx: JobContext, plan: Plan, runs: str) -> list[str]:
    """What it takes to bring the service back elsewhere: its compose files with the pin, and which variables it needs."""
    folder = PurePosixPath(ctx.project.directory)
    files = [name for name in ctx.project.files if ctx.files.has(name)]
    keys = ctx.files.env_keys(ENV_FILE)
    told = {"environment-names.txt": "".join(f"{key}\n" for key in keys), "runs.txt": f"{runs}\n"}
    described = ctx.trees.describe(f"{ctx.task.host}-{ctx.task.service}", {name: text.encode() for name, text in told.items()})
    values = [ENV_FILE] if plan.with_values and ctx.files.has(ENV_FILE) else []
    return [*(str(folder / name) for name in (*files, *values)), described]


def survey(ctx: JobContext) -> str:
    """What is as it was at the last backup need not be read again."""
    last = ctx.kept.last()
    if last is None:
        return ctx.backups.prepare()
    ctx.memory.put("looked_at", datetime.now(UTC).timestamp())
    with ThreadPoolExecutor(1) as beside:  # half of what an unchanged backup takes
        there = beside.submit(ctx.backups.snapshot, last.snapshot)
        seen = ctx.trees.survey(ctx.memory.get("paths"))
    same = seen.fingerprint == last.fingerprint and last.digest == ctx.memory.get("digest")
    told = bool(seen.fingerprint and last.verified)
    if not (same and told and there.result()):
        return f"{counted(seen.files, 'file')}, {size_of(seen.disk_bytes)}"
    ctx.memory.put("unchanged", last.id)
    return f"all {counted(seen.files, 'file')} are as at backup {last.id}"


def first_pass(ctx: JobContext) -> str:
    if _mode(ctx) == "live" or _unchanged(ctx):
        return "not needed"
    taken = _take(ctx, "first-pass", TAKE_TIMEOUT)
    return f"{counted(taken.files, 'file')}, {size_of(taken.bytes)}; what changes meanwhile is copied next"


def hold_still(ctx: JobContext) -> str:
    mode = _mode(ctx)
    container = the_container(ctx)
    if mode == "live" or _unchanged(ctx):
        return "it goes on meanwhile"
    if container is None or not container.running:
        return "it does not run"
    ctx.memory.put("held", mode)
    ctx.memory.put("held_since", ctx.now())
    if mode == "paused":
        ctx.engine.pause(container.id)
        return "paused"
    halt(ctx, container.id)
    return "stopped"


def go_on(ctx: JobContext) -> str:
    """Safe to repeat, and when it was not held."""
    held = ctx.memory.get("held")
    if not held:
        return "it was not held"
    container = the_container(ctx)
    if container is None:
        ctx.compose.up(ctx.project, ctx.say, UP_TIMEOUT)
    elif held == "paused":
        ctx.engine.unpause(container.id)
    else:
        start_after_halt(ctx)
    took = ctx.now() - ctx.memory.get("held_since")
    ctx.memory.put("held", "")
    ctx.memory.put("held_for", took)
    if held == "stopped":
        wait_until_serving(ctx)
    return f"{held} for {took:.1f} s"


def take(ctx: JobContext) -> str:
    if _unchanged(ctx):
        return "nothing to copy"
    longest = _plan(ctx).longest_pause if ctx.memory.get("held") else TAKE_TIMEOUT
    taken = _take(ctx, "backup", longest)
    _forget_first_pass(ctx)
    for line in taken.unreadable:
        ctx.say(f"could not be read: {line}")
    new = f"{size_of(taken.added)} new in the repository"
    return f"{counted(taken.files, 'file')}, {size_of(taken.bytes)}; {new}"


def _take(ctx: JobContext, what: str, timeout: float) -> Taken:
    digest = ctx.memory.get("digest")
    tags = [f"service={ctx.task.service}", f"job={ctx.task.id}", f"digest={digest or 'unknown'}", what]
    begun = ctx.now()
    taken = ctx.backups.take(ctx.memory.get("paths"), tags, ctx.measured, timeout)
    facts = {
        "snapshot": taken.snapshot, "files": taken.files, "bytes": taken.bytes, "added": taken.added,
        "began": taken.began.timestamp(), "unreadable": list(taken.unreadable), "seconds": ctx.now() - begun,
    }  # fmt: skip
    ctx.memory.put("taken" if what == "backup" else "first", facts)
    return taken


def _forget_first_pass(ctx: JobContext) -> None:
    """Only when the space is looked after anyway; here the service may still be held."""
    first = ctx.memory.get("first")
    if first:
        ctx.memory.put("to_forget", [first["snapshot"]])


def drop_what_was_taken(ctx: JobContext) -> str:
    """Snapshots of this job that no record tells of, also those whose worker died before it could note which."""
    if ctx.memory.get("noted") and not ctx.memory.get("first"):
        return "it is on record and stays"
    noted = ctx.kept.noted()  # also by a worker that died right after it
    try:
        mine = [one.id for one in ctx.backups.snapshots() if f"job={ctx.task.id}" in one.tags and one.id != noted]
        if mine:
            ctx.backups.forget(mine, ctx.say)
    except (Refused, Broken) as error:  # it takes room and does no harm: no reason to leave a job stuck
        return f"what was copied stays in the repository: {error}"
    return counted(len(mine), "snapshot")


def verify(ctx: JobContext) -> str:
    """Its structure, and that a share of the data reads back. What is unchanged was verified when it was taken."""
    if _unchanged(ctx):
        return "verified when it was copied"
    taken = ctx.memory.get("taken")
    paths = ctx.memory.get("paths")
    with ThreadPoolExecutor(1) as beside:
        looked = beside.submit(_look_over, ctx, paths, taken["began"])
        checked = ctx.backups.check(SHARE, ctx.say, CHECK_TIMEOUT)
    seen, changed, which = looked.result()
    for path in which:
        ctx.say(f"changed while it was read: {path}")
    clean = not changed  # else the fingerprint tells of something that was not copied
    ctx.memory.put("seen", {"disk_bytes": seen.disk_bytes, "fingerprint": seen.fingerprint if clean else "", "changed": changed})
    if not checked.whole:
        return _damage(ctx, checked, taken["snapshot"])
    note = f"; {counted(changed, 'file')} changed while being read" if changed else ""
    return f"structure is whole, {SHARE} of the data read back{note}"


def _look_over(ctx: JobContext, paths: list[str], began: float) -> tuple[Survey, int, tuple[str, ...]]:
    """As the data are now, and which files changed since reading began: none if nothing at all has."""
    seen = ctx.trees.survey(paths)
    if seen.fingerprint and seen.newest < (began - CLOCK_TICK) * 1e9:
        return seen, 0, ()
    return seen, *ctx.trees.changed_since(paths, began)


def _damage(ctx: JobContext, checked: Checked, mine: str) -> str:
    """This one is good all the same, unless it is hit as well or nobody can tell what is."""
    hit = ctx.backups.damaged_by(checked.damaged_packs)
    marked = ctx.kept.damaged(sorted(hit), checked.words)
    if not hit or any(one.startswith(mine) for one in hit):
        ctx.memory.put("damaged", checked.words)
    told = f"damage found: {checked.words}. {counted(marked, 'earlier backup')} cannot be restored any more."
    return f"{told} {take_out(ctx, checked)}".strip()


def take_out(ctx: JobContext, checked: Checked) -> str:
    """Else all later backups of the same data would rest on what is damaged."""
    if not checked.damaged_packs:
        return ""
    try:
        ctx.backups.heal(checked.damaged_packs, ctx.say)
    except (Refused, Broken) as error:
        return f"What is damaged could not be taken out: {error}"
    return "What is damaged was taken out: the next backup copies anew what is still there."


def note_down(ctx: JobContext) -> str:
    last = _unchanged(ctx)
    number = ctx.kept.taken(_same_again(ctx, last) if last else _as_taken(ctx))
    ctx.memory.put("noted", number)
    ctx.memory.put("result", {"backup": number})
    return f"backup {number}"


def _same_again(ctx: JobContext, last: Kept) -> dict[str, Any]:
    """Its files were seen to be as they were; that is as good as a copy, without one."""
    return {
        "unchanged": True, "at": _moment(ctx.memory.get("looked_at")), "snapshot": last.snapshot, "tree": last.tree,
        "digest": last.digest, "paths": list(last.paths), "mode": _mode(ctx), "files": last.files, "bytes": last.bytes,
        "disk_bytes": last.disk_bytes, "fingerprint": last.fingerprint,
        "verified_how": last.verified, "verified_at": last.verified_at,
    }  # fmt: skip


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)


def _as_taken(ctx: JobContext) -> dict[str, Any]:
    taken, seen = ctx.memory.get("taken"), ctx.memory.get("seen")
    snapshot = ctx.backups.snapshot(taken["snapshot"])
    if snapshot is None:
        raise Broken("what was just copied is not in the repository")
    plan = _plan(ctx)
    state, why = _state(ctx, taken["unreadable"])
    return {
        "state": state, "why": why, "at": _moment(taken["began"]), "snapshot": snapshot.id, "tree": snapshot.tree,
        "digest": ctx.memory.get("digest"), "paths": list(plan.paths), "mode": _mode(ctx),
        "files": taken["files"], "bytes": taken["bytes"], "disk_bytes": seen["disk_bytes"], "added_bytes": taken["added"],
        "seconds": taken["seconds"], "paused_seconds": ctx.memory.get("held_for") or 0,
        "changed_meanwhile": seen["changed"], "fingerprint": seen["fingerprint"],
        **({} if ctx.memory.get("damaged") else _verified()),
    }  # fmt: skip


def _verified() -> dict[str, Any]:
    return {"verified_how": f"structure, and {SHARE} of the data read back", "verified_at": datetime.now(UTC)}


def _state(ctx: JobContext, unreadable: list[str]) -> tuple[str, str]:
    if ctx.memory.get("damaged"):
        return "damaged", f"The check found damage: {ctx.memory.get('damaged')}"
    if unreadable:
        return "incomplete", f"{counted(len(unreadable), 'file')} could not be read: {'; '.join(unreadable[:5])}"
    return "good", ""


def judge(ctx: JobContext) -> str:
    """It stays on record whatever it is, but only a whole one is a success."""
    taken = ctx.memory.get("taken") or {}
    state, why = ("good", "") if _unchanged(ctx) else _state(ctx, taken.get("unreadable", []))
    if state != "good":
        raise Broken(f"{why} It is on record as {state} and does not count as a backup.")
    return "whole"


def tidy(ctx: JobContext) -> str:
    """Retention. A backup is good whether or not what is older could be tidied away."""
    rows = ctx.kept.to_forget()
    snapshots = [*(ctx.memory.get("to_forget") or ()), *dict.fromkeys(row.snapshot for row in rows if row.snapshot)]
    try:
        if snapshots:
            ctx.backups.forget(snapshots, ctx.say)
        ctx.kept.forgotten([row.id for row in rows])
    except Fenced:
        raise
    except (Refused, Broken) as error:
        return f"what is older could not be tidied away: {error}"
    return f"{counted(len(rows), 'backup')} no longer kept" if rows else "all are kept by the plan"


def _unchanged(ctx: JobContext) -> Kept | None:
    number = ctx.memory.get("unchanged")
    return ctx.kept.backup(number) if number else None


def back_up_first(ctx: JobContext) -> str:
    """All of it as one step, before an upgrade."""
    plan = ctx.kept.plan()
    if plan is None or not plan.paths:
        return "there are no data to back up"
    if not plan.before_upgrade:
        return "the backup plan does not ask for one"
    for do in (look, survey, first_pass, hold_still, take, go_on, verify, note_down, judge, tidy):
        ctx.say(f"{do.__name__.replace('_', ' ')}: {do(ctx)}")
    return f"backup {ctx.memory.get('noted')}"


def go_on_and_drop(ctx: JobContext) -> str:
    said = go_on(ctx)
    return f"{said}; {drop_what_was_taken(ctx)}" if ctx.memory.get("taken") or ctx.memory.get("first") else said


LOOK = Step("look", "See what is to be kept", look)
SURVEY = Step("survey", "See what has changed", survey)
FIRST = Step("first-pass", "Copy while it runs", first_pass, drop_what_was_taken, "drop what was copied")
HOLD = Step("hold", "Hold it still", hold_still, go_on, "let it go on", touches=True)
TAKE = Step("take", "Copy", take, drop_what_was_taken, "drop what was copied")
TAKE_HELD = Step("take", "Copy", take)
"""What was copied is dropped by the undo of the first pass: once the service goes on, as that may take its time."""
GO_ON = Step("go-on", "Let it go on", go_on)
VERIFY = Step("verify", "Verify", verify)
NOTE = Step("note", "Note it down", note_down, commits=True)
JUDGE = Step("judge", "See whether it is whole", judge)
TIDY = Step("tidy", "Forget what is no longer kept", tidy)

LIVE_STEPS = (LOOK, SURVEY, TAKE, VERIFY, NOTE, JUDGE, TIDY)
HOLDING_STEPS = (LOOK, SURVEY, FIRST, HOLD, TAKE_HELD, GO_ON, VERIFY, NOTE, JUDGE, TIDY)
BEFORE_AN_UPGRADE = Step("backup", "Back up", back_up_first, go_on_and_drop, "let it go on, drop what was copied")
