"""A job as plain text, for a ticket or a message."""

import html
from collections.abc import Iterator

from django.utils.html import strip_tags

from chatbot_service.job_sight import JobSight
from chatbot_service.models import JobStep, StepState
from portal.sentences.parts import Answer
from portal.templatetags.moments import duration

_MARKS = {StepState.DONE: "done", StepState.FAILED: "FAILED", StepState.RUNNING: "running"}


def as_text(sight: JobSight, answer: Answer) -> str:
    """The sentence, its cause and each step with its time; output is left out, as it may be long."""
    return "\n".join(_lines(sight, answer))


def _lines(sight: JobSight, answer: Answer) -> Iterator[str]:
    about = f", {sight.service}" if sight.service else ""
    yield f"{sight.job}{about}: {sight.job.get_state_display().lower()}"
    yield _plain(answer.said)
    yield _plain(answer.sub)
    for step in sight.steps:
        yield f"- {_step(step)}"


def _step(step: JobStep) -> str:
    state = "undone" if step.is_undo and step.state == StepState.DONE else _MARKS.get(StepState(step.state), "not begun")
    took = f", {duration(step.took)}" if step.took is not None else ""
    words = step.error if step.state == StepState.FAILED else step.note
    return f"{step.name}: {state}{took}" + (f" ({words})" if words else "")


def _plain(markup: str) -> str:
    return html.unescape(strip_tags(markup)).replace("\N{NO-BREAK SPACE}", " ")
