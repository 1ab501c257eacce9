from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from chatbot_service.health import details, due, history, rolling
from chatbot_service.health.blocks import MICRO, Probe, moment
from chatbot_service.health.history import SPANS
from chatbot_service.health.rollup import DAY, HOUR
from chatbot_service.health.writing import Batch, HealthWriter
from chatbot_service.models import HealthTransition, Service
from tests import factories
from tests.chatbot_service.health.test_rolling import BEGIN, at, look, probes_of

pytestmark = pytest.mark.django_db
HOURS = 50
OLD, NEW = factories.sha("old"), factories.sha("new")


@pytest.fixture(scope="module")
def probes() -> list[Probe]:
    return probes_of(HOURS)


@pytest.fixture
def service(probes: list[Probe]) -> Service:
    """Two days of history: an outage of ten minutes in the middle, another digest since then; rolled up until 3 h ago."""
    made = factories.service(seen_at=moment(at(HOURS * HOUR)))
    HealthTransition.objects.all().delete()
    for second, state, digest in [
        (0, "healthy", OLD), (24 * HOUR + 100, "unhealthy", OLD), (24 * HOUR + 700, "healthy", NEW), (49 * HOUR, "down", NEW),
        (49 * HOUR + 60, "healthy", NEW),
    ]:  # fmt: skip
        factories.transition(made, state, moment(at(second)), digest)
    HealthWriter(made.host).write(Batch(looks=[(made.pk, look(*probes))]), moment(at(0)))
    while rolling.roll(made.host, moment(at(47 * HOUR)) + due.GRACE):
        pass
    return made


@pytest.mark.parametrize("key", SPANS)
def test_a_span_reaches_to_this_moment_and_each_second_is_in_one_state(service: Service, key: str) -> None:
    now = moment(at(HOURS * HOUR - 17))
    found = history.read(service, SPANS[key], now)
    assert found.pieces[-1].end == found.end == now
    assert all(before.end == after.start for before, after in zip(found.pieces, found.pieces[1:], strict=False))
    since = max(found.start, moment(BEGIN * MICRO))
    assert sum(found.totals.states.values(), timedelta()) == now - since
    assert found.totals.states["down"] == timedelta(seconds=60)


@pytest.mark.parametrize("key", ["7d", "30d", "90d", "1y"])
def test_all_widths_tell_the_same_totals(service: Service, probes: list[Probe], key: str) -> None:
    found = history.read(service, SPANS[key], moment(at(HOURS * HOUR)))
    assert found.totals.states["unhealthy"] == timedelta(seconds=600)
    assert (found.totals.probes, found.totals.failures) == (len(probes), sum(probe.failed for probe in probes))
    assert found.totals.p95 == pytest.approx(0.145, rel=0.06)
    assert [(line.digest, line.flaps) for line in found.digests] == [(NEW, 1), (OLD, 1)]
    assert [line.share for line in found.digests] == [pytest.approx(99.93, abs=0.01), pytest.approx(99.31, abs=0.01)]


def test_the_worst_of_a_bucket_is_drawn_and_what_is_not_recorded_is_unknown(service: Service) -> None:
    found = history.read(service, SPANS["30d"], moment(at(HOURS * HOUR)))
    assert [run.state for run in found.runs] == ["unknown", "healthy", "unhealthy", "healthy", "down"]
    assert found.runs[0].end == moment(BEGIN * MICRO)


def test_after_the_last_look_it_is_unknown(service: Service) -> None:
    found = history.read(service, SPANS["7d"], moment(at(HOURS * HOUR)) + timedelta(hours=2))
    assert found.totals.states["unknown"] == timedelta(hours=2)
    assert found.runs[-1].state == "unknown"


def test_the_number_of_queries_is_the_same_for_every_span(
    service: Service, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for span in SPANS.values():
        with django_assert_max_num_queries(11):
            history.read(service, span, moment(at(HOURS * HOUR)))
    with django_assert_max_num_queries(3):
        details.transitions(service, moment(at(0)), moment(at(HOURS * HOUR)))


def test_transitions_say_how_long_they_lasted_and_what_the_probe_said(service: Service) -> None:
    failing = Probe("c", at(24 * HOUR + 99), 1, 1, "no route to host")
    HealthWriter(service.host).write(Batch(looks=[(service.pk, look(failing))]), moment(at(0)))
    lines = details.transitions(service, moment(at(DAY)), moment(at(49 * HOUR)))
    assert [(line.state, line.output) for line in lines] == [("healthy", ""), ("unhealthy", "no route to host")]
    assert lines[1].until == lines[0].at
    assert lines[0].until == moment(at(49 * HOUR))


def test_single_probes_of_a_stretch_come_as_they_were(service: Service, probes: list[Probe]) -> None:
    wanted = [probe for probe in probes if at(1000) <= probe.start < at(2000)]
    assert details.probes(service, moment(at(1000)), moment(at(2000))) == wanted
    assert details.events(service, moment(at(0)), moment(at(9000))) == []


def test_shares_of_many_services_are_of_whole_days(service: Service) -> None:
    other = factories.service("other", added_by=service.added_by)
    found = history.shares([service.pk, other.pk], 1, moment(at(30 * HOUR)))
    assert set(found) == {service.pk}
    assert found[service.pk].states == {"healthy": timedelta(seconds=DAY - 600), "unhealthy": timedelta(seconds=600)}


def test_a_service_of_which_nothing_is_known_has_a_history_of_unknown() -> None:
    found = history.read(factories.service("new"), SPANS["90d"])
    assert {piece.state for piece in found.pieces} == {"unknown"}
    assert found.totals.share is None
