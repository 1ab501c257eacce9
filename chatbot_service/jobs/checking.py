"""The steps before the service is touched: ask the gate, have the image, verify what it is."""

import re
from collections.abc import Mapping
from typing import Any

from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.converge import the_container
from chatbot_service.jobs.ports import Entry, ImageFacts
from chatbot_service.jobs.rehearsal import new_ports
from chatbot_service.jobs.step import Step
from chatbot_service.jobs.switching import entry_of, remember_what_runs, short
from deploy_records.errors import Refused

PULL_TIMEOUT = 1800.0
REQUIRED_ENV_LABEL = "io.known-good.required-env"
_NAME_IN_A_TAG = re.compile(r"[a-z0-9]+(?:__?[a-z0-9]+)*")


def ask_gate(ctx: JobContext) -> str:
    """Also the place where a job learns what an undo goes back to."""
    target = ctx.target()
    container = the_container(ctx)
    there = entry_of(ctx, container)
    if container is not None and there is not None and there.digest == target.digest:
        words = "runs already" if container.running else f"is what is there, but it is {container.state}: start it instead"
        raise Refused(f"{short(target.digest)} {words}. Nothing was changed.")
    verdict = ctx.records.gate(target.digest)
    if not verdict.allowed:
        raise Refused(verdict.sentence)
    ctx.memory.put("gate", verdict.record)
    remember_what_runs(ctx)
    return verdict.sentence


def have_image(ctx: JobContext) -> str:
    """Local by digest, else pulled. A keep-tag saves it and the one it replaces from a plain prune."""
    target = ctx.target()
    reference = f"{target.repository}@{target.digest}"
    image = ctx.engine.image(reference)
    note = "is on the host already"
    if image is None:
        login = ctx.records.login(target.repository)
        platform = ctx.engine.facts().platform
        ctx.engine.pull(target.repository, target.digest, platform, login, ctx.say, PULL_TIMEOUT)
        image = ctx.engine.image(reference)
        note = "pulled"
    if image is None:
        raise Refused(f"The registry sent something, but {short(target.digest)} is not on the host. Try again.")
    _keep(ctx, target.digest, image.id)
    before = ctx.memory.get("image_before")
    if before:
        _keep(ctx, ctx.memory.get("from") or before, before)
    return f"{note}, {image.size / 1_000_000:.0f} MB"


def _keep(ctx: JobContext, digest: str, image_id: str) -> None:
    tag = digest.removeprefix("sha256:")[:12]
    ctx.engine.keep(image_id, f"known-good.keep/{_in_a_tag(ctx.task.host)}/{_in_a_tag(ctx.task.service)}", tag)


def _in_a_tag(name: str) -> str:
    """Hosts and services may be called `a-` or `a_-b`, parts of an image's name may not."""
    return "-".join(_NAME_IN_A_TAG.findall(name))


def verify(ctx: JobContext) -> str:
    target = ctx.target()
    image = ctx.engine.image(f"{target.repository}@{target.digest}")
    if image is None:
        raise Refused(f"{short(target.digest)} is no longer on the host. Start the job again.")
    rendered = ctx.compose.config(ctx.project)
    service = rendered.get("services", {}).get(ctx.project.service)
    if service is None:
        raise Refused(f"The compose files no longer have a service {ctx.project.service}. Put it back or change the service.")
    problems = [
        *wrong_identity(image, target),
        *wrong_platform(image, ctx.engine.facts().platform),
        *wrong_user(image, service),
        *no_healthcheck(image, service),
        *missing_env(image, service, ctx.task.required_env),
        *taken_ports(ctx, service),
    ]
    if problems:
        raise Refused(" ".join(problems))
    return f"{image.platform}, user {service.get('user') or image.user}"


def wrong_identity(image: ImageFacts, target: Entry) -> list[str]:
    named = any(d.endswith(f"@{target.digest}") for d in image.repo_digests)
    if named and image.id in target.image_ids:
        return []
    return [f"The image on the host is not the one in the ledger: its ID is {short(image.id)}."]


def wrong_platform(image: ImageFacts, platform: str) -> list[str]:
    """`linux/arm64/v8` on a `linux/arm64` engine is fine: the variant is not compared."""
    if image.platform.split("/")[:2] == platform.split("/")[:2]:
        return []
    return [f"The image is for {image.platform}, the host is {platform}. Build it for {platform}."]


def wrong_user(image: ImageFacts, service: Mapping[str, Any]) -> list[str]:
    user = str(service.get("user") or image.user).strip().partition(":")[0]
    if user not in {"", "root"} and not (user.isdecimal() and int(user) == 0):
        return []
    return ["The image would run as root. Add to its Dockerfile: USER 10001:10001."]


def no_healthcheck(image: ImageFacts, service: Mapping[str, Any]) -> list[str]:
    check = service.get("healthcheck") or {}
    disabled = check.get("disable") or (check.get("test") or [""])[0] == "NONE"
    if not disabled and (check.get("test") or image.healthcheck.exists):
        return []
    return ["Neither the image nor the compose file has a healthcheck, so nobody could tell whether it works. Add one."]


def missing_env(image: ImageFacts, service: Mapping[str, Any], required: tuple[str, ...]) -> list[str]:
    """Keys the contract or the image itself asks for that have no value; only names are ever told."""
    by_image = [key.strip() for key in image.labels.get(REQUIRED_ENV_LABEL, "").split(",")]
    given = service.get("environment") or {}
    missing = sorted({k for k in (*required, *by_image) if k and not (given.get(k) or image.env.get(k))})
    if not missing:
        return []
    keys = ", ".join(missing)
    return [f"The environment contract asks for {keys}, and no value is set. Set it in the project's .env file."]


def taken_ports(ctx: JobContext, service: Mapping[str, Any]) -> list[str]:
    """Ports that the compose file newly publishes, where no rehearsal will try them. A service that is down risks nothing."""
    running = the_container(ctx)
    rehearsed = ctx.task.kind == "upgrade" and ctx.task.rehearsal != "off"
    if rehearsed or running is None or not running.running:
        return []
    taken = [port for port in new_ports(service, running.published) if ctx.engine.port_is_taken(port)]
    free_it = "Free it or take it out of the compose file."
    return [f"Port {port} of the host is taken by another program. {free_it}" for port in taken]


GATE = Step("gate", "Ask the gate and the approvals", ask_gate)
IMAGE = Step("image", "Have the image", have_image)
VERIFY = Step("verify", "Verify digest, platform, user, healthcheck", verify)
