from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from deploy_records.rules.exceptions import Excuses, Grant
from deploy_records.rules.gate import decide
from deploy_records.rules.replay import turns
from deploy_records.scanners.report import Severity
from tests.deploy_records.rules.cases import APPROVED, ENDS, NOW, excuse, excused, found, policy, relied, report, yes

SECOND = timedelta(seconds=1)
UNTIL = NOW + timedelta(days=90)


def test_an_exception_ends_on_a_day_that_is_known() -> None:
    (turn,) = turns(excused(found(), reports=(report(days=0),), policy=policy(reports={"image": 90})), UNTIL)
    assert turn.at == ENDS + SECOND
    assert turn.last_good == ENDS
    assert turn.sentence == "Falls out of compliance after 2026-03-20 23:59:59 UTC, because POAM-7 ends."
    assert "POAM-7 ended on" in turn.decision.sentence


def test_a_report_grows_too_old() -> None:
    (turn,) = turns(APPROVED, UNTIL)
    assert turn.at == APPROVED.reports[0].made_at + timedelta(days=30) + SECOND
    assert turn.because == "its image scan is too old then"


def test_the_answer_is_yes_until_the_second_before_and_no_from_then_on() -> None:
    for case in (APPROVED, excused(found())):
        for turn in turns(case, UNTIL):
            assert decide(replace(case, at=turn.last_good)).allowed
            assert not decide(replace(case, at=turn.at)).allowed


def test_what_is_no_already_turns_no_more() -> None:
    assert turns(replace(APPROVED, reports=()), UNTIL) == ()


def test_what_happens_later_than_asked_about_is_left_out() -> None:
    assert turns(APPROVED, NOW + timedelta(days=1)) == ()


def test_an_exception_that_nothing_needs_ends_without_notice() -> None:
    idle = replace(APPROVED, excuses=Excuses.of([excuse("CVE-2026-9999")]))
    assert [turn.because for turn in turns(idle, UNTIL)] == ["its image scan is too old then"]


def test_one_that_was_extended_counts_to_its_later_end() -> None:
    first, later = excuse().grants[0], Grant(NOW - timedelta(days=1), ENDS + timedelta(days=5))
    case = excused(found(), excuses=(replace(excuse(), grants=(first, later)),))
    assert turns(case, UNTIL)[0].at == ENDS + timedelta(days=5) + SECOND


def test_what_waits_for_its_age_first_becomes_a_yes() -> None:
    waiting = replace(APPROVED, policy=policy(minimum_age_hours=240))
    assert not decide(waiting).allowed
    assert [turn.because for turn in turns(waiting, UNTIL)] == ["its image scan is too old then"]


def test_all_that_happens_in_one_second_is_named_together() -> None:
    both = tuple(found(f"CVE-2026-{number}", Severity.HIGH) for number in (1000, 2000))
    excuses = (excuse("CVE-2026-1000"), excuse("CVE-2026-2000", name="POAM-8"))
    (turn,) = turns(excused(*both, excuses=excuses), UNTIL)
    assert turn.because == "POAM-7 ends and POAM-8 ends"


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(-30, 60), st.integers(1, 25)), max_size=6),
    st.sets(st.integers(1, 4), max_size=3),
    st.integers(0, 45),
)
def test_it_is_what_judging_each_second_by_itself_would_find(
    grants: list[tuple[int, int, int]], found_ones: set[int], waits: int
) -> None:
    """Seconds in which something begins or ends, and those before and after them; all others are like one of these."""
    day, name = timedelta(days=1), "CVE-2026-{}".format
    excuses = tuple(
        replace(excuse(name(what)), name=f"POAM-{number}", grants=(Grant(NOW + since * day, NOW + (since + lasts) * day),))
        for number, (what, since, lasts) in enumerate(grants)
    )
    facts = tuple(found(name(what)) for what in found_ones)
    case = excused(*facts, excuses=excuses, policy=policy(minimum_age_hours=24 * waits))
    case = replace(case, approvals=(yes(then=relied(on=facts)),))
    ends = [grant.until for one in excuses for grant in one.grants] + [one.since for x in excuses for one in x.grants]
    known = [*ends, case.reports[0].made_at + 30 * day, NOW + (waits - 5) * day]
    seconds = sorted({at + step * SECOND for at in known for step in (-1, 0, 1) if NOW < at + step * SECOND <= UNTIL})
    answers = [decide(replace(case, at=at)).allowed for at in (NOW, *seconds)]
    expected = [at for at, before, after in zip(seconds, answers, answers[1:], strict=False) if before and not after]
    assert [turn.at for turn in turns(case, UNTIL)] == expected
