import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_records.errors import Invalid
from deploy_records.rules.exceptions import DEFAULT_LIMITS
from deploy_records.rules.policy import DEFAULT, EXCUSABLE, KINDS, RANKED, Policy, checked_for
from deploy_records.scanners.report import ReportKind, Severity
from tests.deploy_records.rules.cases import policy

days = st.integers(1, 366)
policies = st.builds(
    Policy,
    blocks=st.integers(0, len(RANKED)).map(lambda number: frozenset(RANKED[:number])),
    unfixed_block=st.booleans(),
    claims_count=st.booleans(),
    reports=st.dictionaries(st.sampled_from(KINDS), days),
    approvals=st.integers(1, 9),
    comment_required=st.booleans(),
    minimum_age_hours=st.integers(0, 8760),
    no_worse=st.booleans(),
    exception_days=st.dictionaries(st.sampled_from(EXCUSABLE), days),
    trusts_git=st.booleans(),
)


def test_the_default_asks_for_a_recent_image_scan_and_one_approval_and_lets_no_high_or_critical_pass() -> None:
    assert DEFAULT.as_data() == {
        "blocks": ["Critical", "High"],
        "unfixed_block": True,
        "claims_count": False,
        "reports": {"image": 30},
        "approvals": 1,
        "comment_required": False,
        "minimum_age_hours": 0,
        "no_worse": False,
        "exception_days": {"Critical": 30, "High": 30},
        "trusts_git": False,
    }
    assert DEFAULT.limits == DEFAULT_LIMITS


def test_its_rules_read_as_sentences() -> None:
    assert DEFAULT.sentences() == [
        "One approval is needed by people who did not register the digest.",
        "An image scan at most 30 days old.",
        "Critical and High findings block, whether a fix exists or not, unless an exception excuses them.",
        "A finding of unknown severity always blocks.",
        "What a report itself calls harmless blocks all the same.",
        "An exception lasts at most 30 days for Critical and High and 366 days for Medium and Low.",
        "What is approved in a repository's poam.yaml has still to be approved here.",
    ]


@given(policies)
def test_every_policy_is_plain_json_reads_back_and_can_be_read_aloud(one: Policy) -> None:
    assert Policy.from_data(json.loads(json.dumps(one.as_data()))) == one
    assert all(sentence.endswith(".") for sentence in one.sentences())


def test_what_is_left_out_is_as_in_the_default() -> None:
    assert Policy.from_data({}) == DEFAULT
    assert Policy.from_data({"approvals": 2}) == replace(DEFAULT, approvals=2)


@pytest.mark.parametrize(("data", "says"), [
    ({"approvals": 0}, "approvals: it has to be a whole number from 1 to 9"),
    ({"approvals": True}, "approvals: it has to be a whole number"),
    ({"approvals": "2"}, "approvals: it has to be a whole number"),
    ({"blocks": ["High"]}, "blocks: Critical is missing: what is worse than High has to block as well"),
    ({"blocks": ["Dire"]}, "blocks: it has to be a list of Critical, High, Medium, Low, Info"),
    ({"blocks": "High"}, "blocks: it has to be a list"),
    ({"blocks": None}, "blocks: it has to be a list"),
    ({"reports": {"image": 0}}, "reports.image: it has to be a whole number of days from 1 to 366"),
    ({"reports": {"hearsay": 3}}, "reports: “hearsay” is none of image, dependencies, sast, sbom"),
    ({"reports": ["image"]}, "reports: it has to name days"),
    ({"exception_days": {"Unknown": 3}}, "exception_days: “Unknown” is none of"),
    ({"minimum_age_hours": -1}, "minimum_age_hours: it has to be a whole number from 0"),
    ({"minimum_age_hours": 1.5}, "minimum_age_hours: it has to be a whole number"),
    ({"no_worse": 1}, "no_worse: it has to be true or false"),
    ({"aprovals": 2}, "“aprovals”: there is no such field"),
    ([], "A policy is an object"),
    (None, "A policy is an object"),
])  # fmt: skip
def test_a_field_that_is_not_as_it_has_to_be_is_named(data: Any, says: str) -> None:
    with pytest.raises(Invalid) as refusal:
        Policy.from_data(data)
    assert says in str(refusal.value)


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(Invalid, match=r"approvals: .* no_worse: "):
        Policy.from_data({"approvals": 0, "no_worse": "yes"})


jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(DEFAULT.as_data())) | st.text(max_size=5), jsons, max_size=5) | jsons)
def test_whatever_data_is_given_it_is_a_policy_or_refused(data: Any) -> None:
    try:
        read = Policy.from_data(data)
    except Invalid:
        return
    assert Policy.from_data(read.as_data()) == read


class TestStricter:
    @pytest.mark.parametrize(("new", "field", "says"), [
        (policy(blocks=frozenset(RANKED[:3])), "blocks", "Medium findings block now."),
        (policy(reports={ReportKind.IMAGE: 7}), "reports", "An image scan at most 7 days old is needed now."),
        (policy(reports={ReportKind.IMAGE: 30, ReportKind.SBOM: 30}), "reports", "An SBOM at most 30 days old is needed now."),
        (policy(approvals=2), "approvals", "2 approvals are needed now."),
        (policy(comment_required=True), "comment_required", "An approval needs a comment now."),
        (policy(minimum_age_hours=24), "minimum_age_hours", "A digest waits 24 hours now."),
        (policy(no_worse=True), "no_worse", "It must not be worse than what runs now."),
        (policy(exception_days={Severity.CRITICAL: 7, Severity.HIGH: 30}), "exception_days", "at most 7 days for Critical now"),
    ])  # fmt: skip
    def test_it_says_in_what(self, new: Policy, field: str, says: str) -> None:
        (one,) = new.stricter_than(DEFAULT)
        assert one.field == field
        assert says in one.sentence
        assert one.blocks is (field == "blocks")
        assert DEFAULT.stricter_than(new) == ()

    @given(policies, policies)
    def test_two_that_differ_are_stricter_one_way_or_the_other(self, one: Policy, other: Policy) -> None:
        assert bool(one.changes_from(other)) is (one != other)
        assert not one.stricter_than(one)


class TestWhereItMayHold:
    def test_production_needs_that_somebody_looks(self) -> None:
        with pytest.raises(Invalid, match="reports: production needs an image scan or a dependency scan"):
            checked_for(policy(reports={ReportKind.SBOM: 30}), "production")
        lenient = policy(reports={})
        assert checked_for(lenient, "staging") == lenient

    def test_an_environment_that_is_none_is_refused(self) -> None:
        with pytest.raises(Invalid, match="production, staging and development"):
            checked_for(DEFAULT, "prod")
