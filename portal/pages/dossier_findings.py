"""The evidence on a digest's page: findings with what excuses them, SBOM, exceptions in force, and the diff to what runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from deploy_records import finding_changes, findings_listing, verdict
from deploy_records.digest_findings import current_reports
from deploy_records.findings_listing import Counts
from deploy_records.models import Deployment, DigestFinding, ImageDigest, PoamItem, PoamState, ScanMatch
from deploy_records.poam_entries import whole
from deploy_records.rules.blocking import Judged
from deploy_records.rules.case import Case
from deploy_records.rules.policy import ENVIRONMENTS
from portal.pages import asked, scans_findings, scans_tabs
from portal.pages.places import Place, places_of
from portal.pages.scans_findings import BLOCKS, EXCUSED, HARMLESS, OF_DIGEST, REST, Row
from portal.pages.scans_tabs import ChangesTab, ComponentsTab, FindingsTab, Tab
from portal.sentences.exceptions import Shown, package, status_of, vulnerabilities

FINDINGS, SBOM, EXCEPTIONS, AGAINST = "findings", "sbom", "exceptions", "against"
_MOST_COMPARED_BESIDE = 5000
"""So many findings of both digests are compared for the words in the head of the page; more only on their own tab."""


@dataclass(frozen=True)
class Excusing:
    """An exception that is in force here. `excuses`: how many findings of this digest, which would else block."""

    item: PoamItem
    status: Shown
    names: str
    component: str
    excuses: int


@dataclass(frozen=True)
class Against:
    """Another digest of the repository that runs now, and what would change from it to this one."""

    entry: ImageDigest
    runs: Sequence[Place]
    others: Sequence[tuple[ImageDigest, Sequence[Place]]]
    is_scanned: bool
    changes: ChangesTab | None = None


@dataclass(frozen=True)
class Evidence:
    reports: Sequence[ScanMatch]
    counts: Counts
    tabs: Sequence[Tab]
    tab: str
    environment: str
    """The one that the gate is asked for, if that is not production."""
    against: Against | None
    difference: tuple[int, int] | None
    findings: FindingsTab | None = None
    sbom: ComponentsTab | None = None
    exceptions: Sequence[Excusing] = ()

    @property
    def is_scanned(self) -> bool:
        return self.counts.is_scanned

    @property
    def kept(self) -> str:
        """What links to other tabs keep of the address."""
        return f"&environment={self.environment}" if self.environment else ""


def read(request: HttpRequest, entry: ImageDigest, case: Case | None = None) -> Evidence:
    """`case`: what the gate judges, where it has been read already."""
    elsewhere = asked.one_of(request, "environment", ENVIRONMENTS[1:])
    case = case or verdict.case_of(entry, environment=elsewhere or ENVIRONMENTS[0])
    counts = findings_listing.severity_counts([entry])[entry.pk]
    exceptions = _exceptions(entry, case)
    sbom = findings_listing.sbom_of(entry)
    against = _against(request, entry, counts)
    offered: dict[str, tuple[str, int | None]] = {
        FINDINGS: ("Findings", counts.total if counts.is_scanned else None),
        SBOM: ("SBOM", sbom.components_count if sbom else None),
        EXCEPTIONS: ("Exceptions in force", len(exceptions)),
    }
    if against is not None:
        offered[AGAINST] = ("Against what runs now", None)
    tab = asked.one_of(request, "tab", offered) or FINDINGS
    return Evidence(
        reports=current_reports([entry])[entry.pk],
        counts=counts,
        tabs=scans_tabs.tabs(offered, tab),
        tab=tab,
        environment=elsewhere,
        against=_compared(request, entry, against, case) if tab == AGAINST and against else against,
        difference=_difference(entry, against, counts) if tab == FINDINGS and against else None,
        findings=_findings(request, entry, counts, case) if tab == FINDINGS else None,
        sbom=scans_tabs.components(request, sbom) if tab == SBOM else None,
        exceptions=exceptions,
    )


def judged_of(case: Case) -> Mapping[str, Judged]:
    """What the gate makes of each finding that would block, by its fingerprint."""
    return {one.fact.fingerprint: one for one in case.judged} if case.policy else {}


def _findings(request: HttpRequest, entry: ImageDigest, counts: Counts, case: Case) -> FindingsTab:
    excuses = OF_DIGEST if _judges_each(case) else {HARMLESS: OF_DIGEST[HARMLESS]}
    filters = scans_findings.filters_of(request, excuses)
    rows = _in_excuse(findings_listing.findings(entry, filters.wish()), filters.excused, judged_of(case))
    return scans_tabs.findings(
        request, rows, filters, _shown(entry, case),
        counts={str(name): number for name, number in counts.by_severity.items()},
        tools=findings_listing.tools_of(entry), excuses=excuses, judged=True,
    )  # fmt: skip


def _shown(entry: ImageDigest, case: Case) -> Callable[[DigestFinding], Row]:
    """How a finding is shown: with what the gate makes of it here, or without, where it is another digest's."""
    judged, known = judged_of(case), _judges_each(case)
    environment = "" if case.environment == ENVIRONMENTS[0] else case.environment

    def show(one: DigestFinding) -> Row:
        if one.entry_id != entry.pk:
            return scans_findings.of_digest(one, {}, entry)
        return scans_findings.of_digest(one, judged, entry, known=known, environment=environment)

    return show


def _judges_each(case: Case) -> bool:
    """With a policy that cannot be read, or too many findings that may block, the gate refuses without looking at each."""
    return case.policy is not None and not case.uncounted


def _in_excuse(rows: QuerySet[DigestFinding], asked_for: str, judged: Mapping[str, Judged]) -> QuerySet[DigestFinding]:
    if asked_for not in {BLOCKS, EXCUSED, REST}:
        return rows
    if asked_for == REST:
        return rows.exclude(fingerprint__in=list(judged))
    blocks = asked_for == BLOCKS
    return rows.filter(fingerprint__in=[mark for mark, one in judged.items() if one.blocks == blocks])


def _exceptions(entry: ImageDigest, case: Case) -> Sequence[Excusing]:
    """Those in force that excuse something here, and those that name this repository or digest."""
    now = timezone.now()
    excuses: dict[str, int] = {}
    for one in case.judged if case.policy else ():
        if one.excused_by:
            excuses[one.excused_by] = excuses.get(one.excused_by, 0) + 1
    held = whole(PoamItem.objects.filter(state=PoamState.APPROVED, expires_at__gte=now.replace(microsecond=0)))
    found = [_excusing(item, excuses.get(item.name, 0), now) for item in held.order_by("expires_at", "pk")]
    return [one for one in found if one.excuses or _names(one.item, entry)]


def _names(item: PoamItem, entry: ImageDigest) -> bool:
    if item.digest:
        return item.digest == entry.digest
    return bool(item.repository) and item.repository == entry.repository


def _excusing(item: PoamItem, excuses: int, now: datetime) -> Excusing:
    return Excusing(item, status_of(item, now), vulnerabilities(item), package(item.component), excuses)


def _against(request: HttpRequest, entry: ImageDigest, counts: Counts) -> Against | None:
    """The one that is asked for, or that began to run last."""
    running = Deployment.objects.filter(entry__repository=entry.repository, ended_at__isnull=True).exclude(entry=entry)
    numbers = list(dict.fromkeys(running.order_by("-started_at", "-pk").values_list("entry", flat=True)))
    if not numbers:
        return None
    found = ImageDigest.objects.in_bulk(numbers)
    places = places_of(found.values())
    wanted = asked.number(request, "against")
    chosen = found[wanted if wanted in found else numbers[0]]
    others = [(found[number], places[number]) for number in numbers if number != chosen.pk]
    is_scanned = counts.is_scanned and findings_listing.severity_counts([chosen])[chosen.pk].is_scanned
    return Against(chosen, places[chosen.pk], others, is_scanned)


def _compared(request: HttpRequest, entry: ImageDigest, against: Against, case: Case) -> Against:
    if not against.is_scanned:
        return against
    changed = finding_changes.of_digests(against.entry, entry)
    rows = DigestFinding.objects.select_related("finding")
    tab = scans_tabs.changes(request, changed, rows.filter(entry=against.entry), rows.filter(entry=entry), _shown(entry, case))
    return Against(against.entry, against.runs, against.others, against.is_scanned, tab)


def _difference(entry: ImageDigest, against: Against, counts: Counts) -> tuple[int, int] | None:
    """How many are new and gone, if that is quickly said."""
    if not against.is_scanned:
        return None
    others = findings_listing.severity_counts([against.entry])[against.entry.pk].total
    if counts.total + others > _MOST_COMPARED_BESIDE:
        return None
    changed = finding_changes.of_digests(against.entry, entry)
    return len(changed.new), len(changed.gone)
