import re

import pytest
from django.contrib.auth.models import User

from deploy_records import ledger
from deploy_records.models import AuditEvent, Match, ScanMatch, StoredPiece
from tests.deploy_records.images import single
from tests.deploy_records.scan_files import UNKNOWN, pip_audit, trivy, vulnerability
from tests.factories import person
from tests.portal.looking import last_refusal, queries, text_of, window
from tests.portal.scanning import ANSI, BIDI, HOSTILE, SCRIPT, brought, olga, registered

pytestmark = pytest.mark.django_db

FOUND = (
    vulnerability("CVE-2026-1", "CRITICAL", FixedVersion="1.1"),
    vulnerability("CVE-2026-2", "LOW", package="zlib", Title="zlib: a small flaw"),
)


# What it says


def test_it_says_what_was_found_in_what_and_by_what_it_was_matched(viewer: User) -> None:
    entry = registered("one")
    report = brought(trivy(entry.digest, findings=FOUND))
    said = text_of(window(viewer).get(f"/scans/{report.pk}/"))
    assert "found 1 Critical and 1 lower findings in" in said
    assert "It counts now." in said
    assert "The report names its manifest digest." in said
    assert report.file.sha256 in said
    assert "registry.example.com/any/name" in said


def test_one_that_was_superseded_says_since_when(viewer: User) -> None:
    entry = registered("one")
    old = brought(trivy(entry.digest, made="2026-11-01T00:00:00Z"), "old.json")
    brought(trivy(entry.digest, findings=FOUND, made="2026-11-02T00:00:00Z"), "new.json")
    said = text_of(window(viewer).get(f"/scans/{old.pk}/"))
    assert "A newer report has taken its place" in said
    assert "Superseded" in said


def test_findings_are_filtered_and_searched_in_the_address(viewer: User) -> None:
    report = brought(trivy(registered("one").digest, findings=FOUND))
    client = window(viewer)

    def names(query: str) -> list[str]:
        return re.findall(r"findings/\d+/\">(CVE-[^<]+)", client.get(f"/scans/{report.pk}/?{query}").content.decode())

    assert names("") == ["CVE-2026-1", "CVE-2026-2"]
    assert names("severity=Low") == ["CVE-2026-2"]
    assert names("fix=yes") == ["CVE-2026-1"]
    assert names("q=small+flaw") == ["CVE-2026-2"]
    assert names("q=cve-2026-1") == ["CVE-2026-1"]
    assert names("excused=claimed") == []
    assert names("severity=nonsense&fix=nonsense") == ["CVE-2026-1", "CVE-2026-2"]


def test_what_has_changed_since_the_one_before_is_a_tab(viewer: User) -> None:
    entry = registered("one")
    brought(trivy(entry.digest, findings=FOUND, made="2026-11-01T00:00:00Z"), "old.json")
    found = (*FOUND[1:], vulnerability("CVE-2026-3", "HIGH"))
    report = brought(trivy(entry.digest, findings=found, made="2026-11-02T00:00:00Z"), "new.json")
    client = window(viewer)
    new, gone = (text_of(client.get(f"/scans/{report.pk}/?tab=changes&show={what}")) for what in ("new", "gone"))
    assert "New 1Gone 1Worse 0Still there 1" in new
    assert "CVE-2026-3 new" in new
    assert "CVE-2026-1 gone" in gone


def test_components_are_a_tab_with_a_search(viewer: User) -> None:
    packages = ({"Name": "openssl", "Version": "1.0"}, {"Name": "zlib", "Version": "1.3"})
    report = brought(trivy(registered("one").digest, packages=packages))
    client = window(viewer)
    assert "openssl" in text_of(client.get(f"/scans/{report.pk}/?tab=components&q=ssl"))
    assert "zlib" not in text_of(client.get(f"/scans/{report.pk}/?tab=components&q=ssl"))
    assert "No component matches “none”." in text_of(client.get(f"/scans/{report.pk}/?tab=components&q=none"))


def test_htmx_is_given_a_tab_or_what_stands_below_its_filters(viewer: User) -> None:
    report = brought(trivy(registered("one").digest, findings=FOUND))
    client = window(viewer)
    tab = client.get(f"/scans/{report.pk}/", headers={"HX-Request": "true", "HX-Target": "evidence"}).content.decode()
    asks = {"HX-Request": "true", "HX-Target": "evidence-rows"}
    rows = client.get(f"/scans/{report.pk}/?q=zlib", headers=asks).content.decode()
    assert '<section class="card" id="evidence"' in tab
    assert "<html" not in tab
    assert rows.lstrip().startswith('<div id="evidence-rows">')
    assert "<form" not in rows


def test_its_page_takes_as_many_queries_for_sixty_findings_as_for_two(viewer: User) -> None:
    client = window(viewer)
    small = brought(trivy(registered("one").digest, findings=FOUND))
    large = brought(trivy(registered("two").digest, findings=tuple(vulnerability(f"CVE-2026-{n}") for n in range(60))))
    assert queries(client, f"/scans/{large.pk}/") == queries(client, f"/scans/{small.pk}/") <= 20


# A finding


def test_a_finding_says_all_that_the_report_says_of_it(viewer: User) -> None:
    score = {"nvd": {"V3Vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "V3Score": 7.5}}
    one = vulnerability(
        Title="A flaw", Description="Long words.", PrimaryURL="https://avd.example.com/x", CVSS=score, CweIDs=["CWE-79"]
    )
    report = brought(trivy(registered("one").digest, findings=(one,)))
    answer = window(viewer).get(f"/scans/{report.pk}/findings/{report.findings.get().pk}/")
    said, page = text_of(answer), answer.content.decode()
    for words in ("A flaw", "Long words.", "CWE-79", "7.5", "CVSS:3.1/AV:N", "in its own words: HIGH", "openssl 1.0"):
        assert words in said
    assert '<a href="https://avd.example.com/x" rel="noopener noreferrer" target="_blank">' in page


def test_hostile_words_and_links_of_a_finding_do_nothing(viewer: User) -> None:
    report = brought(trivy(registered("one").digest, findings=(vulnerability(**HOSTILE),)))
    finding = report.findings.get()
    # As if it had slipped through when it was read.
    finding.detail_text = '{"link": "javascript:alert(1)", "description": "<img src=x onerror=alert(1)>"}'
    finding.save()
    for address in (f"/scans/{report.pk}/", f"/scans/{report.pk}/findings/{finding.pk}/"):
        page = window(viewer).get(address).content.decode()
        assert SCRIPT not in page
        assert "javascript:" not in page
        assert ANSI not in page
        assert BIDI not in page
        assert "<img src=x" not in page


def test_a_finding_of_another_report_is_not_there(viewer: User) -> None:
    one, other = brought(trivy(registered("one").digest)), brought(trivy(registered("two").digest, findings=FOUND))
    number = one.findings.get().pk
    assert window(viewer).get(f"/scans/{other.pk}/findings/{number}/").status_code == 404


# The file


def test_the_file_comes_back_byte_for_byte_and_that_is_on_record(viewer: User) -> None:
    data = trivy(registered("one").digest)
    report = brought(data, "übel \u202e.json")
    answer = window(viewer).get(f"/scans/{report.pk}/original/")
    assert b"".join(answer.streaming_content) == data  # type: ignore[attr-defined]
    assert answer.headers["Content-Disposition"].startswith("attachment; filename")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Length"] == str(len(data))
    event = AuditEvent.objects.get(action="report.downloaded")
    assert (event.actor, event.object_id) == ("vera", str(report.pk))


def test_a_file_that_was_tampered_with_does_not_come_back_whole(viewer: User) -> None:
    report = brought(trivy(registered("one").digest))
    piece = StoredPiece.objects.get(file=report.file)
    StoredPiece.objects.filter(pk=piece.pk).update(data=bytes(piece.data)[:-6] + b"xxxxxx")
    answer = window(viewer).get(f"/scans/{report.pk}/original/")
    with pytest.raises(Exception, match="damaged"):
        b"".join(answer.streaming_content)  # type: ignore[attr-defined]


# Quarantine


def test_what_names_no_digest_is_given_one_by_a_person(operator: User) -> None:
    entry = registered("one")
    report = brought(pip_audit("CVE-2026-3"), "pip-audit.json")
    client = window(operator)
    assert "Counts for no digest." in text_of(client.get(f"/scans/{report.pk}/"))
    answer = client.post(f"/scans/{report.pk}/match/", {"digest": entry.reference}, follow=True)
    assert "Matched." in text_of(answer)
    made = ScanMatch.objects.get(report=report)
    assert (made.entry, made.by, made.person) == (entry, Match.PERSON, operator)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "Say which digest it is about"),
        ("latest", "64"),
        (UNKNOWN, "is not in the ledger"),
        ("x" * 600, "this is longer"),
    ],
)
def test_what_is_no_digest_of_the_ledger_is_refused_beside_the_field(typed: str, words: str, operator: User) -> None:
    report = brought(pip_audit("CVE-2026-3"))
    answer = window(operator).post(f"/scans/{report.pk}/match/", {"digest": typed})
    assert 400 <= answer.status_code < 500
    assert words in text_of(answer)
    assert 'aria-invalid="true"' in answer.content.decode()
    assert not ScanMatch.objects.exists()
    assert last_refusal().actor == operator.username


def test_a_digest_of_two_repositories_has_to_be_named_with_one(operator: User) -> None:
    entry = registered("one")
    other = ledger.register(single("one", repository="registry.example.com/other/image"), olga())
    report = brought(pip_audit("CVE-2026-3"))
    assert "2 repositories have" in text_of(window(operator).post(f"/scans/{report.pk}/match/", {"digest": entry.digest}))
    window(operator).post(f"/scans/{report.pk}/match/", {"digest": other.reference})
    assert ScanMatch.objects.get().entry == other


def test_what_names_a_digest_is_never_given_to_another(operator: User) -> None:
    entry, report = registered("one"), brought(trivy(UNKNOWN))
    page = text_of(window(operator).get(f"/scans/{report.pk}/"))
    assert "what it names is not in the ledger" in page
    assert "Register it" in page
    answer = window(operator).post(f"/scans/{report.pk}/match/", {"digest": entry.reference})
    assert answer.status_code == 409
    assert not ScanMatch.objects.exists()


def test_who_may_not_import_is_offered_no_choice(viewer: User) -> None:
    report = brought(pip_audit("CVE-2026-3"))
    page = window(viewer).get(f"/scans/{report.pk}/").content.decode()
    assert "/match/" not in page
    assert window(person("Viewer")).post(f"/scans/{report.pk}/match/", {"digest": UNKNOWN}).status_code == 403
