"""The rules on what has been looked at and found: reports, findings, age, and the comparison with what runs. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from deploy_records.rules.blocking import Fact, Judged, would_block
from deploy_records.rules.case import Case, ReportFact, Rule, RuleResult, listed, shown
from deploy_records.rules.exceptions import shown as to_the_second
from deploy_records.rules.exceptions import whole_second
from deploy_records.rules.policy import KIND_WORDS, KINDS
from deploy_records.scanners.report import ReportKind

CLOCKS_DIFFER = timedelta(minutes=5)
"""A report may be dated this much ahead: the clock of the machine that made it is not ours."""
MOST_NAMED = 3
MOST_LINES = 50


def report_rule(kind: ReportKind) -> Rule:
    """That there is a report of this kind, of this platform, and not too old. Of several the newest counts."""

    def there_is_a_report(case: Case) -> RuleResult | None:
        days = case.asked.reports.get(kind)
        if days is None:
            return None
        rule = f"There is {_a(kind)}, at most {days} {'day' if days == 1 else 'days'} old"
        why, to_clear = _wrong_with_report(kind, case, timedelta(days=days))
        if why:
            return RuleResult(rule, False, why, to_clear, key=f"report-{kind}")
        newest = _usable(kind, case)[-1]
        last = to_the_second(ends(newest, timedelta(days=days)))
        made_by = "made by the demo, not by a scanner" if newest.is_demo else f"by {newest.tool}" if newest.tool else ""
        origin = f" {made_by}," if made_by else ""
        return RuleResult(rule, True, f"Its {KIND_WORDS[kind]},{origin} of {shown(newest.made_at)} counts until {last}.",
                          key=f"report-{kind}")  # fmt: skip

    there_is_a_report.__name__ = f"there_is_{kind}_report"
    return there_is_a_report


def _wrong_with_report(kind: ReportKind, case: Case, longest: timedelta) -> tuple[str, str]:
    """Why there is none that counts, and what would clear it; two empty texts when there is one."""
    known, name = _of_kind(kind, case), KIND_WORDS[kind]
    upload = f"Upload {_a(kind)} of this digest."
    if not known:
        return f"There is no {name} of it.", upload
    fitting = [one for one in known if _fits(one.platform, case.platform)]
    if not fitting:
        named = listed(sorted({one.platform for one in known}))
        return f"Its {name} is of {named}, and it would run on {case.platform}.", f"Upload {_a(kind)} of {case.platform}."
    usable = _usable(kind, case)
    if not usable:
        return f"Its {name} is dated {shown(fitting[0].made_at)}, which is to come.", "Set the scanner's clock, and scan again."
    if ends(usable[-1], longest) < case.at:
        return f"Its {name} is too old: it is of {shown(usable[-1].made_at)}.", f"Scan it again. {upload}"
    return "", ""


def _of_kind(kind: ReportKind, case: Case) -> list[ReportFact]:
    return sorted((one for one in case.reports if kind in one.kinds), key=lambda one: one.made_at)


def _usable(kind: ReportKind, case: Case) -> list[ReportFact]:
    """Oldest first; none from the future or of another platform."""
    known = (one for one in _of_kind(kind, case) if one.made_at <= case.at + CLOCKS_DIFFER)
    return [one for one in known if _fits(one.platform, case.platform)]


def ends(report: ReportFact, longest: timedelta) -> datetime:
    """The last instant in which it is not too old."""
    return whole_second(report.made_at + longest)


def _fits(scanned: str, host: str) -> bool:
    """What is not known is taken to fit. The variant is not compared, as nowhere."""
    return not scanned or not host or scanned.split("/")[:2] == host.split("/")[:2]


def no_finding_blocks(case: Case) -> RuleResult | None:
    """Each finding that would block is excused. Where no report is, the rules on reports say what is missing."""
    rule = "Every finding that blocks is excused"
    if not case.reports and not case.findings and not case.uncounted:
        nobody_looked = RuleResult(rule, True, "Nobody has looked, and no report is asked for.", warns=True, key="findings")
        return None if case.asked.reports else nobody_looked
    if case.uncounted:
        why = f"It has {case.uncounted:,} findings that may block, more than are judged one by one."
        return RuleResult(rule, False, why, "Choose another build.", key="findings")
    blocking = [one for one in case.judged if one.blocks]
    found = case.judged[:MOST_LINES]
    if blocking:
        to_clear = "Deploy a build in which it is fixed, or have an exception approved for it."
        if len(blocking) > 1:
            to_clear = "Deploy a build in which they are fixed, or have an exception approved for each."
        return RuleResult(rule, False, _of_blocking(blocking), to_clear, key="findings", found=found)
    return RuleResult(rule, True, _of_excused(case.judged), key="findings", found=found)


def _of_blocking(blocking: Sequence[Judged]) -> str:
    """2 findings block: CVE-2026-1 in openssl 3.0.11 (Critical), for which POAM-7 ended …"""
    named = "; ".join(_with_reason(one) for one in blocking[:MOST_NAMED])
    more = len(blocking) - MOST_NAMED
    head = "A finding blocks" if len(blocking) == 1 else f"{len(blocking)} findings block"
    return f"{head}: {named}{f'; and {more} more' if more > 0 else ''}."


def _with_reason(one: Judged) -> str:
    return f"{one.fact}, as {one.why_not[0].rstrip('.')}" if one.why_not else str(one.fact)


def _of_excused(excused: Sequence[Judged]) -> str:
    if not excused:
        return "None blocks."
    names = listed(sorted({one.excused_by for one in excused}))
    first = to_the_second(min(one.until for one in excused if one.until))
    what = "The one that would block is" if len(excused) == 1 else f"All {len(excused)} that would block are"
    return f"{what} excused by {names}, until {first}{' at least' if len(excused) > 1 else ''}."


def is_old_enough(case: Case) -> RuleResult | None:
    hours = case.asked.minimum_age_hours
    if not hours:
        return None
    rule = f"It has been in the ledger for at least {hours} {'hour' if hours == 1 else 'hours'}"
    if case.registered_at is None:
        return RuleResult(rule, False, "It is not known since when it is there.", "Register it.", key="age")
    due = case.registered_at + case.asked.minimum_age
    if case.at >= due:
        return RuleResult(rule, True, f"It is there since {shown(case.registered_at)}.", key="age")
    return RuleResult(rule, False, f"It is there since {shown(case.registered_at)} only.", f"Wait until {to_the_second(due)}.",
                      key="age")  # fmt: skip


def is_no_worse(case: Case) -> RuleResult | None:
    """No weakness that blocks, excused or not, is new against what runs, nor worse there than in what runs."""
    if not case.asked.no_worse:
        return None
    rule, why = "It is no worse than what runs", _why_no_comparison(case)
    if why:
        return RuleResult(rule, True, why, key="no-worse")
    if case.running is None or case.running.findings is None:
        why = "No report says what is wrong with what runs now, so the two cannot be compared."
        return RuleResult(rule, False, why, "Upload a report of what runs now.", key="no-worse")
    new = _new_against(case, case.running.findings)
    if not new:
        return RuleResult(rule, True, "It has no finding that blocks and that what runs has not.", key="no-worse")
    more = f" and {len(new) - MOST_NAMED} more" if len(new) > MOST_NAMED else ""
    why = f"What runs does not have {', '.join(map(str, new[:MOST_NAMED]))}{more}."
    return RuleResult(rule, False, why, "Choose a build without.", key="no-worse", found=tuple(new[:MOST_LINES]))


def _why_no_comparison(case: Case) -> str:
    if not case.place.service:
        return "That is judged for the service that it is deployed to."
    if case.running is None:
        return "Nothing runs there."
    return "It is what runs." if case.running.digest == case.digest else ""


def _new_against(case: Case, running: Iterable[Fact]) -> list[Fact]:
    known: dict[str, int] = {}
    for fact in running:
        for mark in fact.marks_in_any_version if would_block(fact, case.asked) else ():
            known[mark] = max(known.get(mark, 0), fact.severity.weight)

    def weight(fact: Fact) -> int:
        return max((known.get(mark, 0) for mark in fact.marks_in_any_version), default=0)

    return [one.fact for one in case.judged if weight(one.fact) < one.fact.severity.weight]


def _a(kind: ReportKind) -> str:
    name = KIND_WORDS[kind]
    return f"{'an' if name[0] in 'aeiouS' else 'a'} {name}"


REPORTS: tuple[Rule, ...] = tuple(report_rule(kind) for kind in KINDS)
EVIDENCE: tuple[Rule, ...] = (*REPORTS, no_finding_blocks)
"""What an approval rests on."""
