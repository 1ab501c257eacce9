"""What the scan reports say, for the sentences above their pages."""

from collections.abc import Mapping

from django.urls import reverse
from django.utils.safestring import SafeString

from deploy_records.models import DigestFinding, ReportChange, ScanFinding, ScanMatch, ScanReport
from deploy_records.rules.blocking import Judged
from deploy_records.rules.case import Case
from deploy_records.rules.policy import ENVIRONMENTS
from deploy_records.scanners.report import Severity
from portal.sentences.parts import Answer, claim, counted, full, listed, said, sentence, some, strong
from portal.templatetags.digest import hexes
from portal.templatetags.moments import ago, exact

KINDS = {
    "image": "image scan",
    "dependencies": "dependency scan",
    "sast": "code scan",
    "sbom": "SBOM",
    "config": "configuration",
    "secrets": "secrets",
    "cluster": "cluster",
}
"""What a report looked at, in words; by the values of `ReportKind`."""
WORST_FIRST = (Severity.UNKNOWN, Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO)
_LOUD = WORST_FIRST[:3]


def found(counts: Mapping[str, int]) -> str:
    """`2 Critical, 3 High and 40 lower findings`, `no findings`."""
    loud = [f"{counts[one]:,} {one}" for one in _LOUD if counts.get(one)]
    lower = sum(number for name, number in counts.items() if name not in _LOUD)
    total = lower + sum(counts.get(one, 0) for one in _LOUD)
    if not total:
        return "no findings"
    if not loud:
        return f"{lower:,} finding{'' if lower == 1 else 's'} below High"
    parts = [*loud, *([f"{lower:,} lower"] if lower else [])]
    return f"{listed(parts)} finding{'' if total == 1 else 's'}"


def changed(change: ReportChange) -> str:
    """`3 new, 1 gone, 2 worse`."""
    parts = [f"{change.new:,} new", f"{change.gone:,} gone", *([f"{change.worse:,} worse"] if change.worse else [])]
    return ", ".join(parts)


def list_answer(total: int, quarantined: int, last: ScanReport | None, reading: int) -> Answer:
    now = said(" ", sentence(said(some(reading, "file is", "files are"), " being read."))) if reading else SafeString("")
    if last is None:
        words = said("No scan report has come in yet. Until one has, the gate refuses every digest.", now)
        return Answer("run" if reading else "none", words)
    url = reverse("scan", args=[last.pk])
    whose = claim(f"{last.tool}’s" if last.tool else "one", url)
    which = strong("One report") if total == 1 else said("The last of ", strong(some(total, "report", "reports")))
    came = said(which, ", ", whose, ", came ", ago(last.imported_at))
    words = said(came, " and found ", found(last.severities), ".", now)
    sub = said("What a report says counts for the digest that it names. Each file is kept byte for byte.")
    if not quarantined:
        return Answer("ok", words, sub)
    many = sentence(said(counted(quarantined)))
    lie = claim(f"{many} {'lies' if quarantined == 1 else 'lie'} in quarantine", f"{reverse('scans')}?state=quarantine")
    return Answer("warn", said(words, " ", lie, "."), said("What is in quarantine counts for no digest. ", sub))


def report_answer(report: ScanReport, match: ScanMatch | None, change: ReportChange | None) -> Answer:
    """What it says, of what, and whether that counts."""
    tool = f"{report.tool} {report.tool_version}".strip() or "A tool that it does not name"
    only_lists = report.kind == "sbom" and not report.findings_count
    verb, what = ("lists", f"{report.components_count:,} components") if only_lists else ("found", found(report.severities))
    if match is None:
        words = said(strong("Counts for no digest."), f" {tool} {verb} {what}, but it is in quarantine.")
        return Answer("warn", words, said(why_quarantined(report)))
    url = reverse("digest", args=[match.entry_id])
    head = said(f"{tool} {verb} ", strong(what), " in ", claim(hexes(match.entry.digest), url), ".")
    sub = said(full(match.get_by_display()), _platform(match))
    if not match.counts_now:
        return Answer("off", said(head, " A newer report has taken its place", _since(match), "."), sub)
    since = said(" Against the one before: ", changed(change), ".") if change else SafeString("")
    loud = any(report.severities.get(one) for one in _LOUD)
    return Answer("warn" if loud else "ok", said(head, " It counts now.", since), sub)


def why_quarantined(report: ScanReport) -> str:
    if not report.names_a_digest:
        return "It names no digest, so somebody has to choose the one that it is about."
    return "It names a digest that the ledger does not know. It will count as soon as that one is registered."


def _platform(match: ScanMatch) -> str:
    return f" Platform {match.platform}." if match.platform else " It does not say for which platform."


def _since(match: ScanMatch) -> SafeString:
    return said(", ", exact(match.superseded_at, "when"))


def finding_of_report(one: ScanFinding) -> Answer:
    report = one.report
    tool = f"{report.tool} {report.tool_version}".strip() or "The report"
    words = said(strong(one.name), _within(one.package, one.version), f": {one.severity}, says {tool}.")
    return Answer("info", words, said(one.title))


def finding_of_digest(one: DigestFinding, case: Case, judged: Judged | None) -> Answer:
    """What the gate makes of it; production is meant where nothing is said."""
    head = said(strong(one.name), _within(one.package, one.version), f": {one.severity}.")
    sub = said(one.finding.title)
    where = "" if case.environment == ENVIRONMENTS[0] else f" in {case.environment}"
    if case.policy is None or case.uncounted:
        return Answer("warn", said(head, f" The gate refuses the digest{where} without judging each finding."), sub)
    if judged is None:
        return Answer("none", said(head, f" It does not block{where}."), sub)
    if judged.blocks:
        return Answer("stop", said(head, f" Nothing excuses it, so the gate refuses the digest{where}."), sub)
    number = judged.excused_by.rpartition("-")[2]
    name = claim(judged.excused_by, reverse("poam-item", args=[int(number)]) if number.isdigit() else "")
    until = said(" until ", exact(judged.until, "when")) if judged.until else SafeString("")
    return Answer("excused", said(head, " ", name, f" excuses it{where}", until, "."), sub)


def _within(package: str, version: str) -> str:
    return f" in {package} {version}".rstrip() if package else ""
