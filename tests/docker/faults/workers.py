"""Workers as processes of their own, which a test may rig: killed or stopped at a given moment of a given step.

They are forked from a server process that has Django loaded already, so that each begins within milliseconds.
"""

import importlib
import multiprocessing as mp
import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from types import TracebackType
from typing import Any, Self
from unittest import mock

import django

if os.environ.get("KG_STAGE_WORKER"):  # in the server only: pytest has set up Django itself
    django.setup()

from django.conf import settings

from chatbot_service import runner
from chatbot_service.claims import lapsed_jobs
from chatbot_service.jobs.catalogue import KINDS
from chatbot_service.jobs.step import Act, Step
from chatbot_service.models import Job
from deploy_records.errors import Broken

Answers = SimpleQueue[str]
_SERVER = mp.get_context("forkserver")


@dataclass(frozen=True)
class Rig:
    """What befalls a worker. `signal` is sent to itself before or after the act, or the undo, of the step with that key."""

    step: str = ""
    after: bool = False
    undo: bool = False
    signal: int = signal.SIGKILL
    fails: str = ""
    """A step that fails by itself."""
    lease: int = 0
    """Seconds; 0: as set."""
    patience: float = 0.0
    """Seconds for which failed undos are tried again; 0: as set."""
    sets: tuple[tuple[str, Any], ...] = ()
    """Names of the product, `chatbot_service.sending.SILENCE` for one, and what they are instead."""


@dataclass(frozen=True)
class Worker:
    process: BaseProcess

    @property
    def pid(self) -> int:
        return self.process.pid or 0

    def ends_with(self, seconds: float = 60.0) -> int | None:
        """Its exit code, minus the signal that ended it; nothing if it still runs after so many seconds."""
        self.process.join(seconds)
        return self.process.exitcode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.kill()  # a stopped one would be waited for at the end of the run
        self.process.join()

    def send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


def serve(environment: Mapping[str, str]) -> None:
    """Starts the server with that environment, once a run."""
    _SERVER.set_forkserver_preload([__name__])
    with mock.patch.dict(os.environ, {**environment, "KG_STAGE_WORKER": "1"}):
        forkserver.ensure_running()


def worker(job_id: int, rig: Rig | None = None) -> Worker:
    """One that was told of a job."""
    return process(_work, job_id, rig or Rig())


def comes_back(job_id: int, rig: Rig | None = None) -> Worker:
    """One that has just started and looks for what dead workers left, of which only this job concerns the test."""
    return process(_sweep, job_id, rig or Rig())


def process(deed: Callable[..., None], *given: Any) -> Worker:
    started = _SERVER.Process(target=deed, args=given, daemon=True)
    started.start()
    # Else the next one to be started, maybe by another thread, takes the exit code from whoever waits for this one.
    getattr(mp.process, "_children").discard(started)  # noqa: B009 - multiprocessing has no other word for it
    return Worker(started)


def answers() -> Answers:
    """By which processes may tell how they ended."""
    return _SERVER.SimpleQueue()


def _work(job_id: int, rig: Rig) -> None:
    if rig.lease:
        settings.JOB_LEASE_SECONDS = rig.lease
    if rig.patience:
        runner.UNDO_PATIENCE = rig.patience
    for name, value in rig.sets:
        where, _, what = name.rpartition(".")
        setattr(settings if where == "settings" else importlib.import_module(where), what, value)
    kind = Job.objects.get(pk=job_id).kind
    steps, holding = (tuple(_rigged(step, rig) for step in those) for those in (KINDS[kind].steps, KINDS[kind].holding))
    KINDS[kind] = replace(KINDS[kind], steps=steps, holding=holding)
    runner.run_job(job_id)


def _sweep(job_id: int, rig: Rig) -> None:
    if job_id not in lapsed_jobs():
        raise LookupError(f"job {job_id} is not seen as left by a dead worker")
    _work(job_id, rig)


def _rigged(step: Step, rig: Rig) -> Step:
    if step.key == rig.fails:
        step = replace(step, do=_failing)
    if step.key != rig.step:
        return step
    if rig.undo and step.undo:
        return replace(step, undo=_struck(step.undo, rig))
    return replace(step, do=_struck(step.do, rig))


def _struck(act: Act, rig: Rig) -> Act:
    def struck(context: Any) -> str | None:
        if not rig.after:
            os.kill(os.getpid(), rig.signal)
        note = act(context)
        if rig.after:
            os.kill(os.getpid(), rig.signal)
        return note

    return struck


def _failing(_context: Any) -> str | None:
    raise Broken("it fails as the test wants")
