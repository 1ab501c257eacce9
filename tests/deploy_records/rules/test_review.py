from dataclasses import replace
from datetime import timedelta

import pytest

from deploy_records.rules.case import Case
from deploy_records.rules.exceptions import Excuses, Grant
from deploy_records.rules.gate import TO_APPROVE, decide
from deploy_records.rules.policy import DEFAULT, Policy
from deploy_records.rules.review import Relied, kept, relied, why_again
from deploy_records.scanners.report import Severity
from tests.deploy_records.rules import cases
from tests.deploy_records.rules.cases import APPROVED, ENDS, NOW, excuse, excused, found, policy, refused, yes


def test_while_all_is_as_it_was_nobody_has_to_look_again() -> None:
    assert why_again(cases.relied("POAM-7", on=(found(),)), excused(found()).now) == ""


def test_an_approval_that_rests_on_nothing_does_not_count() -> None:
    bare = replace(APPROVED, approvals=(replace(yes(), relied=None),))
    assert refused(decide(bare)) == ["approvals"]
    assert "That of mira does not count: it does not say what it rests on." in decide(bare).sentence


def test_one_given_where_the_rules_did_not_allow_it_does_not_count_there() -> None:
    elsewhere = replace(APPROVED, approvals=(yes(then=cases.relied(allowed=False)),))
    assert "the rules of production did not allow it when it was given" in decide(elsewhere).sentence


class TestAWorseReport:
    def test_a_finding_that_it_did_not_know_means_that_somebody_looks_again_although_it_is_excused(self) -> None:
        case = excused(found("CVE-2026-1000"), found("CVE-2026-2000"))
        knew_one = replace(case, approvals=(yes(then=cases.relied("POAM-7", on=(found("CVE-2026-1000"),))),))
        assert refused(decide(knew_one)) == ["approvals"]
        assert "a later report has a finding that it did not know: CVE-2026-2000" in decide(knew_one).sentence

    def test_the_same_finding_with_a_worse_severity_is_one_that_it_did_not_know(self) -> None:
        case = excused(found(severity=Severity.CRITICAL))
        assert refused(decide(replace(case, approvals=(yes(then=cases.relied("POAM-7", on=(found(),))),)))) == ["approvals"]

    def test_fewer_findings_or_lesser_ones_are_no_reason(self) -> None:
        knew_more = cases.relied("POAM-7", on=(found(severity=Severity.CRITICAL), found("CVE-2026-2000")))
        assert decide(replace(excused(found()), approvals=(yes(then=knew_more),))).allowed

    def test_findings_that_do_not_block_are_no_reason(self) -> None:
        assert decide(replace(APPROVED, findings=(found(severity=Severity.MEDIUM),))).allowed


class TestAnExceptionThatEnds:
    @pytest.mark.parametrize("excuses", [
        (),
        (excuse(until=NOW - timedelta(days=1)),),
        (excuse(ended_at=NOW),),
        (excuse(name="POAM-8"),),
    ])  # fmt: skip
    def test_somebody_looks_again_also_if_nothing_needs_it_any_more(self, excuses: tuple[object, ...]) -> None:
        rested = replace(
            APPROVED, approvals=(yes(then=cases.relied("POAM-7", on=(found(),))),),
            excuses=Excuses.of(excuses),  # type: ignore[arg-type]  # pytest widens the type
        )  # fmt: skip
        assert refused(decide(rested)) == ["approvals"]
        assert "POAM-7, on which it relies, no longer holds" in decide(rested).sentence

    def test_an_extended_one_still_holds(self) -> None:
        later = Grant(ENDS, ENDS + timedelta(days=9))
        case = excused(found(), excuses=(replace(excuse(), grants=(*excuse().grants, later)),))
        assert decide(replace(case, at=ENDS + timedelta(days=1))).allowed

    def test_a_shorter_maximum_ends_it_as_well(self) -> None:
        assert "approvals" in refused(decide(replace(excused(found()), policy=policy(exception_days={Severity.CRITICAL: 2}))))


class TestAStricterPolicy:
    @pytest.mark.parametrize("then", [
        policy(blocks=frozenset({Severity.CRITICAL})),
        policy(unfixed_block=False),
        policy(claims_count=True),
    ])  # fmt: skip
    def test_one_that_blocks_more_means_that_somebody_looks_again(self, then: Policy) -> None:
        case = replace(APPROVED, approvals=(yes(then=Relied(True, then)),))
        assert refused(decide(case)) == ["approvals"]
        assert "the policy of production has become stricter" in decide(case).sentence

    @pytest.mark.parametrize("now", [
        policy(approvals=1, comment_required=True),
        policy(minimum_age_hours=1),
        policy(blocks=frozenset({Severity.CRITICAL})),
        policy(exception_days={Severity.CRITICAL: 60, Severity.HIGH: 60}),
    ])  # fmt: skip
    def test_one_that_asks_for_more_elsewhere_or_for_less_is_no_reason(self, now: Policy) -> None:
        assert decide(replace(APPROVED, policy=now)).allowed


def _kept(case: Case) -> dict[str, object]:
    decision = decide(case, TO_APPROVE)
    part = kept(allowed=decision.allowed, version=0, policy=DEFAULT, judged=case.judged, decision=decision.as_data())
    return {"environments": {"production": part}}


def test_what_is_kept_with_an_approval_reads_back_and_still_holds() -> None:
    case = excused(found(), found("CVE-2026-2000", Severity.CRITICAL))
    read = relied(_kept(case), "production")
    assert read == cases.relied("POAM-7", on=case.findings)
    assert why_again(read, case.now) == ""


@pytest.mark.parametrize("evidence", [
    None, {}, [], "x", {"environments": {}}, {"environments": {"production": {}}}, {"environments": {"production": None}},
    {"environments": {"production": {"allowed": True, "rules": {}, "exceptions": [], "blocking": {"x": "Dire"}}}},
])  # fmt: skip
def test_evidence_of_another_form_is_as_good_as_none(evidence: object) -> None:
    assert relied(evidence, "production") is None


def test_evidence_with_a_policy_that_cannot_be_read_does_not_count() -> None:
    evidence = {"environments": {"production": {"allowed": True, "rules": 7, "exceptions": [], "blocking": {}}}}
    assert "cannot be read" in why_again(relied(evidence, "production"), APPROVED.now)
