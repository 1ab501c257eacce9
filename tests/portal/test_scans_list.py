import re

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records.models import ImportState, ScanImport, ScanReport
from tests import factories
from tests.deploy_records.scan_files import UNKNOWN, pip_audit, spdx, trivy, vulnerability
from tests.factories import person
from tests.portal.looking import queries, text_of, window
from tests.portal.scanning import HOSTILE, SCRIPT, brought, olga, registered

pytestmark = pytest.mark.django_db

WORSE = (vulnerability("CVE-2026-1", "CRITICAL"), vulnerability("CVE-2026-2", "LOW"))


def test_an_empty_list_teaches_the_ways_in(viewer: User) -> None:
    for_viewer, for_operator = window(viewer).get("/scans/"), window(person("Operator")).get("/scans/")
    said = text_of(for_viewer)
    assert "No scan report has come in yet. Until one has, the gate refuses every digest." in said
    assert "python manage.py import_scan trivy.json" in said
    assert "check_gate" in said
    assert "CycloneDX" in said
    assert 'href="/scans/upload/"' not in for_viewer.content.decode()
    assert 'href="/scans/upload/"' in for_operator.content.decode()


def test_each_report_says_its_tool_its_digest_and_by_what_it_was_matched(viewer: User) -> None:
    entry = registered("one", as_index=True)
    brought(trivy(entry.digest, findings=WORSE))
    answer = window(viewer).get("/scans/")
    said = text_of(answer)
    assert "Trivy JSON · trivy.json" in said
    assert "by its index · linux/amd64" in said
    assert "1 Critical" in said
    assert "1 lower" in said
    assert f'title="{entry.digest}"' in answer.content.decode()


def test_what_counts_for_no_digest_says_why_and_leads_to_what_to_do(viewer: User) -> None:
    unknown = brought(trivy(UNKNOWN))
    nameless = brought(pip_audit("CVE-2026-3"), "pip-audit.json")
    answer = window(viewer).get("/scans/")
    said, page = text_of(answer), answer.content.decode()
    assert "Two lie in quarantine." in said
    assert "names a digest that is not registered" in said
    assert "names no digest" in said
    assert f'href="/scans/{unknown.pk}/#matched"' in page
    assert f'href="/scans/{nameless.pk}/#matched"' in page


@pytest.mark.django_db(transaction=True)
def test_new_and_gone_are_counted_against_the_report_before(viewer: User) -> None:
    entry = registered("one")
    brought(trivy(entry.digest, findings=WORSE, made="2026-11-01T00:00:00Z"), "monday.json")
    brought(trivy(entry.digest, findings=(*WORSE[1:], vulnerability("CVE-2026-3")), made="2026-11-02T00:00:00Z"), "tuesday.json")
    said = text_of(window(person("Viewer")).get("/scans/"))
    assert "1 new 1 gone" in said
    assert "superseded" in said
    assert "the first one" in said


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"counts", "old", "nameless", "sbom"}),
        ("tool=Trivy", {"counts", "old"}),
        ("kind=sbom", {"sbom"}),
        ("kind=dependencies", {"nameless"}),
        ("state=current", {"counts", "sbom"}),
        ("state=history", {"old"}),
        ("state=quarantine", {"nameless"}),
        ("state=nonsense&kind=nonsense", {"counts", "old", "nameless", "sbom"}),
        ("digest=%00", {"counts", "old", "nameless", "sbom"}),
        ("digest=nothing", set()),
    ],
)
def test_filters_are_in_the_address(query: str, found: set[str], viewer: User) -> None:
    one, other = registered("one"), registered("other")
    brought(trivy(one.digest, made="2026-11-01T00:00:00Z"), "old")
    brought(trivy(one.digest, findings=WORSE, made="2026-11-02T00:00:00Z"), "counts")
    brought(pip_audit("CVE-2026-3"), "nameless")
    brought(spdx(other.digest, "openssl"), "sbom")
    said = text_of(window(viewer).get(f"/scans/?{query}"))
    assert {name for name in ("counts", "old", "nameless", "sbom") if re.search(rf"· {name}\b", said)} == found


def test_a_digest_finds_its_reports_also_before_it_is_registered(viewer: User) -> None:
    brought(trivy(UNKNOWN), "waits")
    assert "waits" in text_of(window(viewer).get(f"/scans/?digest={UNKNOWN[7:19].upper()}"))


def test_every_report_is_on_exactly_one_page(viewer: User) -> None:
    entry = factories.entry(scanned=False)
    made = {factories.clean_report(entry, days=number).pk for number in range(101)}
    seen: list[int] = []
    address = "/scans/"
    while address:
        page = window(viewer).get(address).content.decode()
        seen += map(int, re.findall(r'class="kg-alone" href="/scans/(\d+)/"', page))
        older = re.search(r'href="(\?at=older-[^"]+)"', page)
        address = f"/scans/{older[1]}" if older else ""
    assert len(seen) == len(made)
    assert set(seen) == made


def test_it_takes_as_many_queries_for_thirty_as_for_three(viewer: User) -> None:
    client = window(viewer)
    for number in range(3):
        brought(trivy(registered(f"build {number}").digest), f"{number}.json")
    few = queries(client, "/scans/")
    for number in range(3, 30):
        brought(trivy(registered(f"build {number}").digest), f"{number}.json")
    assert queries(client, "/scans/") == few
    assert few <= 20


def test_htmx_is_given_the_list_and_the_states_without_the_frame(viewer: User) -> None:
    brought(trivy(registered("one").digest))
    page = window(viewer).get("/scans/?state=current", headers={"HX-Request": "true"}).content.decode()
    assert '<section class="card" id="scans"' in page
    assert 'id="scan-states" hx-swap-oob="true"' in page
    assert "<html" not in page


def test_what_a_worker_reads_or_has_refused_lately_stands_above_the_list(viewer: User) -> None:
    by = olga()
    ScanImport.objects.create(name="large.json", asked_by=by, state=ImportState.READING, findings_read=12_500)
    ScanImport.objects.create(
        name="broken.json", asked_by=by, state=ImportState.REFUSED, problem="broken.json breaks off.", ended_at=timezone.now()
    )
    said = text_of(window(viewer).get("/scans/"))
    assert "One file is being read." in said
    assert "large.json Being read 12,500 findings so far." in said
    assert "broken.json Refused broken.json breaks off." in said


def test_hostile_words_of_a_report_are_text(viewer: User) -> None:
    data = trivy(registered("one").digest, target=f"{SCRIPT}\x1b[31m", findings=(vulnerability(**HOSTILE),))
    report = brought(data, f"{SCRIPT}.json")
    ScanReport.objects.filter(pk=report.pk).update(tool=SCRIPT)
    page = window(viewer).get("/scans/").content.decode()
    assert SCRIPT not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;" in page


def test_somebody_without_a_role_is_refused(nobody: User) -> None:
    answer = window(nobody).get("/scans/")
    assert answer.status_code == 403
    assert "Reading scan reports takes the role" in text_of(answer)
