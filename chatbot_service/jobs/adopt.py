"""inspect, adopt and resolve: reading a compose project, taking a service under management, registering a digest."""

from chatbot_service.jobs import adoption
from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.converge import the_container
from chatbot_service.jobs.step import Step
from chatbot_service.jobs.switching import entry_of, pinned, short
from deploy_records.errors import Refused
from deploy_records.rules.digest import parse_reference

MOST_SERVICES = 100


def read_project(ctx: JobContext) -> str:
    """What the compose files say, without values, for the person to choose from."""
    rendered = ctx.compose.config(ctx.project)
    services = (rendered.get("services") or {}).values()
    if len(services) > MOST_SERVICES:
        raise Refused(f"The project has {len(services):,} services; at most {MOST_SERVICES} are read. Nothing was changed.")
    named = {str((service or {}).get("image") or "") for service in services}
    images = {name: facts for name in sorted(named) if _can_be_asked_for(name) and (facts := ctx.engine.image(name))}
    found = adoption.find(rendered, ctx.project.directory, images, ctx.compose.config(ctx.project, filled_in=False))
    ctx.memory.put("result", found)
    return f"{len(found['services'])} services"


def _can_be_asked_for(image: str) -> bool:
    """The engine takes a name into an address of its API; what is no reference could name another one."""
    try:
        parse_reference(image)
    except Refused:
        return False
    return True


def see_what_runs(ctx: JobContext) -> str:
    container = the_container(ctx)
    ctx.records.observed(container, entry_of(ctx, container), pinned(ctx))
    return f"{container.name} is {container.state}" if container else "nothing runs yet; the first upgrade starts it"


def register_what_runs(ctx: JobContext) -> str:
    """What was found running becomes a candidate: a person must still approve it."""
    container = the_container(ctx)
    if container is None:
        return "nothing runs yet"
    entry = entry_of(ctx, container)
    if entry is None:
        image = ctx.engine.image(container.image_id)
        named = [d for d in image.repo_digests if d.startswith(f"{ctx.task.repository}@")] if image else []
        if not named:
            return "its image has no digest of this repository, so it cannot be proved; upgrade to a registered one"
        try:
            entry = ctx.records.register(_with_tag(named[0], container.image))
        except Refused as why:
            return f"not registered: {why}"
    ctx.memory.put("adopted", entry.digest)
    ctx.records.observed(container, entry, pinned(ctx))
    return f"{short(entry.digest)}, {entry.state}"


def _with_tag(named: str, started_from: str) -> str:
    """The digest, labelled with the tag that the container was started from, if it was."""
    repository, _, digest = named.partition("@")
    try:
        tag = parse_reference(started_from).tag
    except Refused:  # started from an image ID
        tag = ""
    return f"{repository}:{tag}@{digest}" if tag else named


def record_what_runs(ctx: JobContext) -> str:
    digest = ctx.memory.get("adopted")
    if not digest:
        return "nothing to record"
    ctx.records.deployed(digest, {"sentence": "found running when it was put under management"})
    container = the_container(ctx)
    if container is not None and container.health == "healthy":
        ctx.records.healthy(digest)
    return f"{short(digest)} has run since before the portal"


def resolve(ctx: JobContext) -> str:
    entry = ctx.records.register(str((ctx.task.asked or {}).get("reference", "")))
    ctx.memory.put("result", {"repository": entry.repository, "digest": entry.digest})
    return f"{entry.repository} {short(entry.digest)}, {', '.join(entry.platforms)}"


INSPECT_STEPS = (Step("read", "Read the compose files", read_project),)
ADOPT_STEPS = (
    Step("look", "See what runs", see_what_runs),
    Step("register", "Register what runs", register_what_runs),
    Step("record", "Record the deployment", record_what_runs),
)
RESOLVE_STEPS = (Step("resolve", "Ask the registry", resolve),)
