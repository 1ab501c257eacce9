"""configure: change keys of the environment under its contract, apply, verify, undo on failure.

Asked for: `set` {name: value} of keys that are not secret, `sealed` {name: sealed value} of the others, `unset` [names]; or
`version`, to go back to one. `revision`: the file's fingerprint when the change was thought out, empty for any.
"""

import json
from typing import Any

from chatbot_service import env_file
from chatbot_service.environment_contract import KEY_EXPECTED, changes, is_key, problems, wrong_value
from chatbot_service.foreign_text import one_line
from chatbot_service.jobs.converge import converge, the_container
from chatbot_service.jobs.operation_ports import OperationContext
from chatbot_service.jobs.ports import ContainerFacts
from chatbot_service.jobs.step import Step
from chatbot_service.jobs.switching import UP_TIMEOUT, entry_of, pinned, remember_what_runs, short, wait_until_serving
from deploy_records.errors import Broken, Refused

NOTHING_CHANGED = "Nothing was changed."


def check(ctx: OperationContext) -> str:
    """Works out the new file and holds it against the contract, before anything is touched."""
    converge(ctx)
    container = the_container(ctx)
    if container is None or not container.running:
        raise Refused(f"It does not run, so nothing would show whether the change is good. Start it first. {NOTHING_CHANGED}")
    rendered = ctx.compose.config(ctx.project)
    _expect_the_image(ctx, container, rendered)
    before = ctx.env_file.read()
    _expect_the_revision(ctx, before)
    after = _asked_for(ctx, before or "")
    found = changes(ctx.operation.contract(), env_file.values(before or ""), env_file.values(after or ""))
    if not found:
        raise Refused(f"The environment has these values already. {NOTHING_CHANGED}")
    remember_what_runs(ctx)
    ctx.memory.put("problems_before", problems(ctx.operation.contract(), _environment(ctx, rendered)))
    ctx.memory.put("rest_before", _rest(ctx, rendered))
    ctx.memory.put("env_before", ctx.seal(before or ""))
    ctx.memory.put("env_was_there", before is not None)
    ctx.memory.put("env_after", ctx.seal(after or ""))
    for change in found:
        ctx.say(
            f"{change.name}: {change.did}" + ("" if change.sensitive else f", {change.before or '–'} → {change.after or '–'}")
        )
    return ", ".join(f"{change.name} {change.did}" for change in found)[:300]


def _expect_the_image(ctx: OperationContext, container: ContainerFacts, rendered: dict[str, Any]) -> None:
    """Applying brings up what the compose files name: were that another image, this would be an upgrade that nobody approved."""
    name = str((rendered.get("services", {}).get(ctx.project.service) or {}).get("image") or "")
    image = ctx.engine.image(name) if name else None
    if image is None or image.id != container.image_id:
        raise Refused(
            "What runs is not what the compose files name, so applying would switch the image as well. "
            f"Upgrade or roll back to the digest it should run first. {NOTHING_CHANGED}",
            code="drift",
        )


def _rest(ctx: OperationContext, rendered: dict[str, Any]) -> str:
    """A mark of everything in the project but the environment of the service."""
    services = dict(rendered.get("services") or {})
    service = {
        key: value for key, value in (services.get(ctx.project.service) or {}).items() if key not in {"environment", "env_file"}
    }
    return ctx.fingerprint(json.dumps({**rendered, "services": {**services, ctx.project.service: service}}, sort_keys=True))


def _expect_the_revision(ctx: OperationContext, before: str | None) -> None:
    revision = (ctx.task.asked or {}).get("revision")
    if revision and revision != ctx.fingerprint(before or ""):
        raise Refused(
            f"The environment file was changed since you looked at it. Look at it again, then change it. {NOTHING_CHANGED}",
            code="environment-changed",
        )


def _asked_for(ctx: OperationContext, before: str) -> str | None:
    asked = ctx.task.asked or {}
    if asked.get("version"):
        version = ctx.operation.version(int(asked["version"]))
        if version is None:
            raise Refused(f"There is no version {asked['version']} of this environment. {NOTHING_CHANGED}")
        return ctx.unseal(version.sealed)
    new = _new_values(ctx, asked)
    contract = ctx.operation.contract()
    for name, value in new.items():
        key = contract.key(name)
        wrong = wrong_value(key, value) if key and value else ""
        if wrong:
            raise Refused(f"{name} is not valid: {wrong}. {NOTHING_CHANGED}")
        if key and key.required and not value:
            raise Refused(f"{name} is required, so it cannot be taken out. {NOTHING_CHANGED}")
    return env_file.changed(before, new)


def _new_values(ctx: OperationContext, asked: dict[str, Any]) -> dict[str, str | None]:
    opened = {name: ctx.unseal(sealed) for name, sealed in (asked.get("sealed") or {}).items()}
    new: dict[str, str | None] = {**(asked.get("set") or {}), **opened, **dict.fromkeys(asked.get("unset") or ())}
    wrong = sorted(name for name in new if not is_key(name))
    if wrong:
        raise Refused(f"{one_line(', '.join(wrong), 200)} cannot be set here: {KEY_EXPECTED}. {NOTHING_CHANGED}")
    return new


def write(ctx: OperationContext) -> str:
    ctx.env_file.write(_after(ctx))
    return ""


def _after(ctx: OperationContext) -> str:
    return ctx.unseal(ctx.memory.get("env_after"))


def _before(ctx: OperationContext) -> str | None:
    return ctx.unseal(ctx.memory.get("env_before")) if ctx.memory.get("env_was_there") else None


def write_back(ctx: OperationContext) -> str:
    """Safe when nothing was written: then what is there is what was there."""
    if ctx.memory.get("env_before") is None:
        return "nothing was written"
    before = _before(ctx)
    if ctx.env_file.read() == before:
        return "it is as before"
    ctx.env_file.write(before)
    return "as before, to the byte"


def see_it_arrive(ctx: OperationContext) -> str:
    """The file may be written and have no effect: where the compose file itself gives the key a value, or reads no such file."""
    asked = ctx.task.asked or {}
    new = {} if asked.get("version") else _new_values(ctx, asked)
    rendered = ctx.compose.config(ctx.project)
    environment = _environment(ctx, rendered)
    deaf = sorted(name for name, value in new.items() if value and environment.get(name) != value)
    if deaf:
        raise Refused(
            f"{', '.join(deaf)} does not reach the container: the compose file gives it a value of its own, or does not read "
            f".env for it. Change it there (env_file: .env, or {deaf[0]}: ${{{deaf[0]}}}). {NOTHING_CHANGED}"
        )
    if _rest(ctx, rendered) != ctx.memory.get("rest_before"):
        raise Refused(
            "The change reaches further than the environment: the compose files use one of these keys for something else, "
            f"such as a port or an image. Make such a change in the files, by hand. {NOTHING_CHANGED}"
        )
    wrong = problems(ctx.operation.contract(), environment)
    worse = [problem for problem in wrong if problem not in (ctx.memory.get("problems_before") or ())]
    if worse:
        raise Refused(f"{' '.join(worse)} {NOTHING_CHANGED}")
    return f"{len(environment)} keys" + (f"; as before, {' '.join(wrong)}" if wrong else ", as the contract says")


def _environment(ctx: OperationContext, rendered: dict[str, Any]) -> dict[str, str]:
    """What the container gets, from the image and from the compose files. Never told."""
    service = rendered.get("services", {}).get(ctx.project.service) or {}
    given = service.get("environment") or {}
    image = ctx.engine.image(ctx.memory.get("image_before"))
    # Compose prints what it would read again: a dollar is doubled.
    return {**(image.env if image else {}), **{name: str(value or "").replace("$$", "$") for name, value in given.items()}}


def apply(ctx: OperationContext) -> str:
    """Also when the container was made with these values already: Compose then leaves it as it is."""
    converge(ctx)
    ctx.memory.put("applying", True)
    ctx.compose.up(ctx.project, ctx.say, UP_TIMEOUT)
    container = the_container(ctx)
    return f"container {container.id[:12]}" if container else ""


def apply_back(ctx: OperationContext) -> str:
    """The old file, and a container made from it, serving. Safe when nothing was applied."""
    if not ctx.memory.get("applying"):
        return "nothing was applied"
    write_back(ctx)
    converge(ctx)
    ctx.compose.up(ctx.project, ctx.say, UP_TIMEOUT)
    if ctx.memory.get("well_before"):
        wait_until_serving(ctx)
    _prove_image(ctx)
    return "recreated with the old environment" + (", answers healthily" if ctx.memory.get("well_before") else "")


def serve(ctx: OperationContext) -> str:
    took = wait_until_serving(ctx)
    ctx.records.serving()
    return f"three passes in a row after {took:.1f} s"


def prove(ctx: OperationContext) -> str:
    """Invariant 1: the image as before. And the container has the values that were asked for."""
    container = _prove_image(ctx)
    running, wanted = ctx.looks.environment(container.id), _environment(ctx, ctx.compose.config(ctx.project))
    differ = sorted(name for name, value in wanted.items() if running.get(name, "") != value)
    if differ:
        raise Broken(f"the container does not have the new value of {', '.join(differ)}")
    entry, pin = entry_of(ctx, container), pinned(ctx)
    ctx.records.observed(container, entry, pin)
    return f"{short(entry.digest)} runs, as before" if entry else "the image that ran before runs"


def _prove_image(ctx: OperationContext) -> ContainerFacts:
    container = the_container(ctx)
    if container is None:
        raise Broken("there is no container")
    if container.image_id != ctx.memory.get("image_before"):
        raise Broken("another image runs than before; see the service page")
    entry, pin = entry_of(ctx, container), pinned(ctx)
    if entry is not None and "@" in pin and pin.rpartition("@")[2] not in entry.image_ids:
        raise Broken(f"the container runs {short(entry.digest)}, which the pin does not name")
    return container


def record(ctx: OperationContext) -> str:
    """A file that was changed by hand since the last version is a version of its own: so it can be gone back to as well."""
    before, after = _before(ctx) or "", _after(ctx)
    contract = ctx.operation.contract()
    newest = ctx.operation.version(0)
    known = ctx.unseal(newest.sealed) if newest else ""
    if newest is None or known != before:
        found = changes(contract, env_file.values(known), env_file.values(before))
        ctx.operation.keep_version(ctx.seal(before), found, found=True)
    done = changes(contract, env_file.values(before), env_file.values(after))
    went_back_to = (ctx.task.asked or {}).get("version")
    number = ctx.operation.keep_version(ctx.seal(after), done, found=False, went_back_to=went_back_to)
    ctx.memory.put("result", {"version": number, "changed": [change.name for change in done]})
    return f"version {number}"


CHECK = Step("check", "Check the new values", check)
WRITE = Step("write", "Write the environment file", write, write_back, "old environment file back")
ARRIVE = Step("arrive", "See that they reach the service", see_it_arrive)
APPLY = Step("apply", "Apply", apply, apply_back, "old environment back", touches=True)
SERVE = Step("serving", "Wait until it serves", serve)
PROVE = Step("prove", "Prove what runs", prove)
RECORD = Step("record", "Record the version", record)

STEPS = (CHECK, WRITE, ARRIVE, APPLY, SERVE, PROVE, RECORD)
