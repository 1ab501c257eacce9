"""rollback: back to a known-good digest. No rehearsal: it ran here before, and time matters."""

from chatbot_service.jobs.checking import IMAGE, VERIFY, ask_gate
from chatbot_service.jobs.context import JobContext
from chatbot_service.jobs.step import Step
from chatbot_service.jobs.switching import FROM_PIN_TO_WATCH, short


def choose(ctx: JobContext) -> str:
    said = ask_gate(ctx)
    return f"{said} {ctx.records.draft_for_review(ctx.task.target)}".rstrip()


def deprecate_the_faulty(ctx: JobContext) -> str:
    asked = ctx.task.asked or {}
    faulty = ctx.memory.get("from")
    if not asked.get("deprecate") or not faulty:
        return "not asked for"
    ctx.records.deprecate(faulty, str(asked.get("note", "")))
    return f"{short(faulty)} is deprecated"


CHOOSE = Step("choose", "Choose the known-good digest", choose)
DEPRECATE = Step("deprecate", "Deprecate the faulty digest", deprecate_the_faulty)
STEPS = (CHOOSE, IMAGE, VERIFY, *FROM_PIN_TO_WATCH, DEPRECATE)
