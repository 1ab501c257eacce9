"""hardening: looks at the running container, holds it against the baseline, and records what was found."""

import calendar
from datetime import date

from chatbot_service.jobs.converge import the_container
from chatbot_service.jobs.hardening import Wanted, as_data, counts, in_words, judge, passed
from chatbot_service.jobs.operation_ports import OperationContext
from chatbot_service.jobs.step import Step
from chatbot_service.jobs.switching import entry_of, pinned
from deploy_records.errors import Refused

CHECK_EVERY_MONTHS = 3
MOST_EXCUSED_MONTHS = 6


def months_after(day: date, months: int) -> date:
    """The same day of a later month, or that month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def due_again(checked: date) -> date:
    return months_after(checked, CHECK_EVERY_MONTHS)


def check(ctx: OperationContext) -> str:
    container = the_container(ctx)
    if container is None or not container.running:
        raise Refused("It does not run, so there is nothing to check. Start it first. Nothing was changed.")
    image, entry = ctx.engine.image(container.image_id), entry_of(ctx, container)
    wanted = Wanted(
        ctx.project.service, pinned(ctx), image.repo_digests if image else (), ctx.operation.excuses(), ctx.operation.today()
    )
    findings = judge(ctx.looks.standing(container.id), wanted)
    for finding in findings:
        ctx.say(f"{finding.verdict.value:<8} {finding.name}: {finding.seen}")
    well = passed(findings)
    ctx.operation.hardening_checked(
        as_data(findings), passed=well, due_on=due_again(wanted.today), digest=entry.digest if entry else ""
    )
    ctx.memory.put("result", {"passed": well, "counts": counts(findings)})
    return "the whole baseline is met" if well else in_words(findings)


CHECK = Step("check", "Check the running container", check)
STEPS = (CHECK,)
