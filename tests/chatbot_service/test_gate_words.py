from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chatbot_service import gate_words
from deploy_records.rules.blocking import Fact
from deploy_records.rules.case import Holding
from deploy_records.rules.gate import decide
from deploy_records.scanners.report import Severity
from tests.deploy_records.rules.cases import APPROVED, NOW, excused, found, report


def why_not(*facts: Fact, **fields: Any) -> str:
    """Of what was approved in spite of these findings, as far as nothing else is said."""
    case = replace(excused(*facts, excuses=()), **fields)
    return gate_words.why_not(decide(case), case.state)


def test_findings_that_block_are_counted_by_severity_worst_first() -> None:
    facts = (found("CVE-1", Severity.HIGH), found("CVE-2", Severity.CRITICAL), found("CVE-3", Severity.HIGH))
    assert why_not(*facts) == "1 Critical and 2 High, not excused"


def test_what_an_approval_rested_on_is_said_before_that_it_counts_no_more() -> None:
    assert why_not(reports=(report(days=31),), approvals=()) == "Its image scan is too old"


def test_without_another_reason_the_approvals_are_it() -> None:
    assert why_not(approvals=()) == "No approval is in force"


def test_what_was_taken_out_of_use_says_only_that() -> None:
    assert why_not(state="revoked", note="It is exploited.", reports=()) == "It is revoked: It is exploited"


def test_a_candidate_is_one_for_want_of_approvals() -> None:
    assert why_not(state="candidate", approvals=()) == "No approval is in force"


def test_a_yes_has_no_reason_against_it() -> None:
    assert why_not() == ""


@pytest.mark.parametrize(("days", "words"), [(4, "POAM-7, 4\N{NO-BREAK SPACE}d left"), (0.5, "POAM-7, ends today")])
def test_a_yes_on_an_exception_says_on_which_and_for_how_long(days: float, words: str) -> None:
    held = replace(decide(APPROVED), exceptions=(Holding("POAM-7", NOW + timedelta(days=days)),))
    assert gate_words.why(held, NOW) == words


def test_of_several_exceptions_the_one_that_ends_first_is_named() -> None:
    two = (Holding("POAM-7", NOW + timedelta(days=9)), Holding("POAM-9", NOW + timedelta(days=2)))
    held = replace(decide(APPROVED), exceptions=two)
    assert gate_words.why(held, NOW) == "POAM-9 and 1 more, 2\N{NO-BREAK SPACE}d left"


def test_a_yes_on_no_exception_needs_no_words() -> None:
    assert gate_words.why(decide(APPROVED), NOW) == ""
