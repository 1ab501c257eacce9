"""`look_ports.Looks` on a real engine: looks at a running container, and changes nothing.

What runs on the engine's own machine is looked at from there, by /proc: that needs nothing inside the container and cannot be
lied to from within. From another machine, or from a container with a view of its own, a shell inside is asked.
"""

import io
import os
import shutil
import struct
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import requests

from chatbot_service import proc_facts
from chatbot_service.child import Command, run
from chatbot_service.container_words import engine_sockets, host_namespaces, usage_of
from chatbot_service.engine import COULD_NOT_RUN, DockerEngine
from chatbot_service.facts import env_facts, healthcheck_facts
from chatbot_service.foreign_text import neutral
from chatbot_service.jobs import reach
from chatbot_service.jobs.look_ports import (
    DataSize,
    HealthcheckRun,
    LogPage,
    LogQuery,
    Mount,
    Process,
    RawHealthcheck,
    Standing,
    Tree,
    Usage,
)
from chatbot_service.jobs.reach import Endpoint, Reach
from chatbot_service.log_reading import MOST_LINES, Frame, Page, query_of
from chatbot_service.streams import BROKEN_OFF
from chatbot_service.tree_walk import look_at_tree, size_of
from deploy_records.errors import Broken, Refused

_LOG_SECONDS = 20.0
_MOST_LOG_BYTES = 512_000_000
"""Read, not kept: what a search goes through at most."""
_KEPT_OF_A_FRAME = 32768
_AT_ONCE = 262_144
_SHELL_SECONDS = 10.0
_MOST_FROM_SHELL = 4_000_000
_STATUSES = "for one in /proc/[0-9]*/status; do cat $one 2>/dev/null; done"
_MOST_TREES = 20
_NANO = 1e9
_NO_SUCH_COMMAND = (126, 127, COULD_NOT_RUN)
_SCRIPT = Path(__file__).with_name("reach_script.py")
_IN_ITS_NETWORK = 'mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/hosts || exit 70; shift 2; exec "$@"'


class ContainerLook:
    """`proc`: where the machine's processes are seen."""

    def __init__(self, engine: DockerEngine, proc: Path = Path("/proc")) -> None:
        self._engine = engine
        self._proc = proc

    # Hardening

    def standing(self, container_id: str) -> Standing:
        said = self._running(container_id)
        host, config = said["HostConfig"], said["Config"]
        pids = self._pids_here(container_id)
        processes, mounts, trees, blind = self._inside(container_id, pids)
        return Standing(
            image=config.get("Image") or "",
            image_id=said.get("Image") or "",
            privileged=bool(host.get("Privileged")),
            read_only_root=bool(host.get("ReadonlyRootfs")),
            host_namespaces=host_namespaces(host) | self._shared(pids),
            security_options=tuple(host.get("SecurityOpt") or ()),
            engine_sockets=engine_sockets(said.get("Mounts") or ()),
            cpus=(host.get("NanoCpus") or 0) / _NANO or _by_quota(host),
            memory=host.get("Memory") or 0,
            pids=max(0, host.get("PidsLimit") or 0),
            check=_raw_check(config.get("Healthcheck") or {}),
            processes=processes,
            mounts=mounts,
            trees=trees,
            blind=blind,
            seen_from="the host" if pids else "a shell inside" if processes else "",
        )

    def _pids_here(self, container_id: str) -> tuple[int, ...]:
        """Its processes as this machine numbers them. None if this is not the engine's machine, or not its view of it."""
        if not self._engine.is_local:
            return ()
        pids = self._engine.process_ids(container_id)
        return pids if pids and all(self._is_its(pid, container_id) for pid in pids[:3]) else ()

    def _is_its(self, pid: int, container_id: str) -> bool:
        try:
            return container_id in (self._proc / str(pid) / "cgroup").read_text()
        except OSError:
            return False

    def _inside(
        self, container_id: str, pids: Sequence[int]
    ) -> tuple[tuple[Process, ...] | None, tuple[Mount, ...] | None, tuple[Tree, ...] | None, str]:
        if pids:
            processes = tuple(self._processes_here(container_id, pids))
            mounts = proc_facts.mounts(self._text(pids[0], "mountinfo"))
            trees = self._trees(pids[0], mounts, (processes[0].uids[1], processes[0].gids[1])) if processes else None
            why = "" if trees is not None else "The worker may not look into the container's folders: that takes its host's root."
            return processes or None, mounts or None, trees, why
        told = self._engine.read_inside(container_id, ["sh", "-c", _STATUSES], _SHELL_SECONDS, _MOST_FROM_SHELL)
        if told.exit_code in _NO_SUCH_COMMAND:
            return None, None, None, "The worker is not on the engine's machine, and the container has no shell to ask."
        table = self._engine.read_inside(container_id, ["cat", "/proc/self/mountinfo"], _SHELL_SECONDS, _MOST_FROM_SHELL)
        why = "The worker is not on the engine's machine, so it does not see who owns the files."
        return proc_facts.processes(told.output) or None, proc_facts.mounts(table.output) or None, None, why

    def _processes_here(self, container_id: str, pids: Sequence[int]) -> Iterator[Process]:
        for pid in pids:
            found = proc_facts.process(self._text(pid, "status"))
            if found and self._is_its(pid, container_id):  # a number may belong to another process by now
                yield found

    def _trees(self, pid: int, mounts: Sequence[Mount], owner: tuple[int, int]) -> tuple[Tree, ...] | None:
        """Of the root, and of what can be written to."""
        wanted = [m.at for m in mounts if m.at == "/" or (not m.read_only and _holds_files(m))][:_MOST_TREES]
        found = [look_at_tree(str(self._proc / str(pid) / "root"), at, owner) for at in wanted]
        return None if not any(found) else tuple(tree for tree in found if tree)

    def _shared(self, pids: Sequence[int]) -> frozenset[str]:
        """By the kernel: the namespaces that its first process and the machine's first one have in common."""
        if not pids:
            return frozenset()
        shared = set()
        for name, kind in (("PID", "pid"), ("IPC", "ipc"), ("network", "net")):
            with suppress(OSError):
                mine = (self._proc / str(pids[0]) / "ns" / kind).readlink()
                shared |= {name} if mine == (self._proc / "1" / "ns" / kind).readlink() else set()
        return frozenset(shared)

    def _text(self, pid: int, name: str) -> str:
        try:
            with (self._proc / str(pid) / name).open("rb") as opened:
                return opened.read(_MOST_FROM_SHELL).decode("utf-8", "replace")
        except OSError:
            return ""

    # Logs

    def log(self, container_id: str, query: LogQuery) -> LogPage:
        config = self._there(container_id)["Config"]
        searching = bool(query.words and query.since)
        page, ended = self._page(container_id, query, tty=bool(config.get("Tty")), seek=not searching)
        if query.after and not page.met_cursor and page.frames >= MOST_LINES:
            # More came than is read from the end at once: from its beginning, so that nothing is passed over.
            page, ended = self._page(container_id, query, tty=bool(config.get("Tty")), seek=False)
        return page.done(ended)

    def _page(self, container_id: str, query: LogQuery, *, tty: bool, seek: bool) -> tuple[Page, str]:
        page = Page(query, self._engine.secrets(container_id))
        with self._engine.log_of(container_id, query_of(query, seek=seek), _LOG_SECONDS) as (answer, too_late):
            page.take((_raw_frames if tty else _frames)(answer, too_late))
        if too_late.is_set():
            return page, "time"
        if seek and not query.until and page.frames >= MOST_LINES:
            return page, "lines"
        return page, "bytes" if page.read >= _MOST_LOG_BYTES else "end"

    # Trying things from inside

    def healthcheck(self, container_id: str) -> HealthcheckRun:
        config = self._running(container_id)["Config"]
        check = healthcheck_facts(config.get("Healthcheck"))
        result = self._engine.probe(container_id)
        return HealthcheckRun(check.test, config.get("User") or "root", check.timeout, result)

    def reach(self, container_id: str, endpoint: Endpoint, timeout: float) -> Reach:
        """By what the container has, so that its user, its names and its certificates count: Python, else curl.

        With neither, from the host in the container's network: then the host's certificates count.
        """
        said = self._running(container_id)
        given = [_SCRIPT.read_text(), *reach.script_arguments(endpoint, timeout)]
        by_python = self._engine.execute(container_id, ["python3", "-I", "-c", *given], timeout + 2)
        if by_python.exit_code not in _NO_SUCH_COMMAND:
            return reach.by_script(endpoint, by_python.output, "Python in the container", timeout=timeout)
        by_curl = self._engine.execute(container_id, reach.curl_argv(endpoint, timeout), timeout + 2)
        if by_curl.exit_code not in _NO_SUCH_COMMAND:
            return reach.by_curl(endpoint, by_curl.exit_code, by_curl.output, timeout=timeout)
        return self._from_the_host(said, endpoint, given, timeout)

    def _from_the_host(self, said: Mapping[str, Any], endpoint: Endpoint, given: list[str], timeout: float) -> Reach:
        pid, container_id = int(said["State"]["Pid"]), str(said["Id"])
        enter, apart = shutil.which("nsenter"), shutil.which("unshare")
        if os.geteuid() != 0 or not enter or not apart or not self._is_its(pid, container_id):
            raise Refused(
                "The container has neither Python nor curl, and this worker may not enter its network: that takes root on the "
                "engine's machine. Add curl to the image, or try it by hand on the host."
            )
        shell = ["sh", "-c", _IN_ITS_NETWORK, "sh", str(said["ResolvConfPath"]), str(said["HostsPath"])]
        argv = [enter, f"--net={self._proc}/{pid}/ns/net", "--", apart, "--mount", "--propagation", "private", "--", *shell]
        quiet = {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        ran = run(Command([*argv, sys.executable, "-I", "-c", *given], quiet, timeout + 2, separately=True))
        if ran.exit_code and not ran.output and ran.in_time:
            raise Broken(f"The container's network could not be entered: {' '.join(ran.lines[-2:])}")
        return reach.by_script(
            endpoint, neutral(ran.output.decode("utf-8", "replace")), "the host, in its network", timeout=timeout
        )

    # Resources

    def usage(self, container_id: str) -> Usage:
        self._running(container_id)
        return usage_of(self._engine.usage(container_id), datetime.now(UTC))

    def sizes(self, paths: Sequence[str]) -> tuple[DataSize, ...]:
        return tuple(size_of(path) for path in paths)

    def environment(self, container_id: str) -> dict[str, str]:
        return env_facts(self._there(container_id)["Config"].get("Env"))

    def _there(self, container_id: str) -> dict[str, Any]:
        said = self._engine.inspected(container_id)
        if said is None:
            raise Refused("There is no container, so there is nothing to look at. Start the service first.")
        return said

    def _running(self, container_id: str) -> dict[str, Any]:
        said = self._there(container_id)
        if not said["State"].get("Running") or said["State"].get("Paused"):
            raise Refused(
                f"The container is {said['State'].get('Status')}, so there is nothing to look at. Start the service first."
            )
        return said


def _frames(answer: requests.Response, cut: threading.Event) -> Iterator[Frame]:
    read = 0
    answer.raw.auto_close = False  # else its end looks like a fault to the buffer
    try:
        with io.BufferedReader(cast("io.RawIOBase", answer.raw), _AT_ONCE) as source:
            while read < _MOST_LOG_BYTES and len(header := source.read(8)) == 8:  # noqa: PLR2004 - the engine's framing
                stream, size = struct.unpack(">BxxxL", header)
                data, last = _one_frame(source, size)
                read += size
                yield Frame(stream, data, size, ends_line=last == b"\n")
    except BROKEN_OFF:
        if not cut.is_set():
            raise


def _one_frame(source: "io.BufferedReader[io.RawIOBase]", size: int) -> tuple[bytes, bytes]:
    """Its beginning and its last byte."""
    kept = source.read(min(size, _KEPT_OF_A_FRAME))
    left, last = size - len(kept), kept[-1:]
    while left and (part := source.read(min(left, _AT_ONCE))):
        left -= len(part)
        last = part[-1:]
    return kept, last


def _raw_frames(answer: requests.Response, cut: threading.Event) -> Iterator[Frame]:
    """With a terminal the engine does not frame: lines are told apart by their breaks."""
    read = 0
    try:
        while read < _MOST_LOG_BYTES and (part := answer.raw.read(_AT_ONCE)):
            read += len(part)
            for line in part.splitlines(keepends=True):
                yield Frame(1, line[:_KEPT_OF_A_FRAME], len(line), ends_line=line.endswith(b"\n"))
    except BROKEN_OFF:
        if not cut.is_set():
            raise


def _holds_files(mount: Mount) -> bool:
    """The kernel's own, and what the engine itself writes for each container, are nobody's data."""
    own = ("/proc", "/sys", "/dev", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts")
    return not any(mount.at == place or mount.at.startswith(f"{place}/") for place in own)


def _by_quota(host: Mapping[str, Any]) -> float:
    return (host.get("CpuQuota") or 0) / (host.get("CpuPeriod") or 100_000)


def _raw_check(raw: Mapping[str, Any]) -> RawHealthcheck:
    return RawHealthcheck(
        tuple(raw.get("Test") or ()), (raw.get("Interval") or 0) / _NANO, (raw.get("Timeout") or 0) / _NANO,
        raw.get("Retries") or 0, (raw.get("StartPeriod") or 0) / _NANO,
    )  # fmt: skip
