"""The candidate beside the running one: same configuration, no published ports, copies of the data."""

import copy
from collections.abc import Collection, Mapping
from typing import Any

from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.converge import the_container
from chatbot_service.jobs.ports import ContainerFacts
from chatbot_service.jobs.switching import LEAST_PATIENCE, LOOK_EVERY, UP_TIMEOUT, short, watch_probes
from chatbot_service.jobs.verdict import Judge
from deploy_records.errors import Broken

MOST_COPIED_BYTES = 256 * 1024 * 1024
DOWN_TIMEOUT = 60.0
TIDYING = 1.0
"""Seconds in which the kernel takes down the candidate's network. A switch meanwhile waits for it, with the service down."""
# Labels too: a reverse proxy that reads them would send the candidate a share of the real requests.
_LEFT_OUT = ("ports", "container_name", "depends_on", "build", "hostname", "links", "profiles", "labels")


_ALL = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104 - Docker's words for all addresses


def project_name(ctx: JobContext) -> str:
    """Job numbers alone repeat: another portal on the same engine counts its own."""
    return f"kg-rehearsal-{ctx.project.name[:40]}-{ctx.task.id}"


def candidate_of(service: str) -> str:
    """Another service name, so that on a joined network nobody is led to the candidate."""
    return f"{service}-rehearsal"


def rehearse(ctx: JobContext) -> str:
    if ctx.task.rehearsal == "off":
        return "not done: switched off for this service"
    remove_rehearsal(ctx)
    rendered = ctx.compose.config(ctx.project)
    binds = _copies(ctx, rendered)
    held = the_container(ctx)
    plan = rehearsal_project(
        rendered, project_name(ctx), ctx.project.service, ctx.target().reference,
        binds, joined=ctx.task.rehearsal == "joined", held=held.published if held else (),
    )  # fmt: skip
    ctx.say(f"create {project_name(ctx)}, no port of the running one")
    ctx.compose.up_rendered(project_name(ctx), ctx.project.directory, plan, ctx.say, UP_TIMEOUT)
    container = _candidate(ctx)
    took = watch_probes(ctx, container, "candidate")
    ctx.say(f"candidate: three passes in a row after {took:.1f} s; waiting for Docker to agree")
    wait_for_docker(ctx, container)
    remove_rehearsal(ctx)
    ctx.pause(TIDYING)
    return f"{short(ctx.task.target)} became healthy, first answer after {took:.1f} s"


def remove_rehearsal(ctx: JobContext) -> str:
    ctx.compose.down(project_name(ctx), ctx.say, DOWN_TIMEOUT)
    ctx.files.remove_copies()
    return "container, network and copies of the data"


def _candidate(ctx: JobContext) -> ContainerFacts:
    found = ctx.engine.containers(project_name(ctx), candidate_of(ctx.project.service))
    if not found:
        raise Broken("the rehearsal's container is gone")
    return found[0]


def wait_for_docker(ctx: JobContext, container: ContainerFacts) -> None:
    """Until it says healthy, while the container's own probes pass; `Broken` with the cause if it does not."""
    judge = Judge(container.healthcheck, container.restart_count)
    begun = ctx.now()
    patience = max(LEAST_PATIENCE, container.healthcheck.verdict_after)
    while ctx.now() - begun < patience:
        seen = ctx.engine.container(container.id)
        judged = judge.look(seen)
        if not judged.fault:
            judged = judge.probed(ctx.engine.probe(container.id))
        if judged.fault:
            for line in ctx.engine.logs(container.id, 15):
                ctx.say(f"log: {line}")
            raise Broken(f"candidate: {judged.fault}")
        if seen is not None and seen.health == "healthy" and judged.serving:
            return
        ctx.pause(LOOK_EVERY)
    raise Broken(f"candidate: Docker did not call it healthy in {patience:.0f} s")


def _copies(ctx: JobContext, rendered: dict[str, Any]) -> dict[str, str]:
    """Source → throw-away copy, for the bind mounts that can be copied; the others are mounted read-only."""
    binds: dict[str, str] = {}
    for mount in rendered["services"][ctx.project.service].get("volumes", []):
        if mount.get("type") == "bind" and not mount.get("read_only"):
            copied = ctx.files.throw_away_copy(mount["source"], MOST_COPIED_BYTES)
            if copied:
                binds[mount["source"]] = copied
                ctx.say(f"copied {mount['target']}")
            else:
                ctx.say(f"{mount['target']}: too large to copy, mounted read-only")
    return binds


def rehearsal_project(
    rendered: dict[str, Any], name: str, service: str, image: str,
    binds: dict[str, str], *, joined: bool, held: Collection[str],
) -> dict[str, Any]:  # fmt: skip
    """The rendered project made harmless: one service, the candidate's image, no shared names, no shared data.

    Ports that the running container does not hold stay published, so that a taken one is found out here
    and not in the switch. Pure; `rendered` is not changed.
    """
    one = copy.deepcopy(rendered["services"][service])
    ports = [p for p in one.get("ports", []) if not _is_held(_port(p), held)]
    for key in _LEFT_OUT:
        one.pop(key, None)
    one |= {"image": image, "restart": "no"}
    if ports:
        one["ports"] = ports
    one["volumes"] = [_harmless(mount, binds) for mount in one.get("volumes", [])]
    whole: dict[str, Any] = {"name": name, "services": {candidate_of(service): one}}
    networks = rendered.get("networks") or {}
    if joined and one.get("networks"):
        used = list(one["networks"])
        one["networks"] = {n: {} for n in used}
        whole["networks"] = {n: {"external": True, "name": networks[n]["name"]} for n in used}
    else:
        one.pop("networks", None)
    volumes = {m["source"] for m in one["volumes"] if m.get("type") == "volume" and m.get("source")}
    if volumes:
        known = rendered.get("volumes") or {}
        whole["volumes"] = {v: {"external": True, "name": known[v]["name"]} for v in volumes}
    for kind in ("secrets", "configs"):
        if kind in rendered and one.get(kind):
            whole[kind] = rendered[kind]
    return whole


def new_ports(service: Mapping[str, Any], held: Collection[str]) -> list[str]:
    """What the service publishes beyond what its running container holds."""
    return [port for port in map(_port, service.get("ports") or ()) if not _is_held(port, held)]


def _is_held(port: str, held: Collection[str]) -> bool:
    """Also when it is held on all addresses and wanted on one, or the other way round."""
    address, _, number = port.rpartition(":")
    return any(
        number == other_number and (address == other or _ALL & {address, other})
        for other, _, other_number in (one.rpartition(":") for one in held)
    )


def _port(port: dict[str, Any]) -> str:
    """As `ContainerFacts.published` writes it: address:port/protocol."""
    return f"{port.get('host_ip') or '0.0.0.0'}:{port.get('published', '')}/{port.get('protocol', 'tcp')}"  # noqa: S104 - Docker's word for all


def _harmless(mount: dict[str, Any], binds: dict[str, str]) -> dict[str, Any]:
    if mount.get("source") in binds:
        kept = {key: value for key, value in mount.items() if key in {"target", "read_only"}}
        return {"type": "bind", "source": binds[mount["source"]], **kept}
    if mount.get("type") in {"bind", "volume"}:
        return mount | {"read_only": True}
    return mount
