"""One finding on a page of its own: what each tool says of it, what the gate makes of it, and where else it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from deploy_records import findings_listing
from deploy_records.models import DigestFinding, ImageDigest, ScanFinding, ScanMatch
from deploy_records.rules.case import Case
from deploy_records.rules.merging import CLAIMED_HARMLESS
from portal.pages import scans_findings
from portal.pages.places import Place, places_of
from portal.sentences import scans as sentences
from portal.sentences.parts import Answer

_MOST_ELSEWHERE = 20


@dataclass(frozen=True)
class Cvss:
    version: str
    vector: str
    score: float | None
    source: str


@dataclass(frozen=True)
class Source:
    """What one report says. `host`: where `link` leads, which is http or https or empty."""

    finding: ScanFinding
    cvss: Sequence[Cvss]
    cwe: Sequence[str]
    description: str
    tool_severity: str
    state_note: str
    link: str
    host: str

    @property
    def is_claimed_harmless(self) -> bool:
        return self.finding.state in CLAIMED_HARMLESS


@dataclass(frozen=True)
class Elsewhere:
    """Another digest that has it, and where that one runs."""

    finding: DigestFinding
    runs: Sequence[Place]


@dataclass(frozen=True)
class FindingPage:
    """`finding`: as its digest or its report has it. `entry`: the digest, where it was opened from one."""

    finding: ScanFinding | DigestFinding
    sources: Sequence[Source]
    answer: Answer
    ask: str
    elsewhere: Sequence[Elsewhere]
    entry: ImageDigest | None = None
    excuse: scans_findings.Excuse | None = None
    why_not: Sequence[str] = ()


def of_report(one: ScanFinding) -> FindingPage:
    matches = list(ScanMatch.objects.filter(report=one.report).select_related("entry").order_by("superseded_at", "pk"))
    entry = next((match.entry for match in matches if match.counts_now), None)
    return FindingPage(
        finding=one,
        sources=[_source(one)],
        answer=sentences.finding_of_report(one),
        ask=scans_findings.ask_for_exception(one, entry),
        elsewhere=_elsewhere(one.name, one.package, None),
    )


def of_digest(one: DigestFinding, case: Case) -> FindingPage:
    """`case`: what the gate judges, in the environment that is looked at."""
    entry = one.entry
    judged = next((each for each in case.judged if each.fact.fingerprint == one.fingerprint), None) if case.policy else None
    return FindingPage(
        finding=one,
        sources=[_source(each) for each in findings_listing.sources_of(one)],
        answer=sentences.finding_of_digest(one, case, judged),
        ask=scans_findings.ask_for_exception(one, entry) if judged is None or judged.blocks else "",
        elsewhere=_elsewhere(one.name, one.package, entry),
        entry=entry,
        excuse=scans_findings.excuse_of(judged) if _is_known(case) else None,
        why_not=judged.why_not if judged else (),
    )


def _is_known(case: Case) -> bool:
    """Whether findings are judged one by one: with too many that may block, or a policy that nobody can read, none is."""
    return case.policy is not None and not case.uncounted


def _source(one: ScanFinding) -> Source:
    said: dict[str, Any] = one.detail
    link = _web_link(str(said.get("link", "")))
    return Source(
        finding=one,
        cvss=[Cvss(*score) for score in said.get("cvss", ())],
        cwe=[str(each) for each in said.get("cwe", ())],
        description=str(said.get("description", "")),
        tool_severity=str(said.get("tool_severity", "")),
        state_note=str(said.get("state_note", "")),
        link=link,
        host=urlsplit(link).hostname or "" if link else "",
    )


def _web_link(text: str) -> str:
    """Checked when it was read; checked again where it becomes a link."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in {"http", "https"} and parts.hostname else ""


def _elsewhere(name: str, package: str, entry: ImageDigest | None) -> Sequence[Elsewhere]:
    """Digests whose reports that count say the same; those that run come first."""
    rows = DigestFinding.objects.filter(name=name, package=package).select_related("entry")
    others = rows.exclude(entry=entry) if entry else rows
    found = list(others.order_by("-entry__registered_at", "pk")[:_MOST_ELSEWHERE])
    places = places_of(one.entry for one in found)
    each = [Elsewhere(one, places[one.entry_id]) for one in found]
    return sorted(each, key=lambda one: not one.runs)
