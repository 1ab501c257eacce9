from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from chatbot_service import board
from chatbot_service.models import JobState, Kind
from deploy_records import deployments
from deploy_records.models import Outcome
from tests import factories as make

pytestmark = pytest.mark.django_db


def test_a_service_that_runs_as_approved_is_well_in_all_respects() -> None:
    service = make.service(runs=make.entry("new"))
    make.ran_before(service, make.entry("old"))
    (row,) = board.rows()
    assert (row.approved.word, row.health.word, row.rollback.word) == ("Gate passes", "Healthy", "Ready")
    assert row.summary.share == 100
    assert row.target is not None
    assert row.target.digest == make.sha("old")


def test_the_worst_comes_first() -> None:
    entry = make.entry()
    make.service("a_well", runs=entry)
    make.service("b_drifted", runs=entry, drift="runs 1, the pin names 2: changed outside the portal")
    make.service("c_down", runs=entry, seen_state="exited", seen_health="none")
    assert [row.service.name for row in board.rows()] == ["b_drifted", "c_down", "a_well"]


@pytest.mark.parametrize(
    "case", ["never ran elsewhere", "the running one only", "an older one", "undone", "deprecated", "unhealthy"]
)
def test_the_target_of_a_rollback_is_the_one_that_the_record_names(case: str) -> None:
    running = make.entry("running")
    service = make.service(runs=running)
    other = make.service("other", runs=make.entry("other"))
    make.ran_before(other, make.entry("elsewhere"))
    if case != "never ran elsewhere":
        make.ran_before(service, running, days=40)
    if case == "an older one":
        make.ran_before(service, make.entry("older"), days=60)
        make.ran_before(service, make.entry("old"), days=20)
    if case == "undone":
        make.deployment(
            service,
            make.entry("undone"),
            started=timezone.now() - timedelta(days=9),
            ended=timezone.now(),
            outcome=Outcome.UNDONE,
        )
    if case == "deprecated":
        make.ran_before(service, make.entry("bad", state="deprecated"))
    if case == "unhealthy":
        make.deployment(service, make.entry("ill"), started=timezone.now(), ended=timezone.now(), healthy=False)
    row = board.row_of(service.pk)
    assert row is not None
    expected = deployments.previous_known_good(
        service.host.name, service.name, but_not=service.seen_digest, repository=service.repository
    )
    assert row.target == expected


def test_what_runs_is_found_in_the_ledger_of_its_own_repository_only() -> None:
    service = make.service(runs=make.entry("one"))
    make.entry("two", repository="registry.test/acme/other")
    type(service).objects.update(seen_digest=make.sha("two"))
    (row,) = board.rows()
    assert row.entry is None
    assert row.approved.word == "Not in the ledger"


def test_a_stopped_service_shows_what_is_deployed() -> None:
    service = make.service(runs=make.entry(), seen_state="exited", seen_health="none")
    type(service).objects.update(seen_digest="")
    (row,) = board.rows()
    assert row.entry is not None
    assert row.approved.word == "Gate passes"


def test_a_pause_by_a_job_is_not_down() -> None:
    entry = make.entry()
    service = make.service(runs=entry)
    now = timezone.now()
    asked = now - timedelta(minutes=10)
    job = make.job(Kind.RESTART, service, asked=asked, took=30)
    switched = job.steps.get(key="stop").started_at
    assert switched is not None
    make.transition(service, "down", switched + timedelta(seconds=1))
    make.transition(service, "healthy", switched + timedelta(seconds=4), entry.digest)
    (row,) = board.rows()
    assert row.summary.share == 100
    assert row.summary.paused == timedelta(seconds=3)
    assert row.summary.down == timedelta(0)


def test_the_active_job_is_known() -> None:
    service = make.service(runs=make.entry())
    make.job(of=service, asked=timezone.now() - timedelta(hours=1))
    running = make.job(of=service, state=JobState.RUNNING, failed="gate")
    (row,) = board.rows()
    assert row.active_job == running


@pytest.mark.parametrize("services", [1, 20])
def test_the_number_of_queries_does_not_grow(services: int, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(services):
        service = make.service(f"service_{number}", runs=make.entry(number))
        make.ran_before(service, make.entry(("old", number)))
        make.job(of=service)
        make.transition(service, "unhealthy", timezone.now() - timedelta(hours=3))
        make.transition(service, "healthy", timezone.now() - timedelta(hours=2))
    with django_assert_max_num_queries(13):
        for row in board.rows():
            assert row.approved.good
