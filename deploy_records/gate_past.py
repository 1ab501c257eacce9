"""What the gate would have been told at a moment that is past, as far as the record keeps it.

It keeps the reports that counted, what they said, the approvals, the exceptions, the policies, what ran, and in the audit
trail the state of a digest. Who held which role then, and which tags a digest had, it does not keep in a form to ask for.
"""

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property

from django.db.models import Q

from deploy_records import digest_findings, gate_facts, policies_in_force
from deploy_records.gate_facts import Known, Question
from deploy_records.models import Approval, AuditEvent, Deployment, ImageDigest, LedgerState, ScanMatch
from deploy_records.rules.blocking import Fact
from deploy_records.rules.case import Case
from deploy_records.rules.merging import weight

OF_TODAY = "Who may approve, and which tags the digest has, are taken as they are now."


def case(question: Question, at: datetime) -> Case:
    then = replace(question, entry=_as_it_was(question.entry, at))
    return _KnownThen([then], at, policies_in_force.all_in_force(at)).case(then)


def _as_it_was(entry: ImageDigest, at: datetime) -> ImageDigest:
    """A copy for the rules to look at; it is never saved."""
    was = copy.copy(entry)
    trail = AuditEvent.objects.filter(object_type="imagedigest", object_id=str(entry.pk), at__lte=at).order_by("-sequence")
    moved = next((one for one in trail.iterator(100) if "state" in one.changes), None)
    failed = trail.filter(action="digest.failed").first()
    was.state = str(moved.changes["state"][1]) if moved else LedgerState.CANDIDATE
    out = moved is not None and was.state in {LedgerState.DEPRECATED, LedgerState.REVOKED}
    was.note = moved.reason if moved and out else failed.reason if failed else ""
    was.failed_at = failed.at if failed else None
    if was.known_good_at and was.known_good_at > at:
        was.known_good_at = None
    if was.reinstated_at and was.reinstated_at > at:
        was.reinstated_by_id = None
    return was


class _KnownThen(Known):
    @cached_property
    def approvals(self) -> Mapping[int, list[Approval]]:
        given = Approval.objects.filter(self._lasting("ended_at"), at__lte=self.at, entry__in=self._asked)
        return gate_facts.by_entry(self._without_what_came_later(one) for one in given)

    def _without_what_came_later(self, one: Approval) -> Approval:
        if one.review_since is not None and one.review_since > self.at:
            one.review_since = None
        return one

    @cached_property
    def deployed(self) -> Mapping[tuple[str, str], Deployment]:
        ran = Deployment.objects.filter(self._lasting("ended_at"), started_at__lte=self.at).select_related("entry")
        places = self.places
        return {(one.host, one.service): one for one in ran if (one.host, one.service) in places} if places else {}

    @cached_property
    def matches(self) -> list[ScanMatch]:
        counting = ScanMatch.objects.filter(self._lasting("superseded_at"), at__lte=self.at, entry__in=self.numbers)
        found = list(counting.select_related("report__file").order_by("-report__made_at", "-report"))
        for report in (one.report for one in found):
            if report.scanned_at is None and report.made_at > self.at:
                # It came again since, and counts as made then; how often before is not kept, so the first time counts.
                report.made_at = report.imported_at
        return found

    @cached_property
    def _read(self) -> Mapping[int, tuple[list[Fact], int]]:
        """Of each digest the findings that may block, and how many they are; none of them where they are too many."""
        return {number: self._facts(number) for number in self.numbers}

    def _facts(self, entry: int) -> tuple[list[Fact], int]:
        found, count = list[Fact](), 0
        for one in digest_findings.then(entry, self.at):
            if weight(one.severity) >= self.lightest:
                count += 1
                if count <= gate_facts.MOST_FINDINGS:
                    found.append(Fact.of(one))
        return (found if count <= gate_facts.MOST_FINDINGS else [], count)

    @cached_property
    def findings(self) -> Mapping[int, list[Fact]]:
        return defaultdict(list, {number: facts for number, (facts, _count) in self._read.items()})

    @cached_property
    def uncounted(self) -> Mapping[int, int]:
        return {number: count for number, (_facts, count) in self._read.items() if count > gate_facts.MOST_FINDINGS}

    def _lasting(self, field: str) -> Q:
        return Q(**{f"{field}__isnull": True}) | Q(**{f"{field}__gt": self.at})

    @property
    def _asked(self) -> Sequence[int]:
        return [one.entry.pk for one in self.questions]
