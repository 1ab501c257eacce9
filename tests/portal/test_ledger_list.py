import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from deploy_records.models import LedgerState
from tests import factories
from tests.deploy_records.images import sha as scan_sha
from tests.deploy_records.scan_files import trivy, vulnerability
from tests.factories import person, sha
from tests.portal.looking import queries, text_of, window
from tests.portal.scanning import brought, registered

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator() -> User:
    return person("Operator", name="olga")


@pytest.fixture
def manager() -> User:
    return person("Release manager", name="ruth")


def test_it_says_how_many_may_run_and_where_each_runs(manager: User) -> None:
    good, waiting = factories.entry("good"), factories.entry("waiting", LedgerState.CANDIDATE)
    factories.service("chatbot", runs=good)
    answer = window(manager).get("/ledger/")
    said = text_of(answer)
    assert "1 of 2 digests may run. 1 candidate waits for approval." in said
    assert f'title="{good.digest}"' in answer.content.decode()
    assert f'title="{waiting.digest}"' in answer.content.decode()
    assert "chatbot on prod-1" in said
    assert "0 of 1" in said
    assert "1 of 1" in said


def test_an_empty_ledger_teaches_and_offers_the_first_step_to_those_who_may(operator: User) -> None:
    for_viewer, for_operator = window(person("Viewer")).get("/ledger/"), window(operator).get("/ledger/")
    assert "Somebody else then approves it." in text_of(for_viewer)
    assert "/ledger/register/" not in for_viewer.content.decode()
    assert "/ledger/register/" in for_operator.content.decode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=approved", {"b"}),
        ("repository=registry.test/other", {"c"}),
        ("q=v1.9", {"b"}),
        (f"q={sha('a')[:20].upper()}", {"a"}),
        ("q=other", {"c"}),
        ("state=candidate&repository=registry.test/other", {"c"}),
        ("state=nonsense", {"a", "b", "c"}),
        ("q=%00%0a", {"a", "b", "c"}),
        ("q=nothing+like+it", set()),
    ],
)
def test_filters_are_in_the_address(query: str, found: set[str], manager: User) -> None:
    factories.entry("a", LedgerState.CANDIDATE)
    factories.entry("b", LedgerState.APPROVED, tag="v1.9.1")
    factories.entry("c", LedgerState.CANDIDATE, repository="registry.test/other")
    page = window(manager).get(f"/ledger/?{query}").content.decode()
    assert {word for word in "abc" if f'title="{sha(word)}"' in page} == found


def test_a_filter_that_finds_nothing_says_so_and_leads_back(manager: User) -> None:
    factories.entry("a")
    answer = window(manager).get("/ledger/?q=nothing")
    assert "No digest matches these filters." in text_of(answer)
    assert "Clear 1 filter" in text_of(answer)


def test_every_digest_is_on_exactly_one_page(manager: User, operator: User) -> None:
    made = [factories.entry(n, LedgerState.CANDIDATE, registered_by=operator).digest for n in range(101)]
    seen: list[str] = []
    address = "/ledger/"
    while address:
        page = window(manager).get(address).content.decode()
        seen += re.findall(r'title="(sha256:[0-9a-f]{64})"', page)
        older = re.search(r'href="(\?at=older-[^"]+)"', page)
        address = f"/ledger/{older[1]}" if older else ""
    assert sorted(seen) == sorted(made)


def test_a_place_in_the_list_that_is_made_up_is_refused(manager: User) -> None:
    answer = window(manager).get("/ledger/?at=older-99991332T000000000000-1")
    assert answer.status_code == 400
    assert "This place in the list is not known." in text_of(answer)


def test_it_takes_as_many_queries_for_thirty_as_for_three(manager: User, operator: User) -> None:
    client = window(manager)
    for n in range(3):
        factories.service(f"service-{n}", runs=factories.entry(n, registered_by=operator), added_by=operator)
    few = queries(client, "/ledger/")
    for n in range(3, 30):
        factories.service(f"service-{n}", runs=factories.entry(n, registered_by=operator), added_by=operator)
    assert queries(client, "/ledger/") == few
    assert few <= 20


def test_htmx_is_given_the_list_without_its_frame(manager: User) -> None:
    factories.entry("a")
    page = window(manager).get("/ledger/?state=known-good", headers={"HX-Request": "true"}).content.decode()
    assert page.lstrip().startswith('<section class="card" id="ledger"')
    assert "<html" not in page


def test_somebody_without_a_role_is_refused(manager: User) -> None:
    answer = window(person()).get("/ledger/")
    assert answer.status_code == 403
    assert "Reading the ledger takes the role" in text_of(answer)


# Findings


def test_each_row_says_what_reports_found(manager: User) -> None:
    found = registered("found")
    brought(trivy(found.digest, findings=(vulnerability("CVE-2026-1", "CRITICAL"), vulnerability("CVE-2026-2", "LOW"))))
    brought(trivy(registered("clean").digest, findings=()))
    registered("not looked at")
    said = text_of(window(manager).get("/ledger/"))
    assert "1 Critical" in said
    assert "1 lower" in said
    assert "None found" in said
    assert "not scanned" in said


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("severity=critical", {"unknown"}),
        ("severity=high", {"unknown", "high"}),
        ("severity=any", {"unknown", "high", "low"}),
        ("severity=none", {"clean"}),
        ("severity=not-scanned", {"unscanned"}),
        ("severity=nonsense", {"unknown", "high", "low", "clean", "unscanned"}),
        ("tag=v-high", {"high"}),
        ("tag=v-hig", set()),
        ("tag=%22", set()),
        ("severity=high&tag=v-unknown", {"unknown"}),
    ],
)
def test_it_is_filtered_by_findings_and_by_tag(query: str, found: set[str], manager: User) -> None:
    for word in ("unknown", "high", "low"):
        one = registered(word, tag=f"v-{word}")
        brought(trivy(one.digest, findings=(vulnerability(severity=word.upper()),)))
    brought(trivy(registered("clean").digest, findings=()))
    registered("unscanned")
    page = window(manager).get(f"/ledger/?{query}").content.decode()
    words = ("unknown", "high", "low", "clean", "unscanned")
    assert {word for word in words if f'title="{scan_sha(word)}"' in page} == found


@pytest.mark.parametrize(
    ("age", "found"), [("7", {1}), ("30", {1, 20}), ("90", {1, 20, 80}), ("older", {100}), ("nonsense", {1, 20, 80, 100})]
)
def test_it_is_filtered_by_age(age: str, found: set[int], manager: User, operator: User) -> None:
    now = timezone.now()
    for days in (1, 20, 80, 100):
        factories.entry(days, built_at=now - timedelta(days=days), registered_by=operator)
    page = window(manager).get(f"/ledger/?age={age}").content.decode()
    assert {days for days in (1, 20, 80, 100) if f'title="{sha(days)}"' in page} == found
