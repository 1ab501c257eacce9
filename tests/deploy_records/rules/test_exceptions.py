from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy_records.rules.component import Place
from deploy_records.rules.exceptions import Excuse, Excuses, Grant, end_of_day, excuses, judge, last_moment, why_not
from deploy_records.scanners.report import Severity

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ENDS = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
DIGEST = "sha256:" + "a" * 64
HERE = Place("ghcr.io/acme/bot", frozenset({DIGEST}), "chatbot", ("1.9.0",))
EXCUSE = Excuse("POAM-7", ("CVE-2026-1000",), "pkg:pypi/starlette", Severity.HIGH, (Grant(NOW - timedelta(days=3), ENDS),))


@dataclass(frozen=True)
class Found:
    names: tuple[str, ...] = ("CVE-2026-1000",)
    severity: Severity = Severity.HIGH
    purl: str = "pkg:pypi/starlette@0.49.0"


FOUND = Found()


def test_a_finding_is_excused_when_vulnerability_component_place_severity_and_moment_fit() -> None:
    verdict = judge(FOUND, Excuses.of([EXCUSE]), HERE, NOW)
    assert (verdict.excused, verdict.excused_by, verdict.until, verdict.why_not) == (True, "POAM-7", ENDS, ())


def test_without_any_exception_it_is_not() -> None:
    assert not judge(FOUND, Excuses.of([]), HERE, NOW).excused


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (Found(names=("CVE-2026-1001",)), "does not name this vulnerability"),
        (Found(names=()), "does not name this vulnerability"),
        (Found(purl="pkg:pypi/starlette2@0.49.0"), "in another component"),
        (Found(purl="pkg:npm/starlette@0.49.0"), "in another component"),
        (Found(purl=""), "in another component"),
        (Found(purl="starlette"), "in another component"),
        (Found(severity=Severity.CRITICAL), "excuses High at most, and the finding is Critical now"),
        (Found(severity=Severity.UNKNOWN), "excuses High at most, and the finding is Unknown now"),
    ],
)
def test_what_does_not_fit_is_not_excused_and_the_reason_is_said(found: Found, why: str) -> None:
    assert not excuses(EXCUSE, found, HERE, NOW)
    assert why in why_not(EXCUSE, found, HERE, NOW)
    assert not judge(found, Excuses.of([EXCUSE]), HERE, NOW).excused


@pytest.mark.parametrize("names", [("GHSA-aaaa-bbbb-cccc", "CVE-2026-1000"), ("cve-2026-1000",), ("CVE-2026-1000", "X-1")])
def test_the_vulnerability_may_be_named_by_any_of_its_ids_in_any_case(names: tuple[str, ...]) -> None:
    assert judge(replace(FOUND, names=names), Excuses.of([EXCUSE]), HERE, NOW).excused


@pytest.mark.parametrize("severity", [Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO])
def test_a_severity_up_to_the_excused_one_is_covered(severity: Severity) -> None:
    assert excuses(EXCUSE, replace(FOUND, severity=severity), HERE, NOW)


def test_an_escalation_voids_it_for_that_finding_only() -> None:
    both = Excuses.of([replace(EXCUSE, vulnerabilities=("CVE-2026-1000", "CVE-2026-2000"))])
    assert not judge(replace(FOUND, severity=Severity.CRITICAL), both, HERE, NOW).excused
    assert judge(replace(FOUND, names=("CVE-2026-2000",)), both, HERE, NOW).excused


class TestMoments:
    def test_the_second_of_its_end_is_the_last_one_in_which_it_holds(self) -> None:
        assert excuses(EXCUSE, FOUND, HERE, ENDS)
        assert excuses(EXCUSE, FOUND, HERE, ENDS + timedelta(microseconds=999_999))
        assert not excuses(EXCUSE, FOUND, HERE, ENDS + timedelta(seconds=1))
        assert "ended on 2026-11-30 23:59:59 UTC" in why_not(EXCUSE, FOUND, HERE, ENDS + timedelta(seconds=1))

    def test_a_bare_date_is_the_end_of_that_day_in_utc(self) -> None:
        assert end_of_day(ENDS.date()) == ENDS

    def test_it_holds_from_the_moment_of_its_approval_on(self) -> None:
        approved = EXCUSE.grants[0].since
        assert excuses(EXCUSE, FOUND, HERE, approved)
        assert not excuses(EXCUSE, FOUND, HERE, approved - timedelta(microseconds=1))

    def test_another_zone_is_the_same_moment(self) -> None:
        east = datetime.fromisoformat("2026-12-01T01:59:59+02:00")
        assert excuses(EXCUSE, FOUND, HERE, east)
        assert not excuses(EXCUSE, FOUND, HERE, east + timedelta(seconds=1))

    def test_what_was_ended_held_until_then(self) -> None:
        ended = replace(EXCUSE, ended_at=NOW)
        assert excuses(ended, FOUND, HERE, NOW - timedelta(seconds=1))
        assert not excuses(ended, FOUND, HERE, NOW)

    def test_without_an_approval_it_never_holds(self) -> None:
        assert why_not(replace(EXCUSE, grants=()), FOUND, HERE, NOW) == "POAM-7 is not approved."

    def test_between_its_end_and_a_later_approval_it_does_not_hold(self) -> None:
        later = Grant(ENDS + timedelta(days=3), ENDS + timedelta(days=20))
        extended = replace(EXCUSE, grants=(*EXCUSE.grants, later))
        held = [excuses(extended, FOUND, HERE, moment) for moment in (NOW, ENDS + timedelta(days=1), later.since, later.until)]
        assert held == [True, False, True, True]

    def test_of_several_the_one_that_lasts_longest_is_named(self) -> None:
        shorter = replace(EXCUSE, name="POAM-8", grants=(Grant(NOW, NOW + timedelta(days=1)),))
        assert judge(FOUND, Excuses.of([shorter, EXCUSE]), HERE, NOW).excused_by == "POAM-7"


class TestTheMaximum:
    def test_thirty_days_are_counted_whole(self) -> None:
        begin = datetime(2026, 11, 1, 15, 30, tzinfo=UTC)
        assert last_moment(begin, Severity.HIGH) == datetime(2026, 12, 1, 23, 59, 59, tzinfo=UTC)

    @pytest.mark.parametrize(("severity", "days", "holds"), [
        (Severity.HIGH, 30, True),
        (Severity.HIGH, 31, False),
        (Severity.CRITICAL, 31, False),
        (Severity.MEDIUM, 31, True),
        (Severity.LOW, 400, False),
    ])  # fmt: skip
    def test_an_approval_beyond_it_does_not_count(self, severity: Severity, days: int, holds: bool) -> None:
        long = replace(EXCUSE, severity=severity, grants=(Grant(NOW, NOW + timedelta(days=days)),))
        found = replace(FOUND, severity=Severity.LOW)
        assert excuses(long, found, HERE, NOW) is holds
        if not holds:
            assert "longer than the" in why_not(long, found, HERE, NOW)

    def test_a_policy_may_allow_less(self) -> None:
        assert not excuses(EXCUSE, FOUND, HERE, NOW, {Severity.HIGH: timedelta(days=7)})


class TestComponents:
    @pytest.mark.parametrize(("component", "purl"), [
        ("pkg:pypi/starlette", "pkg:pypi/Starlette@0.49.0"),
        ("pkg:pypi/starlette@0.49.0", "pkg:pypi/starlette@0.49.0"),
        ("pkg:deb/debian/openssl", "pkg:deb/debian/openssl@3.0.11?arch=amd64&distro=debian-12"),
        ("pkg:deb/debian/openssl?arch=amd64", "pkg:deb/debian/openssl@3.0.11?arch=amd64&distro=debian-12"),
        ("pkg:npm/%40acme/ui", "pkg:npm/%40acme/ui@1.0.0"),
        ("pkg:golang/github.com/acme/x", "pkg:golang/github.com/acme/x@v1.2.3"),
        ("ghcr.io/acme/bot", "anything"),
        ("ghcr.io/acme/*", ""),
        ("*/bot", ""),
        ("ghcr.io/acme/bot:1.9.*", ""),
        (f"ghcr.io/acme/bot@{DIGEST}", ""),
        ("ghcr.io/*/b*t", ""),
    ])  # fmt: skip
    def test_it_covers(self, component: str, purl: str) -> None:
        assert excuses(replace(EXCUSE, component=component), replace(FOUND, purl=purl), HERE, NOW)

    @pytest.mark.parametrize(("component", "purl"), [
        ("pkg:pypi/starlette@0.49.0", "pkg:pypi/starlette@0.49.1"),
        ("pkg:pypi/starlette@0.49.0", "pkg:pypi/starlette"),
        ("pkg:deb/debian/openssl", "pkg:deb/ubuntu/openssl@3.0.11"),
        ("pkg:deb/debian/openssl?arch=arm64", "pkg:deb/debian/openssl@3.0.11?arch=amd64"),
        ("pkg:deb/debian/openssl", "pkg:deb/debian/openssl-dev@3"),
        ("pkg:", "pkg:pypi/starlette@0.49.0"),
        ("starlette", "pkg:pypi/starlette@0.49.0"),
        ("bot", ""),
        ("ghcr.io/acme", ""),
        ("ghcr.io/acme/bo", ""),
        ("ghcr.io/acme/bot:2.*", ""),
        ("ghcr.io/acme/bot*bot", ""),
        ("ghcr.io/*/x/*", ""),
        ("", "pkg:pypi/starlette@0.49.0"),
    ])  # fmt: skip
    def test_it_does_not_cover(self, component: str, purl: str) -> None:
        assert not excuses(replace(EXCUSE, component=component), replace(FOUND, purl=purl), HERE, NOW)

    def test_where_no_image_is_known_no_pattern_fits(self) -> None:
        assert not excuses(replace(EXCUSE, component="*bot*"), FOUND, Place(), NOW)


class TestScope:
    @pytest.mark.parametrize("scope", [
        {"repository": "ghcr.io/acme/bot"},
        {"digest": DIGEST},
        {"service": "chatbot"},
        {"repository": "ghcr.io/acme/bot", "digest": DIGEST, "service": "chatbot"},
    ])  # fmt: skip
    def test_within_its_scope_it_counts(self, scope: dict[str, str]) -> None:
        assert excuses(replace(EXCUSE, **scope), FOUND, HERE, NOW)  # type: ignore[arg-type]

    @pytest.mark.parametrize("scope", [
        {"repository": "ghcr.io/acme/other"},
        {"digest": "sha256:" + "b" * 64},
        {"service": "other"},
        {"repository": "ghcr.io/acme/bot", "service": "other"},
    ])  # fmt: skip
    def test_outside_it_does_not(self, scope: dict[str, str]) -> None:
        assert "only" in why_not(replace(EXCUSE, **scope), FOUND, HERE, NOW)  # type: ignore[arg-type]

    def test_what_is_not_known_of_the_place_is_outside(self) -> None:
        assert not excuses(replace(EXCUSE, service="chatbot"), FOUND, Place("ghcr.io/acme/bot"), NOW)


ids = st.sampled_from(["CVE-2026-1000", "CVE-2026-2000", "GHSA-aaaa-bbbb-cccc", "B101", ""])
purls = st.sampled_from(["pkg:pypi/a@1", "pkg:pypi/a", "pkg:pypi/b@1", "pkg:npm/a@1", "a", ""]) | st.text(max_size=12)
patterns = st.text(alphabet="ab*/", max_size=8)
moments = st.integers(-3_000_000, 3_000_000).map(lambda seconds: NOW + timedelta(seconds=seconds))
grants = st.builds(Grant, moments, moments)
severities = st.sampled_from(list(Severity))
findings = st.builds(Found, st.lists(ids, max_size=3).map(tuple), severities, purls)
places = st.builds(
    Place, st.sampled_from(["", "a/b", "ghcr.io/acme/bot"]), st.just(frozenset({DIGEST})), st.sampled_from(["", "s"])
)
made = st.builds(
    Excuse, st.sampled_from(["POAM-1", "POAM-2"]), st.lists(ids, max_size=2).map(tuple), purls | patterns,
    st.sampled_from([Severity.CRITICAL, Severity.HIGH, Severity.LOW]), st.lists(grants, max_size=2).map(tuple),
    st.none() | moments, st.sampled_from(["", "a/b"]), st.sampled_from(["", DIGEST]), st.sampled_from(["", "s"]),
)  # fmt: skip


@given(found=findings, ones=st.lists(made, max_size=4), place=places, at=moments)
def test_judging_all_says_what_judging_one_by_one_says(found: Found, ones: list[Excuse], place: Place, at: datetime) -> None:
    one_by_one = any(excuses(one, found, place, at) for one in ones)
    assert judge(found, Excuses.of(ones), place, at).excused is one_by_one


@given(found=findings, one=made, place=places, at=moments)
def test_whatever_is_excused_is_named_covered_not_worse_and_in_time(
    found: Found, one: Excuse, place: Place, at: datetime
) -> None:
    if excuses(one, found, place, at):
        assert {name.casefold() for name in found.names} & {name.casefold() for name in one.vulnerabilities}
        assert one.component
        assert found.severity.weight <= one.severity.weight
        assert any(grant.since <= at < grant.until + timedelta(seconds=1) for grant in one.grants)
        assert one.ended_at is None or at < one.ended_at
