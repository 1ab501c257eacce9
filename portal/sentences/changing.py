"""May this digest run here, how long will it take, and what if it fails?"""

from django.urls import reverse
from django.utils.safestring import SafeString

from chatbot_service.board import Row
from chatbot_service.choices import Choice, Choices, Plan, WayBack
from deploy_records.rules.drafting import passed
from portal.sentences.parts import Answer, claim, counted, said, strong
from portal.templatetags.digest import hexes, short
from portal.templatetags.moments import duration


def upgrade_answer(row: Row, choices: Choices, plan: Plan) -> Answer:
    chosen = choices.chosen
    if chosen is None:
        if choices.any_can_be_chosen:
            return Answer("none", said("No newer digest may run here now. Older ones may; choose one to see what would change."))
        what = said("No other digest of ", row.service.repository, " may run here now.")
        return Answer("none", said(what, " Register one, or have a candidate approved."))
    if not chosen.decision.allowed:
        page = reverse("digest", args=[chosen.entry.pk])
        why = " ".join(rule.why for rule in chosen.decision.refusals)
        return Answer("stop", said(_digest(chosen), " ", strong(claim("must not run", page)), ": ", why))
    return Answer("warn" if chosen.decision.warnings else "ok", _may_run(chosen), _sub(row, plan))


def _digest(choice: Choice) -> SafeString:
    return claim(hexes(choice.entry.digest), reverse("digest", args=[choice.entry.pk]))


def _may_run(choice: Choice) -> SafeString:
    page = reverse("digest", args=[choice.entry.pk])
    by = said(claim(f"approved by {counted(len(choice.approvals))}", page), ", and ") if choice.approvals else said("")
    warned = "".join(f" But look: {rule.why}" for rule in choice.decision.warnings)
    return said(_digest(choice), " may run: ", by, "the ", claim("gate passes", page), ".", warned)


def _sub(row: Row, plan: Plan) -> SafeString:
    runs = row.service.seen_digest
    back = said(short(runs), " keeps serving") if runs else said("what ran before runs again")
    safe = said("If any step fails, everything is put back and ", back, ".")
    return said(times(plan), " ", safe) if plan.seconds else safe


def times(plan: Plan) -> str:
    """`About 2 min 30 s in all, with a pause of about 3 s.`"""
    if not plan.seconds:
        return ""
    pause = f", with a pause of about {duration(plan.usual.pause)}" if plan.usual.pause else ""
    where = " Taken from other services." if plan.usual.elsewhere else ""
    return f"About {duration(plan.seconds)} in all{pause}.{where}"


def rollback_explanation(way: WayBack, plan: Plan) -> SafeString:
    if not way.decision.allowed:
        verdict = said("The gate stops this: ", " ".join(rule.why for rule in way.decision.refusals))
    elif way.decision.warnings:
        warnings = " ".join(rule.why for rule in way.decision.warnings)
        later = " A draft exception notes what blocks, for a security reviewer to look at." if passed(way.decision) else ""
        goes = " was known good here, so the gate warns but does not stop this: "
        verdict = said(short(way.entry.digest), goes, warnings, later)
    else:
        verdict = said(short(way.entry.digest), " was known good here, and the gate has no warning.")
    return said(times(plan), " ", verdict) if plan.seconds else verdict
