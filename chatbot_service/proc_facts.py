"""What files below /proc say: the rights of a process, and what is mounted where. Pure."""

import re
from collections.abc import Iterator

from chatbot_service.foreign_text import cut, neutral
from chatbot_service.jobs.look_ports import Capabilities, Mount, Process

# By bit, from linux/capability.h.
_NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
    "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME",
    "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
    "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip
KNOWN = frozenset(f"CAP_{name}" for name in _NAMES)
_BITS = 64
_MOST_PROCESSES = 2000
_MOST_MOUNTS = 1000
_OCTAL = re.compile(r"\\([0-7]{3})")
_FIELDS_BEFORE = 6


def capability_names(mask: str) -> frozenset[str]:
    """From hexadecimal, as in CapEff. A bit this list does not know is told by its number."""
    bits = int(mask, 16)
    return frozenset(f"CAP_{_NAMES[bit]}" if bit < len(_NAMES) else f"CAP_{bit}" for bit in range(_BITS) if bits >> bit & 1)


def process(status: str) -> Process | None:
    """From /proc/PID/status; nothing if it is not one, as of a process that has just ended."""
    said = {key: value.strip() for key, _, value in (line.partition(":") for line in status.splitlines())}
    try:
        return Process(
            pid=int(said["Pid"]),
            name=cut(neutral(said.get("Name", "")), 40),
            uids=_numbers(said["Uid"]),
            gids=_numbers(said["Gid"]),
            groups=_numbers(said.get("Groups", "")),
            capabilities=Capabilities(
                effective=capability_names(said["CapEff"]),
                permitted=capability_names(said["CapPrm"]),
                bounding=capability_names(said["CapBnd"]),
                ambient=capability_names(said.get("CapAmb", "0")),
                inheritable=capability_names(said.get("CapInh", "0")),
            ),
            no_new_privileges=said["NoNewPrivs"] == "1" if "NoNewPrivs" in said else None,
            seccomp=int(said["Seccomp"]) if "Seccomp" in said else None,
        )
    except (KeyError, ValueError):
        return None


def processes(statuses: str) -> tuple[Process, ...]:
    """From several such files, one after the other."""
    found = (process("Name:" + part) for part in statuses.split("Name:")[1 : _MOST_PROCESSES + 1])
    return tuple(one for one in found if one)


def mounts(mountinfo: str) -> tuple[Mount, ...]:
    """From /proc/PID/mountinfo. Of several at one place the last counts: it covers the others."""
    by_place = {mount.at: mount for mount in _mounts(mountinfo.splitlines()[:_MOST_MOUNTS])}
    return tuple(by_place.values())


def _mounts(lines: list[str]) -> Iterator[Mount]:
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < _FIELDS_BEFORE or not kind:
            continue
        at = _OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4])
        # A mount may be read-only by itself, or because its whole file system is.
        yield Mount(at, kind[0], "ro" in fields[5].split(",") or "ro" in kind[-1].split(","))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split())
