"""What the gate has to know, read from the record in a number of queries that does not grow with the questions."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from django.contrib.auth.models import User
from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from deploy_records import policies_in_force
from deploy_records.finding_rows import FACT_COLUMNS, facts
from deploy_records.models import (
    Approval,
    Deployment,
    DigestFinding,
    ImageDigest,
    LedgerState,
    Outcome,
    PlatformImage,
    PoamItem,
    PoamState,
    ScanMatch,
)
from deploy_records.people import holders
from deploy_records.policies_in_force import InForce
from deploy_records.rules.approval import Who
from deploy_records.rules.blocking import Fact
from deploy_records.rules.case import Case, ReportFact, Running, Yes, shown
from deploy_records.rules.component import Place
from deploy_records.rules.exceptions import Excuse, Excuses, Grant
from deploy_records.rules.merging import weight
from deploy_records.rules.review import relied
from deploy_records.scanners.report import ReportKind, Severity

MAY_APPROVE = "deploy_records.approve_digest"
MOST_FINDINGS = 10_000
"""Of one digest, that may block. With more than these nobody will excuse them one by one, and the answer is no."""
OF_A_MATCH = (
    "entry", "platform", "report__kinds", "report__tool", "report__made_at", "report__severities", "report__is_demo",
    "report__file__sha256",
)  # fmt: skip
"""What the gate reads of a report that counts."""
_REMEMBERED = timedelta(days=90)
"""For so long after its end an exception is named among the reasons."""


@dataclass(frozen=True)
class Question:
    """Which digest, and where it would run. `service`, `host` and `platform` (os/architecture) may be left open."""

    entry: ImageDigest
    environment: str = "production"
    service: str = ""
    host: str = ""
    platform: str = ""


def cases(questions: Sequence[Question], at: datetime, policies: Mapping[str, InForce] | None = None) -> list[Case]:
    """One for each question, in their order. `policies`: others than those in force, to see what they would do."""
    if not questions:
        return []
    known = Known(questions, at, policies or policies_in_force.all_in_force())
    return [known.case(question) for question in questions]


def ran_here(questions: Sequence[Question]) -> list[bool]:
    """For each question whether the digest ran healthy at its place before, and was not undone. One query."""
    ran = Deployment.objects.filter(entry__in={one.entry.pk for one in questions}, healthy_at__isnull=False)
    known = set(ran.exclude(outcome=Outcome.UNDONE).order_by().values_list("entry", "host", "service").distinct())
    return [(one.entry.pk, one.host, one.service) in known for one in questions]


@dataclass(frozen=True)
class _Person:
    who: Who
    may_approve: bool


@dataclass(frozen=True)
class Known:
    """What the record says now. `gate_past` has what it said then."""

    questions: Sequence[Question]
    at: datetime
    policies: Mapping[str, InForce]
    _excuses: dict[bool, Excuses] = field(default_factory=dict)

    def case(self, question: Question) -> Case:
        entry, held = question.entry, self.policies.get(question.environment) or InForce(question.environment, policy=None)
        return Case(
            state=entry.state,
            at=self.at,
            approvals=self._given(entry, question.environment),
            policy=held.policy,
            policy_version=held.version,
            environment=question.environment,
            registered_at=entry.registered_at,
            known_good_at=entry.known_good_at or (entry.registered_at if entry.state == LedgerState.KNOWN_GOOD else None),
            note=entry.note,
            failed_at=entry.failed_at,
            digest=entry.digest,
            reports=tuple(self.reports[entry.pk]),
            findings=tuple(self.findings[entry.pk]),
            uncounted=self.uncounted.get(entry.pk, 0),
            excuses=self.excuses(trusting_git=bool(held.policy and held.policy.trusts_git)),
            place=Place(entry.repository, frozenset({entry.digest, *self.manifests[entry.pk]}), question.service,
                        tuple(str(tag) for tag in entry.tags)),
            platform=question.platform,
            running=self._running(question),
        )  # fmt: skip

    def _given(self, entry: ImageDigest, environment: str) -> tuple[Yes, ...]:
        found, counted = list[Yes](), list[Who]()
        for one in self.approvals[entry.pk]:
            person = self.people[one.by_id].who
            flaw = self._flaw(one, person, entry)
            if not flaw and any(person.is_same_person_as(other) for other in counted):
                flaw = "they gave another one under another name"
            if not flaw:
                counted.append(person)
            found.append(Yes(person.name, one.at, flaw, relied(one.evidence, environment)))
        return tuple(found)

    def _flaw(self, one: Approval, person: Who, entry: ImageDigest) -> str:
        """Judged again each time: who has lost the role, or turns out to have registered it, does not count."""
        theirs = (number for number in (entry.registered_by_id, entry.reinstated_by_id) if number)
        if any(person.is_same_person_as(self.people[number].who) for number in theirs):
            return "they registered it or offered it again"
        if not self.people[one.by_id].may_approve:
            return "they no longer hold a role that may approve"
        if one.review_since is not None:
            return f"it has to be looked at again since {shown(one.review_since)}, as {one.review_because.rstrip('.')}"
        return ""

    def _running(self, question: Question) -> Running | None:
        runs = self.deployed.get((question.host, question.service))
        if runs is None:
            return None
        known = bool(self.reports[runs.entry_id]) and runs.entry_id not in self.uncounted
        return Running(runs.entry.digest, tuple(self.findings[runs.entry_id]) if known else None)

    @cached_property
    def numbers(self) -> frozenset[int]:
        """Of all digests whose reports are read: those asked about, and what runs where one is to be compared."""
        return frozenset({one.entry.pk for one in self.questions} | {one.entry_id for one in self.deployed.values()})

    @cached_property
    def approvals(self) -> Mapping[int, list[Approval]]:
        entries = {one.entry.pk for one in self.questions}
        return by_entry(Approval.objects.filter(entry__in=entries, ended_at__isnull=True))

    @cached_property
    def people(self) -> Mapping[int, _Person]:
        """Who gave an approval, and whose yes does not count: few, however many digests there are."""
        given = {one.by_id for ones in self.approvals.values() for one in ones}
        entries = [one.entry for one in self.questions] if given else []
        theirs = {number for one in entries for number in (one.registered_by_id, one.reinstated_by_id) if number}
        approvers = Exists(holders(MAY_APPROVE).filter(pk=OuterRef("pk")))
        rows = User.objects.filter(pk__in=given | theirs).order_by().annotate(approver=approvers)
        known = rows.values_list("pk", "username", "email", "approver")
        return {number: _Person(Who(number, name, address), may) for number, name, address, may in known}

    @property
    def places(self) -> set[tuple[str, str]]:
        """Host and service of each place at which what runs is to be compared: none where no policy asks for it."""
        comparing = {name for name, held in self.policies.items() if held.policy and held.policy.no_worse}
        return {(one.host, one.service) for one in self.questions if one.environment in comparing and one.service}

    @cached_property
    def deployed(self) -> Mapping[tuple[str, str], Deployment]:
        """What runs at the places asked about."""
        places = self.places
        if not places:
            return {}
        there = Q(host__in={host for host, _ in places}, service__in={service for _, service in places})
        found = Deployment.objects.filter(there, ended_at__isnull=True).select_related("entry")
        return {(one.host, one.service): one for one in found if (one.host, one.service) in places}

    @cached_property
    def manifests(self) -> Mapping[int, list[str]]:
        found = defaultdict(list)
        rows = PlatformImage.objects.filter(entry__in={one.entry.pk for one in self.questions})
        for entry, manifest in rows.values_list("entry_id", "manifest_digest"):
            found[entry].append(manifest)
        return found

    @cached_property
    def matches(self) -> list[ScanMatch]:
        counting = ScanMatch.objects.filter(entry__in=self.numbers, superseded_at__isnull=True)
        return list(counting.select_related("report__file").only(*OF_A_MATCH).order_by("-report__made_at", "-report"))

    @cached_property
    def reports(self) -> Mapping[int, list[ReportFact]]:
        found = defaultdict(list)
        for match in self.matches:
            report = match.report
            kinds = tuple(ReportKind(kind) for kind in report.kinds)
            found[match.entry_id].append(
                ReportFact(report.file.sha256, kinds, report.tool, report.made_at, match.platform, report.is_demo)
            )
        return found

    @cached_property
    def uncounted(self) -> Mapping[int, int]:
        """How many findings may block, of digests that have too many of them."""
        suspects = [number for number, most in self._at_most.items() if most > MOST_FINDINGS]
        if not suspects:
            return {}
        rows = self._blocking(suspects).order_by().values("entry").annotate(number=Count("pk"))
        return dict(rows.filter(number__gt=MOST_FINDINGS).values_list("entry", "number"))

    @cached_property
    def findings(self) -> Mapping[int, list[Fact]]:
        found: dict[int, list[Fact]] = defaultdict(list)
        some = [number for number, most in self._at_most.items() if most and number not in self.uncounted]
        rows = self._blocking(some).order_by("entry_id", "-weight", "pk").values_list(*FACT_COLUMNS) if some else ()
        for entry, one in facts(rows):
            found[entry].append(one)
        return found

    @cached_property
    def _at_most(self) -> Mapping[int, int]:
        """How many findings may block, by what the reports count: what several of them say is counted several times."""
        found: dict[int, int] = defaultdict(int)
        heavy = [str(one) for one in Severity if weight(one) >= self.lightest]
        for match in self.matches:
            found[match.entry_id] += sum(match.report.severities.get(name, 0) for name in heavy)
        return found

    def _blocking(self, entries: Iterable[int]) -> QuerySet[DigestFinding]:
        return DigestFinding.objects.filter(entry__in=list(entries), weight__gte=self.lightest)

    @cached_property
    def lightest(self) -> int:
        policies = (held.policy for held in self.policies.values() if held.policy)
        return min((weight(severity) for policy in policies for severity in policy.blocks), default=weight(Severity.UNKNOWN))

    def excuses(self, *, trusting_git: bool) -> Excuses:
        if not self._needs_excuses:
            return Excuses()
        if trusting_git not in self._excuses:
            self._excuses[trusting_git] = Excuses.of(_excuse(item, trusting_git=trusting_git) for item in self.items)
        return self._excuses[trusting_git]

    @cached_property
    def _needs_excuses(self) -> bool:
        """Only findings are excused, and only approvals rest on exceptions."""
        kept = (one.evidence for approvals in self.approvals.values() for one in approvals)
        relying = (evidence for evidence in kept if isinstance(evidence, dict) and evidence.get("exceptions"))
        return any(self.findings.values()) or any(relying)

    @cached_property
    def items(self) -> list[PoamItem]:
        """Exceptions that hold, held not long ago, or wait for their approval, which is a reason worth saying."""
        lately = Q(grants__until__gte=self.at - _REMEMBERED)
        return list(PoamItem.objects.filter(lately | Q(state=PoamState.REQUESTED)).distinct().prefetch_related("grants"))


def _excuse(item: PoamItem, *, trusting_git: bool) -> Excuse:
    """`poam_entries.excuse_of`, but an approval that only a file gave counts only where the policy trusts such files."""
    grants = (one for one in item.grants.all() if trusting_git or one.by_id is not None)
    return Excuse(
        item.name, tuple(item.vulnerabilities), item.component, item.worst, tuple(Grant(one.at, one.until) for one in grants),
        ended_at=item.ended_at, repository=item.repository, digest=item.digest, service=item.service,
    )  # fmt: skip


def by_entry(rows: Iterable[Approval]) -> Mapping[int, list[Approval]]:
    found = defaultdict(list)
    for row in rows:
        found[row.entry_id].append(row)
    return found
