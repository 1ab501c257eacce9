"""How all services are and have been, at once; and the stretches of one, to the moment."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chatbot_service.health import details, everywhere
from chatbot_service.health.runs import Touch
from chatbot_service.models import HealthTransition, Service
from tests import factories as make

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def service() -> Service:
    return make.service(runs=make.entry("new"))


def test_what_was_stopped_on_purpose_is_not_down(service: Service) -> None:
    now = timezone.now()
    Service.objects.update(seen_state="exited", seen_health="none")
    make.transition(service, "down", now - HOUR)
    service.refresh_from_db()
    assert everywhere.all_services(now)[0].light.word == everywhere.light_now(service, now).word == "Down"
    make.transition(service, "stopped", now - HOUR / 2)
    assert everywhere.all_services(now)[0].light.word == everywhere.light_now(service, now).word == "Stopped"


def test_since_nobody_looks_a_service_is_unknown_whatever_was_seen_last(service: Service) -> None:
    now = timezone.now()
    Service.objects.update(seen_at=now - HOUR)
    found = everywhere.all_services(now)[0]
    assert [run.state for run in found.runs] == ["healthy", "unknown"]
    assert not found.light.good


def test_a_service_without_a_recorded_day_has_no_share_and_comes_after_those_that_were_ill(service: Service) -> None:
    found = everywhere.all_services()[0]
    assert [found.totals[days].share for days in everywhere.DAYS] == [None, None, None]
    assert found.days == []


def test_stretches_are_exact_and_a_jobs_pause_is_apart(service: Service) -> None:
    now = timezone.now()
    HealthTransition.objects.all().delete()
    start = now - 4 * HOUR
    for hours, state in ((5.0, "healthy"), (3.0, "down"), (2.9, "healthy"), (1.0, "down"), (0.99, "healthy")):
        make.transition(service, state, now - timedelta(hours=hours), make.sha("new"))
    touch = Touch(now - timedelta(hours=1.001), now - timedelta(hours=0.98))
    found = details.stretches(service, start, now, [touch])
    assert found.whole
    assert [one.state for one in found.found] == ["healthy", "down", "healthy", "pause", "healthy"]
    assert found.found[0].start == start
    assert found.found[-1].end == now
    assert found.found[1].end - found.found[1].start == timedelta(hours=0.1)


def test_too_many_changes_are_not_claimed_to_be_all(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(details, "MOST_CHANGES", 5)
    now = timezone.now()
    for minutes in range(10):
        make.transition(service, "down" if minutes % 2 else "healthy", now - timedelta(minutes=minutes + 1))
    found = details.stretches(service, now - HOUR, now, [])
    assert not found.whole
    assert len(found.found) == 6


def test_after_the_last_look_a_stretch_is_unknown(service: Service) -> None:
    now = timezone.now()
    service.seen_at = now - HOUR
    found = details.stretches(service, now - 3 * HOUR, now, [])
    assert [(one.state, one.end - one.start) for one in found.found] == [("healthy", 2 * HOUR), ("unknown", HOUR)]
