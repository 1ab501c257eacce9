"""What the page of one scan report shows: what it says about itself, for which digests it counts, and its tabs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse

from deploy_records import finding_changes, findings_listing
from deploy_records.models import ReportChange, ScanFinding, ScanMatch, ScanReport
from deploy_records.scan_matching import digests_of
from deploy_records.scanners import FORMATS
from portal.pages import asked, scans_findings, scans_tabs
from portal.pages.scans_findings import OF_REPORT
from portal.pages.scans_tabs import ChangesTab, ComponentsTab, FindingsTab, Tab
from portal.sentences import scans as sentences
from portal.sentences.parts import Answer
from portal.sentences.scans import KINDS

FINDINGS, CHANGES, COMPONENTS = "findings", "changes", "components"


@dataclass(frozen=True)
class Named:
    """A digest that the report names, and what it calls it; `register`: the page on which it can be registered."""

    what: str
    digest: str
    repository: str = ""
    register: str = ""


@dataclass(frozen=True)
class ReportPage:
    report: ScanReport
    matches: Sequence[ScanMatch]
    match: ScanMatch | None
    before: ScanReport | None
    answer: Answer
    tabs: Sequence[Tab]
    tab: str
    named: Sequence[Named]
    platform: str
    findings: FindingsTab | None = None
    changes: ChangesTab | None = None
    components: ComponentsTab | None = None

    @property
    def format(self) -> str:
        return FORMATS.get(self.report.format, self.report.format)

    @property
    def kinds(self) -> Sequence[str]:
        return [KINDS[kind] for kind in self.report.kinds if kind in KINDS]

    @property
    def waits_for_a_choice(self) -> bool:
        return not self.matches and not self.report.names_a_digest


def read(request: HttpRequest, report: ScanReport) -> ReportPage:
    matches = sorted(
        report.matches.select_related("entry", "person", "change__before__file"), key=lambda one: (not one.counts_now, one.pk)
    )
    match = matches[0] if matches else None
    change: ReportChange | None = getattr(match, "change", None) if match else None
    before = change.before if change else (finding_changes.before(match) if match else None)
    offered = _offered(report, before, change)
    tab = asked.one_of(request, "tab", offered) or next(iter(offered))
    return ReportPage(
        report=report,
        matches=matches,
        match=match,
        before=before,
        answer=sentences.report_answer(report, match, change),
        tabs=scans_tabs.tabs(offered, tab),
        tab=tab,
        named=_named(report),
        platform=digests_of(report).platform,
        findings=_findings(request, report) if tab == FINDINGS else None,
        changes=_changes(request, before, report) if tab == CHANGES and before else None,
        components=scans_tabs.components(request, report) if tab == COMPONENTS else None,
    )


def _offered(report: ScanReport, before: ScanReport | None, change: ReportChange | None) -> Mapping[str, tuple[str, int | None]]:
    """The tabs that have something to show, the first of which is shown where none is asked for."""
    found: dict[str, tuple[str, int | None]] = {}
    if report.findings_count or not report.components_count:
        found[FINDINGS] = ("Findings", report.findings_count)
    if before is not None and FINDINGS in found:
        found[CHANGES] = ("Against the one before", change.new + change.gone if change else None)
    if report.components_count:
        found[COMPONENTS] = ("Components", report.components_count)
    return found


def _findings(request: HttpRequest, report: ScanReport) -> FindingsTab:
    filters = scans_findings.filters_of(request, OF_REPORT)
    rows = findings_listing.findings_of_report(report, filters.wish())
    return scans_tabs.findings(
        request, rows, filters, scans_findings.of_report, counts=report.severities, tools=_tools(report), excuses=OF_REPORT
    )


def _tools(report: ScanReport) -> Sequence[str]:
    """A file may hold the findings of several."""
    return list(ScanFinding.objects.filter(report=report).order_by("tool").values_list("tool", flat=True).distinct())


def _changes(request: HttpRequest, before: ScanReport, after: ScanReport) -> ChangesTab:
    changed = finding_changes.of_reports(before, after)
    return scans_tabs.changes(
        request, changed, ScanFinding.objects.filter(report=before), ScanFinding.objects.filter(report=after),
        scans_findings.of_report,
    )  # fmt: skip


def _named(report: ScanReport) -> Sequence[Named]:
    said = digests_of(report)
    register = reverse("register-digest")
    found = []
    for one in said.repo_digests:
        repository, _at, digest = one.rpartition("@")
        found.append(Named("Digest as pulled", digest, repository, f"{register}?{urlencode({'reference': one})}"))
    others = (("Manifest", said.manifest_digest), ("Index", said.index_digest), ("Image ID", said.image_id))
    return [*found, *(Named(what, digest) for what, digest in others if digest)]
