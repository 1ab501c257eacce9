from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records import ledger, poam, policies, reviews, verdict
from deploy_records.errors import Invalid, Refused
from deploy_records.models import Approval, AuditEvent, GatePolicy, ImageDigest, LedgerState, PoamItem
from deploy_records.rules.policy import DEFAULT
from deploy_records.scanners.report import Severity
from tests.deploy_records import exceptions
from tests.deploy_records.evidence import excused, scan, security
from tests.deploy_records.images import single
from tests.deploy_records.people import RELEASE_MANAGER, person
from tests.deploy_records.rules.cases import policy
from tests.deploy_records.scan_files import vulnerability

pytestmark = pytest.mark.django_db


@pytest.fixture
def bare(operator: User) -> ImageDigest:
    """A candidate of which nobody has looked at the image."""
    return ledger.register(single("bare"), operator)


def now(entry: ImageDigest) -> ImageDigest:
    return ImageDigest.objects.get(pk=entry.pk)


def set_policy(environment: str = "production", **fields: object) -> None:
    seen = policies.in_force(environment).version
    policies.save(policy(**fields), environment, security(), "Tried.", seen=seen)


def everywhere(**fields: object) -> None:
    for environment in ("production", "staging", "development"):
        set_policy(environment, **fields)


class TestWhatItTakes:
    def test_without_a_report_nobody_can_approve(self, bare: ImageDigest, manager: User) -> None:
        answer = ledger.may_approve(bare, manager)
        assert not answer.allowed
        assert "There is no image scan of it. Upload an image scan of this digest." in answer.reason
        with pytest.raises(Refused, match=r"Not approved. There is no image scan of it"):
            ledger.approve(bare, manager)
        assert now(bare).state == LedgerState.CANDIDATE
        assert not Approval.objects.exists()

    def test_with_a_report_without_findings_it_is_approved(self, bare: ImageDigest, manager: User) -> None:
        scan(bare)
        assert ledger.may_approve(bare, manager).allowed
        ledger.approve(bare, manager)
        assert now(bare).state == LedgerState.APPROVED

    def test_a_report_that_is_too_old_does_not_do(self, bare: ImageDigest, manager: User) -> None:
        scan(bare, days=31)
        with pytest.raises(Refused, match="too old"):
            ledger.approve(bare, manager)

    def test_a_finding_that_blocks_has_to_be_excused_first(self, bare: ImageDigest, manager: User) -> None:
        scan(bare, "CVE-2026-1000")
        with pytest.raises(Refused, match=r"A finding blocks: CVE-2026-1000 in openssl 1.0 \(High\)"):
            ledger.approve(bare, manager)
        item = excused()
        given = ledger.approve(bare, manager)
        assert given.evidence["exceptions"][0]["name"] == item.name

    def test_an_exception_that_is_only_requested_excuses_nothing_and_is_named(self, bare: ImageDigest, manager: User) -> None:
        scan(bare, "CVE-2026-1000")
        item = exceptions.requested(component="registry.example.com/team/*")
        with pytest.raises(Refused, match=f"{item.name} is not approved"):
            ledger.approve(bare, manager)

    def test_one_for_a_service_counts_for_the_approval_and_at_that_service_only(self, bare: ImageDigest, manager: User) -> None:
        scan(bare, "CVE-2026-1000")
        excused(service="chatbot")
        ledger.approve(bare, manager)
        assert verdict.ask(now(bare), service="chatbot").allowed
        assert not verdict.ask(now(bare), service="other").allowed
        assert not verdict.ask(now(bare)).allowed

    def test_as_many_as_the_policy_says(self, bare: ImageDigest, manager: User, other_manager: User) -> None:
        scan(bare)
        everywhere(approvals=2)
        ledger.approve(bare, manager)
        assert now(bare).state == LedgerState.CANDIDATE
        ledger.approve(bare, other_manager)
        assert now(bare).state == LedgerState.APPROVED
        assert verdict.ask(now(bare)).allowed

    def test_where_one_environment_asks_for_more_the_others_may_run_it(self, bare: ImageDigest, manager: User) -> None:
        scan(bare)
        set_policy("production", approvals=2)
        ledger.approve(bare, manager)
        assert now(bare).state == LedgerState.APPROVED
        assert verdict.ask(now(bare), environment="staging").allowed
        assert "It has 1 valid of 2." in verdict.ask(now(bare)).sentence

    def test_what_only_a_lenient_environment_allows_never_runs_in_another(self, bare: ImageDigest, manager: User) -> None:
        scan(bare, "CVE-2026-1000")
        set_policy("development", blocks=frozenset({Severity.CRITICAL}))
        ledger.approve(bare, manager)
        assert verdict.ask(now(bare), environment="development").allowed
        production = verdict.ask(now(bare))
        assert [one.key for one in production.refusals] == ["approvals", "findings"]
        excused()
        still = verdict.ask(now(bare))
        assert "the rules of production did not allow it when it was given" in still.sentence
        ledger.approve(bare, manager)
        assert verdict.ask(now(bare)).allowed

    def test_a_comment_where_the_policy_asks_for_one(self, bare: ImageDigest, manager: User) -> None:
        scan(bare)
        everywhere(comment_required=True)
        with pytest.raises(Invalid, match="The comment is blank"):
            ledger.approve(bare, manager)
        ledger.approve(bare, manager, "Tried it.")

    def test_a_policy_that_cannot_be_read_approves_nothing(self, bare: ImageDigest, manager: User) -> None:
        scan(bare)
        everywhere(approvals=2)
        GatePolicy.objects.update(rules={"approvals": 0})
        with pytest.raises(Refused, match="cannot be read"):
            ledger.approve(bare, manager)
        assert not verdict.ask(bare).allowed


class TestWhatIsKept:
    def test_the_reports_the_policy_the_exceptions_and_the_decision(self, bare: ImageDigest, manager: User) -> None:
        report = scan(bare, "CVE-2026-1000")
        item = excused()
        set_policy("production", approvals=1, minimum_age_hours=1)
        evidence = ledger.approve(bare, manager).evidence
        assert [one["sha256"] for one in evidence["reports"]] == [report.file.sha256]
        assert [one["name"] for one in evidence["exceptions"]] == [item.name]
        production, staging = evidence["environments"]["production"], evidence["environments"]["staging"]
        assert (production["policy"], staging["policy"]) == (1, 0)
        assert production["rules"]["minimum_age_hours"] == 1
        assert production["decision"]["sentence"] == "May be approved."
        assert production["decision"]["findings"] == {"blocking": 0, "excused": 1}

    def test_the_trail_says_on_what_it_rests(self, bare: ImageDigest, manager: User) -> None:
        report = scan(bare)
        ledger.approve(bare, manager, "Fine.")
        event = AuditEvent.objects.get(action="approval.given")
        assert event.changes["reports"] == [report.file.sha256]
        assert event.changes["policies"] == {"production": 0, "staging": 0, "development": 0}


class TestLookingAgain:
    @pytest.fixture
    def excusing(self, bare: ImageDigest, manager: User) -> ImageDigest:
        """Approved, resting on POAM-1."""
        scan(bare, "CVE-2026-1000")
        excused()
        return ledger.approve(bare, manager).entry

    def test_a_worse_report_means_no_at_once_and_the_mark_says_why(self, excusing: ImageDigest) -> None:
        assert verdict.ask(excusing).allowed
        scan(excusing, "CVE-2026-1000", "CVE-2026-2000")
        excused("CVE-2026-2000")
        assert [one.key for one in verdict.ask(excusing).refusals] == ["approvals"]
        (marked,) = reviews.look()
        assert "a later report has a finding that it did not know: CVE-2026-2000" in marked.review_because
        event = AuditEvent.objects.get(action="approval.needs-review")
        assert (event.actor, event.reason) == ("gate", marked.review_because)
        assert reviews.look() == []

    def test_a_report_that_is_no_worse_changes_nothing(self, excusing: ImageDigest) -> None:
        scan(excusing, "CVE-2026-1000", vulnerability("CVE-2026-3000", "MEDIUM"))
        scan(excusing)
        assert verdict.ask(excusing).allowed
        assert reviews.look() == []

    def test_an_exception_that_is_closed(self, excusing: ImageDigest) -> None:
        poam.close(PoamItem.objects.get(), exceptions.reviewer(), "No longer excused.")
        (marked,) = reviews.look()
        assert marked.review_because == "POAM-1, on which it relies, no longer holds"
        assert not verdict.ask(excusing).allowed

    def test_an_exception_that_ends_by_the_clock(self, excusing: ImageDigest) -> None:
        ends = PoamItem.objects.get().expires_at
        assert reviews.look(now=ends) == []
        assert len(reviews.look(now=ends + timedelta(seconds=1))) == 1

    def test_a_stricter_policy(self, excusing: ImageDigest) -> None:
        set_policy("production", blocks=DEFAULT.blocks | {Severity.MEDIUM})
        (marked,) = reviews.look()
        assert marked.review_because == "the policy of production has become stricter: Medium findings block now"

    def test_a_mark_stays_also_when_its_reason_has_gone(self, excusing: ImageDigest) -> None:
        set_policy("production", blocks=DEFAULT.blocks | {Severity.MEDIUM})
        reviews.look()
        set_policy("production")
        assert "it has to be looked at again since" in verdict.ask(excusing).sentence

    def test_the_same_person_renews_it_and_both_stay_visible(self, excusing: ImageDigest, manager: User) -> None:
        with pytest.raises(Refused, match="You have approved this digest already"):
            ledger.approve(excusing, manager)
        set_policy("production", blocks=DEFAULT.blocks | {Severity.MEDIUM})
        reviews.look()
        ledger.approve(excusing, manager, "Looked again.")
        old, new = excusing.approvals.order_by("pk")
        assert (old.ended_because, old.review_because.startswith("the policy")) == ("Renewed.", True)
        assert (new.ended_at, new.review_since, new.comment) == (None, None, "Looked again.")
        assert new.evidence["environments"]["production"]["policy"] == 1
        assert verdict.ask(now(excusing)).allowed
        assert AuditEvent.objects.filter(action="approval.renewed").count() == 1

    def test_it_can_be_renewed_before_anybody_has_marked_it(self, excusing: ImageDigest, manager: User) -> None:
        scan(excusing, "CVE-2026-1000", "CVE-2026-2000")
        excused("CVE-2026-2000")
        assert ledger.may_approve(excusing, manager).allowed
        ledger.approve(excusing, manager)
        assert verdict.ask(now(excusing)).allowed

    def test_it_cannot_be_renewed_while_findings_block(self, excusing: ImageDigest, manager: User) -> None:
        scan(excusing, "CVE-2026-1000", "CVE-2026-2000")
        with pytest.raises(Refused, match="CVE-2026-2000"):
            ledger.approve(excusing, manager)
        assert excusing.approvals.get().ended_at is None

    def test_another_person_may_approve_instead(self, excusing: ImageDigest, other_manager: User) -> None:
        set_policy("production", blocks=DEFAULT.blocks | {Severity.MEDIUM})
        reviews.look()
        ledger.approve(excusing, other_manager)
        assert verdict.ask(now(excusing)).allowed

    def test_one_from_before_evidence_was_kept_has_to_be_given_anew(self, candidate: ImageDigest, manager: User) -> None:
        Approval.objects.create(entry=candidate, by=manager)
        ImageDigest.objects.update(state=LedgerState.APPROVED)
        assert "it does not say what it rests on" in verdict.ask(now(candidate)).sentence
        ledger.approve(now(candidate), manager)
        assert verdict.ask(now(candidate)).allowed

    def test_who_has_lost_the_role_does_not_renew(self, excusing: ImageDigest, manager: User) -> None:
        set_policy("production", blocks=DEFAULT.blocks | {Severity.MEDIUM})
        manager.groups.clear()
        with pytest.raises(Refused, match="takes the role"):
            ledger.approve(excusing, User.objects.get(pk=manager.pk))


class TestWaiting:
    def test_what_runs_comes_first_with_its_reasons(self, operator: User, manager: User) -> None:
        from deploy_records import deployments  # noqa: PLC0415 - for one test

        entries = [ledger.register(single(f"build {number}"), operator) for number in (1, 2)]
        for entry in entries:
            scan(entry)
            ledger.approve(entry, manager)
        deployments.begin("prod-1", "chatbot", entries[1], "upgrade")
        assert reviews.waiting() == []
        set_policy("production", blocks=DEFAULT.blocks | {Severity.MEDIUM})
        reviews.look()
        first, second = reviews.waiting()
        assert (first.entry.pk, first.runs_on, second.runs_on) == (entries[1].pk, ("chatbot on prod-1",), ())
        assert first.because == "the policy of production has become stricter: Medium findings block now."
        assert first.since <= timezone.now()

    def test_what_was_taken_out_of_use_waits_no_more(self, candidate: ImageDigest, manager: User) -> None:
        ledger.approve(candidate, manager)
        set_policy("production", blocks=DEFAULT.blocks | {Severity.MEDIUM})
        reviews.look()
        assert len(reviews.waiting()) == 1
        ledger.deprecate(now(candidate), manager, "Slow.")
        assert reviews.waiting() == []

    def test_many_are_looked_at_in_batches(self, operator: User, manager: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reviews, "_AT_ONCE", 2)
        for number in range(5):
            entry = ledger.register(single(f"build {number}"), operator)
            scan(entry)
            ledger.approve(entry, manager)
        set_policy("production", blocks=DEFAULT.blocks | {Severity.MEDIUM})
        assert len(reviews.look()) == 5


@pytest.mark.django_db(transaction=True)
def test_a_report_an_exception_and_a_policy_have_approvals_looked_at_by_themselves() -> None:
    operator, manager = person("otto", "register_digest"), person("mira", *RELEASE_MANAGER)

    def approved(word: str, *findings: str) -> Approval:
        entry = ledger.register(single(word), operator)
        scan(entry, *findings)
        return ledger.approve(entry, manager)

    def is_marked(one: Approval) -> bool:
        one.refresh_from_db()
        return one.review_since is not None

    item = excused()
    by_report, by_exception, by_policy = approved("1"), approved("2", "CVE-2026-1000"), approved("3")
    scan(by_report.entry, "CVE-2026-2000")
    assert (is_marked(by_report), is_marked(by_exception), is_marked(by_policy)) == (True, False, False)
    poam.mitigate(item, exceptions.reviewer(), "Fixed.")
    assert (is_marked(by_exception), is_marked(by_policy)) == (True, False)
    set_policy("staging", blocks=DEFAULT.blocks | {Severity.MEDIUM})
    assert is_marked(by_policy)
