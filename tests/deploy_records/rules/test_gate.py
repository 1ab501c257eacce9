import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_records.rules.evidence import CLOCKS_DIFFER
from deploy_records.rules.gate import TO_DEPLOY, TO_ROLL_BACK, Case, Decision, RuleResult, decide
from tests.deploy_records.rules.cases import APPROVED, BEFORE, KNOWN_GOOD, NOW, PLACE, policy, refused, relied, report, yes

moments = st.integers(-10_000, 10_000).map(lambda minutes: NOW + timedelta(minutes=minutes))
cases = st.builds(
    Case,
    state=st.sampled_from(["candidate", "approved", "known-good", "deprecated", "revoked"]) | st.text(max_size=10),
    at=moments,
    approvals=st.lists(
        st.builds(yes, st.text(max_size=5), moments, st.sampled_from(["", "a flaw"]), st.just(relied())), max_size=3
    ).map(tuple),
    policy=st.integers(-2, 4).map(lambda number: policy(approvals=number)) | st.none(),
    reports=st.sampled_from([(), (report(),), (report(days=29.9),)]),
    known_good_at=st.none() | moments,
    note=st.text(max_size=20),
    failed_at=st.none() | moments,
)


def failing(decision: Decision) -> list[str]:
    return [result.rule for result in decision.refusals]


def test_an_approved_digest_may_be_deployed() -> None:
    decision = decide(APPROVED)
    assert decision.allowed
    assert decision.sentence == "May be deployed."
    assert "Approved by mira." in [result.why for result in decision.rules]


def test_a_known_good_digest_may_be_deployed() -> None:
    assert decide(KNOWN_GOOD).allowed


@pytest.mark.parametrize("state", ["candidate", "deprecated", "revoked", "", "Approved", "known_good"])
def test_any_other_state_means_no_with_its_reason(state: str) -> None:
    decision = decide(replace(APPROVED, state=state, note="It leaks"))
    assert not decision.allowed
    assert decision.sentence.startswith("Must not be deployed. ")
    assert all(result.why and result.to_clear for result in decision.refusals)


def test_the_note_says_why_it_was_deprecated() -> None:
    assert "It is deprecated: It leaks." in decide(replace(APPROVED, state="deprecated", note="It leaks")).sentence


def test_without_an_approval_the_answer_is_no() -> None:
    decision = decide(replace(APPROVED, approvals=()))
    assert "No approval is in force." in decision.sentence
    assert decision.refusals[0].to_clear == "A release manager who did not register it approves it."


def test_an_approval_with_a_flaw_does_not_count_and_the_flaw_is_said() -> None:
    decision = decide(replace(APPROVED, approvals=(yes("mira", BEFORE, "they no longer hold a role that may approve"),)))
    assert not decision.allowed
    assert "That of mira does not count: they no longer hold" in decision.sentence


def test_an_approval_given_later_than_the_moment_does_not_count() -> None:
    assert not decide(replace(APPROVED, at=BEFORE - timedelta(microseconds=1))).allowed
    assert decide(replace(APPROVED, at=BEFORE)).allowed


def test_as_many_approvals_as_needed_must_be_there() -> None:
    two = replace(APPROVED, policy=policy(approvals=2))
    assert "It has 1 valid of 2." in decide(two).sentence
    assert decide(replace(two, approvals=(*two.approvals, yes("nils", BEFORE)))).allowed


@pytest.mark.parametrize("needed", [0, -1])
def test_a_gate_that_needs_no_approval_is_not_set_and_means_no(needed: int) -> None:
    assert not decide(replace(APPROVED, policy=policy(approvals=needed))).allowed


def test_an_undone_job_is_a_warning_and_not_a_no() -> None:
    decision = decide(replace(APPROVED, failed_at=BEFORE, note="port 8000 is taken"))
    assert decision.allowed
    assert decision.sentence.startswith("May be deployed, but: A job with it was undone at 2026-03-01 11:00 UTC")
    assert "port 8000 is taken." in decision.warnings[0].why


def test_a_failure_from_before_it_was_known_good_is_no_warning() -> None:
    assert not decide(replace(KNOWN_GOOD, failed_at=BEFORE - timedelta(hours=1))).warnings
    assert decide(replace(KNOWN_GOOD, failed_at=BEFORE + timedelta(minutes=1))).warnings


def test_every_rule_is_judged_so_that_all_that_must_be_cleared_is_known_at_once() -> None:
    assert refused(decide(Case("candidate", NOW))) == ["state", "approvals", "report-image"]


def test_no_rules_at_all_mean_no() -> None:
    assert not decide(APPROVED, ()).allowed


def test_a_rule_that_cannot_be_judged_means_no() -> None:
    def broken_rule(_case: Case) -> RuleResult:
        raise ZeroDivisionError

    decision = decide(APPROVED, (*TO_DEPLOY, broken_rule))
    assert not decision.allowed
    assert "“broken rule” can be judged" in failing(decision)


def test_a_moment_without_a_zone_means_no_rather_than_a_guess() -> None:
    assert not decide(replace(APPROVED, at=NOW.replace(tzinfo=None))).allowed


def test_going_back_to_a_known_good_digest_is_allowed_without_a_warning_while_all_is_well() -> None:
    decision = decide(KNOWN_GOOD, TO_ROLL_BACK)
    assert decision.allowed
    assert not decision.warnings


def test_going_back_to_what_was_known_good_is_warned_of_but_never_stopped() -> None:
    lapsed = decide(replace(KNOWN_GOOD, approvals=()), TO_ROLL_BACK)
    assert lapsed.allowed
    assert lapsed.sentence == "May be deployed, but: No approval is in force."
    deprecated = decide(replace(KNOWN_GOOD, state="deprecated", note="slow"), TO_ROLL_BACK)
    assert deprecated.allowed
    assert "It is deprecated: slow." in deprecated.sentence


@pytest.mark.parametrize("state", ["revoked", "unheard-of"])
def test_going_back_to_a_revoked_digest_is_refused(state: str) -> None:
    assert not decide(replace(KNOWN_GOOD, state=state), TO_ROLL_BACK).allowed


def test_going_back_to_what_never_ran_healthy_is_refused_also_if_approved() -> None:
    decision = decide(APPROVED, TO_ROLL_BACK)
    assert not decision.allowed
    assert "Upgrade to it instead" in decision.refusals[0].to_clear


def test_going_back_as_a_service_is_for_what_ran_healthy_as_that_service() -> None:
    elsewhere = replace(KNOWN_GOOD, place=replace(PLACE, service="chatbot"))
    decision = decide(elsewhere, TO_ROLL_BACK)
    assert [one.key for one in decision.refusals] == ["was-good"]
    assert "never run healthy as chatbot there" in decision.sentence
    assert decide(replace(elsewhere, ran_here=True), TO_ROLL_BACK).allowed


def test_a_policy_that_cannot_be_read_means_no_but_never_stops_a_rollback() -> None:
    unreadable = replace(KNOWN_GOOD, policy=None, policy_version=3)
    assert not decide(unreadable).allowed
    assert "Version 3 of the policy of production cannot be read." in decide(unreadable).sentence
    assert decide(unreadable, TO_ROLL_BACK).allowed


@given(cases)
def test_whatever_the_case_a_yes_has_state_approvals_and_a_report(case: Case) -> None:
    decision = decide(case)
    counted = [yes for yes in case.approvals if not yes.flaw and yes.at <= case.at]
    needed = case.policy.approvals if case.policy else 99
    in_time = any(case.at - timedelta(days=30, seconds=1) < one.made_at <= case.at + CLOCKS_DIFFER for one in case.reports)
    entitled = case.state in {"approved", "known-good"} and 1 <= needed <= len(counted) and in_time
    assert decision.allowed is entitled


@given(cases, st.sampled_from([TO_DEPLOY, TO_ROLL_BACK]))
def test_whatever_the_case_the_decision_can_be_kept_and_explains_itself(case: Case, rules: tuple[object, ...]) -> None:
    decision = decide(case, rules)  # type: ignore[arg-type]  # hypothesis widens the type
    assert json.loads(json.dumps(decision.as_data())) == decision.as_data()
    assert decision.allowed is (not decision.refusals)
    assert all(result.why for result in decision.rules)
    assert all(result.to_clear for result in decision.refusals)
