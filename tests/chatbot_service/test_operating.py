"""Entrances for looking and configuring: who may, what is refused at once, what is kept and for how long."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from chatbot_service import again, look_keeping, operating
from chatbot_service.dispatch import Request
from chatbot_service.jobs.look_ports import LogQuery
from chatbot_service.models import Job, JobState, Kind, Service
from chatbot_service.secrets import unseal
from deploy_records.errors import Invalid, NotAllowed, Refused
from tests import backup_factories as backups
from tests import factories as make

pytestmark = pytest.mark.django_db
CURSOR = "2026-11-23T10:00:00.123456789Z/1"


@pytest.fixture
def service() -> Service:
    return make.service(runs=make.entry(), endpoints=["https://api.test/v1"])


@pytest.fixture
def olga(db: None) -> Request:
    return Request(make.person("Operator", name="olga"), "because")


def test_each_look_starts_a_job_that_names_what_it_is_about(service: Service, olga: Request) -> None:
    assert operating.reach(service, olga).asked == {"endpoints": ["https://api.test/v1"]}
    assert operating.resources(service, olga).asked == {"data_paths": service.data_paths}
    assert operating.logs(service, LogQuery(tail=9_999_999, words="x"), olga).asked["tail"] == 5000


def test_looks_run_beside_a_job_that_changes_the_service(service: Service, olga: Request) -> None:
    backups.job(Kind.RESTART, service, JobState.RUNNING)
    assert operating.probe(service, olga).state == JobState.QUEUED
    with pytest.raises(Refused, match="holds"):
        operating.configure(service, operating.propose(service, {"LOG_LEVEL": "DEBUG"}), olga)


@pytest.mark.parametrize("look", [operating.probe, operating.reach, operating.resources, operating.environment, operating.harden])
def test_a_viewer_is_refused(service: Service, look: Any) -> None:
    with pytest.raises(NotAllowed):
        look(service, Request(make.person("Viewer")))


def test_the_same_look_is_not_begun_twice_and_not_without_end(service: Service, olga: Request) -> None:
    assert operating.probe(service, olga) == operating.probe(service, olga)
    for number in range(operating.MOST_WAITING - 1):
        operating.logs(service, LogQuery(words=f"word {number}"), olga)
    with pytest.raises(Refused, match="under way or wait"):
        operating.logs(service, LogQuery(words="one more"), olga)


def test_a_place_in_the_log_that_was_not_given_out_is_refused(service: Service, olga: Request) -> None:
    with pytest.raises(Invalid):
        operating.follow(service, "2026; rm -rf", "", olga)
    assert operating.follow(service, CURSOR, "", olga).kind == Kind.FOLLOW


def test_a_failed_change_runs_again_with_what_was_asked_until_its_secrets_are_forgotten(service: Service, olga: Request) -> None:
    job = operating.configure(service, operating.propose(service, {"FEATURE": "planted"}), olga)
    Job.objects.filter(pk=job.pk).update(state=JobState.FAILED, ended_at=timezone.now())
    job.refresh_from_db()
    repeated = again.start_again(job, olga)
    assert unseal(repeated.asked["sealed"]["FEATURE"]) == "planted"
    old = timezone.now() - timedelta(days=2)
    Job.objects.filter(kind=Kind.CONFIGURE).update(state=JobState.FAILED, ended_at=old)
    look_keeping.clear()
    job.refresh_from_db()
    assert job.asked["sealed"] == {}
    assert job.asked["cleared"] == ["FEATURE"]
    with pytest.raises(Refused, match="no longer kept"):
        again.start_again(job, olga)
    assert look_keeping.clear() == 0


def test_what_looks_saw_is_forgotten_after_a_day_and_following_after_a_while(service: Service) -> None:
    fresh = backups.job(Kind.LOG, service, result={"lines": [1]})
    old = backups.job(Kind.LOG, service, hours=25, result={"lines": [1]})
    followed = backups.job(Kind.FOLLOW, service, hours=1, result={"lines": [1]})
    kept = backups.job(Kind.BACKUP, service, hours=25, result={"backup": 1})
    running = backups.job(Kind.FOLLOW, service, JobState.RUNNING, hours=1)
    look_keeping.clear()
    for job in (fresh, old, kept):
        job.refresh_from_db()
    assert (fresh.result, old.result, kept.result) == ({"lines": [1]}, {}, {"backup": 1})
    assert not Job.objects.filter(pk=followed.pk).exists()
    assert Job.objects.filter(pk=running.pk).exists()
