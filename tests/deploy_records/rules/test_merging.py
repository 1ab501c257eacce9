from collections.abc import Iterable

import hypothesis.strategies as st
import pytest
from hypothesis import given

from deploy_records.rules.merging import (
    CLAIMED_HARMLESS,
    MOST_SOURCES,
    Merged,
    Seen,
    compare,
    lasting_keys,
    merged,
    not_alone,
    weight,
)
from deploy_records.scanners.identity import of_vulnerability
from deploy_records.scanners.report import FindingKind, FindingState, Severity

CVE, GHSA = "CVE-2026-1000", "GHSA-2222-3333-4444"
OPENSSL = "pkg:deb/debian/openssl@3.0.11-1?arch=amd64"
HARMLESS = FindingState.NOT_AFFECTED


def seen(
    number: int, name: str = CVE, *aliases: str, tool: str = "Trivy", severity: Severity = Severity.HIGH,
    package: str = "openssl", version: str = "3.0.11-1", purl: str = "", fixed: str = "", state: FindingState = FindingState.OPEN,
) -> Seen:  # fmt: skip
    fingerprint = of_vulnerability(name, aliases, purl, package, version)
    return Seen(
        number, tool, FindingKind.VULNERABILITY, name, severity, fingerprint, aliases, purl, package, version, fixed, state
    )


def put_together(*findings: Seen) -> list[Merged]:
    return list(merged(lambda: findings))


def one(*findings: Seen) -> Merged:
    (made,) = put_together(*findings)
    return made


def test_the_same_vulnerability_from_two_tools_is_shown_once_with_both() -> None:
    made = one(seen(1, tool="Trivy"), seen(2, tool="Grype"))
    assert (made.name, made.tools, sorted(made.sources)) == (CVE, ("Grype", "Trivy"), [1, 2])


def test_one_tools_cve_is_anothers_ghsa_that_lists_it() -> None:
    made = one(seen(1, CVE), seen(2, GHSA, CVE, tool="Grype"))
    assert (made.name, made.aliases) == (CVE, (GHSA,))


def test_one_tools_ghsa_without_aliases_is_anothers_cve_that_lists_it() -> None:
    made = one(seen(1, GHSA, tool="Grype"), seen(2, CVE, GHSA))
    assert (made.name, made.names) == (CVE, (CVE, GHSA))


def test_three_names_are_one_thing_by_way_of_the_one_that_knows_both() -> None:
    made = one(seen(1, "PYSEC-2026-1"), seen(2, GHSA), seen(3, CVE, GHSA, "PYSEC-2026-1"))
    assert set(made.names) == {CVE, GHSA, "PYSEC-2026-1"}


def test_two_cves_are_two_things_whatever_a_report_says() -> None:
    findings = seen(1, CVE, GHSA), seen(2, "CVE-2026-2000", GHSA), seen(3, GHSA)
    assert {made.name for made in put_together(*findings)} == {CVE, "CVE-2026-2000"}
    assert len(put_together(*findings)) == 2


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_no_order_makes_two_cves_one(order: tuple[int, ...]) -> None:
    findings = seen(1, CVE, GHSA), seen(2, "CVE-2026-2000", GHSA), seen(3, GHSA)
    for made in put_together(*(findings[place] for place in order)):
        assert len([name for name in made.names if name.startswith("CVE-")]) == 1


@pytest.mark.parametrize("other", [seen(2, package="libssl3"), seen(2, version="3.0.12")])
def test_another_package_or_version_is_another_thing(other: Seen) -> None:
    assert len(put_together(seen(1), other)) == 2


def test_a_package_is_the_same_by_its_purl_and_by_its_name() -> None:
    assert one(seen(1, purl=OPENSSL), seen(2, tool="Grype")).purl == OPENSSL


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1), (1, 3, 0, 2)])
def test_packages_of_one_name_in_two_ecosystems_are_two_things(order: tuple[int, ...]) -> None:
    findings = (
        seen(1, package="foo", version="1.0", purl="pkg:pypi/foo@1.0"),
        seen(2, package="foo", version="1.0", purl="pkg:npm/foo@1.0"),
        seen(3, package="foo", version="1.0", purl="pkg:npm/foo@1.0", tool="Grype"),
        seen(4, package="foo", version="1.0", tool="a tool without package URLs"),
    )
    made = put_together(*(findings[place] for place in order))
    assert sorted(one.purl for one in made) == ["pkg:npm/foo@1.0", "pkg:pypi/foo@1.0"]
    assert sum(len(one.sources) for one in made) == 4


def test_the_worst_severity_counts_and_unknown_is_the_worst() -> None:
    assert one(seen(1, severity=Severity.LOW), seen(2, severity=Severity.CRITICAL)).severity is Severity.CRITICAL
    assert one(seen(1, severity=Severity.CRITICAL), seen(2, severity=Severity.UNKNOWN)).severity is Severity.UNKNOWN
    assert one(seen(1, severity=Severity.LOW), seen(2, severity=Severity.CRITICAL)).sources == (2, 1)


def test_what_a_report_repeats_is_one_thing_that_names_no_more_than_the_worst_of_its_sources() -> None:
    repeated = [seen(number, severity=Severity.LOW) for number in range(3 * MOST_SOURCES)]
    made = one(*repeated, seen(999_999, severity=Severity.CRITICAL))
    assert len(made.sources) == MOST_SOURCES
    assert made.sources[:2] == (999_999, 0)


def test_it_is_harmless_only_if_all_say_so() -> None:
    assert not one(seen(1, state=HARMLESS), seen(2)).is_claimed_harmless
    assert not one(seen(1, severity=Severity.CRITICAL, state=HARMLESS), seen(2, severity=Severity.LOW)).is_claimed_harmless
    assert one(seen(1, state=HARMLESS), seen(2, state=FindingState.SUPPRESSED)).is_claimed_harmless


def test_a_fix_that_any_of_them_knows_is_kept() -> None:
    assert one(seen(1, severity=Severity.CRITICAL), seen(2, fixed="3.0.12")).fixed_version == "3.0.12"


def test_secrets_are_the_same_by_their_fingerprint_only() -> None:
    secret = seen(1)._replace(kind=FindingKind.SECRET, name="aws-key", fingerprint="a" * 64)
    assert len(put_together(secret, secret._replace(number=2))) == 1
    assert len(put_together(secret, secret._replace(number=2, fingerprint="b" * 64))) == 2


def test_a_vulnerability_without_a_package_is_not_every_packages() -> None:
    assert len(put_together(seen(1, package="", version=""), seen(2))) == 2


NAMES = st.sampled_from([CVE, "CVE-2026-2000", "CVE-2026-3000", GHSA, "GHSA-5555-6666-7777", "PYSEC-2026-1"])
FINDINGS = st.lists(
    st.builds(
        lambda name, aliases, severity, package, state: seen(
            0, name, *(alias for alias in aliases if alias != name), severity=severity, package=package, state=state
        ),
        NAMES, st.lists(NAMES, max_size=2, unique=True), st.sampled_from(Severity), st.sampled_from(["a", "b", ""]),
        st.sampled_from(FindingState),
    ),
    max_size=12,
)  # fmt: skip


@given(FINDINGS)
def test_nothing_is_lost_nothing_is_there_twice_and_nothing_gets_better(findings: Iterable[Seen]) -> None:
    numbered = [finding._replace(number=number) for number, finding in enumerate(findings)]
    made = put_together(*numbered)
    assert sorted(number for group in made for number in group.sources) == list(range(len(numbered)))
    for group in made:
        members = [numbered[number] for number in group.sources]
        assert weight(group.severity) == max(weight(member.severity) for member in members)
        assert group.is_claimed_harmless == all(member.state in CLAIMED_HARMLESS for member in members)
        assert set(group.names) == {name for member in members for name in (member.name, *member.aliases)}


@given(FINDINGS)
def test_what_is_alone_can_be_left_out_without_changing_the_rest(findings: Iterable[Seen]) -> None:
    numbered = [finding._replace(number=number) for number, finding in enumerate(findings)]
    apart = set(not_alone(numbered))
    as_they_are = [made for one in numbered if one.number not in apart for made in put_together(one)]
    assert all(
        (made.name, made.aliases) == (numbered[made.sources[0]].name, numbered[made.sources[0]].aliases) for made in as_they_are
    )
    rest = put_together(*(one for one in numbered if one.number in apart))
    assert sorted(map(str, [*as_they_are, *rest])) == sorted(map(str, put_together(*numbered)))


def keys(one: Seen) -> set[tuple[str, str]]:
    return set(lasting_keys(one.kind, (one.name, *one.aliases), one.fingerprint, one.purl, one.package))


def test_a_vulnerability_is_known_again_in_another_version_of_its_package_and_by_another_name() -> None:
    assert keys(seen(1, version="1.0")) == keys(seen(2, version="1.1"))
    assert keys(seen(1, GHSA)) & keys(seen(2, CVE, GHSA))
    assert not keys(seen(1)) & keys(seen(2, package="zlib"))
    assert not keys(seen(1)) & keys(seen(2, "CVE-2026-2000"))


def test_a_secret_is_known_again_in_its_place_only() -> None:
    secret = seen(1)._replace(kind=FindingKind.SECRET, name="aws-key", fingerprint="a" * 64)
    assert keys(secret) == keys(secret._replace(number=2))
    assert not keys(secret) & keys(secret._replace(fingerprint="b" * 64))


def test_the_difference_tells_new_gone_and_still_there() -> None:
    before = put_together(seen(1, CVE), seen(2, "CVE-2026-2000"))
    after = put_together(seen(3, CVE), seen(4, "CVE-2026-3000"))
    found = compare(before, after)
    assert [[made.name for made in part] for part in (found.new, found.gone, found.still)] == [
        ["CVE-2026-3000"], ["CVE-2026-2000"], [CVE],
    ]  # fmt: skip


def test_an_update_that_does_not_get_rid_of_it_leaves_it_there() -> None:
    found = compare(put_together(seen(1, version="1.0")), put_together(seen(2, version="1.1")))
    assert (len(found.still), found.new, found.gone) == (1, (), ())


def test_another_name_of_it_is_no_news() -> None:
    found = compare(put_together(seen(1, GHSA)), put_together(seen(2, CVE, GHSA)))
    assert (len(found.still), found.new, found.gone) == (1, (), ())


def test_what_is_still_there_may_have_become_worse() -> None:
    before, after = put_together(seen(1, severity=Severity.LOW)), put_together(seen(2, severity=Severity.HIGH))
    assert len(compare(before, after).worse) == 1
    assert compare(after, before).worse == ()


def test_a_secret_in_another_place_is_new() -> None:
    secret = seen(1)._replace(kind=FindingKind.SECRET, name="aws-key", fingerprint="a" * 64)
    found = compare(put_together(secret), put_together(secret._replace(fingerprint="b" * 64)))
    assert (len(found.new), len(found.gone), found.still) == (1, 1, ())
