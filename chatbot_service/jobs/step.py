"""A job is a tuple of steps. This file runs such a tuple and undoes it; it knows nothing of what the steps do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Protocol

Act = Callable[[Any], str | None]
"""Takes the job's context; may return a note for the step list."""


@dataclass(frozen=True)
class Step:
    """`touches` marks the first step after which the service is no longer as it was."""

    key: str
    name: str
    do: Act
    undo: Act | None = None
    undo_name: str = ""
    touches: bool = False
    commits: bool = False
    """Once such a step is done, recovery goes forward from it instead of back."""


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    UNDONE = "failed"
    STUCK = "stuck"


class Fenced(Exception):
    """Another worker has taken the job over: stop at once, touch nothing, undo nothing."""


class Report(Protocol):
    """Where steps are recorded as they happen. Every method raises `Fenced` when the job is no longer ours."""

    def begin(self, step: Step) -> None: ...
    def done(self, step: Step, note: str, /) -> None: ...
    def failed(self, step: Step, error: Exception, /) -> None: ...
    def begin_undo(self, step: Step) -> None: ...
    def undone(self, step: Step, note: str, /) -> None: ...
    def undo_failed(self, step: Step, error: Exception) -> None: ...


def run_steps(steps: Sequence[Step], context: Any, report: Report, done_before: Sequence[str] = ()) -> Outcome:
    """Runs the steps that are not in `done_before`; on any failure undoes all that begun, newest first."""
    begun: list[Step] = [step for step in steps if step.key in done_before]
    for step in steps:
        if step.key in done_before:
            continue
        begun.append(step)  # noted before it runs: a step that failed halfway is undone as well
        try:
            report.begin(step)
            note = step.do(context)
        except Fenced:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, what begun must be undone
            report.failed(step, error)
            return undo_steps(begun, context, report)
        report.done(step, note or "")
    return Outcome.SUCCEEDED


def undo_steps(begun: Sequence[Step], context: Any, report: Report) -> Outcome:
    """Undoes newest first; goes on past an undo that fails, and then says STUCK."""
    outcome = Outcome.UNDONE
    for step in reversed(begun):
        if step.undo is None:
            continue
        report.begin_undo(step)
        try:
            note = step.undo(context)
        except Fenced:
            raise
        except Exception as error:  # noqa: BLE001 - the other undos must still run
            report.undo_failed(step, error)
            outcome = Outcome.STUCK
        else:
            report.undone(step, note or "")
    return outcome


def patient(steps: Sequence[Step], wait: Callable[[], None], again: Callable[[Exception], bool]) -> tuple[Step, ...]:
    """The same steps, whose undo first waits until it has a chance, and is repeated after a failure if `again` says so.

    An engine that restarts must not leave a job stuck.
    """

    def patiently(undo: Act) -> Act:
        def act(context: Any) -> str | None:
            while True:
                wait()
                try:
                    return undo(context)
                except Fenced:
                    raise
                except Exception as error:
                    if not again(error):
                        raise

        return act

    return tuple(step if step.undo is None else replace(step, undo=patiently(step.undo)) for step in steps)
