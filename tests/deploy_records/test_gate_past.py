"""What the gate would have said at a moment that is past, whatever has come to be known or changed since."""

import io
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import deployments, ledger, poam, policies, scans, verdict
from deploy_records.models import ImageDigest, ScanReport
from deploy_records.rules.case import Decision
from deploy_records.rules.policy import DEFAULT
from deploy_records.scanners.report import ReportKind, Severity
from deploy_records.verdict import Question
from tests.deploy_records import exceptions
from tests.deploy_records.evidence import excused, importer, scan, security
from tests.deploy_records.images import single
from tests.deploy_records.rules.cases import policy, refused, why
from tests.deploy_records.scan_files import pip_audit, vulnerability

pytestmark = pytest.mark.django_db


@pytest.fixture
def build(operator: User) -> ImageDigest:
    return ledger.register(single("build 1"), operator)


@pytest.fixture
def approved(build: ImageDigest, manager: User) -> ImageDigest:
    scan(build)
    return ledger.approve(build, manager).entry


def ask(entry: ImageDigest, at: datetime, **place: str) -> Decision:
    return verdict.ask_then(Question(ImageDigest.objects.get(pk=entry.pk), **place), at)


def ask_now(entry: ImageDigest) -> Decision:
    return verdict.ask(ImageDigest.objects.get(pk=entry.pk))


def set_policy(**fields: object) -> None:
    policies.save(policy(**fields), "production", security(), "Tried.", seen=policies.in_force().version)


def test_without_a_change_since_it_is_the_answer_of_now(approved: ImageDigest) -> None:
    then, now = ask(approved, timezone.now()), ask_now(approved)
    assert then.allowed
    assert (then.rules, then.reports, then.findings) == (now.rules, now.reports, now.findings)


def test_a_report_that_came_later_is_not_known_and_one_that_it_replaced_counts(approved: ImageDigest) -> None:
    clean = ScanReport.objects.get()
    then = timezone.now()
    scan(approved, vulnerability("CVE-2026-1000", "CRITICAL"))
    assert "findings" in refused(ask_now(approved))
    decision = ask(approved, then)
    assert decision.allowed, decision.sentence
    assert [one.sha256 for one in decision.reports] == [clean.file.sha256]


def test_a_finding_that_a_later_report_no_longer_has_blocks_still(build: ImageDigest) -> None:
    scan(build, "CVE-2026-1000", vulnerability("CVE-2026-2000", "LOW"))
    then = timezone.now()
    scan(build, days=-0.001)
    assert "findings" not in refused(ask_now(build))
    assert [one.fact.name for one in ask(build, then).findings] == ["CVE-2026-1000"]


def test_before_the_first_report_there_was_none(build: ImageDigest) -> None:
    then = timezone.now()
    scan(build)
    assert refused(ask(build, then)) == ["state", "approvals", "report-image"]


def test_one_that_came_again_is_as_old_as_when_it_came_first(build: ImageDigest) -> None:
    set_policy(reports={ReportKind.DEPENDENCIES: 30})
    data = pip_audit()
    scans.import_report(io.BytesIO(data), "pip.json", importer(), chosen=build)
    then = timezone.now()
    scans.import_report(io.BytesIO(data), "pip.json", importer())
    report = ScanReport.objects.get()
    assert report.made_at > then
    assert ask(build, then).reports[0].made_at == report.imported_at


def test_the_state_is_the_one_it_had(approved: ImageDigest, manager: User) -> None:
    while_approved = timezone.now()
    ledger.deprecate(approved, manager, "It leaks.")
    deprecated = timezone.now()
    ledger.reinstate(ImageDigest.objects.get(), manager, "It was the network.")
    assert ask(approved, while_approved).allowed
    assert "It is deprecated: It leaks." in why(ask(approved, deprecated), "state")
    assert "It is a candidate" in why(ask_now(approved), "state")


def test_an_approval_counts_from_when_it_was_given_to_when_it_ended(build: ImageDigest, manager: User) -> None:
    scan(build)
    before = timezone.now()
    given = ledger.approve(build, manager).entry.approvals.get()
    between = timezone.now()
    ledger.withdraw(given, manager, "Too early.")
    assert refused(ask(build, before)) == ["state", "approvals"]
    assert ask(build, between).allowed
    assert refused(ask_now(build)) == ["state", "approvals"]


def test_an_approval_that_has_to_be_looked_at_again_since_counted_before(approved: ImageDigest) -> None:
    then = timezone.now()
    approved.approvals.update(review_since=timezone.now(), review_because="a report is worse")
    assert "approvals" in refused(ask_now(approved))
    assert ask(approved, then).allowed


def test_an_exception_counts_from_its_approval_to_its_end(approved: ImageDigest) -> None:
    scan(approved, "CVE-2026-1000")
    before = timezone.now()
    item = excused()
    between = timezone.now()
    poam.close(item, exceptions.reviewer(), "Fixed elsewhere.")
    assert "findings" in refused(ask(approved, before))
    assert [one.name for one in ask(approved, between).exceptions] == [item.name]
    assert "findings" in refused(ask_now(approved))


def test_the_policy_is_the_one_that_was_in_force(approved: ImageDigest) -> None:
    scan(approved, vulnerability("CVE-2026-1000", "MEDIUM"))
    then = timezone.now()
    set_policy(blocks=frozenset(DEFAULT.blocks | {Severity.MEDIUM}))
    assert "findings" in refused(ask_now(approved))
    decision = ask(approved, then)
    assert decision.policy_version == 0
    assert "findings" not in refused(decision)


def test_a_failure_is_warned_of_from_then_on(approved: ImageDigest) -> None:
    before = timezone.now()
    ledger.note_failure(approved, "port taken")
    after = timezone.now()
    assert not ask(approved, before).warnings
    assert "port taken" in ask(approved, after).sentence


def test_it_was_not_known_good_before_it_became_so(approved: ImageDigest) -> None:
    ledger.note_failure(approved, "port taken")
    then = timezone.now()
    ledger.note_healthy(approved)
    assert ask(approved, then).warnings
    assert not ask(approved, timezone.now()).warnings


def test_it_is_compared_with_what_ran_there_then(build: ImageDigest, operator: User, manager: User) -> None:
    set_policy(no_worse=True)
    excused("CVE-2026-1000", "CVE-2026-2000")
    worse = ledger.register(single("build 2"), operator)
    scan(build, "CVE-2026-1000")
    scan(worse, "CVE-2026-1000", "CVE-2026-2000")
    for entry in (build, worse):
        ledger.approve(entry, manager)
    deployments.begin("prod-1", "chatbot", build, "upgrade")
    then = timezone.now()
    deployments.begin("prod-1", "chatbot", worse, "upgrade")
    place = {"service": "chatbot", "host": "prod-1"}
    assert refused(ask(worse, then, **place)) == ["no-worse"]
    assert ask(worse, timezone.now(), **place).allowed
    assert ask(worse, then, service="chatbot", host="prod-2").allowed


def test_more_findings_than_are_judged_one_by_one_mean_no(build: ImageDigest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy_records.gate_facts.MOST_FINDINGS", 2)
    scan(build, "CVE-2026-1000", "CVE-2026-2000", "CVE-2026-3000", vulnerability("CVE-2026-4000", "LOW"))
    decision = ask(build, timezone.now())
    assert "It has 3 findings that may block" in decision.sentence
    assert decision.findings == ()


def test_before_it_was_registered_it_was_unknown(approved: ImageDigest) -> None:
    decision = ask(approved, approved.registered_at - timedelta(seconds=1))
    assert refused(decision) == ["ledger"]
    assert "It was not in the ledger" in decision.sentence


def test_asking_changes_nothing(approved: ImageDigest, manager: User) -> None:
    then = timezone.now()
    ledger.deprecate(approved, manager, "It leaks.")
    entry = ImageDigest.objects.get(pk=approved.pk)
    verdict.ask_then(Question(entry), then)
    assert (entry.state, entry.note) == ("deprecated", "It leaks.")
