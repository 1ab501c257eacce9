"""Starts the whole portal in one terminal: prepares the state folder, then becomes the supervisor."""

import fcntl
import os
import socket
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection

from portal import processes, supervisor
from portal.supervisor import Plan

PORT_FREE_WITHIN = 5.0
"""Seconds: what a killed supervisor leaves behind needs a moment to end."""


class Command(BaseCommand):
    help = "Start web, worker, scheduler, health watcher, broker and registry; Ctrl-C stops them together."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--demo", action="store_true", help="the first time, set up the demo and play the main job")

    def handle(self, *_: Any, demo: bool, **__: Any) -> None:
        choice = processes.chosen(settings.STATE_DIR, settings.BIND, settings.PORT)
        _refuse_what_cannot_work(choice)
        lock = _take_lock(choice)
        _refuse_a_taken_port(choice)
        _prepare_database()
        _prepare_static_files(choice.state)
        plan = _plan(choice, demo=demo)
        _become_supervisor(plan, choice.state, lock)


def _refuse_what_cannot_work(choice: processes.Choice) -> None:
    unknown = processes.unknown_names(choice)
    if unknown:
        raise CommandError(f"KG_RUN names {', '.join(unknown)}, which is no process here. Known: {', '.join(processes.NAMES)}.")
    plug = choice.state / "broker.sock"
    if choice.embedded_broker and len(os.fsencode(plug)) > processes.LONGEST_SOCKET_PATH:
        raise CommandError(f"The path {plug} is too long for a socket. Set KG_STATE_DIR to a folder with a shorter path.")


def _take_lock(choice: processes.Choice) -> int:
    """The descriptor that holds the lock; it stays open in the supervisor and ends with it, however it ends."""
    lock = os.open(choice.state / "run.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, _, address = os.read(lock, 200).decode().strip().partition(" ")
        raise CommandError(f"Known Good runs already, at {address} (process {pid}). Nothing was changed.") from None
    os.ftruncate(lock, 0)
    os.write(lock, f"{os.getpid()} {choice.address}\n".encode())
    return lock


def _refuse_a_taken_port(choice: processes.Choice) -> None:
    if "web" not in choice.run:
        return
    give_up_at = time.monotonic() + PORT_FREE_WITHIN
    while not _is_free(choice.bind, choice.port):
        if time.monotonic() > give_up_at:
            raise CommandError(
                f"Port {choice.port} on {choice.bind} is taken by another program. "
                f"Choose another one: make run KG_PORT={choice.port + 1}"
            )
        time.sleep(0.2)


def _is_free(bind: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET) as plug:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            plug.bind((bind, port))
        except OSError:
            return False
    return True


def _prepare_database() -> None:
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except OperationalError as error:
        where = connection.settings_dict["HOST"] or connection.settings_dict["NAME"]
        raise CommandError(f"The database at {where} cannot be used: {error}".rstrip()) from error
    connection.close()


def _prepare_static_files(state: Path) -> None:
    """Collected only when a source file changed: compressing them takes longer than all else here."""
    sources = sorted((settings.BASE_DIR / "portal" / "static").rglob("*"))
    seen = "\n".join(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in [*sources, Path(sys.executable)])
    stamp = state / "static.stamp"
    if not stamp.exists() or stamp.read_text() != seen or not settings.STATIC_ROOT.exists():
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)
        stamp.write_text(seen)


def _plan(choice: processes.Choice, *, demo: bool) -> Plan:
    found, notes = processes.programs(choice)
    missing = choice.state / "engine-missing"
    demo_done = choice.state / "demo-done"
    return Plan(
        programs=found,
        address=choice.address,
        notes=(*notes, *([missing.read_text().strip()] if missing.exists() else [])),
        then=(sys.executable, "manage.py", "demo") if demo and not demo_done.exists() else (),
        then_done=str(demo_done),
    )


def _become_supervisor(plan: Plan, state: Path, lock: int) -> None:
    """Replaces this process, which has all of Django in memory, by one that only waits."""
    (state / "log").mkdir(exist_ok=True)
    file = state / "run-plan.json"
    file.write_text(plan.to_json())
    os.set_inheritable(lock, True)
    os.chdir(settings.BASE_DIR)
    sys.stdout.flush()
    # -I: the folder of the script does not become a place to import from.
    os.execv(sys.executable, [sys.executable, "-I", supervisor.__file__, str(file)])  # noqa: S606 - no shell is meant
