"""Findings as lists show them: what the address filters by, a row for each, and what it takes to ask for an exception."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from deploy_records.findings_listing import Wish
from deploy_records.models import DigestFinding, ImageDigest, ScanFinding
from deploy_records.rules.blocking import Judged
from deploy_records.rules.merging import CLAIMED_HARMLESS
from deploy_records.scanners.report import Severity
from portal.pages import asked
from portal.sentences.scans import WORST_FIRST

BLOCKS, EXCUSED, HARMLESS, REST = "blocks", "excused", "claimed", "rest"
OF_DIGEST = {BLOCKS: "Blocks", EXCUSED: "Excused", REST: "Does not block", HARMLESS: "Called harmless"}
OF_REPORT = {"open": "Open", HARMLESS: "Called harmless"}
"""Called harmless by a report, which is its word and no exception."""
_FIXES = {"yes": True, "no": False}
_MOST_NAMES = 3
_ASKED_AS = {Severity.UNKNOWN: Severity.CRITICAL, Severity.INFO: Severity.LOW}
"""What an exception is asked for where the severity itself cannot be excused: the next that covers it."""


@dataclass(frozen=True)
class Filters:
    severity: str = ""
    tool: str = ""
    fix: str = ""
    excused: str = ""
    text: str = ""

    @property
    def number(self) -> int:
        return sum(map(bool, (self.severity, self.tool, self.fix, self.excused, self.text)))

    def wish(self) -> Wish:
        """All but what exceptions decide."""
        return Wish(
            severities=(self.severity,) if self.severity else (), search=self.text, tool=self.tool,
            fixable=_FIXES.get(self.fix), harmless={HARMLESS: True, "open": False}.get(self.excused),
        )  # fmt: skip


@dataclass(frozen=True)
class Excuse:
    """What the gate makes of a finding: `tone` and `word` as for a status, `note` why; `url` of the exception."""

    tone: str
    word: str
    note: object = ""
    url: str = ""


@dataclass(frozen=True)
class Row:
    """One finding. `claimed`: what its report says to call it harmless; `ask`: where an exception is asked for."""

    severity: str
    name: str
    url: str
    other_names: str
    title: str
    package: str
    version: str
    fixed: str
    location: str
    tools: Sequence[str]
    claimed: str
    excuse: Excuse | None = None
    ask: str = ""
    sign: str = ""


@dataclass(frozen=True)
class Option:
    value: str
    words: str
    chosen: bool


def filters_of(request: HttpRequest, excuses: Mapping[str, str]) -> Filters:
    return Filters(
        severity=asked.one_of(request, "severity", [str(one) for one in WORST_FIRST]),
        tool=asked.text(request, "tool"),
        fix=asked.one_of(request, "fix", _FIXES),
        excused=asked.one_of(request, "excused", excuses),
        text=asked.text(request, "q"),
    )


def severity_options(counts: Mapping[str, int], chosen: str) -> Sequence[Option]:
    """Those that there are, with their number; and the one that is chosen."""
    there = (one for one in WORST_FIRST if counts.get(one) or one == chosen)
    return [Option(str(one), f"{one} ({counts.get(one, 0):,})", one == chosen) for one in there]


def of_report(one: ScanFinding) -> Row:
    url = reverse("scan-finding", args=[one.report_id, one.pk])
    return _row(one, url, one.location, one.title, (one.tool,) if one.tool else ())


def of_digest(
    one: DigestFinding, judged: Mapping[str, Judged], entry: ImageDigest, *, known: bool = True, environment: str = ""
) -> Row:  # fmt: skip
    """`judged`: by fingerprint, what the gate makes of all that may block; not `known` where it judges none by itself.
    `environment`: where the gate is asked, if not in production.
    """
    url = reverse("digest-finding", args=[one.entry_id, one.fingerprint])
    if environment:
        url = f"{url}?environment={environment}"
    excuse = excuse_of(judged.get(one.fingerprint)) if known else Excuse("warn", "Not judged", "the gate refuses without it")
    row = _row(one, url, one.finding.location, one.finding.title, one.tool_names)
    blocks = one.fingerprint in judged and judged[one.fingerprint].blocks
    return replace(row, excuse=excuse, ask=ask_for_exception(one, entry) if blocks else "")


def excuse_of(judged: Judged | None) -> Excuse:
    if judged is None:
        return Excuse("none", "Does not block")
    if judged.blocks:
        return Excuse("stop", "Blocks", judged.why_not[0] if judged.why_not else "")
    number = judged.excused_by.rpartition("-")[2]
    url = reverse("poam-item", args=[int(number)]) if number.isdigit() else ""
    until = f"until {judged.until:%-d %b %Y}" if judged.until else ""
    return Excuse("excused", judged.excused_by, until, url)


def ask_for_exception(one: DigestFinding | ScanFinding, entry: ImageDigest | None) -> str:
    """The form for a new exception, with what is known of the finding filled in."""
    severity = Severity(one.severity)
    component = one.purl or (entry.repository if entry else "")
    said = {
        "vulnerability": one.name, "component": component, "severity": str(_ASKED_AS.get(severity, severity)),
        "repository": entry.repository if entry else "",
    }  # fmt: skip
    return f"{reverse('poam-new')}?{urlencode({key: value for key, value in said.items() if value})}"


def _row(one: DigestFinding | ScanFinding, url: str, location: str, title: str, tools: Sequence[str]) -> Row:
    others = one.names[1:]
    more = f" and {len(others) - _MOST_NAMES} more" if len(others) > _MOST_NAMES else ""
    return Row(
        severity=one.severity, name=one.name, url=url, other_names=", ".join(others[:_MOST_NAMES]) + more, title=title,
        package=one.package, version=one.version, fixed=one.fixed_version, location=location, tools=tools,
        claimed=one.state if one.state in CLAIMED_HARMLESS else "",
    )  # fmt: skip
