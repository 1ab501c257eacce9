"""What the engine's answers say of a container's rights and of what it uses. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from chatbot_service.jobs.look_ports import Usage

_SOCKETS = ("docker.sock", "containerd.sock", "podman.sock")
_HOLD_SOCKETS = frozenset({"/", "/run", "/var", "/var/run", "/run/containerd", "/run/podman", "/var/lib/docker"})


def host_namespaces(host: Mapping[str, Any]) -> frozenset[str]:
    """Of PID, IPC and network: those it shares with the host, by its settings."""
    modes = {"PID": "PidMode", "IPC": "IpcMode", "network": "NetworkMode"}
    return frozenset(name for name, key in modes.items() if host.get(key) == "host")


def engine_sockets(mounts: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Places of the host mounted inside that are, or that hold, the socket of an engine."""
    sources = [str(mount.get("Source") or "") for mount in mounts if mount.get("Type") == "bind"]
    return tuple(source for source in sources if source.endswith(_SOCKETS) or (source.rstrip("/") or "/") in _HOLD_SOCKETS)


def usage_of(said: Mapping[str, Any], at: datetime) -> Usage:
    cpu, memory = said.get("cpu_stats") or {}, said.get("memory_stats") or {}
    detail = memory.get("stats") or {}
    # Pages of files that can be given back at once: `inactive_file` in version 2 of the kernel's accounting.
    cache = detail.get("inactive_file", detail.get("total_inactive_file", 0))
    networks = (said.get("networks") or {}).values()
    return Usage(
        at=at,
        cpu_seconds=((cpu.get("cpu_usage") or {}).get("total_usage") or 0) / 1e9,
        cpus=cpu.get("online_cpus") or len((cpu.get("cpu_usage") or {}).get("percpu_usage") or ()) or 1,
        memory=max(0, (memory.get("usage") or 0) - cache),
        memory_limit=memory.get("limit") or 0,
        processes=(said.get("pids_stats") or {}).get("current") or 0,
        received=sum(one.get("rx_bytes") or 0 for one in networks),
        sent=sum(one.get("tx_bytes") or 0 for one in networks),
        read=_blocks(said, "read"),
        written=_blocks(said, "write"),
    )


def _blocks(said: Mapping[str, Any], kind: str) -> int:
    rows = (said.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    return sum(row.get("value") or 0 for row in rows if str(row.get("op")).lower() == kind)
