from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from deploy_records import audit, deployments, ledger, verdict
from deploy_records.models import AuditEvent, Deployment, ImageDigest, LedgerState
from tests.deploy_records.images import REPOSITORY, sha, single
from tests.factories import scanned

pytestmark = pytest.mark.django_db
HERE = ("prod-1", "chatbot")


@pytest.fixture
def builds(operator: User, manager: User) -> list[ImageDigest]:
    """Three approved digests."""
    made = [scanned(ledger.register(single(f"build {number}"), operator)) for number in (1, 2, 3)]
    return [ledger.approve(entry, manager).entry for entry in made]


@pytest.fixture
def slow_clock() -> Iterator[None]:
    """A clock that stands still and then goes back: every next look is a minute earlier."""
    start = timezone.now()
    moments = (start - timedelta(minutes=minute) for minute in range(10_000))
    with patch("deploy_records.deployments.timezone.now", side_effect=lambda: next(moments)):
        yield


def ran(entry: ImageDigest, job: int, service: tuple[str, str] = HERE, kind: str = "upgrade") -> Deployment:
    made = deployments.begin(*service, entry, kind, job=job)
    deployments.healthy(*service, entry, job=job)
    return made


def history() -> list[tuple[str, str, str]]:
    rows = Deployment.objects.order_by("started_at", "pk").select_related("entry")
    return [(row.entry.digest, row.kind, row.outcome) for row in rows]


def test_a_deployment_begins_with_all_that_is_known_of_it(builds: list[ImageDigest], operator: User) -> None:
    decision = verdict.ask(builds[0])
    made = deployments.begin(*HERE, builds[0], "upgrade", by=operator, job=4, reason="Release.", gate=decision.as_data())
    kept = Deployment.objects.get(pk=made.pk)
    assert (kept.by, kept.job, kept.reason, kept.outcome) == (operator, 4, "Release.", "running")
    assert kept.gate["sentence"] == decision.sentence
    event = AuditEvent.objects.latest("sequence")
    assert (event.action, event.actor, event.object_name) == ("deployment.began", "otto", "chatbot on prod-1")
    assert event.changes == {"digest": [None, builds[0].digest]}


def test_the_next_deployment_replaces_the_open_one(builds: list[ImageDigest]) -> None:
    first = deployments.begin(*HERE, builds[0], "adopted", job=1)
    second = deployments.begin(*HERE, builds[1], "upgrade", job=2)
    first.refresh_from_db()
    assert (first.outcome, first.ended_at) == ("replaced", second.started_at)
    now = deployments.current(*HERE)
    assert now == second


def test_beginning_the_same_again_changes_nothing(builds: list[ImageDigest]) -> None:
    first = deployments.begin(*HERE, builds[0], "upgrade", job=1)
    events = AuditEvent.objects.count()
    assert deployments.begin(*HERE, builds[0], "upgrade", job=1) == first
    assert AuditEvent.objects.count() == events


def test_services_of_one_name_on_two_hosts_do_not_meet(builds: list[ImageDigest]) -> None:
    deployments.begin("prod-1", "chatbot", builds[0], "upgrade", job=1)
    deployments.begin("prod-2", "chatbot", builds[1], "upgrade", job=2)
    one, two = deployments.current("prod-1", "chatbot"), deployments.current("prod-2", "chatbot")
    assert one
    assert two
    assert (one.entry, two.entry) == (builds[0], builds[1])


def test_undoing_ends_the_jobs_deployment_and_opens_one_for_what_runs_again(builds: list[ImageDigest]) -> None:
    ran(builds[0], 1)
    deployments.begin(*HERE, builds[1], "upgrade", job=2)
    again = deployments.undo(*HERE, job=2, back_to=builds[0])
    assert again
    assert (again.entry, again.kind, again.job) == (builds[0], "undo", 2)
    assert [row[1:] for row in history()] == [("upgrade", "replaced"), ("upgrade", "undone"), ("undo", "running")]


def test_undoing_may_be_repeated(builds: list[ImageDigest]) -> None:
    ran(builds[0], 1)
    deployments.begin(*HERE, builds[1], "upgrade", job=2)
    again = deployments.undo(*HERE, job=2, back_to=builds[0])
    assert deployments.undo(*HERE, job=2, back_to=builds[0]) == again
    assert len(history()) == 3


def test_undoing_when_the_job_began_nothing_changes_nothing(builds: list[ImageDigest]) -> None:
    assert deployments.undo(*HERE, job=2, back_to=builds[0]) is None
    first = ran(builds[0], 1)
    assert deployments.undo(*HERE, job=2, back_to=builds[0]) == first
    assert history() == [(builds[0].digest, "upgrade", "running")]


def test_a_later_jobs_deployment_is_not_undone_by_an_earlier_job(builds: list[ImageDigest]) -> None:
    ran(builds[0], 1)
    deployments.begin(*HERE, builds[1], "upgrade", job=2)
    third = deployments.begin(*HERE, builds[2], "upgrade", job=3)
    assert deployments.undo(*HERE, job=2, back_to=builds[0]) == third


def test_undoing_to_what_is_not_in_the_ledger_leaves_nothing_open(builds: list[ImageDigest]) -> None:
    deployments.begin(*HERE, builds[1], "upgrade", job=2)
    assert deployments.undo(*HERE, job=2, back_to=None) is None
    assert deployments.current(*HERE) is None


def test_an_end_without_a_successor_may_be_repeated(builds: list[ImageDigest]) -> None:
    first = ran(builds[0], 1)
    ended = deployments.end(*HERE, reason="Taken out of management.")
    assert ended == first
    assert deployments.end(*HERE) is None
    assert AuditEvent.objects.latest("sequence").reason == "Taken out of management."


def test_what_ran_healthy_is_known_good_and_the_first_moment_is_kept(builds: list[ImageDigest]) -> None:
    deployments.begin(*HERE, builds[0], "upgrade", job=1)
    assert deployments.healthy(*HERE, builds[0], job=1)
    first = Deployment.objects.get().healthy_at
    assert deployments.healthy(*HERE, builds[0], job=1)
    assert Deployment.objects.get().healthy_at == first
    assert ImageDigest.objects.get(pk=builds[0].pk).state == LedgerState.KNOWN_GOOD
    assert AuditEvent.objects.filter(action="deployment.healthy").count() == 1


def test_looking_at_a_healthy_service_again_and_again_writes_nothing(
    builds: list[ImageDigest], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ran(builds[0], 1)
    with django_assert_num_queries(1):
        assert deployments.healthy(*HERE, builds[0], actor=audit.WATCHER)


def test_what_is_not_deployed_here_is_not_noted_as_healthy(builds: list[ImageDigest]) -> None:
    deployments.begin(*HERE, builds[0], "upgrade", job=1)
    assert not deployments.healthy(*HERE, builds[1], job=1)
    assert not deployments.healthy("prod-2", "chatbot", builds[0], job=1)
    assert ImageDigest.objects.get(pk=builds[1].pk).state == LedgerState.APPROVED


def test_a_clock_set_back_breaks_nothing(builds: list[ImageDigest], slow_clock: None) -> None:
    ran(builds[0], 1)
    ran(builds[1], 2)
    deployments.end(*HERE)
    for row in Deployment.objects.all():
        assert row.ended_at is not None
        assert row.ended_at >= row.started_at


class TestWhereToRollBackTo:
    def test_the_last_other_digest_that_ran_healthy_here(self, builds: list[ImageDigest]) -> None:
        for job, entry in enumerate(builds, start=1):
            ran(entry, job)
        assert deployments.previous_known_good(*HERE, builds[2].digest) == builds[1]
        assert list(deployments.known_good_targets(*HERE)) == [builds[2], builds[1], builds[0]]

    def test_the_one_that_ran_last_comes_first_and_each_comes_once(self, builds: list[ImageDigest]) -> None:
        for job, entry in enumerate([builds[0], builds[1], builds[0], builds[2]], start=1):
            ran(entry, job)
        assert list(deployments.known_good_targets(*HERE)) == [builds[2], builds[0], builds[1]]
        assert deployments.previous_known_good(*HERE, builds[2].digest) == builds[0]

    def test_what_was_undone_never_was_a_target(self, builds: list[ImageDigest]) -> None:
        ran(builds[0], 1)
        ran(builds[1], 2)
        deployments.undo(*HERE, job=2, back_to=builds[0])
        assert list(deployments.known_good_targets(*HERE)) == [builds[0]]
        assert deployments.previous_known_good(*HERE, builds[0].digest) is None

    def test_what_was_undone_once_but_ran_well_at_another_time_is_one(self, builds: list[ImageDigest]) -> None:
        ran(builds[1], 1)
        ran(builds[0], 2)
        deployments.begin(*HERE, builds[1], "upgrade", job=3)
        deployments.undo(*HERE, job=3, back_to=builds[0])
        assert deployments.previous_known_good(*HERE, builds[0].digest) == builds[1]

    def test_what_never_became_healthy_here_is_none(self, builds: list[ImageDigest]) -> None:
        ran(builds[0], 1)
        ran(builds[1], 2, ("prod-2", "chatbot"))
        deployments.begin(*HERE, builds[1], "upgrade", job=3)
        deployments.begin(*HERE, builds[2], "upgrade", job=4)
        assert deployments.previous_known_good(*HERE, builds[2].digest) == builds[0]

    @pytest.mark.parametrize("deed", [ledger.deprecate, ledger.revoke])
    def test_what_is_deprecated_or_revoked_is_none(self, builds: list[ImageDigest], manager: User, deed: object) -> None:
        for job, entry in enumerate(builds, start=1):
            ran(entry, job)
        deed(builds[1], manager, "Leaks.")  # type: ignore[operator]  # one of two functions of the same form
        assert deployments.previous_known_good(*HERE, builds[2].digest) == builds[0]

    def test_what_belongs_to_another_repository_is_none(self, builds: list[ImageDigest], operator: User, manager: User) -> None:
        ran(builds[0], 1)
        foreign = scanned(ledger.register(single("theirs", repository="registry.example.com/other"), operator))
        ran(ledger.approve(foreign, manager).entry, 2)
        ran(builds[2], 3)
        assert deployments.previous_known_good(*HERE, sha("build 3"), repository=REPOSITORY) == builds[0]
