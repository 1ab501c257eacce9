import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoAssertNumQueries

from deploy_records import deployments, ledger, listing
from deploy_records.models import ImageDigest
from deploy_records.paging import page_of
from tests.deploy_records.images import single
from tests.factories import approval, scanned

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("number", [1, 12])
def test_the_ledgers_rows_take_as_many_queries_however_many_they_are(
    operator: User, manager: User, number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for one in range(number):
        entry = scanned(ledger.register(single(f"build {one}", tag=f"1.0.{one}"), operator))
        ledger.approve(entry, manager)
        deployments.begin("prod-1", f"service-{one}", entry, "upgrade")
    with django_assert_num_queries(2):
        page = page_of(listing.digests(), "registered_at")
        rows = [(row.tag, row.registered_by.username, row.approvals_now, len(row.open_deployments)) for row in page.rows]
    assert rows == [(f"1.0.{one}", "otto", 1, 1) for one in reversed(range(number))]


def test_approvals_are_counted_as_the_gate_counts_them(
    candidate: ImageDigest, manager: User, other_manager: User, operator: User
) -> None:
    def counted() -> int:
        return int(listing.digests().get(pk=candidate.pk).approvals_now)

    assert counted() == 0
    ledger.approve(candidate, manager)
    given = ledger.approve(candidate, other_manager)
    approval(candidate, operator)
    assert counted() == 2
    ledger.withdraw(given, other_manager, "Wrong build.")
    assert counted() == 1
    manager.groups.clear()
    assert counted() == 0


def test_only_what_runs_now_is_listed_with_a_digest(candidate: ImageDigest) -> None:
    deployments.begin("prod-1", "chatbot", candidate, "upgrade")
    deployments.begin("prod-2", "chatbot", candidate, "upgrade")
    deployments.end("prod-1", "chatbot")
    row = listing.digests().get()
    assert [one.host for one in row.open_deployments] == ["prod-2"]


@pytest.mark.parametrize("number", [1, 12])
def test_deployments_take_one_query(
    candidate: ImageDigest, operator: User, number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for one in range(number):
        deployments.begin("prod-1", f"service-{one}", candidate, "upgrade", by=operator)
    with django_assert_num_queries(1):
        rows = [(row.entry.digest, row.by and row.by.username) for row in listing.deployments()]
    assert rows == [(candidate.digest, "otto")] * number
