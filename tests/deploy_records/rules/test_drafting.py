from dataclasses import replace
from datetime import timedelta

import pytest

from deploy_records.rules import drafting, gate
from deploy_records.rules.blocking import Fact
from deploy_records.rules.drafting import Passed, Rollback, passed
from deploy_records.rules.exceptions import DEFAULT_LIMITS, Excuse, is_for, last_moment
from deploy_records.rules.terms import MOST_VULNERABILITIES, Terms, missing
from deploy_records.scanners.report import Severity
from tests.deploy_records.rules.cases import DIGEST, ENDS, KNOWN_GOOD, NOW, PLACE, excuse, excused, found, relied, yes

BACK = Rollback(12, "chatbot on prod-1", "olga", "Answers time out")
IMAGE = f"ghcr.io/acme/bot@{DIGEST}"


def going_back_to(*facts: Fact, uncounted: int = 0) -> Passed:
    case = replace(KNOWN_GOOD, findings=facts, uncounted=uncounted)
    return passed(gate.decide(case, gate.TO_ROLL_BACK))


def drafted(*facts: Fact, back: Rollback = BACK, uncounted: int = 0) -> Terms:
    return drafting.terms(going_back_to(*facts, uncounted=uncounted), IMAGE, back, NOW, DEFAULT_LIMITS)


def test_what_blocks_is_named_worst_first_and_what_does_not_is_left_out() -> None:
    terms = drafted(found("CVE-2026-1000"), found("CVE-2026-2000", Severity.CRITICAL), found("CVE-2026-3000", Severity.LOW))
    assert terms.vulnerabilities == ("CVE-2026-2000", "CVE-2026-1000")
    assert terms.severity is Severity.CRITICAL
    assert missing(terms) == ()


def test_nothing_is_passed_where_nothing_blocks_or_all_of_it_is_excused() -> None:
    one = found()
    assert not going_back_to(found(severity=Severity.LOW))
    assert not passed(gate.decide(excused(one), gate.TO_ROLL_BACK))
    assert going_back_to(one)


def test_an_excused_finding_is_not_named_beside_one_that_blocks() -> None:
    both = (found("CVE-2026-1000"), found("CVE-2026-2000"))
    case = excused(*both, excuses=(excuse("CVE-2026-1000"),))
    assert [one.name for one in passed(gate.decide(case, gate.TO_ROLL_BACK)).named] == ["CVE-2026-2000"]


def test_it_would_excuse_what_it_is_drafted_for_in_that_image_only() -> None:
    one = found(severity=Severity.UNKNOWN)
    terms = drafted(one)
    made = Excuse("POAM-1", terms.vulnerabilities, terms.component, terms.severity, repository=terms.repository,
                  digest=terms.digest)  # fmt: skip
    assert is_for(made, one, PLACE)
    assert not is_for(made, one, replace(PLACE, digests=frozenset({"sha256:" + "b" * 64})))
    assert not is_for(made, found("CVE-2026-9999"), PLACE)


def test_one_thing_under_one_id_in_two_packages_is_named_once() -> None:
    terms = drafted(found(fingerprint="one"), found(fingerprint="two", purl="pkg:pypi/other@1", package="other"))
    assert terms.vulnerabilities == ("CVE-2026-1000",)
    assert "2 findings block" in terms.justification


def test_it_says_who_asked_for_what_and_why_and_that_nobody_has_written_it() -> None:
    said = drafted(found()).justification
    assert said.startswith("Drafted by rollback job 12, not written by a person: it takes chatbot on prod-1 back to sha256:aaa")
    assert "in which a finding blocks and nobody has excused that." in said
    assert "olga asked for it. The reason given: Answers time out" in said
    assert said.endswith("Why this can be borne until it is fixed is still to be said.")
    assert "No reason was given." in drafted(found(), back=replace(BACK, reason="")).justification


def test_it_ends_when_the_policy_lets_it_end_at_the_latest_and_who_asked_answers_for_it() -> None:
    limits = {Severity.HIGH: timedelta(days=7)}
    terms = drafting.terms(going_back_to(found()), IMAGE, BACK, NOW, limits)
    assert terms.expires_at == last_moment(NOW, Severity.HIGH, limits)
    assert terms.owner == "olga"
    assert drafted(found()).expires_at > ENDS


@pytest.mark.parametrize(("found_as", "excused_as"), [(Severity.UNKNOWN, "Critical"), (Severity.INFO, "Low")])
def test_its_severity_is_one_that_can_be_excused(found_as: Severity, excused_as: str) -> None:
    assert Passed((found(severity=found_as),)).worst == excused_as


def test_more_than_one_exception_can_name_are_counted() -> None:
    terms = drafted(*(found(f"CVE-2026-{number}") for number in range(1000, 1250)))
    assert len(terms.vulnerabilities) == MOST_VULNERABILITIES
    assert "250 findings block" in terms.justification
    assert "150 are not named here" in terms.justification


def test_the_next_of_its_names_stands_for_one_that_cannot_be_written() -> None:
    other = replace(found(), names=("CVE-1", "GHSA-abcd-efgh-ijkl"))
    nameless = replace(found(), names=("a rule with spaces",), fingerprint="other")
    terms = drafted(other, nameless)
    assert terms.vulnerabilities == ("GHSA-abcd-efgh-ijkl",)
    assert "1 is not named here" in terms.justification


def test_where_none_can_be_named_the_draft_says_how_many_there_are() -> None:
    terms = drafted(uncounted=12_345)
    assert missing(terms) == ("the vulnerabilities",)
    assert terms.severity is Severity.CRITICAL
    assert "12,345 findings block" in terms.justification
    assert drafting.name_of(replace(found(), names=())) == ""


def test_what_an_approval_knew_changes_nothing() -> None:
    """A rollback is asked about by what blocks now."""
    one = found()
    case = replace(KNOWN_GOOD, findings=(one,), approvals=(yes(then=relied(on=(one,))),))
    assert passed(gate.decide(case, gate.TO_ROLL_BACK)).named == (one,)
