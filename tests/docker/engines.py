"""A Docker Engine of the tests' own, beside the machine's, that may be killed, stopped and started again."""

import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_UP_WITHIN = 40.0
_DOWN_WITHIN = 20.0
_GONE_WITHIN = 5.0


class OwnEngine:
    """Own data, state, socket, containerd namespace, bridge and addresses; no firewall rules.

    It must leave the machine's engine alone. Told to have no bridge, or to take addresses from a pool of its own, dockerd
    removes docker0 (moby: removeDefaultBridgeInterface), so the bridge is made here; firewall rules it would flush. So its
    containers reach each other and this machine, ports are published by the user-land proxy, and nothing leads outside.
    The folder's path is short, as it holds sockets.
    """

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kge-"))
        self._bridge = self.folder.name[:15]
        self._octet = _free_octet()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/docker.sock"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def docker(self, *argv: str, check: bool = True) -> str:
        done = subprocess.run(["docker", "--host", self.url, *argv], capture_output=True, text=True, timeout=120, check=False)
        if check and done.returncode:
            raise RuntimeError(f"docker {' '.join(argv)}: {done.stderr}")
        return done.stdout.strip()

    def start(self) -> None:
        self._make_bridge()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._argv(), stdout=log, stderr=log, start_new_session=True)
        give_up_at = time.monotonic() + _UP_WITHIN
        while subprocess.run(["docker", "--host", self.url, "version"], capture_output=True, check=False).returncode:
            if time.monotonic() > give_up_at or self._process.poll() is not None:
                raise RuntimeError(f"dockerd did not start:\n{self.log[-3000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """As the kernel's out-of-memory killer would: dockerd alone, its containers and their shims stay."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        # Its containerd dies with it, but until init has reaped it the next dockerd takes it for alive and waits for it.
        file = self.folder / "exec/containerd/containerd.pid"
        if file.exists() and _is_zombie_or_gone(int(file.read_text())):
            file.unlink()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_DOWN_WITHIN)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def load_from(self, image: str, engine_url: str = "") -> None:
        """Copies an image from the machine's engine, without a registry."""
        source = ["docker", *(["--host", engine_url] if engine_url else []), "save", image]
        with subprocess.Popen(source, stdout=subprocess.PIPE) as saving:
            subprocess.run(
                ["docker", "--host", self.url, "load", "--quiet"], stdin=saving.stdout, check=True, capture_output=True
            )

    def remove(self) -> None:
        """Everything of it, also after it was killed."""
        if self._process is not None:
            running = self.docker("ps", "--quiet", "--no-trunc", check=False).split()
            if running:
                self.docker("rm", "--force", *running, check=False)
        self.stop()
        _end(self._left_behind())
        for mount in self._mounts():
            subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
        for interface in self._interfaces():
            _ip("link", "delete", interface)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make_bridge(self) -> None:
        if not Path("/sys/class/net", self._bridge).exists():
            _ip("link", "add", self._bridge, "type", "bridge")
            _ip("address", "add", f"10.{self._octet}.0.1/24", "dev", self._bridge)
            _ip("link", "set", self._bridge, "up")

    def _interfaces(self) -> list[str]:
        """Its bridge, and those of networks that a killed engine could not remove: its store knows their IDs."""
        store = self.folder / "data/network/files/local-kv.db"
        known = store.read_bytes() if store.exists() else b""
        names = [interface.name for interface in Path("/sys/class/net").iterdir()]
        return [name for name in names if name == self._bridge or (name.startswith("br-") and name[3:].encode() in known)]

    def _argv(self) -> list[str]:
        name = "-".join(part for part in self.folder.name.replace("_", "-").split("-") if part)
        return [
            "dockerd",
            f"--host={self.url}",
            f"--data-root={self.folder}/data",
            f"--exec-root={self.folder}/exec",
            f"--pidfile={self.folder}/pid",
            f"--containerd-namespace={name}",
            f"--containerd-plugins-namespace={name}-plugins",
            f"--bridge={self._bridge}",
            "--iptables=false",
            *self._options,
        ]

    def _left_behind(self) -> Iterable[int]:
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid():
                with suppress(OSError):
                    if str(self.folder).encode() in (process / "cmdline").read_bytes():
                        yield int(process.name)

    def _mounts(self) -> list[str]:
        places = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        return sorted((place for place in places if place.startswith(str(self.folder))), reverse=True)


def _ip(*argv: str) -> str:
    return subprocess.run(["ip", *argv], capture_output=True, text=True, check=True).stdout


def _addresses() -> list[tuple[str, str]]:
    """Interface and IPv4 address of each."""
    return [(line.split()[1], line.split()[3]) for line in _ip("-4", "-oneline", "address").splitlines()]


def _free_octet() -> int:
    taken = {address.split(".")[1] for _, address in _addresses() if address.startswith("10.")}
    return random.choice([octet for octet in range(100, 250) if str(octet) not in taken])


def _is_zombie_or_gone(pid: int) -> bool:
    give_up_at = time.monotonic() + _GONE_WITHIN
    while time.monotonic() < give_up_at:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def _end(pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
