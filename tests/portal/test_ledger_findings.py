"""The evidence on a digest's page: findings, SBOM, exceptions in force, and the difference to what runs now."""

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User

from deploy_records.models import DigestFinding, ImageDigest
from deploy_records.scanners.report import Severity
from tests import factories
from tests.deploy_records.images import sha
from tests.deploy_records.scan_files import grype, spdx, trivy, vulnerability
from tests.factories import person
from tests.portal import exceptions
from tests.portal.looking import queries, text_of, window
from tests.portal.scanning import HOSTILE, SCRIPT, brought, olga, registered

pytestmark = pytest.mark.django_db

PURL = {"PkgIdentifier": {"PURL": "pkg:pypi/starlette@1.0"}}
FOUND = (
    vulnerability("CVE-2026-1001", "CRITICAL", FixedVersion="1.1"),
    vulnerability("CVE-2026-1002", "HIGH", package="starlette", **PURL),
    vulnerability("CVE-2026-1003", "LOW", package="zlib", Title="zlib: a small flaw"),
)


@pytest.fixture
def entry(db: None) -> ImageDigest:
    return registered("new", tag="v2")


@pytest.fixture
def scanned(entry: ImageDigest) -> ImageDigest:
    brought(trivy(entry.digest, findings=FOUND))
    return entry


@pytest.fixture
def reviewer(db: None) -> User:
    return person("Security reviewer", name="ralf")


def names(page: str) -> list[str]:
    return re.findall(r"findings/[0-9a-f]{64}/\">(CVE-[^<]+)", page)


def excused(entry: ImageDigest, **changes: object) -> None:
    exceptions.approved(
        vulnerabilities=("CVE-2026-1002",), component="pkg:pypi/starlette@1.0", repository=entry.repository, **changes
    )


# Findings


def test_without_a_report_nothing_is_known_and_the_page_says_so(entry: ImageDigest, viewer: User) -> None:
    answer = window(olga()).get(f"/ledger/{entry.pk}/")
    assert "No scan report counts for this digest, so nothing is known of its findings." in text_of(answer)
    assert f'href="/scans/upload/?digest={entry.pk}"' in answer.content.decode()
    assert "/scans/upload/" not in window(viewer).get(f"/ledger/{entry.pk}/").content.decode()


def test_a_scan_that_found_nothing_is_not_the_same_as_none(entry: ImageDigest, viewer: User) -> None:
    brought(trivy(entry.digest, findings=()))
    said = text_of(window(viewer).get(f"/ledger/{entry.pk}/"))
    assert "None in 1 report" in said
    assert "The scanners looked and found nothing." in said


def test_findings_come_worst_first_each_with_what_the_gate_makes_of_it(scanned: ImageDigest, viewer: User) -> None:
    excused(scanned)
    answer = window(viewer).get(f"/ledger/{scanned.pk}/")
    said = text_of(answer)
    assert names(answer.content.decode()) == ["CVE-2026-1001", "CVE-2026-1002", "CVE-2026-1003"]
    assert re.search(r"Critical CVE-2026-1001 openssl 1.0 app 1.1 Trivy No", said)
    assert re.search(r"High CVE-2026-1002 starlette 1.0 .*?POAM-1 until", said)
    assert re.search(r"Low CVE-2026-1003 zlib: a small flaw .*?not needed", said)


def test_what_two_tools_found_is_there_once_with_both(viewer: User) -> None:
    entry = registered("both", as_index=True)
    brought(trivy(sha("both amd64"), findings=(vulnerability("CVE-2026-1001"),)))
    brought(grype(manifest=sha("both amd64"), matches=(("GHSA-aaaa-bbbb-cccc", "Critical", "CVE-2026-1001"),)), "grype.json")
    one = DigestFinding.objects.get(entry=entry)
    page = window(viewer).get(f"/ledger/{entry.pk}/")
    finding = window(viewer).get(f"/ledger/{entry.pk}/findings/{one.fingerprint}/")
    assert names(page.content.decode()) == [one.name]
    assert "Grype, Trivy" in text_of(page)
    assert "Trivy says" in text_of(finding)
    assert "Grype says" in text_of(finding)
    assert "in its own words: HIGH" in text_of(finding)
    assert "in its own words: Critical" in text_of(finding)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("severity=Critical", ["CVE-2026-1001"]),
        ("fix=yes", ["CVE-2026-1001"]),
        ("fix=no", ["CVE-2026-1002", "CVE-2026-1003"]),
        ("q=small", ["CVE-2026-1003"]),
        ("q=starlette", ["CVE-2026-1002"]),
        ("excused=blocks", ["CVE-2026-1001"]),
        ("excused=excused", ["CVE-2026-1002"]),
        ("excused=rest", ["CVE-2026-1003"]),
        ("excused=claimed", []),
        ("tool=Trivy&severity=High", ["CVE-2026-1002"]),
        ("tool=Grype", []),
        ("q=%00%0a", ["CVE-2026-1001", "CVE-2026-1002", "CVE-2026-1003"]),
    ],
)
def test_filters_are_in_the_address(query: str, found: list[str], scanned: ImageDigest, viewer: User) -> None:
    excused(scanned)
    answer = window(viewer).get(f"/ledger/{scanned.pk}/?{query}")
    assert names(answer.content.decode()) == found
    assert ("No finding matches these filters." in text_of(answer)) == (not found)


def test_every_finding_is_on_exactly_one_page(entry: ImageDigest, viewer: User) -> None:
    brought(trivy(entry.digest, findings=tuple(vulnerability(f"CVE-2026-{number}") for number in range(1000, 1121))))
    seen: list[str] = []
    address = f"/ledger/{entry.pk}/"
    while address:
        page = window(viewer).get(address).content.decode()
        seen += names(page)
        after = re.search(r'href="(\?at=after-[^"]+)"', page.partition('id="evidence-rows"')[2])
        address = f"/ledger/{entry.pk}/{html.unescape(after[1])}" if after else ""
    assert len(seen) == len(set(seen)) == 121


def test_asking_for_an_exception_leads_to_the_form_with_all_filled_in(scanned: ImageDigest, reviewer: User, viewer: User) -> None:
    page = window(reviewer).get(f"/ledger/{scanned.pk}/?severity=High").content.decode()
    link = html.unescape(re.findall(r'href="(/poam/new/\?vulnerability[^"]+)"', page)[0])
    assert parse_qs(urlsplit(link).query) == {
        "vulnerability": ["CVE-2026-1002"], "component": ["pkg:pypi/starlette@1.0"], "severity": ["High"],
        "repository": [scanned.repository],
    }  # fmt: skip
    form = window(reviewer).get(link).content.decode()
    assert "CVE-2026-1002</textarea>" in form
    assert 'value="pkg:pypi/starlette@1.0"' in form
    assert "/poam/new/?vulnerability" not in window(viewer).get(f"/ledger/{scanned.pk}/").content.decode()


def test_what_names_a_finding_and_does_not_excuse_it_says_why(scanned: ImageDigest, viewer: User) -> None:
    exceptions.approved(vulnerabilities=("CVE-2026-1001",), component="pkg:deb/debian/other", severity=Severity.CRITICAL)
    assert "in another component" in text_of(window(viewer).get(f"/ledger/{scanned.pk}/"))


def test_too_many_to_judge_are_not_called_harmless(scanned: ImageDigest, viewer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy_records.gate_facts.MOST_FINDINGS", 1)
    said = text_of(window(viewer).get(f"/ledger/{scanned.pk}/"))
    assert "Not judged the gate refuses without it" in said
    assert "not needed" not in said
    assert "Does not block" not in said


def test_hostile_words_of_a_report_are_text(entry: ImageDigest, viewer: User) -> None:
    brought(trivy(entry.digest, findings=(vulnerability(FixedVersion=SCRIPT, **HOSTILE),), target=SCRIPT))
    one = DigestFinding.objects.get(entry=entry)
    for address in (f"/ledger/{entry.pk}/", f"/ledger/{entry.pk}/findings/{one.fingerprint}/"):
        page = window(viewer).get(address).content.decode()
        assert SCRIPT not in page
        assert "javascript:" not in page
        assert "\x1b" not in page
        assert "\u202e" not in page


# A finding


def test_a_finding_says_what_the_gate_makes_of_it_and_where_else_it_is(scanned: ImageDigest, viewer: User) -> None:
    runs = registered("runs", tag="v1")
    brought(trivy(runs.digest, findings=FOUND[:1]))
    factories.service("chatbot", runs=runs, added_by=olga())
    one = DigestFinding.objects.get(entry=scanned, name="CVE-2026-1001")
    said = text_of(window(viewer).get(f"/ledger/{scanned.pk}/findings/{one.fingerprint}/"))
    assert "CVE-2026-1001 in openssl 1.0: Critical. Nothing excuses it, so the gate refuses the digest." in said
    assert "runs chatbot on prod-1" in said


def test_an_excused_finding_names_the_exception_and_its_end(scanned: ImageDigest, viewer: User) -> None:
    excused(scanned)
    one = DigestFinding.objects.get(entry=scanned, name="CVE-2026-1002")
    answer = window(viewer).get(f"/ledger/{scanned.pk}/findings/{one.fingerprint}/")
    assert "POAM-1 excuses it until" in text_of(answer)
    assert 'href="/poam/1/"' in answer.content.decode()


def test_a_finding_that_is_not_there_is_not_found(scanned: ImageDigest, viewer: User) -> None:
    assert window(viewer).get(f"/ledger/{scanned.pk}/findings/{'0' * 64}/").status_code == 404


# SBOM, exceptions


def test_the_components_can_be_searched(scanned: ImageDigest, viewer: User) -> None:
    brought(spdx(scanned.digest, "openssl", "zlib"), "sbom.json")
    client = window(viewer)
    said = text_of(client.get(f"/ledger/{scanned.pk}/?tab=sbom"))
    assert "Listed by syft" in said
    assert "openssl" in said
    assert "zlib" in said
    assert "zlib" not in text_of(client.get(f"/ledger/{scanned.pk}/?tab=sbom&q=ssl")).partition("Listed by")[2]


def test_without_an_sbom_it_says_what_would_bring_one(scanned: ImageDigest, viewer: User) -> None:
    assert "No report lists what this image is made of." in text_of(window(viewer).get(f"/ledger/{scanned.pk}/?tab=sbom"))


def test_exceptions_in_force_say_how_much_they_excuse_here(scanned: ImageDigest, viewer: User) -> None:
    excused(scanned)
    exceptions.approved(vulnerabilities=("CVE-2020-1001",), component="pkg:pypi/gone@1", repository=scanned.repository)
    exceptions.approved(vulnerabilities=("CVE-2026-1001",), component="pkg:pypi/x@1", repository="registry.example.com/other")
    exceptions.requested(vulnerabilities=("CVE-2026-1001",), component="pkg:pypi/y@1", repository=scanned.repository)
    answer = window(viewer).get(f"/ledger/{scanned.pk}/?tab=exceptions", headers={"HX-Request": "true", "HX-Target": "evidence"})
    said = text_of(answer)
    assert re.search(r"POAM-1 High CVE-2026-1002 starlette 1.0 1 finding", said)
    assert re.search(r"POAM-2 High CVE-2020-1001 gone 1 nothing any more", said)
    assert "POAM-3" not in said
    assert "POAM-4" not in said


# Against what runs


def test_the_difference_to_what_runs_is_said_and_listed(scanned: ImageDigest, viewer: User) -> None:
    runs = registered("runs", tag="v1")
    brought(trivy(runs.digest, findings=(*FOUND[2:], vulnerability("CVE-2026-1009", "HIGH"))))
    factories.service("chatbot", runs=runs, added_by=olga())
    client = window(viewer)
    assert "2 new, 1 gone" in text_of(client.get(f"/ledger/{scanned.pk}/"))
    address = f"/ledger/{scanned.pk}/?tab=against"
    assert "which runs as chatbot on prod-1" in text_of(client.get(address))
    assert names(client.get(f"{address}&show=new").content.decode()) == ["CVE-2026-1001", "CVE-2026-1002"]
    assert names(client.get(f"{address}&show=gone").content.decode()) == ["CVE-2026-1009"]
    assert names(client.get(f"{address}&show=still").content.decode()) == ["CVE-2026-1003"]


def test_what_was_not_scanned_is_not_compared(scanned: ImageDigest, viewer: User) -> None:
    factories.service("chatbot", runs=registered("runs"), added_by=olga())
    said = text_of(window(viewer).get(f"/ledger/{scanned.pk}/?tab=against"))
    assert "They cannot be compared: no scan report counts for one of the two." in said


def test_where_several_run_one_can_be_chosen(scanned: ImageDigest, viewer: User) -> None:
    first, second = registered("first"), registered("second")
    for number, entry in enumerate((first, second)):
        brought(trivy(entry.digest, findings=FOUND[:1]))
        factories.service(f"service-{number}", runs=entry, added_by=olga())
    page = window(viewer).get(f"/ledger/{scanned.pk}/?tab=against&against={first.pk}")
    assert "service-0" in text_of(page)
    assert f"?tab=against&amp;against={second.pk}#evidence" in page.content.decode()


def test_nothing_is_offered_where_nothing_else_runs(scanned: ImageDigest, viewer: User) -> None:
    factories.service("chatbot", runs=scanned, added_by=olga())
    assert "Against what runs now" not in text_of(window(viewer).get(f"/ledger/{scanned.pk}/?tab=against"))


# How


def test_htmx_is_given_a_tab_or_what_stands_below_its_filters(scanned: ImageDigest, viewer: User) -> None:
    client, address = window(viewer), f"/ledger/{scanned.pk}/"
    tab = client.get(f"{address}?tab=sbom", headers={"HX-Request": "true", "HX-Target": "evidence"}).content.decode()
    rows = client.get(f"{address}?q=zlib", headers={"HX-Request": "true", "HX-Target": "evidence-rows"}).content.decode()
    assert tab.lstrip().startswith('<section class="card" id="evidence"')
    assert rows.lstrip().startswith('<div id="evidence-rows">')
    assert names(rows) == ["CVE-2026-1003"]


def test_it_takes_as_many_queries_for_sixty_findings_as_for_three(scanned: ImageDigest, viewer: User) -> None:
    client = window(viewer)
    excused(scanned)
    large = registered("large")
    brought(trivy(large.digest, findings=tuple(vulnerability(f"CVE-2026-{number}") for number in range(60))))
    for tab in ("findings", "sbom", "exceptions"):
        few = queries(client, f"/ledger/{scanned.pk}/?tab={tab}")
        assert queries(client, f"/ledger/{large.pk}/?tab={tab}") <= few


def test_tabs_filters_and_findings_keep_to_the_environment_that_is_looked_at(scanned: ImageDigest, viewer: User) -> None:
    address = f"/ledger/{scanned.pk}/?environment=staging"
    page = window(viewer).get(address).content.decode()
    assert "?tab=sbom&amp;environment=staging#evidence" in page
    assert '<input type="hidden" name="environment" value="staging">' in page
    assert "Excused in staging" in page
    link = re.search(r'href="(/ledger/\d+/findings/[^"]+)"', page)
    assert link
    assert "so the gate refuses the digest in staging." in text_of(window(viewer).get(html.unescape(link[1])))
