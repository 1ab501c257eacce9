"""The hardening baseline, held against a service of a rendered Compose project. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chatbot_service.jobs.ports import Healthcheck, ImageFacts
from chatbot_service.jobs.rendered import lines
from deploy_records.rules.digest import Reference

_FIXED_USER = re.compile(r"(?P<uid>\d+):(?P<gid>\d+)")
_NO_NEW_PRIVILEGES = frozenset({"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"})
_ENGINE_SOCKETS = ("docker.sock", "containerd.sock", "podman.sock")


Service = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """`met` or not; `add`: the lines for the compose file that meet it."""

    rule: str
    met: bool
    says: str
    add: str = ""


def baseline(
    name: str, service: Service, image: Reference, check: Healthcheck | None, facts: ImageFacts | None
) -> tuple[Rule, ...]:
    """One finding for every rule, whether met or not."""
    return (
        _user(name, str(service.get("user") or (facts.user if facts else ""))),
        _capabilities(name, service),
        _no_new_privileges(name, service),
        _read_only(name, service),
        _tmp(name, service),
        _privileged(service),
        _namespaces(service),
        _engine_socket(service),
        _healthcheck(check),
        Rule("digest", bool(image.digest), f"image by digest: {'yes' if image.digest else 'by tag'}"),
        _limits(name, service),
    )


def limits(service: Mapping[str, Any]) -> dict[str, str]:
    """`cpus`, `memory` and `pids`, as far as they are limited."""
    by_deploy = ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    values = {
        "cpus": service.get("cpus") or by_deploy.get("cpus"),
        "memory": _size(service.get("mem_limit") or by_deploy.get("memory")),
        "pids": service.get("pids_limit") or by_deploy.get("pids"),
    }
    return {key: str(value) for key, value in values.items() if value}


def _rule(rule: str, says: str, *, met: bool, add: str = "") -> Rule:
    return Rule(rule, met, says, "" if met else add)


def _user(name: str, user: str) -> Rule:
    found = _FIXED_USER.fullmatch(user)
    met = bool(found and int(found["uid"]) and int(found["gid"]))
    says = f"fixed user and group, not root: {user or 'not said, so root'}"
    return _rule("user", says, met=met, add=lines(name, 'user: "10001:10001"'))


def _capabilities(name: str, service: Service) -> Rule:
    dropped = [str(each).upper() for each in service.get("cap_drop") or ()]
    added = [str(each) for each in service.get("cap_add") or ()]
    says = f"adds {', '.join(added)}" if added else f"drops {', '.join(dropped) or 'none'}"
    return _rule("cap_drop", f"no capabilities: {says}", met="ALL" in dropped and not added, add=lines(name, "cap_drop: [ALL]"))


def _no_new_privileges(name: str, service: Service) -> Rule:
    met = any(str(each).lower() in _NO_NEW_PRIVILEGES for each in service.get("security_opt") or ())
    says = f"no new privileges: {'set' if met else 'not set'}"
    return _rule("no_new_privileges", says, met=met, add=lines(name, "security_opt: [no-new-privileges:true]"))


def _read_only(name: str, service: Service) -> Rule:
    met = bool(service.get("read_only"))
    says = f"read-only root: {'it is' if met else 'it can be written to'}"
    return _rule("read_only", says, met=met, add=lines(name, "read_only: true", "tmpfs: [/tmp]"))


def _tmp(name: str, service: Service) -> Rule:
    met = any(each.split(":")[0] == "/tmp" for each in _tmpfs(service))  # noqa: S108 - a path in a container
    return _rule("tmpfs", f"a /tmp in memory: {'there' if met else 'missing'}", met=met, add=lines(name, "tmpfs: [/tmp]"))


def _privileged(service: Service) -> Rule:
    privileged = bool(service.get("privileged"))
    return _rule("privileged", f"not privileged: {'it is privileged' if privileged else 'it is not'}", met=not privileged)


def _namespaces(service: Service) -> Rule:
    shared = [key for key in ("pid", "ipc") if service.get(key) == "host"]
    says = f"it shares {', '.join(shared)}" if shared else "its own"
    return _rule("namespaces", f"no host PID or IPC: {says}", met=not shared)


def _engine_socket(service: Service) -> Rule:
    mounted = [str(m.get("source") or "") for m in service.get("volumes") or ()]
    socket = next((source for source in mounted if source.endswith(_ENGINE_SOCKETS)), "")
    says = f"it mounts {socket}" if socket else "none"
    return _rule("engine_socket", f"no engine socket inside: {says}", met=not socket)


def _healthcheck(check: Healthcheck | None) -> Rule:
    says = f"every {check.interval:g} s, {check.retries} retries" if check else "none"
    met = check is not None and _is_whole(check)
    return _rule("healthcheck", f"healthcheck with timeout, interval, retries and start period: {says}", met=met)


def _limits(name: str, service: Service) -> Rule:
    found = limits(service)
    says = f"limits for CPU and memory: {', '.join(f'{key} {value}' for key, value in found.items()) or 'none'}"
    return _rule("limits", says, met={"cpus", "memory"} <= found.keys(), add=lines(name, "cpus: 1", "mem_limit: 1024m"))


def _is_whole(check: Healthcheck) -> bool:
    return min(check.timeout, check.interval, check.retries, check.start_period) > 0


def _tmpfs(service: Service) -> list[str]:
    given = service.get("tmpfs") or []
    mounted = [str(m.get("target")) for m in service.get("volumes") or () if m.get("type") == "tmpfs"]
    return [*([given] if isinstance(given, str) else map(str, given)), *mounted]


def _size(value: object) -> str:
    """Bytes, as Compose renders them, in MiB."""
    text = str(value or "")
    return f"{int(text) // 1048576} MiB" if text.isdigit() else text
