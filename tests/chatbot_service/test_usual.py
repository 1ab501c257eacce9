from datetime import timedelta

import pytest
from django.utils import timezone

from chatbot_service import usual
from chatbot_service.models import Job, JobState, Kind, Service
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def service() -> Service:
    return make.service(runs=make.entry())


def ran(service: Service, seconds: float, *, days_ago: int = 1, state: str = JobState.SUCCEEDED) -> Job:
    asked = timezone.now() - timedelta(days=days_ago)
    return make.job(Kind.RESTART, service, state, asked=asked, step_seconds=seconds)


def test_usual_is_the_median_of_the_last_runs(service: Service) -> None:
    for number, seconds in enumerate((2, 3, 40)):
        ran(service, seconds, days_ago=number + 1)
    found = usual.of(Kind.RESTART, service)
    assert found.of("serving") == 3
    assert found.runs == 3
    assert found.total(["look", "stop"]) == 6


def test_only_the_last_nine_count(service: Service) -> None:
    for number in range(9):
        ran(service, 2, days_ago=number + 1)
    for number in range(20):
        ran(service, 60, days_ago=number + 30)
    assert usual.of(Kind.RESTART, service).of("serving") == 2


def test_what_failed_says_nothing_about_the_usual(service: Service) -> None:
    make.job(Kind.RESTART, service, JobState.FAILED, done=("look", "stop"), failed="start", step_seconds=90)
    assert usual.of(Kind.RESTART, service).of("stop") is None


def test_without_a_run_of_its_own_those_of_others_count_and_are_said_to_be_theirs(service: Service) -> None:
    ran(make.service("other", runs=make.entry("other")), 5)
    found = usual.of(Kind.RESTART, service)
    assert found.of("serving") == 5
    assert found.elsewhere


def test_with_no_run_at_all_nothing_is_claimed(service: Service) -> None:
    found = usual.of(Kind.RESTART, service)
    assert found.of("serving") is None
    assert found.total(["serving"]) is None
    assert found.pause is None


def test_the_pause_is_from_the_switch_until_it_answered(service: Service) -> None:
    make.job(Kind.ROLLBACK, service, step_seconds=4)
    assert usual.of(Kind.ROLLBACK, service).pause == 8


def test_the_way_back_is_counted_from_the_request_until_it_answers(service: Service) -> None:
    other = make.service("other", runs=make.entry("other"))
    make.job(Kind.ROLLBACK, service, step_seconds=4)
    make.job(Kind.ROLLBACK, other, step_seconds=2)
    times = usual.rollback_times()
    assert (times[service.pk], times[other.pk], times[0]) == (24, 12, 18)
