"""Memory and processor time of programs with all their children, from /proc."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PAGE = os.sysconf("SC_PAGE_SIZE")
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Use:
    """`rss` counts a page once for each process that maps it, `pss` shares it among them; bytes. `cpu` in seconds."""

    rss: int = 0
    pss: int = 0
    cpu: float = 0.0

    def __add__(self, other: "Use") -> "Use":
        return Use(self.rss + other.rss, self.pss + other.pss, self.cpu + other.cpu)


@dataclass(frozen=True)
class _Stat:
    parent: int
    cpu: float
    """Its own and that of its children that have ended."""


def of_portal(state: Path) -> dict[str, Use]:
    """By program, and `supervisor`: what its lock names, and the children by the command lines of its plan."""
    supervisor = int((state / "run.lock").read_text().split()[0])
    plan = json.loads((state / "run-plan.json").read_text())
    programs = {program["name"]: tuple(program["argv"]) for program in plan["programs"]}
    parents = {pid: stat.parent for pid in _all() if (stat := _stat(pid))}
    found = {"supervisor": _use(supervisor)}
    for pid in (pid for pid, parent in parents.items() if parent == supervisor):
        name = _name(pid, programs)
        found[name] = found.get(name, Use()) + _sum(_with_children(pid, parents))
    return found


def _name(pid: int, programs: dict[str, tuple[str, ...]]) -> str:
    """The broker writes its address over its command line; its file tells."""
    argv, file = _argv(pid), os.path.realpath(f"/proc/{pid}/exe")
    by_argv = (name for name, known in programs.items() if known == argv)
    by_file = (name for name, known in programs.items() if os.path.realpath(known[0]) == file)
    return next(by_argv, None) or next(by_file, "other")


def of_named(*names: str) -> Use:
    return _sum(pid for pid in _all() if _read(pid, "comm").strip() in names)


def _with_children(root: int, parents: dict[int, int]) -> list[int]:
    family = [root]
    for pid in family:
        family += [child for child, parent in parents.items() if parent == pid]
    return family


def _sum(pids: Iterable[int]) -> Use:
    return sum((_use(pid) for pid in pids), start=Use())


def _use(pid: int) -> Use:
    stat, statm = _stat(pid), _read(pid, "statm").split()
    if stat is None or not statm:
        return Use()
    pss = [int(line.split()[1]) * 1024 for line in _read(pid, "smaps_rollup").splitlines() if line.startswith("Pss:")]
    return Use(int(statm[1]) * PAGE, sum(pss), stat.cpu)


def _stat(pid: int) -> _Stat | None:
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return _Stat(int(fields[1]), sum(map(int, fields[11:15])) / TICK) if fields else None


def _argv(pid: int) -> tuple[str, ...]:
    return tuple(_read(pid, "cmdline").split("\0")[:-1])


def _all() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _read(pid: int, file: str) -> str:
    """Empty if the process has gone or may not be looked into."""
    try:
        return Path(f"/proc/{pid}/{file}").read_text(errors="replace")
    except OSError:
        return ""
