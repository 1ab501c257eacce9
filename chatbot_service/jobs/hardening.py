"""The hardening baseline, held against the running container: what the kernel and the engine say of it. Pure.

`baseline` holds it against a compose file, before anything runs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

from chatbot_service.foreign_text import cut
from chatbot_service.jobs.look_ports import Process, RawHealthcheck, Standing, Tree
from chatbot_service.jobs.rendered import lines
from chatbot_service.jobs.switching import short

_MOST_TIMEOUT = 30.0
_MOST_VERDICT = 900.0
_FILTERED = 2
_MIB = 1024 * 1024
_MOST_NAMED = 5
_MOST_SEEN = 600


class Verdict(StrEnum):
    OK = "ok"
    FAILED = "failed"
    EXCUSED = "excused"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One rule. `mend`: lines for the compose file, or a command, that would meet it."""

    rule: str
    name: str
    verdict: Verdict
    seen: str
    wanted: str
    mend: str = ""


@dataclass(frozen=True)
class Excuse:
    """A capability that may stay until `review_on`, and not on that day."""

    capability: str
    reason: str
    review_on: date


@dataclass(frozen=True)
class Wanted:
    """Against what a container is held. `pin`: the image reference in the pin file; `repo_digests`: of the image it runs."""

    service: str
    pin: str
    repo_digests: tuple[str, ...]
    excuses: tuple[Excuse, ...]
    today: date


def judge(seen: Standing, wanted: Wanted) -> tuple[Finding, ...]:
    """Every rule, met or not. What cannot be seen is unknown, and an unknown does not pass."""
    return tuple(rule(seen, wanted) for rule in _JUDGES)


def passed(findings: Sequence[Finding]) -> bool:
    return bool(findings) and all(finding.verdict in {Verdict.OK, Verdict.EXCUSED} for finding in findings)


def as_data(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [asdict(finding) | {"verdict": finding.verdict.value} for finding in findings]


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    return {verdict.value: sum(finding.verdict is verdict for finding in findings) for verdict in Verdict}


def in_words(findings: Sequence[Finding]) -> str:
    number = counts(findings)
    told = [f"{number[each.value]} {each.value}" for each in (Verdict.FAILED, Verdict.UNKNOWN, Verdict.EXCUSED, Verdict.OK)]
    return ", ".join(words for words in told if not words.startswith("0 "))


_RULES = {
    "user": ("User and group of every process", "one fixed user and group, neither of them 0"),
    "groups": ("Further groups", "none but its own"),
    "capabilities": ("Capabilities", "none: cap_drop ALL, nothing added"),
    "no_new_privileges": ("No new privileges", "set on every process"),
    "seccomp": ("System calls filtered (seccomp)", "filtered for every process"),
    "privileged": ("Not privileged", "not privileged"),
    "namespaces": ("Namespaces of its own", "no host PID, IPC or network"),
    "read_only": ("Root file system", "read-only"),
    "tmpfs": ("/tmp", "a tmpfs"),  # noqa: S108 - a path in a container
    "owners": ("Owner of writable mounts", "the service's own user and group"),
    "setuid_mounts": ("Setuid files on writable mounts", "none"),
    "setuid_image": ("Setuid files in the image", "none"),
    "engine_socket": ("No engine socket inside", "none, nor a folder that holds one"),
    "healthcheck": (
        "Healthcheck",
        f"timeout (up to {_MOST_TIMEOUT:.0f} s), interval, retries and start period set",
    ),
    "digest": ("Image by digest", "pinned by digest, and that digest runs"),
    "limits": ("Limits of CPU and memory", "both set"),
}


def _finding(rule: str, *, ok: bool | None, seen: str, mend: str = "") -> Finding:
    verdict = Verdict.UNKNOWN if ok is None else Verdict.OK if ok else Verdict.FAILED
    name, wanted = _RULES[rule]
    return Finding(rule, name, verdict, cut(seen, _MOST_SEEN), wanted, "" if ok else mend)


def _unseen(rule: str, seen: Standing, mend: str = "") -> Finding:
    return _finding(rule, ok=None, seen=seen.blind or "It could not be seen.", mend=mend)


def _user(seen: Standing, wanted: Wanted) -> Finding:
    mend = lines(wanted.service, 'user: "10001:10001"')
    if not seen.processes:
        return _unseen("user", seen, mend)
    odd = _odd(seen.processes)
    words = "; ".join(f"{process.name} ({process.pid}) is {_owner(process)}" for process in odd[:_MOST_NAMED])
    same = f"{_processes(seen.processes)}, all {_owner(seen.processes[0])}"
    return _finding("user", ok=not odd, seen=words or same, mend=mend)


def _odd(processes: Sequence[Process]) -> list[Process]:
    """Those that run as another user than most, as root, or that could change to another user."""
    kinds = [(one.uids, one.gids) for one in processes]
    most = max(kinds, key=kinds.count)
    return [
        one
        for one, kind in zip(processes, kinds, strict=True)
        if kind != most or len({*one.uids}) > 1 or len({*one.gids}) > 1 or 0 in {*one.uids, *one.gids}
    ]


def _owner(process: Process) -> str:
    uid, others = process.uids[1], sorted({*process.uids} - {process.uids[1]})
    could = f", and can change to {', '.join(map(str, others))}" if others else ""
    return f"{uid}:{process.gids[1]}{could}"


def _processes(processes: Sequence[Process]) -> str:
    return "1 process" if len(processes) == 1 else f"{len(processes)} processes"


def _groups(seen: Standing, wanted: Wanted) -> Finding:
    if not seen.processes:
        return _unseen("groups", seen)
    more = sorted({group for process in seen.processes for group in process.groups if group not in process.gids})
    words = ", ".join(str(group) for group in more[:_MOST_NAMED]) or "none"
    return _finding("groups", ok=not more, seen=words, mend=_without(wanted, "group_add"))


def _without(wanted: Wanted, what: str) -> str:
    return f"# without {what}:\n{lines(wanted.service)}"


def _capabilities(seen: Standing, wanted: Wanted) -> Finding:
    mend = lines(wanted.service, "cap_drop: [ALL]")
    if not seen.processes:
        return _unseen("capabilities", seen, mend)
    held = frozenset[str]().union(*(process.capabilities.all for process in seen.processes))
    if not held:
        return _finding("capabilities", ok=True, seen="none in any set of any process")
    effective = frozenset[str]().union(*(process.capabilities.effective for process in seen.processes))
    excuses = {excuse.capability: excuse for excuse in wanted.excuses}
    words = "; ".join(_capability_words(name, name in effective, excuses.get(name), wanted.today) for name in sorted(held))
    found = _finding("capabilities", ok=False, seen=words, mend=mend)
    excused = all(name in excuses and excuses[name].review_on > wanted.today for name in held)
    return replace(found, verdict=Verdict.EXCUSED, mend="") if excused else found


def _capability_words(name: str, in_effect: bool, excuse: Excuse | None, today: date) -> str:  # noqa: FBT001 - read with its name
    says = f"{name} {'in effect' if in_effect else 'within reach'}"
    if excuse is None:
        return says
    if excuse.review_on > today:
        return f"{says}, excused until {excuse.review_on.isoformat()}: {excuse.reason}"
    return f"{says}, its exception ended on {excuse.review_on.isoformat()}"


def _no_new_privileges(seen: Standing, wanted: Wanted) -> Finding:
    states = [process.no_new_privileges for process in seen.processes or ()]
    return _of_each("no_new_privileges", seen, states, lines(wanted.service, "security_opt: [no-new-privileges:true]"))


def _seccomp(seen: Standing, wanted: Wanted) -> Finding:
    mend = _without(wanted, "seccomp:unconfined in security_opt")
    if any("seccomp" in option and "unconfined" in option for option in seen.security_options):
        return _finding("seccomp", ok=False, seen="unconfined by its settings", mend=mend)
    states = [None if process.seccomp is None else process.seccomp == _FILTERED for process in seen.processes or ()]
    return _of_each("seccomp", seen, states, mend)


def _of_each(rule: str, seen: Standing, states: Sequence[bool | None], mend: str) -> Finding:
    if not states:
        return _unseen(rule, seen, mend)
    if None in states:
        return _finding(rule, ok=None, seen="The kernel does not say.", mend=mend)
    number = sum(not state for state in states)
    words = f"not for {number} of {len(states)} processes" if number else f"{_processes(seen.processes or ())}, all"
    return _finding(rule, ok=not number, seen=words, mend=mend)


def _privileged(seen: Standing, wanted: Wanted) -> Finding:
    words = "privileged" if seen.privileged else "not privileged"
    return _finding("privileged", ok=not seen.privileged, seen=words, mend=_without(wanted, "privileged"))


def _namespaces(seen: Standing, wanted: Wanted) -> Finding:
    shared = ", ".join(sorted(seen.host_namespaces))
    words = f"shares the host's {shared}" if shared else "PID, IPC and network of its own"
    return _finding("namespaces", ok=not shared, seen=words, mend=_without(wanted, "pid, ipc and network_mode: host"))


def _read_only(seen: Standing, wanted: Wanted) -> Finding:
    root = next((mount for mount in seen.mounts or () if mount.at == "/"), None)
    ok = seen.read_only_root and (root is None or root.read_only)
    mend = lines(wanted.service, "read_only: true", "tmpfs: [/tmp]")
    return _finding("read_only", ok=ok, seen="read-only" if ok else "it can be written to", mend=mend)


def _tmp(seen: Standing, wanted: Wanted) -> Finding:
    mend = lines(wanted.service, "tmpfs: [/tmp]")
    if seen.mounts is None:
        return _unseen("tmpfs", seen, mend)
    kind = next((mount.kind for mount in seen.mounts if mount.at == "/tmp"), "")  # noqa: S108 - a path in a container
    words = kind or "part of the root file system"
    return _finding("tmpfs", ok=kind == "tmpfs", seen=words, mend=mend)


def _owners(seen: Standing, _wanted: Wanted) -> Finding:
    """Of bind mounts and volumes. A tmpfs begins empty: whatever is in it, its user made."""
    if seen.trees is None or not seen.processes:
        return _unseen("owners", seen)
    in_memory = {mount.at for mount in seen.mounts or () if mount.kind in {"tmpfs", "ramfs"}}
    uid, gid = seen.processes[0].uids[1], seen.processes[0].gids[1]
    trees = [tree for tree in seen.trees if tree.at not in in_memory | {"/"}]
    wrong = [tree for tree in trees if (tree.uid, tree.gid) != (uid, gid) or tree.foreign]
    if wrong:
        mend = f"chown -R {uid}:{gid} FOLDER   # the host's folder that is mounted at {wrong[0].at}"
        return _finding("owners", ok=False, seen="; ".join(map(_owned, wrong)), mend=mend)
    words = ", ".join(map(_owned, trees)) or "there are none"
    whole = all(tree.whole for tree in trees)
    return _finding("owners", ok=True if whole else None, seen=words if whole else f"too many entries to look at all: {words}")


def _owned(tree: Tree) -> str:
    return f"{tree.at} is {tree.uid}:{tree.gid}" + (f", {tree.foreign:,} entries in it belong to others" if tree.foreign else "")


def _set_id_on_mounts(seen: Standing, _wanted: Wanted) -> Finding:
    return _set_id("setuid_mounts", seen, [tree for tree in seen.trees or () if tree.at != "/"], "chmod a-s FILE")


def _set_id_in_image(seen: Standing, _wanted: Wanted) -> Finding:
    mend = "RUN find / -xdev -perm /6000 -type f -exec chmod a-s {} +   # in the Dockerfile"
    return _set_id("setuid_image", seen, [tree for tree in seen.trees or () if tree.at == "/"], mend)


def _set_id(rule: str, seen: Standing, trees: Sequence[Tree], mend: str) -> Finding:
    if seen.trees is None:
        return _unseen(rule, seen, mend)
    found = [path for tree in trees for path in tree.set_id]
    if found:
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        return _finding(rule, ok=False, seen=", ".join(found[:_MOST_NAMED]) + more, mend=mend)
    whole = all(tree.whole for tree in trees)
    looked = f"none among {sum(tree.entries for tree in trees):,} entries"
    return _finding(rule, ok=True if whole else None, seen=looked if whole else f"{looked}, which is not all", mend=mend)


def _socket(seen: Standing, wanted: Wanted) -> Finding:
    mounted = ", ".join(seen.engine_sockets)
    return _finding("engine_socket", ok=not mounted, seen=mounted or "none", mend=_without(wanted, f"the mount of {mounted}"))


def _healthcheck(seen: Standing, wanted: Wanted) -> Finding:
    mend = lines(wanted.service, "healthcheck:", *(f"  {line}" for line in _CHECK_OF_THE_GUIDE))
    problems, check = "; ".join(_check_problems(seen.check)), seen.check
    words = (
        f"every {check.interval:g} s, timeout {check.timeout:g} s, {check.retries} retries, start period {check.start_period:g} s"
    )
    return _finding("healthcheck", ok=not problems, seen=problems or words, mend=mend)


_CHECK_OF_THE_GUIDE = (
    'test: ["CMD", "bash", "scripts/healthcheck.sh"]',
    "interval: 10s",
    "timeout: 3s",
    "retries: 6",
    "start_period: 20s",
)


def _check_problems(check: RawHealthcheck) -> Iterator[str]:
    if not check.test or check.test[0] == "NONE":
        yield "there is none"
        return
    bounds = {"interval": check.interval, "timeout": check.timeout, "retries": check.retries, "start period": check.start_period}
    unset = [name for name, value in bounds.items() if value <= 0]
    if unset:
        yield f"{', '.join(unset)} not set"
    if check.timeout > _MOST_TIMEOUT:
        yield f"its timeout is {check.timeout:g} s"
    if check.start_period + check.retries * (check.interval + check.timeout) > _MOST_VERDICT:
        yield f"it takes more than {_MOST_VERDICT / 60:.0f} minutes to say unhealthy"


def _digest(seen: Standing, wanted: Wanted) -> Finding:
    digest, pin = seen.image.partition("@")[2], wanted.pin.partition("@")[2]
    mend = "Upgrade or roll back to an approved digest: the job writes the pin."
    if not digest:
        words = f"created from {seen.image or 'an image without a name'}, not by digest"
    elif digest not in {entry.partition("@")[2] for entry in wanted.repo_digests}:
        words = f"created from {short(digest)}, but the image that runs is not known by that digest"
    elif pin != digest:
        words = f"runs {short(digest)}, the pin names {short(pin) if pin else 'no digest'}"
    else:
        return _finding("digest", ok=True, seen=f"{short(digest)} is pinned, and runs")
    return _finding("digest", ok=False, seen=words, mend=mend)


def _limits(seen: Standing, wanted: Wanted) -> Finding:
    found = (
        f"{seen.cpus:g} CPU" if seen.cpus else "",
        f"{seen.memory // _MIB:,} MiB" if seen.memory else "",
        f"{seen.pids} processes" if seen.pids else "",
    )
    mend = lines(wanted.service, "cpus: 1", "mem_limit: 1024m", "pids_limit: 128")
    words = ", ".join(word for word in found if word) or "none"
    return _finding("limits", ok=bool(seen.cpus and seen.memory), seen=words, mend=mend)


_JUDGES = (
    _user, _groups, _capabilities, _no_new_privileges, _seccomp, _privileged, _namespaces, _read_only, _tmp, _owners,
    _set_id_on_mounts, _set_id_in_image, _socket, _healthcheck, _digest, _limits,
)  # fmt: skip
