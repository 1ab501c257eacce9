"""Whatever makes things worse never turns a no into a yes."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deploy_records.rules.blocking import Fact
from deploy_records.rules.case import Case
from deploy_records.rules.exceptions import Excuses, Grant, is_within_limit, whole_second
from deploy_records.rules.gate import decide
from deploy_records.rules.policy import EXCUSABLE, KINDS, RANKED, Policy
from deploy_records.rules.replay import turns
from deploy_records.rules.review import Relied
from deploy_records.scanners.report import FindingKind, ReportKind, Severity
from tests.deploy_records.rules.cases import APPROVED, NOW, excuse, report, yes

NAMES = ("CVE-2026-1000", "CVE-2026-2000", "GHSA-aaaa-bbbb-cccc")
moments = st.integers(-40 * 86_400, 40 * 86_400).map(lambda seconds: NOW + timedelta(seconds=seconds))
facts = st.builds(
    Fact,
    names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=2).map(tuple),
    severity=st.sampled_from(list(Severity)),
    purl=st.sampled_from(["pkg:pypi/starlette@0.49.0", "pkg:pypi/other@1", ""]),
    fixed=st.sampled_from(["", "1.2"]),
    kind=st.sampled_from([FindingKind.VULNERABILITY, FindingKind.CODE]),
    fingerprint=st.sampled_from(["a", "b", ""]),
    claimed=st.sampled_from(["", "not affected"]),
)
excuses = st.builds(
    excuse,
    st.sampled_from(NAMES),
    name=st.sampled_from(["POAM-1", "POAM-2", "POAM-3"]),
    component=st.sampled_from(["pkg:pypi/starlette", "ghcr.io/acme/*"]),
    severity=st.sampled_from([Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM]),
    until=moments.filter(lambda until: until > NOW - timedelta(days=3)),
    ended_at=st.none() | moments,
)
reports = st.builds(report, st.sampled_from(KINDS), made_at=moments, platform=st.sampled_from(["", "linux/amd64", "linux/arm64"]))
policies = st.builds(
    Policy,
    blocks=st.integers(0, len(RANKED)).map(lambda number: frozenset(RANKED[:number])),
    unfixed_block=st.booleans(),
    claims_count=st.booleans(),
    reports=st.dictionaries(st.sampled_from(KINDS), st.integers(1, 40), max_size=2),
    approvals=st.integers(1, 2),
    minimum_age_hours=st.sampled_from([0, 24, 240]),
    no_worse=st.booleans(),
    exception_days=st.dictionaries(st.sampled_from(EXCUSABLE), st.integers(1, 60), max_size=3),
)
rested = st.builds(
    Relied, st.booleans(), policies, st.lists(st.sampled_from(["POAM-1", "POAM-2"]), max_size=1).map(tuple),
    st.dictionaries(st.sampled_from([f"{one.lower()} in starlette" for one in NAMES]), st.sampled_from(list(Severity))),
)  # fmt: skip


def _case(found: list[Fact], given_excuses: list[Any], given_reports: list[Any], asked: Policy, then: list[Any]) -> Case:
    """Often a yes: an approval that knew everything stands beside those that were drawn."""
    knew = Relied(True, asked, (), {mark: Severity.CRITICAL for fact in found for mark in fact.marks})
    approvals = tuple(yes(f"person {number}", then=one) for number, one in enumerate((knew, knew, *then)))
    return replace(
        APPROVED, findings=tuple(found), excuses=Excuses.of(given_excuses), reports=(report(days=0), *given_reports),
        policy=asked, approvals=approvals, platform="linux/amd64",
    )  # fmt: skip


def _mostly_excused(found: list[Fact], until: list[Any], asked: Policy) -> Case:
    """Each finding has an exception of its own, and the approval relies on some of them."""
    given_excuses = [
        excuse(*fact.names, name=f"POAM-{number}", component="ghcr.io/acme/*", until=end, severity=Severity.CRITICAL)
        for number, (fact, end) in enumerate(zip(found, until, strict=True), start=1)
    ]
    marks = {mark: Severity.CRITICAL for fact in found for mark in fact.marks}
    then = Relied(True, asked, tuple(one.name for one in given_excuses[:1]), marks)
    days = {one: max(30, number) for one, number in asked.exception_days.items()}
    return replace(
        APPROVED, findings=tuple(found), excuses=Excuses.of(given_excuses), approvals=(yes(then=then),), platform="linux/amd64",
        policy=replace(asked, approvals=1, exception_days=days, reports={ReportKind.IMAGE: 30}, minimum_age_hours=0),
    )  # fmt: skip


drawn = st.builds(
    _case, st.lists(facts, max_size=3), st.lists(excuses, max_size=3), st.lists(reports, max_size=3), policies,
    st.lists(rested, max_size=1),
)  # fmt: skip
ends = st.integers(0, 26 * 86_400).map(lambda seconds: NOW + timedelta(seconds=seconds))
mostly_excused = st.integers(1, 3).flatmap(
    lambda number: st.builds(
        _mostly_excused,
        st.lists(facts, min_size=number, max_size=number),
        st.lists(ends, min_size=number, max_size=number),
        policies,
    )
)
built = drawn | mostly_excused


def no_looser(before: Case, after: Case) -> bool:
    return decide(before).allowed or not decide(after).allowed


@given(built, facts)
def test_one_finding_more(case: Case, fact: Fact) -> None:
    assert no_looser(case, replace(case, findings=(*case.findings, fact)))


@given(built)
def test_a_finding_that_is_worse_than_it_was(case: Case) -> None:
    worse = tuple(replace(fact, severity=Severity.UNKNOWN) for fact in case.findings)
    assert no_looser(case, replace(case, findings=worse))


@given(built, st.integers(0, 2))
def test_one_exception_less(case: Case, which: int) -> None:
    left = [one for number, one in enumerate(case.excuses.all()) if number != which]
    assert no_looser(case, replace(case, excuses=Excuses.of(left)))


@given(built, moments)
def test_an_exception_that_was_ended_earlier(case: Case, at: Any) -> None:
    ended = [replace(one, ended_at=min(one.ended_at or at, at)) for one in case.excuses.all()]
    assert no_looser(case, replace(case, excuses=Excuses.of(ended)))


@given(built, st.integers(0, 3), st.integers(0, 50 * 86_400))
def test_one_report_less_or_an_older_one(case: Case, which: int, seconds: int) -> None:
    fewer = tuple(one for number, one in enumerate(case.reports) if number != which)
    assert no_looser(case, replace(case, reports=fewer, findings=case.findings))
    past = tuple(replace(one, made_at=one.made_at - timedelta(seconds=seconds)) for one in case.reports if one.made_at <= NOW)
    assert no_looser(replace(case, reports=tuple(one for one in case.reports if one.made_at <= NOW)), replace(case, reports=past))


@given(built, st.integers(0, 2))
def test_one_approval_less(case: Case, which: int) -> None:
    fewer = tuple(one for number, one in enumerate(case.approvals) if number != which)
    assert no_looser(case, replace(case, approvals=fewer))


@given(built, policies)
def test_a_policy_that_is_stricter_and_in_nothing_looser(case: Case, other: Policy) -> None:
    policy = case.asked
    stricter = Policy(
        blocks=policy.blocks | other.blocks,
        unfixed_block=policy.unfixed_block or other.unfixed_block,
        claims_count=policy.claims_count and other.claims_count,
        reports={**other.reports, **{kind: min(days, other.reports.get(kind, days)) for kind, days in policy.reports.items()}},
        approvals=max(policy.approvals, other.approvals),
        minimum_age_hours=max(policy.minimum_age_hours, other.minimum_age_hours),
        no_worse=policy.no_worse or other.no_worse,
        exception_days={one: min(policy.exception_days.get(one, 366), other.exception_days.get(one, 366)) for one in EXCUSABLE},
    )
    assert policy.stricter_than(stricter) == ()
    if policy.reports or not case.reports:
        assert no_looser(case, replace(case, policy=stricter))


@given(built, st.integers(0, 80 * 86_400))
def test_later_while_nothing_begins(case: Case, seconds: int) -> None:
    """No exception begins later, no report is from the future, and the digest is old enough: then time only takes away."""
    asked = replace(case.asked, minimum_age_hours=0)
    past = tuple(one for one in case.reports if one.made_at <= NOW)
    then = replace(case, policy=asked, reports=past)
    assert no_looser(then, replace(then, at=NOW + timedelta(seconds=seconds)))


@given(built)
def test_between_two_turns_nothing_turns(case: Case) -> None:
    """The replay finds the first second of the first no; a second before it the answer is yes still."""
    if not decide(case).allowed:
        return
    found = turns(case, NOW + timedelta(days=90))
    for turn in found:
        assert decide(replace(case, at=turn.at - timedelta(microseconds=1))).allowed
        assert not decide(replace(case, at=turn.at)).allowed
    first = found[0].at if found else NOW + timedelta(days=90)
    assert all(decide(replace(case, at=NOW + (first - NOW) * part / 7)).allowed for part in range(7))


@given(built)
def test_whatever_is_excused_is_so_by_an_approval_that_holds_within_the_policys_maximum(case: Case) -> None:
    by_name: dict[str, list[tuple[Grant, Severity]]] = {}
    for one in case.excuses.all():
        by_name.setdefault(one.name, []).extend((grant, one.severity) for grant in one.grants)
    for judged in decide(case).findings:
        if not judged.blocks:
            assert any(
                grant.until == judged.until and case.at <= whole_second(grant.until)
                and is_within_limit(grant.since, grant.until, severity, case.asked.limits)
                for grant, severity in by_name[judged.excused_by]
            )  # fmt: skip


@given(built)
def test_a_yes_has_every_report_that_is_asked_for(case: Case) -> None:
    if decide(case).allowed:
        kinds: set[ReportKind] = {kind for one in case.reports for kind in one.kinds}
        assert set(case.asked.reports) <= kinds
